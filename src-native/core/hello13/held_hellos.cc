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
    const Outcome outcome = add_to(known->second, fragment, now, hello);
    if (outcome != Outcome::kRefused) return outcome;
    // It contradicts what is there: the newer one stays, as it may be that of a client that has
    // begun anew, and who forges one would otherwise keep it out.
    drop(known->second);
  }
  begin(peer, record_version, fragment, now);
  return Outcome::kHeld;
}

bool HeldHellos::holds(const PeerAddress& peer, uint16_t sequence, double now) const {
  const auto known = by_peer_.find(peer);
  return known != by_peer_.end() && known->second->message.sequence() == sequence &&
         now < known->second->heard_at + limits_.lifetime;
}

HeldHellos::Outcome HeldHellos::add_to(Place place, const FragmentView& fragment, double now,
                                       std::vector<uint8_t>& hello) {
  const bool was_whole = place->message.complete();
  const bool too_often =
      was_whole ? place->repetitions == limits_.repetitions : place->fragments == limits_.fragments;
  if (too_often || place->message.add(fragment) != nullptr) return Outcome::kRefused;
  place->heard_at = now;
  held_.splice(held_.end(), held_, place);
  const size_t news = place->message.bytes() - place->bytes;
  if (news != 0) {
    ++place->fragments;
    place->bytes += news;
    of_host_[place->host].bytes += news;
    bytes_ += news;
    make_room(place);
  }
  if (!place->message.complete()) return Outcome::kHeld;
  hello = message_of(place->message.body());
  if (was_whole) ++place->repetitions;
  return was_whole ? Outcome::kRepeated : Outcome::kWhole;
}

void HeldHellos::begin(const PeerAddress& peer, uint16_t record_version,
                       const FragmentView& fragment, double now) {
  const PeerAddress host = peer.host();
  const size_t bytes = fragment.body.size;
  held_.push_back({peer, host, HandshakeMessage(record_version, fragment), now, bytes, 1, 0});
  by_peer_.emplace(peer, std::prev(held_.end()));
  OfHost& own = of_host_[host];
  ++own.hellos;
  own.bytes += bytes;
  bytes_ += bytes;
  make_room(std::prev(held_.end()));
}

// The oldest goes, of the same host where that has more than it may have: not the one at hand,
// which is less than all that is kept of one host.
void HeldHellos::make_room(Place kept) {
  const auto too_much = [&] { return held_.size() > limits_.hellos || bytes_ > limits_.bytes; };
  const auto too_much_of_host = [&] {
    const OfHost& own = of_host_.find(kept->host)->second;
    return own.hellos > limits_.hellos_per_host || own.bytes > limits_.bytes_per_host;
  };
  const auto drop_oldest = [&](const auto& while_too_much, bool of_host) {
    for (auto place = held_.begin(); place != held_.end() && while_too_much();) {
      const auto next = std::next(place);
      if (place != kept && (!of_host || place->host == kept->host)) drop(place);
      place = next;
    }
  };
  drop_oldest(too_much_of_host, true);
  drop_oldest(too_much, false);
}

void HeldHellos::drop_old(double now) {
  while (!held_.empty() && now >= held_.front().heard_at + limits_.lifetime) drop(held_.begin());
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
