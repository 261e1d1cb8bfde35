// Rules by peer: a server whose consumer is asked about each peer, before anything is answered to
// it or kept of it.

#include <utility>

#include "core/endpoint/endpoint.h"

namespace dtls {

void Endpoint::ask_peers(double timeout) {
  if (listener_) asked_ = std::make_unique<AskedPeers>(timeout, last_question_);
}

// True: the hello waits for an answer, or its peer has been refused.
bool Endpoint::is_held_back(const FragmentView& fragment, Bytes datagram, const PeerAddress& peer,
                            double now) {
  AskedPeers::Asked* asked = asked_->find(peer, now);
  if (asked == nullptr || asked->state == AskedPeers::State::kAdmitted) return false;
  if (asked->state == AskedPeers::State::kRefused) {
    ++stats_.peersRefused;
  } else if (asked->hello13 != nullptr ||
             !AskedPeers::hold(*asked, datagram, fragment.message_sequence, fragment.offset)) {
    ++stats_.hellosWhileAsked;  // the client says it again
  }
  return true;
}

// Where cookies are asked for, a peer without one is asked about while there is room for such
// questions. True: it waits.
bool Endpoint::asks_unproven(const FragmentView& fragment, Bytes datagram, const PeerAddress& peer,
                             uint32_t peer_index, double now) {
  if (!asked_ || asked_->rules_for(peer, now) != nullptr) return false;
  const bool proven = !listener_->cookie_exchange;
  AskedPeers::Asked* asked = ask(peer, proven, peer_index, now);
  if (asked != nullptr) {
    AskedPeers::hold(*asked, datagram, fragment.message_sequence, fragment.offset);
  } else if (proven) {
    ++stats_.sessionsRefused;
  }
  return asked != nullptr || proven;
}

// The peer's cookie was good, or none is asked for. False: it has been admitted. True: it waits, or
// may not, which is counted.
bool Endpoint::asks_proven(const FragmentView& fragment, Bytes datagram, const PeerAddress& peer,
                           uint32_t peer_index, double now) {
  if (!asked_ || asked_->rules_for(peer, now) != nullptr) return false;
  AskedPeers::Asked* asked = ask(peer, true, peer_index, now);
  if (asked == nullptr) {
    ++stats_.sessionsRefused;
  } else {
    AskedPeers::hold(*asked, datagram, fragment.message_sequence, fragment.offset);
  }
  return true;
}

bool Endpoint::asks_proven13(HelloStage::Result& hello, size_t size, const PeerAddress& peer,
                             uint32_t peer_index, double now) {
  if (!asked_ || asked_->rules_for(peer, now) != nullptr) return false;
  AskedPeers::Asked* asked = ask(peer, true, peer_index, now);
  if (asked == nullptr) {
    ++stats_.sessionsRefused;
  } else {
    asked->hello13 =
        std::make_unique<AskedPeers::Hello13>(AskedPeers::Hello13{std::move(hello), size});
  }
  return true;
}

AskedPeers::Asked* Endpoint::ask(const PeerAddress& peer, bool proven, uint32_t peer_index,
                                 double now) {
  const ListenerLimits& limits = listener_->limits;
  AskedPeers::Asked* asked = asked_->ask(
      peer, proven, {limits.pending_handshakes, limits.pending_handshakes_per_host}, now);
  if (asked == nullptr) return nullptr;
  ++stats_.peersAsked;
  outlets_.outbox.append(RecordType::kPeerQuestion, {outlets_.endpoint, kNoSlot, 0}, peer_index,
                         asked->question);
  return asked;
}

// What a session with that peer is made with. The peer has been admitted, where it is asked for.
Endpoint::Chosen Endpoint::chosen_for(const PeerAddress& peer) {
  if (!asked_) return {listener_->context, listener_->policy, 0};
  AskedPeers::Asked used = asked_->use(peer);
  return {std::move(used.rules.context), std::move(used.rules.policy), used.question};
}

// What the answer says of versions comes behind a HelloRetryRequest. The answer stays for a hello
// without its cookie.
void Endpoint::begin_by_rules(HelloStage::Result hello, const PeerRules& rules, size_t size,
                              const PeerAddress& peer, uint32_t peer_index, double now) {
  if (busy_) {
    ++stats_.hellosWhileBusy;
    return;
  }
  HelloStage::Result result = HelloStage::reconsider(std::move(hello), *rules.offer);
  if (result.verdict == HelloStage::Verdict::kAlert) {
    count_refused(result.why);
    answer_unknown(peer, peer_index, {result.datagram.data(), result.datagram.size()});
  } else {
    begin13(std::move(result), size, peer, peer_index, now);
  }
}

bool Endpoint::answer_peer(uint32_t question, PeerRules rules, uint32_t peer_index, double now) {
  const ErrorQueueScope errors;
  AskedPeers::Asked* asked = asked_ ? asked_->waiting(question, now) : nullptr;
  if (asked == nullptr) return false;
  const PeerAddress peer = asked->peer;
  const std::vector<AskedPeers::Held> held = std::move(asked->held);
  const std::unique_ptr<AskedPeers::Hello13> hello13 = std::move(asked->hello13);
  if (rules.context) {
    rules.offer = offer_of(rules);
    asked_->admit(*asked, std::move(rules), now);
  } else {
    asked_->refuse(*asked, now);
  }
  known_ = kNoSlot;
  packets_from_ = KnownPeers::kNone;
  for (const AskedPeers::Held& one : held) {
    const Bytes datagram{one.datagram.data(), one.datagram.size()};
    const DropCounts before = drop_counts(outlets_.totals, stats_);
    take(datagram, peer, peer_index, now);
    if (report_drops_) tell_drops(before, datagram.size, peer, peer_index);
    ErrorQueueScope::clear();
  }
  if (hello13) {
    const DropCounts before = drop_counts(outlets_.totals, stats_);
    const size_t size = hello13->size;
    if (const PeerRules* admitted = asked_->rules_for(peer, now); admitted == nullptr) {
      ++stats_.peersRefused;
    } else {
      begin_by_rules(std::move(hello13->hello), *admitted, size, peer, peer_index, now);
    }
    if (report_drops_) tell_drops(before, size, peer, peer_index);
  }
  if (unsettled_ != kNoSlot) settle(unsettled_);
  unsettled_ = kNoSlot;
  return true;
}

}  // namespace dtls
