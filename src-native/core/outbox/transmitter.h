#ifndef DGRAM_DTLS_CORE_OUTBOX_TRANSMITTER_H_
#define DGRAM_DTLS_CORE_OUTBOX_TRANSMITTER_H_

#include "core/base/bytes.h"
#include "core/base/peer_address.h"
#include "core/outbox/outbox.h"

namespace dtls {

// Where an endpoint's datagrams leave by themselves. An endpoint without one has them as TRANSMIT
// records. Takes the bytes over before it returns, and calls nobody back.
class Transmitter {
 public:
  Transmitter(const Transmitter&) = delete;
  Transmitter& operator=(const Transmitter&) = delete;
  virtual ~Transmitter() = default;

  // Where the next datagram to this peer, of that size, will lie, until the next call of whatever
  // else: transmit() finds what was written there in its place. Null: any memory will do.
  virtual uint8_t* room(const PeerAddress& /*to*/, size_t /*size*/) { return nullptr; }

  // `from`: the session, or slot kNoSlot; with a `token` its sender waits for a SENT record.
  virtual void transmit(const PeerAddress& to, SessionId from, uint32_t token, Bytes datagram) = 0;

 protected:
  Transmitter() = default;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_OUTBOX_TRANSMITTER_H_
