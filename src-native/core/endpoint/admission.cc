// Which handshakes begin where there are as many as a server is to have, and which give way to
// them.

#include "core/endpoint/endpoint.h"

namespace dtls {

// A host's own limits come first: one that has used up its share displaces its own handshakes, and
// nobody beyond them.
bool Endpoint::admit(const PeerAddress& peer, double now) {
  const ListenerLimits& limits = listener_->limits;
  const auto within = [](uint32_t used, uint32_t limit) { return limit == 0 || used < limit; };
  const auto found = hosts_.find(peer.host());
  if (found != hosts_.end()) {
    const Host& host = found->second;
    if ((!within(host.sessions, limits.sessions_per_host) ||
         !within(host.pending, limits.pending_handshakes_per_host)) &&
        !make_room(host.unproven, host_links_, now)) {
      return false;
    }
  }
  return (within(active_, limits.sessions) && within(pending_, limits.pending_handshakes)) ||
         make_room(unproven_, unproven_links_, now);
}

// One of the oldest handshakes whose client has not proved anything gives way: of those that stand
// at the front, that of the host that has most. Not before it has had the time for an answer: in a
// crowd of honest clients those that came first would be thrown out while their answers are on the
// way, and have nothing to do but wait, where a hello that is refused comes again.
bool Endpoint::make_room(const SlotQueue& unproven, const SlotLinks& links, double now) {
  const uint32_t chosen = who_gives_way(unproven, links, now);
  if (chosen == kNoSlot) return false;
  displace(chosen);
  return true;
}

// `besides`: those that end anyway.
uint32_t Endpoint::who_gives_way(const SlotQueue& unproven, const SlotLinks& links, double now,
                                 const Pair& besides) {
  constexpr int kFront = 16;  // so that it costs little, however many there are
  uint32_t chosen = kNoSlot;
  uint32_t most = 0;
  uint32_t slot = unproven.oldest();
  for (int i = 0; i < kFront && slot != SlotLinks::kNone; ++i, slot = links.younger(slot)) {
    const bool ends = slot == besides[0] || slot == besides[1];
    if (ends || !slots_[slot].session->gives_way(now)) continue;
    const uint32_t pending = host_of(slot).pending;
    if (pending <= most) continue;
    chosen = slot;
    most = pending;
  }
  return chosen;
}

void Endpoint::displace(uint32_t slot) {
  ++stats_.handshakesDisplaced;
  slots_[slot].session->displace();
  settle(slot);
}

// A candidate that was begun beside a session gives way to the next one as any handshake does. So
// many hellos from one port begin no more handshakes than one for each wait of the timer. One that
// this side began itself has been beaten by the peer's hello, see Session::turns_away.
bool Endpoint::make_way_beside(uint32_t current, double now) {
  if (current == kNoSlot || slots_[current].candidate == kNoSlot) return true;
  const uint32_t candidate = slots_[current].candidate;
  const Session& session = *slots_[candidate].session;
  if (session.role() == Role::kServer && !session.gives_way(now)) return false;
  end_as_replaced(candidate);
  return true;
}

}  // namespace dtls
