// The stateless stage of a server, RFC 6347 section 4.2.1 and RFC 9147 section 5.1: what becomes of
// a ClientHello before there is a session for it.

#include <algorithm>
#include <utility>

#include "core/endpoint/endpoint.h"
#include "core/handshake/hello_verify_request.h"

namespace dtls {

void Endpoint::offer_dtls13() {
  std::optional<ServerOffer> offer = offer_of(*listener_->context, *listener_->policy);
  if (!offer) {
    hellos13_.reset();
  } else if (hellos13_) {
    hellos13_->set_offer(std::move(*offer));
  } else {
    hellos13_ = std::make_unique<HelloStage>(listener_->cookie_exchange ? cookies_.get() : nullptr,
                                             std::move(*offer));
  }
}

// Whether a handshake with that address waits for such a fragment of a hello.
bool Endpoint::waits_for_hello(const PeerAddress& peer, uint16_t sequence, double now) {
  const uint32_t current = slot_of(peer);
  if (current == kNoSlot) {
    const uint32_t moved = moved_from(peer, now);
    return moved != kNoSlot && slots_[moved].session->takes_hello(sequence);
  }
  const uint32_t candidate = slots_[current].candidate;
  return slots_[current].session->takes_hello(sequence) ||
         (candidate != kNoSlot && slots_[candidate].session->takes_hello(sequence));
}

// The stateless stage. True: the datagram was a piece of a ClientHello and is dealt with. Nothing
// is kept for a peer until its cookie is valid, but for the fragments of hellos of DTLS 1.3 (see
// HeldHellos), and no answer is longer than the question.
bool Endpoint::on_client_hello(const RecordView& record, Bytes datagram, const PeerAddress& peer,
                               uint32_t peer_index, double now) {
  Bytes rest = record.fragment;
  FragmentView fragment;
  if (!take_fragment(rest, fragment) || fragment.type != HandshakeType::kClientHello) return false;
  if (fragment.offset != 0) {
    if (asked_ && is_held_back(fragment, datagram, peer, now)) {
      // It may be of a handshake that is under way: anybody can have its peer asked about anew.
      return !waits_for_hello(peer, fragment.message_sequence, now);
    }
    if (!hellos13_) {
      if (slot_of(peer) != kNoSlot || waits_for_hello(peer, fragment.message_sequence, now)) {
        return false;
      }
      // Its front has been answered, with a cookie or not at all, or has yet to come.
      ++stats_.helloFragments;
      return true;
    }
    // Who begins anew is heard, though a handshake of its earlier life may wait for the same.
    const uint16_t sequence = fragment.message_sequence;
    if (!hellos13_->holds(peer, sequence, now) && waits_for_hello(peer, sequence, now))
      return false;
    if (busy_) {
      ++stats_.hellosWhileBusy;
      return true;
    }
    return asks_unproven(fragment, datagram, peer, peer_index, now) ||
           on_hello13(record, fragment, datagram, peer, peer_index, now);
  }
  ClientHelloFront hello;
  if (record.sequence > kMaxHelloRecordNumber || !parse_client_hello_front(fragment.body, hello)) {
    ++stats_.malformedDatagrams;
    return true;
  }
  if (const uint32_t current = slot_of(peer); current != kNoSlot) {
    const uint32_t candidate = slots_[current].candidate;
    for (const uint32_t slot : {current, candidate}) {
      if (slot == kNoSlot || !slots_[slot].session->began_with(hello.random)) continue;
      deliver(slot, datagram, now);
      return true;
    }
    for (const uint32_t slot : {current, candidate}) {
      if (slot != kNoSlot && slots_[slot].session->turns_away(hello.random)) return true;
    }
  } else if (const uint32_t moved = moved_from(peer, now);
             moved != kNoSlot && slots_[moved].session->began_with(hello.random)) {
    deliver(moved, datagram, now);
    return true;
  }

  if (busy_) {
    ++stats_.hellosWhileBusy;
    return true;
  }
  if (asked_ && is_held_back(fragment, datagram, peer, now)) return true;
  if (hellos13_) {
    // What has a cookie of 1.2 goes there, and proves itself, where the server has that. Where it
    // has not, the hello would be answered by an alert.
    const bool proves_itself = hello.cookie.size != 0 && speaks_dtls12(*listener_->context);
    if (!proves_itself && asks_unproven(fragment, datagram, peer, peer_index, now)) return true;
    return on_hello13(record, fragment, datagram, peer, peer_index, now);
  }
  return on_hello12(record, fragment, hello, datagram, peer, peer_index, now);
}

// A server that has DTLS 1.3 reads the whole hello to choose the version.
bool Endpoint::on_hello13(const RecordView& record, const FragmentView& fragment, Bytes datagram,
                          const PeerAddress& peer, uint32_t peer_index, double now) {
  using Verdict = HelloStage::Verdict;
  const PeerRules* rules = asked_ ? asked_->rules_for(peer, now) : nullptr;
  const ServerOffer* offer = rules != nullptr && rules->offer ? &*rules->offer : nullptr;
  HelloStage::Result result = hellos13_->take(datagram, peer, now, offer);
  const Bytes answer{result.datagram.data(), result.datagram.size()};
  switch (result.verdict) {
    case Verdict::kAnswer:
      ++stats_.cookiesSent;
      answer_unknown(peer, peer_index, answer);
      return true;
    case Verdict::kAlert:
      count_refused(result.why);
      answer_unknown(peer, peer_index, answer);
      return true;
    case Verdict::kHeld:
      return true;
    case Verdict::kDrop:
      ++stats_.malformedDatagrams;
      return true;
    case Verdict::kBegin:
      begin13(std::move(result), datagram.size, peer, peer_index, now);
      return true;
    case Verdict::kVersion12: {
      RecordView whole = record;
      FragmentView first = fragment;
      Bytes rest = answer;
      if (answer.size != 0) {  // put together of its fragments
        datagram = answer;
        if (!take_record(rest, whole)) return true;
        rest = whole.fragment;
        if (!take_fragment(rest, first)) return true;
      }
      ClientHelloFront hello;
      if (first.offset != 0 || !parse_client_hello_front(first.body, hello)) {
        ++stats_.malformedDatagrams;
        return true;
      }
      return on_hello12(whole, first, hello, datagram, peer, peer_index, now);
    }
  }
  return true;
}

void Endpoint::count_refused(HelloStage::Why why) {
  using Why = HelloStage::Why;
  if (why == Why::kCookie) ++stats_.cookiesRefused;
  if (why == Why::kMalformed) ++stats_.malformedDatagrams;
  if (why == Why::kNothingShared) ++stats_.hellosRefused;
}

// `size`: of the datagram with the end of the hello.
void Endpoint::begin13(HelloStage::Result hello, size_t size, const PeerAddress& peer,
                       uint32_t peer_index, double now) {
  if (asks_proven13(hello, size, peer, peer_index, now)) return;
  if (hello.has_cookie) ++stats_.cookiesAccepted;
  constexpr size_t kRandomAt = kMessageHeaderSize + 2;
  if (is_reflected(
          Bytes{hello.hello.data(), hello.hello.size()}.from(kRandomAt).first(kRandomSize))) {
    ++stats_.hellosRefused;
    return;
  }
  const bool may_begin = !hello.has_cookie || spent_->may_begin(hello.cookie, now);
  if (!may_begin || !make_way_beside(slot_of(peer), now) || !admit(peer, now)) {
    ++stats_.sessionsRefused;
    return;
  }
  // Null where the server has lost DTLS 1.3 while the peer was asked about.
  if (hellos13_) hellos13_->forget(peer);
  const Chosen chosen = chosen_for(peer);
  Session& session = begin(Role::kServer, peer, chosen.context, chosen.policy, true, now);
  if (hello.has_cookie) {
    spent_->on_begun(hello.cookie, now, chosen.policy->retransmit_initial);
  }
  const uint32_t slot = session.id().slot;
  outlets_.outbox.append(RecordType::kBegin, session.id(), peer_index, chosen.question);
  Handshake13::Hello begins;
  begins.message = std::move(hello.hello);
  begins.first_hello_hash = std::move(hello.first_hello_hash);
  begins.retry = std::move(hello.retry);
  begins.message_sequence = hello.message_sequence;
  begins.record_number = hello.record_number;
  begins.suite = hello.suite;
  begins.group = hello.group;
  session.accept_hello13(std::move(begins), size, scratch_.get(), now);
  settle(slot);
}

// A hello of this endpoint's own that somebody has sent on to it from another address: with a key
// that works both ways, as a pre-shared one, the endpoint would come to talk to itself and take
// that for its peer (RFC 9257 section 4.2, the "Selfie attack"). Whoever reflects it cannot change
// its random.
bool Endpoint::is_reflected(Bytes random) const {
  return std::any_of(dialling_.begin(), dialling_.end(),
                     [&](uint32_t slot) { return slots_[slot].session->said_hello_with(random); });
}

bool Endpoint::on_hello12(const RecordView& record, const FragmentView& fragment,
                          const ClientHelloFront& hello, Bytes datagram, const PeerAddress& peer,
                          uint32_t peer_index, double now) {
  // A hello with a cookie is never the client's first message (RFC 6347 section 4.2.2). It is the
  // second, or a later one where cookies were refused: by a server that has restarted, by another
  // one of a fleet, or because somebody forged a HelloVerifyRequest.
  const bool carries_cookie = hello.cookie.size != 0 && fragment.message_sequence != 0 &&
                              fragment.message_sequence <= kMaxHelloNumber;
  CookieJar::Cookie cookie{};
  bool may_begin = true;
  if (listener_->cookie_exchange) {
    if (!carries_cookie || fragment.message_length > kMaxHello) {
      if (asks_unproven(fragment, datagram, peer, peer_index, now)) return true;
      send_hello_verify_request(record, fragment, peer, hello.random, peer_index, now);
      return true;
    }
    if (!cookies_->verify(peer, hello.random, hello.cookie, now)) {
      ++stats_.cookiesRefused;
      if (asks_unproven(fragment, datagram, peer, peer_index, now)) return true;
      send_hello_verify_request(record, fragment, peer, hello.random, peer_index, now);
      return true;
    }
    if (asks_proven(fragment, datagram, peer, peer_index, now)) return true;
    ++stats_.cookiesAccepted;
    std::copy_n(hello.cookie.data, cookie.size(), cookie.begin());
    may_begin = spent_->may_begin(cookie, now);
  } else if (fragment.message_length > kMaxHello ||
             (fragment.message_sequence != 0 && !carries_cookie)) {
    ++stats_.malformedDatagrams;
    return true;
  } else if (asks_proven(fragment, datagram, peer, peer_index, now)) {
    return true;
  }
  if (is_reflected(hello.random)) {
    ++stats_.hellosRefused;
    return true;
  }
  if (!may_begin || !make_way_beside(slot_of(peer), now) || !admit(peer, now)) {
    ++stats_.sessionsRefused;
    return true;
  }
  const Chosen chosen = chosen_for(peer);
  Session& session = begin(Role::kServer, peer, chosen.context, chosen.policy, false, now);
  if (listener_->cookie_exchange) {
    spent_->on_begun(cookie, now, chosen.policy->retransmit_initial);
  }
  const uint32_t slot = session.id().slot;
  outlets_.outbox.append(RecordType::kBegin, session.id(), peer_index, chosen.question);
  session.accept_hello(record, fragment, hello.random);
  deliver(slot, datagram, now);
  return true;
}

void Endpoint::send_hello_verify_request(const RecordView& record, const FragmentView& fragment,
                                         const PeerAddress& peer, Bytes random, uint32_t peer_index,
                                         double now) {
  CookieJar::Cookie cookie{};
  if (!cookies_->make(peer, random, now, cookie)) return;
  const HelloVerifyRequest answer =
      hello_verify_request(record.sequence, fragment.message_sequence, cookie);
  ++stats_.cookiesSent;
  answer_unknown(peer, peer_index, {answer.data(), answer.size()});
}

// To a peer that has no session.
void Endpoint::answer_unknown(const PeerAddress& peer, uint32_t peer_index, Bytes bytes) {
  ++outlets_.totals.datagramsSent;
  outlets_.totals.bytesSent += bytes.size;
  if (outlets_.transmitter != nullptr) {
    outlets_.transmitter->transmit(peer, {outlets_.endpoint, kNoSlot, 0}, 0, bytes);
  } else {
    outlets_.outbox.append(RecordType::kTransmit, {outlets_.endpoint, kNoSlot, 0}, peer_index, 0,
                           bytes);
  }
}

}  // namespace dtls
