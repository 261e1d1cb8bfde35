#include "core/endpoint/known_peers.h"

namespace dtls {

uint32_t KnownPeers::number_of(const PeerAddress& peer) {
  const auto hash = static_cast<uint32_t>(hash_(peer));
  const uint32_t known =
      numbers_.find(hash, [&](uint32_t number) { return peers_[number] == peer; });
  if (known == PeerTable::kNone) {
    const auto made = static_cast<uint32_t>(peers_.size());
    peers_.push_back(peer);
    numbers_.insert(hash, made);
    return made;
  }
  if (peer.local().size != 0 && !peers_[known].same_path(peer)) peers_[known] = peer;
  return known;
}

const PeerAddress* KnownPeers::find(const PeerAddress& peer) const {
  const auto hash = static_cast<uint32_t>(hash_(peer));
  const uint32_t known =
      numbers_.find(hash, [&](uint32_t number) { return peers_[number] == peer; });
  return known == PeerTable::kNone ? nullptr : &peers_[known];
}

void KnownPeers::forget() {
  peers_ = {};
  numbers_ = {};
}

}  // namespace dtls
