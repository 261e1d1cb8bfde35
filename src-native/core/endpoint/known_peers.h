#ifndef DGRAM_DTLS_CORE_ENDPOINT_KNOWN_PEERS_H_
#define DGRAM_DTLS_CORE_ENDPOINT_KNOWN_PEERS_H_

#include <vector>

#include "core/base/peer_address.h"
#include "core/base/peer_address_hash.h"
#include "core/endpoint/peer_table.h"

namespace dtls {

// Peers of packets, by small numbers: the consumer keeps one object for each, and names by the
// number whom a packet is for. Nothing is ever taken out but all of it, when the consumer says so.
class KnownPeers {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // The number of a peer, who gets one if there is none. From now on packets to it leave from the
  // local address that `peer` has, if it has one.
  uint32_t number_of(const PeerAddress& peer);
  // Null for a number that nobody has.
  const PeerAddress* at(uint32_t number) const {
    return number < peers_.size() ? &peers_[number] : nullptr;
  }
  // The peer as it was last heard of; null where it has no number.
  const PeerAddress* find(const PeerAddress& peer) const;
  void forget();

 private:
  PeerAddressHash hash_;
  PeerTable numbers_;
  std::vector<PeerAddress> peers_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_ENDPOINT_KNOWN_PEERS_H_
