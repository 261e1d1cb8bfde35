#include "core/endpoint/endpoint.h"

#include <algorithm>
#include <array>
#include <utility>

namespace dtls {

static_assert(PeerTable::kNone == kNoSlot, "a peer without a session has no slot");

Endpoint::Endpoint(Outbox& outbox, uint32_t id)
    : outlets_{outbox, id, nullptr, {}}, hosts_(0, hash_), scratch_(new uint8_t[kMaxPlaintext]) {}

void Endpoint::listen(ListenerConfig config, Bytes cookie_secret) {
  const ErrorQueueScope errors;
  listener_ = std::make_unique<ListenerConfig>(std::move(config));
  cookies_ = std::make_unique<CookieJar>(listener_->cookie_lifetime, cookie_secret);
  spent_.emplace(listener_->cookie_lifetime);
  asked_.reset();
  hellos13_.reset();
  offer_dtls13();
}

void Endpoint::set_limits(const ListenerLimits& limits) {
  if (listener_) listener_->limits = limits;
}

void Endpoint::set_context(std::shared_ptr<const SecureContext> context) {
  const ErrorQueueScope errors;
  if (!listener_) return;
  listener_->context = std::move(context);
  offer_dtls13();
}

void Endpoint::set_policy(std::shared_ptr<const SessionPolicy> policy) {
  const ErrorQueueScope errors;
  if (!listener_) return;
  listener_->policy = std::move(policy);
  offer_dtls13();
}

void Endpoint::stop_listening() {
  const ErrorQueueScope errors;
  listener_.reset();
  asked_.reset();
  hellos13_.reset();
  cookies_.reset();  // and their secret
}

Session* Endpoint::find(uint32_t slot, uint32_t generation) {
  if (slot >= slots_.size() || slots_[slot].generation != generation) return nullptr;
  return slots_[slot].session.get();
}

uint32_t Endpoint::hash(const PeerAddress& peer) const {
  return static_cast<uint32_t>(hash_(peer));
}

uint32_t Endpoint::slot_of(const PeerAddress& peer) const {
  return peers_.find(hash(peer),
                     [&](uint32_t slot) { return slots_[slot].session->peer() == peer; });
}

uint32_t Endpoint::take_slot() {
  if (!free_slots_.empty()) {
    const uint32_t slot = free_slots_.back();
    free_slots_.pop_back();
    return slot;
  }
  slots_.emplace_back();
  return static_cast<uint32_t>(slots_.size() - 1);
}

Session& Endpoint::begin(Role role, const PeerAddress& peer,
                         std::shared_ptr<const SecureContext> context,
                         std::shared_ptr<const SessionPolicy> policy, bool dtls13, double now) {
  const uint32_t current = slot_of(peer);
  const uint32_t index = take_slot();
  Slot& slot = slots_[index];
  slot.session = std::make_unique<Session>(outlets_, index, slot.generation, role, peer,
                                           std::move(context), std::move(policy), dtls13, now);
  slot.counted = slot.pending = true;
  slot.learns_path = false;
  ++active_;
  ++pending_;
  Host& host = hosts_[peer.host()];
  ++host.sessions;
  if (role == Role::kServer) ++host.pending;
  ++stats_.handshakesStarted;

  if (current == kNoSlot) {
    peers_.insert(hash(peer), index);
    moved_.forget(peer);  // whoever was there before, somebody else is there now
  } else if (const uint32_t older = std::exchange(slots_[current].candidate, index);
             older != kNoSlot) {
    end_as_replaced(older);
  }
  return *slots_[index].session;
}

Session& Endpoint::connect(const PeerAddress& peer, std::shared_ptr<const SecureContext> context,
                           std::shared_ptr<const SessionPolicy> policy, double now) {
  const ErrorQueueScope errors;
  const bool dtls13 = context->allows(kDtls13);
  Session& session = begin(Role::kClient, peer, std::move(context), std::move(policy), dtls13, now);
  dialling_.push_back(session.id().slot);
  session.connect(now);
  settle(session.id().slot);
  return session;
}

void Endpoint::end_as_replaced(uint32_t slot) {
  Failure replaced;
  replaced.kind = FailureKind::kReplaced;
  slots_[slot].session->fail(replaced);
  settle(slot);
}

void Endpoint::receive_merged(Bytes datagrams, size_t segment, const PeerAddress& peer,
                              uint32_t peer_index, double now) {
  const ErrorQueueScope errors;
  known_ = kNoSlot;
  packets_from_ = KnownPeers::kNone;
  do {  // an empty datagram is one, too
    const bool tidy = receive_one(datagrams.first(segment), peer, peer_index, now);
    datagrams = datagrams.from(segment);
    // Nothing that one datagram left behind may mislead the next.
    if (!tidy) ErrorQueueScope::clear();
  } while (datagrams.size != 0);
  if (unsettled_ != kNoSlot) settle(unsettled_);
  unsettled_ = kNoSlot;
}

bool Endpoint::receive_one(Bytes datagram, const PeerAddress& peer, uint32_t peer_index,
                           double now) {
  ++outlets_.totals.datagramsReceived;
  outlets_.totals.bytesReceived += datagram.size;
  if (!report_drops_) return take(datagram, peer, peer_index, now);
  const DropCounts before = drop_counts(outlets_.totals, stats_);
  take(datagram, peer, peer_index, now);
  tell_drops(before, datagram.size, peer, peer_index);
  return false;
}

void Endpoint::drop(Bytes datagrams, size_t segment, const PeerAddress& peer, uint32_t peer_index,
                    Unheard why) {
  do {  // an empty datagram is one, too
    const Bytes datagram = datagrams.first(segment);
    datagrams = datagrams.from(segment);
    const DropCounts before = drop_counts(outlets_.totals, stats_);
    ++outlets_.totals.datagramsReceived;
    outlets_.totals.bytesReceived += datagram.size;
    ++(why == Unheard::kBlocked ? stats_.blockedDatagrams : stats_.malformedDatagrams);
    if (report_drops_) tell_drops(before, datagram.size, peer, peer_index);
  } while (datagrams.size != 0);
}

void Endpoint::tell_drops(const DropCounts& before, size_t size, const PeerAddress& peer,
                          uint32_t peer_index) {
  const DropCounts after = drop_counts(outlets_.totals, stats_);
  if (after == before) return;
  std::array<uint32_t, kDropReasons> grown{};
  for (size_t i = 0; i < grown.size(); ++i) grown[i] = static_cast<uint32_t>(after[i] - before[i]);
  SessionId about{outlets_.endpoint, kNoSlot, 0};
  const uint32_t known = slot_of(peer);
  if (known != kNoSlot) about = slots_[known].session->id();
  outlets_.outbox.append(RecordType::kDropped, about, peer_index, static_cast<uint32_t>(size),
                         {reinterpret_cast<const uint8_t*>(grown.data()), sizeof grown});
}

bool Endpoint::take(Bytes datagram, const PeerAddress& peer, uint32_t peer_index, double now) {
  if (!is_dtls(datagram)) {
    ++stats_.nonDtlsDatagrams;
    if (datagram.size == 0) ++stats_.emptyDatagrams;
    if (report_packets_) on_packet(datagram, peer, peer_index);
    return true;
  }
  RecordView first;
  Bytes rest = datagram;
  if (is_unified(datagram.data[0])) {
    // A protected record of DTLS 1.3, which says of itself no more than the last two bits of its
    // epoch: those of 2 are most often of a handshake.
    constexpr uint8_t kEpochBits = 3;
    first.type = (datagram.data[0] & kEpochBits) == 2 ? ContentType::kHandshake
                                                      : ContentType::kApplicationData;
    first.epoch = UINT16_MAX;
  } else if (!take_record(rest, first)) {
    ++stats_.malformedDatagrams;
    return false;
  }
  if (listener_ && first.epoch == 0 && first.type == ContentType::kHandshake &&
      on_client_hello(first, datagram, peer, peer_index, now)) {
    return false;
  }
  if (known_ == kNoSlot) known_ = slot_of(peer);
  const uint32_t current = known_;
  if (current == kNoSlot) return take_of_moved(datagram, peer, now);
  const uint32_t candidate = slots_[current].candidate;
  const bool tidy = candidate == kNoSlot && deliver(current, datagram, now);
  if (candidate != kNoSlot) deliver_to_either(first, current, candidate, datagram, now);
  if (slots_[current].learns_path) learn_path(current, peer, now);
  return tidy;
}

// A datagram that somebody listens for. The peer of a run is looked up once.
void Endpoint::on_packet(Bytes packet, const PeerAddress& peer, uint32_t peer_index) {
  if (packets_from_ == KnownPeers::kNone) {
    packets_from_ = known_peers_.number_of(peer);
    if (known_ == kNoSlot) known_ = slot_of(peer);
  }
  SessionId from{outlets_.endpoint, kNoSlot, 0};
  if (known_ != kNoSlot) {
    Session& session = *slots_[known_].session;
    session.count_packet_received(packet.size);
    from = session.id();
  } else {
    ++outlets_.totals.packetsReceived;
    outlets_.totals.packetBytesReceived += packet.size;
  }
  outlets_.outbox.append(RecordType::kPacket, from, peer_index, packets_from_, packet);
}

uint32_t Endpoint::number_of(const PeerAddress& peer) {
  // A session knows by which way its peer came.
  const uint32_t slot = slot_of(peer);
  return known_peers_.number_of(slot == kNoSlot ? peer : slots_[slot].session->peer());
}

bool Endpoint::send_packet(uint32_t slot, uint32_t generation, Bytes packet, uint32_t token) {
  const bool by_number = slot == kNoSlot;
  Session* const session = by_number ? nullptr : find(slot, generation);
  const PeerAddress* const to = by_number            ? known_peers_.at(generation)
                                : session != nullptr ? &session->peer()
                                                     : nullptr;
  if (to == nullptr) return false;
  ++outlets_.totals.datagramsSent;
  outlets_.totals.bytesSent += packet.size;
  if (session != nullptr) {
    session->count_packet_sent(packet.size);
  } else {
    ++outlets_.totals.packetsSent;
    outlets_.totals.packetBytesSent += packet.size;
  }
  if (outlets_.transmitter != nullptr) {
    // Whatever becomes of it is nothing to the session.
    outlets_.transmitter->transmit(*to, {outlets_.endpoint, kNoSlot, 0}, token, packet);
  } else {
    outlets_.outbox.append(
        RecordType::kTransmit, {outlets_.endpoint, slot, by_number ? 0 : generation},
        kTransmitPacket.put(true) | kTransmitPeer.put(by_number ? generation : 0), token, packet);
  }
  return true;
}

// While a restarted peer has yet to prove itself, only its handshake can be in clear; a protected
// record may belong to either, and each of the two drops what it cannot authenticate. So it goes to
// the one to which it most likely belongs, and to the other when that one has dropped something.
// One that has no keys yet can only keep it for later. What both drop is one drop, and one that has
// not been able to judge has none.
void Endpoint::deliver_to_either(const RecordView& first, uint32_t current, uint32_t candidate,
                                 Bytes datagram, double now) {
  if (first.epoch == 0) {
    deliver(candidate, datagram, now);
    return;
  }
  const bool finishes =
      first.type == ContentType::kHandshake && slots_[candidate].session->reads_protected();
  const uint32_t likely = finishes ? candidate : current;
  Session& first_asked = *slots_[likely].session;
  const bool knows = first_asked.reads_protected();
  const Session::Drops before = first_asked.drops();
  deliver(likely, datagram, now);
  if (knows && first_asked.drops() == before) return;
  const uint32_t next = finishes ? current : candidate;
  Session& other = *slots_[next].session;
  // What is no handshake message waits for the end of the handshake, also when there are keys.
  const bool other_judges = other.reads_protected() && (other.state() == SessionState::kOpen ||
                                                        first.type == ContentType::kHandshake);
  const Session::Drops others = other.drops();
  deliver(next, datagram, now);
  if (!knows) return;
  if (other_judges && other.drops() == others) {
    first_asked.uncount_drops(before);
  } else {
    other.uncount_drops(others);
    if (!other_judges) other.judges_early_silently();
  }
}

void Endpoint::transport_error(const PeerAddress& peer, int error) {
  SessionId about{outlets_.endpoint, kNoSlot, 0};
  const uint32_t known = slot_of(peer);
  if (known != kNoSlot) about = slots_[known].session->id();
  outlets_.outbox.append(RecordType::kTransportError, about, static_cast<uint32_t>(error), 0);
}

void Endpoint::transport_broke(int error) {
  outlets_.outbox.append(RecordType::kTransportError, {outlets_.endpoint, kNoSlot, 0},
                         static_cast<uint32_t>(error), kTransportBroke.put(true));
}

bool Endpoint::deliver(uint32_t slot, Bytes datagram, double now) {
  Session* session = slots_[slot].session.get();
  if (session == nullptr) return false;
  const bool was_open = session->state() == SessionState::kOpen;
  session->receive(datagram, scratch_.get(), now);
  if (was_open && session->state() == SessionState::kOpen &&
      (unsettled_ == kNoSlot || unsettled_ == slot)) {
    unsettled_ = slot;
    return true;
  }
  settle(slot);
  return false;
}

// Brings the endpoint's books up to date after a session was called.
void Endpoint::settle(uint32_t slot) {
  const Slot& entry = slots_[slot];
  if (!entry.counted) return;
  const Session& session = *entry.session;
  if (entry.pending && session.completed_handshake()) on_handshake_done(slot);
  queue(slot);
  if (session.state() == SessionState::kClosed) on_closed(slot);
  timers_.set(slot, session.deadline());
}

// Puts the slot where it belongs among those that may have to give way. One that got on goes to the
// back: it can do so only as often as a handshake has messages.
void Endpoint::queue(uint32_t slot) {
  Slot& entry = slots_[slot];
  const Session& session = *entry.session;
  const bool queued = unproven_links_.contains(slot);
  const bool unproven = entry.pending && session.is_unproven();
  if (queued == unproven && (!unproven || entry.turn_since == session.peers_turn_since())) return;
  leave_queues(slot);
  if (!unproven) return;
  entry.turn_since = session.peers_turn_since();
  unproven_.push(unproven_links_, slot);
  host_of(slot).unproven.push(host_links_, slot);
}

void Endpoint::on_handshake_over(uint32_t slot) {
  slots_[slot].pending = false;
  --pending_;
  const Session& session = *slots_[slot].session;
  if (session.role() == Role::kServer) {
    --host_of(slot).pending;
  } else {
    dialling_.erase(std::find(dialling_.begin(), dialling_.end(), slot));
  }
}

void Endpoint::on_handshake_done(uint32_t slot) {
  on_handshake_over(slot);
  ++stats_.handshakesCompleted;
  const PeerAddress& peer = slots_[slot].session->peer();
  const uint32_t older = slot_of(peer);
  if (older == kNoSlot || slots_[older].candidate != slot) return;
  known_ = kNoSlot;
  peers_.replace(hash(peer), older, slot);
  slots_[older].candidate = kNoSlot;
  end_as_replaced(older);
}

void Endpoint::on_closed(uint32_t slot) {
  Slot& entry = slots_[slot];
  const Session& session = *entry.session;
  entry.counted = false;
  --active_;
  if (entry.pending) {
    on_handshake_over(slot);
    ++stats_.handshakesFailed;
    ++stats_.failures[static_cast<size_t>(session.failure())];
  }
  leave_address(slot);
}

// The session is not to be found by its peer's address any more, nor among those of its host.
void Endpoint::leave_address(uint32_t slot) {
  Slot& entry = slots_[slot];
  const Session& session = *entry.session;
  const auto host = hosts_.find(session.peer().host());
  if (--host->second.sessions == 0) hosts_.erase(host);
  const uint32_t current = slot_of(session.peer());
  if (current == slot) {
    known_ = kNoSlot;
    if (entry.candidate == kNoSlot) {
      peers_.erase(hash(session.peer()), slot);
    } else {
      peers_.replace(hash(session.peer()), slot, std::exchange(entry.candidate, kNoSlot));
    }
  } else if (current != kNoSlot && slots_[current].candidate == slot) {
    slots_[current].candidate = kNoSlot;
  }
}

// Has `act` done with the session, if it is there still, and then the books brought up to date.
template <typename Act>
void Endpoint::with(uint32_t slot, uint32_t generation, const Act& act) {
  const ErrorQueueScope errors;
  Session* session = find(slot, generation);
  if (session == nullptr) return;
  act(*session);
  settle(slot);
}

// Does without with(): most messages change nothing in the books.
SendOutcome Endpoint::send(uint32_t slot, uint32_t generation, Bytes message, uint32_t token,
                           double now) {
  Session* session = find(slot, generation);
  if (session == nullptr) return SendOutcome::kNotOpen;
  // An SSL asks OpenSSL's error queue how it went. Without one nobody looks there, which takes as
  // long as a copy of the message: what cannot be sealed clears it.
  std::optional<ErrorQueueScope> errors;
  if (session->ssl() != nullptr) errors.emplace();
  const bool rested = session->rests();
  const Wear told = session->told_of_sealing();
  const SendOutcome outcome = session->send(message, token, now);
  if (rested || outcome == SendOutcome::kFailed || session->told_of_sealing() != told) settle(slot);
  return outcome;
}

HeartbeatOutcome Endpoint::heartbeat(uint32_t slot, uint32_t generation, Bytes payload,
                                     size_t padding, double timeout, uint32_t retries, double now) {
  HeartbeatOutcome outcome = HeartbeatOutcome::kNotOpen;
  with(slot, generation, [&](Session& session) {
    outcome = session.heartbeat(payload, padding, timeout, retries, now);
  });
  return outcome;
}

KeyUpdateOutcome Endpoint::update_keys(uint32_t slot, uint32_t generation, bool both, double now) {
  KeyUpdateOutcome outcome = KeyUpdateOutcome::kNotOpen;
  with(slot, generation, [&](Session& session) { outcome = session.update_keys(both, now); });
  return outcome;
}

void Endpoint::close(uint32_t slot, uint32_t generation, bool notify) {
  with(slot, generation, [&](Session& session) { session.close(notify); });
}

void Endpoint::answer_hello(uint32_t slot, uint32_t generation, HelloAnswer answer, double now) {
  with(slot, generation,
       [&](Session& session) { session.answer_hello(std::move(answer), scratch_.get(), now); });
}

void Endpoint::answer_session(uint32_t slot, uint32_t generation, Bytes stored, bool refused,
                              double now) {
  with(slot, generation,
       [&](Session& session) { session.answer_session(stored, refused, scratch_.get(), now); });
}

void Endpoint::answer_new_session(uint32_t slot, uint32_t generation, double now) {
  with(slot, generation,
       [&](Session& session) { session.answer_new_session(scratch_.get(), now); });
}

void Endpoint::answer_psk(uint32_t slot, uint32_t generation, PskAnswer answer, Bytes identity,
                          Bytes key, double now) {
  with(slot, generation,
       [&](Session& session) { session.answer_psk(answer, identity, key, scratch_.get(), now); });
}

void Endpoint::answer_identity(uint32_t slot, uint32_t generation, bool accepted, double now) {
  with(slot, generation,
       [&](Session& session) { session.answer_identity(accepted, scratch_.get(), now); });
}

void Endpoint::answer_ocsp(uint32_t slot, uint32_t generation, bool refused, Bytes response,
                           double now) {
  with(slot, generation,
       [&](Session& session) { session.answer_ocsp(refused, response, scratch_.get(), now); });
}

void Endpoint::release(uint32_t slot, uint32_t generation) {
  const ErrorQueueScope errors;
  if (find(slot, generation) == nullptr) return;
  close(slot, generation);
  slots_[slot].session.reset();
  ++slots_[slot].generation;
  free_slots_.push_back(slot);
}

void Endpoint::advance(double now) {
  const ErrorQueueScope errors;
  moved_.advance(now);
  // Bounded: a session that asks to be called again at once waits for the next turn.
  size_t left = active_;
  uint32_t slot = 0;
  while (left-- > 0 && timers_.take_due(now, slot)) {
    Session* session = slots_[slot].session.get();
    if (session == nullptr) continue;
    session->advance(now);
    settle(slot);
  }
}

}  // namespace dtls
