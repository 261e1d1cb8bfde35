// A session whose peer is at another address from now on.

#include <algorithm>

#include "core/endpoint/endpoint.h"

namespace dtls {

MoveOutcome Endpoint::may_move(uint32_t slot, uint32_t generation, const PeerAddress& to,
                               double now) {
  return room_at(to, find(slot, generation), now).outcome;
}

MoveOutcome Endpoint::move(uint32_t slot, uint32_t generation, const PeerAddress& to, double now) {
  const ErrorQueueScope errors;
  Session* const session = find(slot, generation);
  const Room room = room_at(to, session, now);
  if (room.outcome != MoveOutcome::kMoved || session->peer() == to) return room.outcome;
  for (const uint32_t half : room.replaced) {
    if (half != kNoSlot) end_as_replaced(half);
  }
  if (room.displaced != kNoSlot) displace(room.displaced);

  Slot& entry = slots_[slot];
  const PeerAddress from = session->peer();
  const PeerAddress path = path_to(to, from);
  const bool serves_handshake = entry.pending && session->role() == Role::kServer;
  known_ = kNoSlot;
  leave_queues(slot);
  if (serves_handshake) --host_of(slot).pending;
  leave_address(slot);

  session->set_peer(path);
  entry.learns_path = from.local().size != 0;
  Host& host = hosts_[path.host()];
  ++host.sessions;
  if (serves_handshake) ++host.pending;
  peers_.insert(hash(path), slot);
  moved_.forget(path);
  if (slot_of(from) == kNoSlot) moved_.add(from, {slot, generation}, now);

  session->on_moved(now);
  settle(slot);
  return MoveOutcome::kMoved;
}

// Whether a session may go there, and which handshakes end when it does. A move that is refused
// changes nothing, so that all of it is known before any of it is done.
Endpoint::Room Endpoint::room_at(const PeerAddress& to, const Session* session, double now) {
  Room room;
  if (session == nullptr || session->state() == SessionState::kClosed) {
    room.outcome = MoveOutcome::kNotOpen;
  } else if (!(session->peer() == to)) {
    if (!gives_way_at(to, *session, room)) {
      room.outcome = MoveOutcome::kTaken;
    } else if (!has_room_at(to, *session, now, room)) {
      room.outcome = MoveOutcome::kHostFull;
    }
  }
  return room;
}

// Half a handshake is no claim to an address that the consumer knows to be another's: anybody may
// have begun it, without a cookie exchange in anybody's name. But where the same client has said
// its hello there, while this handshake goes on, that is the one with which it may go on.
bool Endpoint::gives_way_at(const PeerAddress& to, const Session& to_whom, Room& room) const {
  const uint32_t current = slot_of(to);
  if (current == kNoSlot) return true;
  const uint32_t candidate = slots_[current].candidate;
  const auto stays = [&](uint32_t slot) {
    const Session& there = *slots_[slot].session;
    return !slots_[slot].pending || there.role() == Role::kClient ||
           to_whom.shares_hello_with(there);
  };
  if (stays(current) || (candidate != kNoSlot && stays(candidate))) return false;
  room.replaced = {candidate, current};
  return true;
}

// Those that give way at that place have left the host by then.
bool Endpoint::has_room_at(const PeerAddress& to, const Session& session, double now, Room& room) {
  if (!listener_ || session.role() == Role::kClient) return true;
  const PeerAddress key = to.host();
  const auto found = hosts_.find(key);
  if (key == session.peer().host() || found == hosts_.end()) return true;
  const auto leaving = static_cast<uint32_t>(std::count_if(
      room.replaced.begin(), room.replaced.end(), [](uint32_t slot) { return slot != kNoSlot; }));
  const auto within = [&](uint32_t used, uint32_t limit) {
    return limit == 0 || used - leaving < limit;
  };
  const ListenerLimits& limits = listener_->limits;
  const Host& host = found->second;
  const bool pending = slots_[session.id().slot].pending;
  if (within(host.sessions, limits.sessions_per_host) &&
      (!pending || within(host.pending, limits.pending_handshakes_per_host))) {
    return true;
  }
  room.displaced = who_gives_way(host.unproven, host_links_, now, room.replaced);
  return room.displaced != kNoSlot;
}

// From which address of this host a peer is to be answered that has not been heard of from there:
// from where its packets came to, if any did; or else, to an address of the same kind, from where
// it was answered so far.
PeerAddress Endpoint::path_to(PeerAddress to, const PeerAddress& before) const {
  if (to.local().size != 0) return to;
  if (const PeerAddress* known = known_peers_.find(to)) to.set_local(known->local());
  if (to.local().size == 0 && to.bytes().size == before.bytes().size) to.set_local(before.local());
  return to;
}

void Endpoint::leave_queues(uint32_t slot) {
  if (!unproven_links_.contains(slot)) return;
  unproven_.erase(unproven_links_, slot);
  host_of(slot).unproven.erase(host_links_, slot);
}

// Its peer has proved itself by a datagram that came to this address of ours: answers leave from
// there, where the peer expects them.
void Endpoint::learn_path(uint32_t slot, const PeerAddress& from, double now) {
  Session* const session = slots_[slot].session.get();
  if (session == nullptr || session->state() != SessionState::kOpen ||
      session->last_heard() != now) {
    return;
  }
  slots_[slot].learns_path = false;
  if (session->peer() == from) session->set_peer(from);
}

// The slot of the session whose peer has left that address a moment ago; or kNoSlot.
uint32_t Endpoint::moved_from(const PeerAddress& peer, double now) {
  const MovedPeers::Who* const who = moved_.find(peer, now);
  if (who == nullptr) return kNoSlot;
  const Session* const session = find(who->slot, who->generation);
  return session == nullptr || session->state() == SessionState::kClosed ? kNoSlot : who->slot;
}

// A datagram from an address that has no session.
bool Endpoint::take_of_moved(Bytes datagram, const PeerAddress& peer, double now) {
  const uint32_t slot = moved_from(peer, now);
  if (slot != kNoSlot) return deliver(slot, datagram, now);
  ++stats_.unknownPeerDatagrams;
  return false;
}

}  // namespace dtls
