#ifndef DGRAM_DTLS_CORE_FLIGHTS13_FLIGHTS_H_
#define DGRAM_DTLS_CORE_FLIGHTS13_FLIGHTS_H_

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "core/flights13/incoming.h"
#include "core/flights13/outgoing.h"
#include "core/flights13/receipts.h"
#include "core/flights13/sent_flight.h"
#include "core/flights13/sent_records.h"

// The handshake messages of DTLS 1.3 on their way: RFC 9147 sections 5 and 7.
namespace dtls {

// How a side begins, or goes on where it was (Flights::next_in and next_out).
struct FlightsConfig {
  bool is_server = false;
  FlightTimes times;
  // The message_seq of the first message that is to be taken, and to be sent. A server that has
  // answered the first hello without keeping anything begins behind that. 65536: there are no more.
  uint32_t next_in = 0;
  uint32_t next_out = 0;
  // The handshake is over: only messages that follow it come and go, and of the client's last
  // flight what is repeated.
  bool complete = false;
  // What waits for an answer is repeated however often that was in vain: a deadline of others ends
  // it.
  bool until_deadline = false;
};

struct FlightsStats {
  uint32_t repetitions = 0;       // flights that were repeated, in whole or in part
  uint32_t repeated_records = 0;  // handshake records in them
  uint32_t acks_sent = 0;
  uint32_t acks_received = 0;
  uint32_t refused = 0;  // handshake records that were not taken
};

// The handshake messages of one side: ours until the peer has them, and the peer's until they are
// whole and in order. It has no keys, no socket and no clock; it owns what it keeps. Times are
// milliseconds.
//
// The order of calls: begin_datagram() for each datagram; for each record in it take(), take_ack()
// or on_unreadable(), and after each take() next() until there is nothing, with set_read_epoch(),
// set_write_epoch() and send() as the engine says; at last leave(), and left() for each record that
// it names. When due() has come: advance(), and leave().
//
// Whatever a peer sends, or anybody in its name: memory is bounded, no call fails but by its
// outcome, and what comes in clear delays a handshake by a repetition, not more.
class Flights {
 public:
  explicit Flights(const FlightsConfig& config);

  // ---- messages out ----

  enum class QueueOutcome : uint8_t {
    kQueued,
    kMalformed,          // not one whole message: type, length, body
    kKeyUpdateUnderWay,  // the last KeyUpdate is not acknowledged yet: RFC 9147 section 8
    kFull,               // kMaxQueued messages are on their way
    kUsedUp,             // no message_seq is left: the association has to end (section 5.2)
  };
  static constexpr size_t kMaxQueued = 32;
  static constexpr uint32_t kLastMessageSeq = 65535;

  // The next message, which is copied. Its epoch: 0 for hellos, 2 for the rest of the handshake, 3
  // and up for what follows. A client's messages of epoch 2 are its last flight. What is queued
  // behind a KeyUpdate waits until that is acknowledged, and leaves in the epoch of that time.
  QueueOutcome send(uint64_t epoch, Bytes message);

  // The datagrams that may leave now, none when there are none: messages, repetitions, ACKs. At
  // most kBurst handshake records; due() tells when the next ones may leave. A datagram is longer
  // than the MTU only where that has no room for a record with a few bytes of a message.
  std::vector<OutgoingDatagram> leave(double now, const LeaveLimits& limits);
  static constexpr size_t kBurst = 10;  // section 5.8.3

  // Whether leave() has anything to do: every datagram that comes asks.
  bool may_leave(double now) const {
    return ack_at_ <= now || (!flights_.empty() && now >= burst_at_ && any_due());
  }

  // A record of leave() has left under this number. One that could not be sealed is not reported:
  // its bytes are repeated when the timer runs out.
  void left(const OutgoingRecord& record, uint64_t number, double now);

  // ---- messages in ----

  enum class TakeOutcome : uint8_t {
    kTaken,      // all of it is kept, or was there
    kRepeated,   // of messages that were handed on before: the peer repeats its flight
    kRefused,    // something of it is not kept, and so it is not acknowledged; it may come again
    kMalformed,  // no handshake fragments. With keys: decode_error; in clear: to be dropped
    kPastKeys,   // goes on behind a change of keys (RFC 8446 section 5.1): unexpected_message
  };

  // The plaintext of a handshake record whose number is new to the replay window.
  TakeOutcome take(const RecordNumber& record, Bytes plaintext, double now);
  // The next message in order, each once, when it is whole. From then on it counts as processed: it
  // acknowledges what it answers, and is acknowledged where that is due. While the engine waits for
  // an answer, do not ask for more.
  std::optional<IncomingMessage> next(double now);
  // The message that next() would give; null when there is none. Valid until the next call.
  const HandshakeMessage* peek() const { return incoming_.peek(); }
  // It is not the peer's, as far as one can tell: another one may come in its place. `ask`: what it
  // claims to answer is said again.
  void turn_away(bool ask);
  // What is taken from now on came in another datagram.
  void begin_datagram() { incoming_.begin_datagram(); }

  // A record came for whose epoch there are no keys yet: what would bring them may be lost.
  void on_unreadable(double now);

  // The epoch that the peer's next messages come in: the one whose keys the engine gave last. What
  // came in a lower one and was not handed on is forgotten. 0 at first, 3 after a handshake.
  void set_read_epoch(uint64_t epoch);
  // The highest epoch that we can seal in: ACKs leave in it. 0 at first, 3 after a handshake.
  void set_write_epoch(uint64_t epoch);

  // ---- ACKs in ----

  struct AckOutcome {
    bool malformed = false;    // with keys: decode_error; in clear: to be dropped
    bool last_flight = false;  // client: the server has got all of our last flight
    bool key_update = false;   // the peer reads with the next keys: ours for writing change now,
                               // and then set_write_epoch()
  };

  // The plaintext of an ACK record that came in `epoch`. Numbers of records that never left say
  // nothing.
  AckOutcome take_ack(uint64_t epoch, Bytes plaintext, double now);

  // ---- time ----

  // When advance() has something to do, or leave() something that may leave; kNever for never.
  double due() const;

  struct Advanced {
    bool flight_lost = false;      // one of the handshake was repeated kOften times, in vain
    bool key_update_lost = false;  // so was a KeyUpdate
    bool key_update = false;       // as in AckOutcome: a message before it was given up
  };
  // In a row. Half of everything may be lost, and a flight still arrives.
  static constexpr uint32_t kOften = 24;
  // What follows the handshake, but for KeyUpdate. It is given up in silence: the peer may be gone,
  // and many sessions may have a ticket to be repeated.
  static constexpr uint32_t kMessageOften = 12;

  Advanced advance(double now);

  // ---- what is known ----

  // Nothing of ours is on its way, and nothing of the peer's is in pieces: a new object with
  // next_in(), next_out() and `complete` would do what this one does.
  bool at_rest() const;
  bool key_update_under_way() const;
  // Messages of the handshake that the peer may not have.
  bool flight_under_way() const;
  uint32_t next_in() const { return incoming_.next(); }
  uint32_t next_out() const { return next_out_; }
  // The longest datagram that leaves: the MTU, or less after flights that were repeated in vain
  // (section 4.4).
  size_t path_mtu() const { return std::min(mtu_, smaller_mtu_); }
  // Somebody knows better what the path takes: the MTU that leave() is told counts.
  void forget_path_mtu() { smaller_mtu_ = std::numeric_limits<size_t>::max(); }
  // The way to the peer is another one: what has left and was not acknowledged is due again, and
  // nothing holds that was learnt of the old way.
  void on_moved();
  const FlightsStats& stats() const { return stats_; }

 private:
  FlightKind kind_of(uint64_t epoch, HandshakeType type) const;
  SentFlight& flight_for(FlightKind kind);
  size_t queued() const;
  void erase(size_t index);
  bool is_held(const SentFlight& flight) const;
  bool may_repeat(const SentFlight& flight) const;
  bool any_due() const;

  void pack_acks(DatagramPacker& packer, double now);
  void pack_ack(DatagramPacker& packer, std::vector<RecordNumber> numbers);
  void pack_flights(DatagramPacker& packer, double now);

  void on_taken(const RecordNumber& record, uint32_t ready_at, bool out_of_order, double now);
  void on_repeated(const RecordNumber& record, uint32_t sequence, double now);
  bool completes(const IncomingMessage& message) const;
  void acknowledge_by(double at);

  void count_numbers(const std::vector<RecordNumber>& numbers, uint64_t epoch, double now);
  AckOutcome end_acknowledged();
  void reduce_mtu(SentFlight& flight);

  Incoming incoming_;
  Receipts receipts_;
  std::vector<SentFlight> flights_;  // in the order of their messages
  SentRecords sent_;
  FlightTimes times_;
  uint64_t write_epoch_;
  double burst_at_ = 0;  // before that no more of our messages leave
  double ack_at_ = kNever;
  size_t mtu_ = std::numeric_limits<size_t>::max();  // as leave() was told
  size_t smaller_mtu_ = mtu_;                        // where that was in vain
  uint32_t next_out_;
  uint32_t flight_from_;  // the first message of the peer's that no flight of ours has answered
  uint32_t asked_ = 0;    // how often an ACK of ours has asked for what is missing
  FlightsStats stats_;
  bool is_server_;
  bool until_deadline_;
  bool complete_;           // the peer's part of the handshake is over
  bool switching_ = false;  // a KeyUpdate of ours has arrived, and set_write_epoch() is to come
  bool ask_ = false;        // the next ACK asks for what is missing
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_FLIGHTS13_FLIGHTS_H_
