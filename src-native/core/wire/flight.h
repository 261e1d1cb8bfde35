#ifndef DGRAM_DTLS_CORE_WIRE_FLIGHT_H_
#define DGRAM_DTLS_CORE_WIRE_FLIGHT_H_

#include <deque>
#include <optional>
#include <vector>

#include "core/wire/message_assembly.h"

namespace dtls {

// What a flight has to keep within.
struct FlightLimits {
  size_t mtu;                           // bytes of a datagram: UDP payload
  size_t max_fragment = kMaxPlaintext;  // bytes in a record, RFC 6066 section 4
};

// What one side says in a handshake before it waits for the other (RFC 6347 section 4.2.4).
// Messages in clear are kept whole, whatever records they were written in. The rest is kept as the
// records that it came in: ChangeCipherSpec, alerts, and what is protected.
//
// Where a flight is cut depends on what it says and on its limits, and on nothing else: some peers
// cannot put a message together from fragments of two cuts, and see its loss in each repetition.
class Flight {
 public:
  Flight() = default;
  explicit Flight(HandshakeMessage message);

  // The next record that was written.
  void add(const RecordView& record);

  // True: the flight has what this record says, so with it a repetition begins.
  bool has(const RecordView& record) const;

  // Only what is in clear is left.
  void drop_protected();

  bool empty() const { return items_.empty(); }

  // The message in clear that is all of the flight; null for any other flight.
  const HandshakeMessage* only_message() const;

  // The messages in clear, a ChangeCipherSpec among them.
  std::vector<MessageName> messages_in_clear() const;

  // Says the same. What is protected is sealed anew each time, and alike only from outside.
  bool repeats(const Flight& other) const;

  // The flight in datagrams. Records in clear take their numbers from `number` on, which is moved
  // behind them; protected ones stay as they are. A record that is longer than the MTU by itself
  // and cannot be cut has a datagram of its own.
  std::deque<std::vector<uint8_t>> datagrams(const FlightLimits& limits, uint64_t& number) const;

  // Where this many repetitions were in vain, a smaller MTU may help (RFC 6347 section 4.1.1.1: a
  // path may drop long datagrams without a word). Nothing where it would make no difference: what
  // fits into a smaller datagram as it is says nothing about the path.
  static constexpr uint32_t kInVain = 2;
  std::optional<uint32_t> smaller_mtu(const FlightLimits& limits) const;

 private:
  struct Item {
    std::optional<HandshakeMessage> message;  // in clear
    std::vector<uint8_t> record;              // where there is no message

    bool says_what(const Item& other) const;
  };

  std::vector<Item> items_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_WIRE_FLIGHT_H_
