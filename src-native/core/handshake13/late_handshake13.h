#ifndef DGRAM_DTLS_CORE_HANDSHAKE13_LATE_HANDSHAKE13_H_
#define DGRAM_DTLS_CORE_HANDSHAKE13_LATE_HANDSHAKE13_H_

#include <memory>

#include "core/engine13/engine.h"
#include "core/handshake/session_policy.h"
#include "core/handshake13/datagrams.h"

namespace dtls {

enum class KeyUpdateOutcome : uint32_t {
  kSent = 0,
  kNotOpen,
  kUnderWay,  // the one before has not been acknowledged yet
  kNotDtls13,
  kFailed,
};

// What is left of a handshake in an open session of DTLS 1.3: its last flight until the peer has
// it, acknowledgements, updates of keys (RFC 9147 sections 7 and 8), and tickets.
class LateHandshake13 {
 public:
  // `outlet`, `records` and `policy` outlive it. `flights`: not null. `engine`: a client's that may
  // get tickets, or null.
  LateHandshake13(Outlet& outlet, Role role, Records13& records, const SessionPolicy& policy,
                  std::unique_ptr<Flights> flights, std::unique_ptr<HandshakeEngine> engine,
                  uint16_t next_untold, double now);

  Records13& records() { return records_; }
  const Records13& records() const { return records_; }

  // What is not there yet has nothing of the last one. Most datagrams need none.
  void begin_datagram() {
    if (flights_) flights_->begin_datagram();
  }
  void on_unreadable(double now) {
    if (flights_) flights_->on_unreadable(now);
  }
  // What was opened of a record. An outcome with an alert: the session has to end with it, and why
  // is in OpenSSL's queue.
  struct Outcome {
    bool taken = true;
    bool dropped = false;       // it is of no use
    uint8_t alert = 0;          // 0: the session goes on
    bool new_session = false;   // client: a ticket has come
    bool keys_updated = false;  // this side's
    bool keys_read = false;     // the peer's
    bool peer_gone = false;     // nobody acknowledges an update of keys, or the last flight
  };
  Outcome on_handshake(RecordNumber number, Bytes bytes, double now);
  Outcome on_ack(RecordNumber number, Bytes bytes, double now);
  // A record has opened under keys that nothing had come under before.
  void on_first_of_epoch(uint64_t epoch, double now);

  // What came of it leaves, in datagrams of at most `mtu`, which is lowered where those of that
  // size were sent in vain.
  void leave(uint32_t& mtu, size_t max_plaintext, double now);

  // Tells the peer that this side's keys are to change, and has it change its own with `both`.
  KeyUpdateOutcome update_keys(bool both);

  // Client: the server asked for a certificate in the handshake and got none, for this reason, a
  // constant. It judges that when this side is open already.
  void note_withheld_certificate(const char* why) { withheld_certificate_ = why; }
  // Adds to a failure by an alert what is known of its cause.
  void explain_alert(Failure& failure) const;

  double due() const;
  Outcome advance(double now);

  // Nothing is on its way, in either direction.
  bool may_rest() const { return !flights_ || flights_->at_rest(); }
  // The session is idle: gives back what is made anew when it is needed, and a client's engine, for
  // which it is too late by now. Only when it may rest.
  void rest();

  // Client: what a ticket has made of OpenSSL's session.
  SslSessionPtr session() const;
  void forget_path_mtu() {
    if (flights_) flights_->forget_path_mtu();
  }
  // The way to the peer is another one: what it has not acknowledged leaves again.
  void on_moved() {
    if (flights_) flights_->on_moved();
  }

 private:
  friend struct SessionProbe;  // test/native

  Flights& flights();
  void put_flights_away();
  bool may_come(const FragmentView& fragment) const;
  Outcome on_message(const IncomingMessage& message, double now);
  Outcome on_key_update(Bytes body);
  Outcome switch_keys();
  Outcome refuse(int reason, uint8_t alert);

  // So long, in milliseconds, a client's engine waits for a ticket, and records of old keys are
  // opened: twice the lifetime of a segment, RFC 9147 section 5.8.1.
  static constexpr double kLinger = 240'000;
  // And so long for more tickets behind one, which servers send together with it: an engine is ten
  // times what is left of the session.
  static constexpr double kMoreTickets = 1'500;

  Outlet& outlet_;
  Records13& records_;
  const SessionPolicy& policy_;
  std::unique_ptr<Flights>
      flights_;  // null while nothing is under way: then these two say where it was
  uint32_t next_in_ = 0;
  uint32_t next_out_ = 0;
  std::unique_ptr<HandshakeEngine> engine_;
  double engine_until_;
  const char* withheld_certificate_ = nullptr;
  uint16_t next_untold_;  // see Departures
  const Role role_;
  bool seals_handshake_ = true;
  bool answer_due_ = false;  // the peer wishes that this side's keys change, and one is under way
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HANDSHAKE13_LATE_HANDSHAKE13_H_
