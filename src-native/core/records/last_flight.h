#ifndef DGRAM_DTLS_CORE_RECORDS_LAST_FLIGHT_H_
#define DGRAM_DTLS_CORE_RECORDS_LAST_FLIGHT_H_

#include <optional>

#include "core/base/secret.h"
#include "core/records/records.h"
#include "core/wire/flight.h"

namespace dtls {

// The flight that ends a handshake, for the side that sent it. When it is lost, the peer repeats
// its own Finished, and gets it again (RFC 6347 section 4.2.4). What was sent is kept as messages,
// not as records: each time they leave under new numbers of both epochs.
//
// A repetition costs work and is longer than the question, so it is bounded, in number and in time.
// The question is a record that opens and whose number is new, which only the peer can make.
class LastFlight {
 public:
  // As often as OpenSSL repeats a flight.
  static constexpr uint32_t kOften = 12;

  // `flight` as it was sent: what it has in clear (NewSessionTicket, ChangeCipherSpec) is kept.
  // `finished` is the plaintext of its one protected record: the whole Finished message behind its
  // header of a handshake message. It is repeated before `until`.
  LastFlight(Flight flight, Bytes finished, double until);

  double until() const { return until_; }
  // Nobody gets it any more; its memory can be given back.
  bool over(double now) const { return now >= until_ || repeated_ >= kOften; }

  MessageName finished() const;

  // The flight once more, with its Finished sealed under the next number of `records`; its records
  // in clear get theirs when it is cut into datagrams. Nothing when it is over, and when nothing
  // can be sealed.
  std::optional<Flight> repeat(Records& records, double now);

  // How often that was done.
  uint32_t repeated() const { return repeated_; }

 private:
  Bytes in_clear() const { return kept_.view().first(in_clear_); }
  Bytes plain_finished() const { return kept_.view().from(in_clear_); }

  // Its records in clear, one behind the other, and the Finished. A session keeps them for minutes,
  // and as a Flight they would take three times as much.
  SecretBytes kept_;
  double until_;
  uint32_t in_clear_ = 0;
  uint32_t repeated_ = 0;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS_LAST_FLIGHT_H_
