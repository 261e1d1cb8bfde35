#include "core/endpoint/moved_peers.h"

#include <iterator>

namespace dtls {

void MovedPeers::add(const PeerAddress& from, Who who, double now) {
  forget(from);
  if (size() >= kMost) forget(all_->left.front().address);
  if (!all_) all_ = std::make_unique<All>();
  all_->left.push_back({from, who, now + kGrace});
  all_->by_address.emplace(from, std::prev(all_->left.end()));
}

const MovedPeers::Who* MovedPeers::find(const PeerAddress& from, double now) const {
  if (!all_) return nullptr;
  const auto known = all_->by_address.find(from);
  const bool found = known != all_->by_address.end() && now < known->second->until;
  return found ? &known->second->who : nullptr;
}

void MovedPeers::forget(const PeerAddress& peer) {
  if (!all_) return;
  const auto known = all_->by_address.find(peer);
  if (known == all_->by_address.end()) return;
  const auto place = known->second;  // `peer` may lie in it
  all_->by_address.erase(known);
  all_->left.erase(place);
  if (all_->left.empty()) all_.reset();
}

void MovedPeers::advance(double now) {
  while (all_ && now >= all_->left.front().until) forget(all_->left.front().address);
}

}  // namespace dtls
