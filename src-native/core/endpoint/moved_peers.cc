#include "core/endpoint/moved_peers.h"

#include <iterator>

namespace dtls {

void MovedPeers::add(const PeerAddress& from, Who who, double now) {
  forget(from);
  if (left_.size() >= kMost) forget(left_.front().address);
  left_.push_back({from, who, now + kGrace});
  by_address_.emplace(from, std::prev(left_.end()));
}

const MovedPeers::Who* MovedPeers::find(const PeerAddress& from, double now) const {
  if (left_.empty()) return nullptr;  // most often
  const auto known = by_address_.find(from);
  return known != by_address_.end() && now < known->second->until ? &known->second->who : nullptr;
}

void MovedPeers::forget(const PeerAddress& peer) {
  if (left_.empty()) return;
  const auto known = by_address_.find(peer);
  if (known == by_address_.end()) return;
  const auto place = known->second;  // `peer` may lie in it
  by_address_.erase(known);
  left_.erase(place);
}

void MovedPeers::advance(double now) {
  while (!left_.empty() && now >= left_.front().until) forget(left_.front().address);
  if (left_.empty() && by_address_.bucket_count() > kMost / 16) by_address_ = {};
}

}  // namespace dtls
