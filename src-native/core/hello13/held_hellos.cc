#include "core/hello13/held_hellos.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace dtls {

namespace {

constexpr size_t kMessageHeaderSize = 4;

std::vector<uint8_t> message_of(Bytes body) {
  std::vector<uint8_t> message(kMessageHeaderSize + body.size);
  message[0] = static_cast<uint8_t>(HandshakeType::kClientHello);
  write_u24(message.data() + 1, static_cast<uint32_t>(body.size));
  if (body.size != 0) std::copy_n(body.data, body.size, message.data() + kMessageHeaderSize);
  return message;
}

}  // namespace

HeldHellos::Outcome HeldHellos::add(const PeerAddress& peer, uint16_t record_version,
                                    const FragmentView& fragment, double now,
                                    std::vector<uint8_t>& hello) {
  drop_old(now);
  const auto known = by_peer_.find(peer);
  if (fragment.body.size == fragment.message_length) {
    // Whoever says the hello as a whole has no use for its fragments.
    if (known != by_peer_.end()) drop(known->second);
    hello = message_of(fragment.body);
    return Outcome::kWhole;
  }
  if (fragment.body.size == 0 || fragment.message_length > limits_.hello_bytes) {
    return Outcome::kRefused;
  }
  if (known != by_peer_.end()) {
    const Outcome outcome = add_to(known->second, fragment, hello);
    if (outcome != Outcome::kRefused) return outcome;
    // It contradicts what is there: the newer one stays, as it may be that of a client that has
    // begun anew, and who forges one would otherwise keep it out.
    drop(known->second);
  }
  return begin(peer, record_version, fragment, now) ? Outcome::kHeld : Outcome::kRefused;
}

bool HeldHellos::holds(const PeerAddress& peer, uint16_t sequence) const {
  const auto known = by_peer_.find(peer);
  return known != by_peer_.end() && known->second->message.sequence() == sequence;
}

HeldHellos::Outcome HeldHellos::add_to(Place place, const FragmentView& fragment,
                                       std::vector<uint8_t>& hello) {
  if (place->fragments == limits_.fragments || !has_room(*place, fragment.body.size) ||
      place->message.add(fragment) != nullptr) {
    return Outcome::kRefused;
  }
  ++place->fragments;
  place->bytes += fragment.body.size;
  of_host_[place->host].bytes += fragment.body.size;
  bytes_ += fragment.body.size;
  if (!place->message.complete()) return Outcome::kHeld;
  hello = message_of(place->message.body());
  drop(place);
  return Outcome::kWhole;
}

// For another fragment of a hello. Others give way to new hellos only.
bool HeldHellos::has_room(const Held& held, size_t bytes) const {
  return bytes_ + bytes <= limits_.bytes &&
         of_host_.find(held.host)->second.bytes + bytes <= limits_.bytes_per_host;
}

bool HeldHellos::begin(const PeerAddress& peer, uint16_t record_version,
                       const FragmentView& fragment, double now) {
  const size_t most = std::min(limits_.bytes, limits_.bytes_per_host);
  if (fragment.body.size > most || limits_.hellos == 0) return false;
  const PeerAddress host = peer.host();
  make_room(host, fragment.body.size);
  held_.push_back(
      {peer, host, HandshakeMessage(record_version, fragment), now, fragment.body.size, 1});
  by_peer_.emplace(peer, std::prev(held_.end()));
  OfHost& own = of_host_[host];
  ++own.hellos;
  own.bytes += fragment.body.size;
  bytes_ += fragment.body.size;
  return true;
}

// The oldest goes, of the same host where that has as much as it may have.
void HeldHellos::make_room(const PeerAddress& host, size_t bytes) {
  const auto is_full = [&] {
    const auto own = of_host_.find(host);
    return own != of_host_.end() && (own->second.hellos >= limits_.hellos_per_host ||
                                     own->second.bytes + bytes > limits_.bytes_per_host);
  };
  for (auto place = held_.begin(); place != held_.end() && is_full();) {
    const auto next = std::next(place);
    if (place->host == host) drop(place);
    place = next;
  }
  while (!held_.empty() && (held_.size() >= limits_.hellos || bytes_ + bytes > limits_.bytes)) {
    drop(held_.begin());
  }
}

void HeldHellos::drop_old(double now) {
  while (!held_.empty() && now >= held_.front().since + limits_.lifetime) drop(held_.begin());
}

void HeldHellos::forget(const PeerAddress& peer) {
  const auto known = by_peer_.find(peer);
  if (known != by_peer_.end()) drop(known->second);
}

void HeldHellos::drop(Place place) {
  const auto own = of_host_.find(place->host);
  own->second.bytes -= place->bytes;
  if (--own->second.hellos == 0) of_host_.erase(own);
  bytes_ -= place->bytes;
  by_peer_.erase(place->peer);
  held_.erase(place);
}

}  // namespace dtls
