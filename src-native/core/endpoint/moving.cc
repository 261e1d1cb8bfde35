// A session whose peer is at another address from now on.

#include "core/endpoint/endpoint.h"

namespace dtls {

MoveOutcome Endpoint::move(uint32_t slot, uint32_t generation, const PeerAddress& to, double now) {
  const ErrorQueueScope errors;
  Session* const session = find(slot, generation);
  if (session == nullptr || session->state() == SessionState::kClosed) {
    return MoveOutcome::kNotOpen;
  }
  if (session->peer() == to) return MoveOutcome::kMoved;
  if (!give_way_at(to, *session)) return MoveOutcome::kTaken;
  Slot& entry = slots_[slot];
  if (!has_room_at(to, entry, now)) return MoveOutcome::kHostFull;

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

// Half a handshake is no claim to an address that the consumer knows to be another's: anybody may
// have begun it, without a cookie exchange in anybody's name. But where the same client has said
// its hello there, while this handshake goes on, that is the one with which it may go on.
bool Endpoint::give_way_at(const PeerAddress& to, const Session& to_whom) {
  const uint32_t current = slot_of(to);
  if (current == kNoSlot) return true;
  const uint32_t candidate = slots_[current].candidate;
  const auto stays = [&](uint32_t slot) {
    const Session& there = *slots_[slot].session;
    return !slots_[slot].pending || there.role() == Role::kClient ||
           to_whom.shares_hello_with(there);
  };
  if (stays(current) || (candidate != kNoSlot && stays(candidate))) return false;
  if (candidate != kNoSlot) end_as_replaced(candidate);
  end_as_replaced(current);
  return true;
}

bool Endpoint::has_room_at(const PeerAddress& to, const Slot& entry, double now) {
  const Session& session = *entry.session;
  if (!listener_ || session.role() == Role::kClient) return true;
  const PeerAddress key = to.host();
  const auto found = hosts_.find(key);
  if (key == session.peer().host() || found == hosts_.end()) return true;
  const auto within = [](uint32_t used, uint32_t limit) { return limit == 0 || used < limit; };
  const ListenerLimits& limits = listener_->limits;
  const Host& host = found->second;
  return (within(host.sessions, limits.sessions_per_host) &&
          (!entry.pending || within(host.pending, limits.pending_handshakes_per_host))) ||
         make_room(host.unproven, host_links_, now);
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
