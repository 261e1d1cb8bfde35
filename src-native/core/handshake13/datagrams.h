#ifndef DGRAM_DTLS_CORE_HANDSHAKE13_DATAGRAMS_H_
#define DGRAM_DTLS_CORE_HANDSHAKE13_DATAGRAMS_H_

#include "core/flights13/flights.h"
#include "core/handshake/session_policy.h"
#include "core/outbox/outlet.h"
#include "core/records13/records13.h"

namespace dtls {

// The messages of a session of this policy, which go on with these numbers.
FlightsConfig flights_config(Role role, const SessionPolicy& policy, uint32_t next_in,
                             uint32_t next_out);

// Its records, of which those in clear have numbers from this one on.
Records13::Options records_options(const SessionPolicy& policy, uint64_t next_clear_number);

// What leaves in datagrams for a handshake, and for what follows it.
struct Departures {
  Outlet& outlet;
  Flights& flights;
  Records13& records;
  uint16_t next_untold;  // the message_seq of the first message that no HANDSHAKE record told of

  // Seals what may leave now, and sends it.
  void leave(uint32_t mtu, size_t max_plaintext, double now);
  // An alert, under the newest keys that there are. Only its bytes: whoever fails says why.
  void alert(uint8_t level, uint8_t description);
  void alert_in(uint64_t epoch, uint8_t level, uint8_t description);

 private:
  void tell(const OutgoingRecord& record);
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HANDSHAKE13_DATAGRAMS_H_
