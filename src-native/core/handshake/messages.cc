// Handshake messages in clear, put together before OpenSSL gets them: in order, whole, and not
// before what they ask about has been answered.

#include <algorithm>

#include "core/handshake/handshake.h"
#include "core/handshake/psk_lookahead.h"
#include "core/identity/cipher_suites.h"
#include "core/wire/client_hello.h"
#include "core/wire/server_choice.h"

namespace dtls {

// Whether a fragment that contradicts the hello may stand in its place, as MessageAssembly::add has
// it for other messages: one of the hello that the handshake began with, and of no other.
bool Handshake::may_begin_hello_anew(const FragmentView& fragment) const {
  ClientHelloFront front;
  return fragment.type == HandshakeType::kClientHello && fragment.body.size != 0 &&
         fragment.message_sequence == attempt_->hello->sequence() &&
         fragment.message_length <= kMaxHello &&
         (fragment.offset != 0 ||
          (parse_client_hello_front(fragment.body, front) &&
           std::equal(hello_random_.begin(), hello_random_.end(), front.random.data)));
}

// More of the ClientHello that a handshake began with.
RecordOutcome Handshake::on_hello_record(const RecordView& record, double now) {
  const bool handshake = record.epoch == 0 && record.type == ContentType::kHandshake;
  bool taken = handshake;
  if (taken) comes_later(record);
  FragmentView fragment;
  Bytes rest = record.fragment;
  while (handshake && take_fragment(rest, fragment)) {
    const bool empty = fragment.body.size == 0 && fragment.message_length != 0;
    const char* complaint =
        empty ? MessageAssembly::kEmptyFragment : attempt_->hello->add(fragment);
    if (complaint == nullptr) continue;
    attempt_->messages.refuse(complaint);
    taken = false;
    if (may_begin_hello_anew(fragment) &&
        attempt_->messages.begins_anew(fragment.message_sequence)) {
      *attempt_->hello = HandshakeMessage(record.version, fragment);
    }
  }
  if (attempt_->hello->complete()) on_hello(now);
  return taken ? RecordOutcome::kTaken : RecordOutcome::kDiscarded;
}

// RFC 5246: a client sends its certificate only where it is asked to (section 7.4.6), and a server
// only where the suite has one (section 7.4.2) and no session is resumed (section 7.3). It is the
// longest of messages, and OpenSSL would end the handshake for it, whoever sent it.
bool Handshake::is_unasked(HandshakeType type) const {
  if (type != HandshakeType::kCertificate) return false;
  if (role_ == Role::kServer) return !attempt_->certificate_requested;
  const SSL_CIPHER* suite = ssl_ ? SSL_get_pending_cipher(ssl_.get()) : nullptr;
  return suite != nullptr && (SSL_session_reused(ssl_.get()) != 0 || !shows_certificate(suite));
}

bool Handshake::refuse_unasked(HandshakeType type) {
  if (!is_unasked(type)) return false;
  attempt_->messages.refuse("a Certificate comes that was not asked for");
  return true;
}

RecordOutcome Handshake::on_messages(const RecordView& record, double now) {
  using Outcome = MessageAssembly::Outcome;
  // Behind the peer's ChangeCipherSpec it has nothing new to say in clear.
  const bool over = reads_protected();
  bool taken = true;
  Bytes rest = record.fragment;
  FragmentView fragment;
  const bool later = comes_later(record);
  bool asks = false;
  while (take_fragment(rest, fragment)) {
    // RFC 5246 section 7.4.1.1: a client that negotiates already ignores it. It has no place in the
    // order of messages, because OpenSSL, which also makes servers, gives it none.
    if (fragment.type == HandshakeType::kHelloRequest) {
      taken = false;
      continue;
    }
    if (!over && fragment.type == HandshakeType::kHelloVerifyRequest) {
      taken = on_verify_request(fragment, now) && taken;
      continue;
    }
    HelloExchange* hellos = attempt_->hellos.get();
    const bool answer = hellos != nullptr && fragment.type == HandshakeType::kServerHello;
    Outcome outcome = Outcome::kRefused;
    if (is_of_other_flight(record, fragment, now)) {
      attempt_->messages.refuse("a ServerHello answers no ClientHello that was sent");
      taken = false;
      continue;
    }
    if (answer && !hellos->has_sent(fragment.message_sequence)) {
      attempt_->messages.refuse("a ServerHello answers no ClientHello that was sent");
    } else if (!over && !refuse_unasked(fragment.type)) {
      outcome = attempt_->messages.add(record.version, fragment);
    } else if (attempt_->messages.was_taken(fragment.message_sequence)) {
      outcome = Outcome::kRepeated;
    }
    if (answer && fragment.offset == 0 && outcome != Outcome::kRefused) {
      hellos->on_server_hello(record.sequence);
    }
    // The peer repeats its flight; OpenSSL has nothing to do with that.
    if (outcome == Outcome::kRepeated) asks = asks || asks_again(fragment);
    if (outcome == Outcome::kRefused || outcome == Outcome::kBegunAnew) taken = false;
  }
  // What is repeated by the network alone has a number that is not new.
  if (asks && later) answer_again(now);
  feed_messages(now);
  return taken ? RecordOutcome::kTaken : RecordOutcome::kDiscarded;
}

// Gives OpenSSL the messages that are whole, in order, up to one that a question comes before.
void Handshake::feed_messages(double now) {
  if (role_ == Role::kClient && !over() && !has_hello_taken()) return;
  while (!over() && !parked()) {
    const HandshakeMessage* next = attempt_->messages.next();
    if (next == nullptr) return;
    // It may have come ahead of the ServerHello, which says of what suite the session is.
    if (refuse_unasked(next->type())) {
      attempt_->messages.take();
      drop();
      continue;
    }
    if (question_comes_first(*next)) return;
    const HandshakeMessage message = attempt_->messages.take();
    if (follows_dtls13_ && is_downgrade(message)) {
      refuse_downgrade();
      return;
    }
    const uint64_t attempt = first_sequence_;  // feed() may have the client begin anew
    size_t offset = 0;
    do {
      // OpenSSL refuses records that are longer than what it has negotiated itself.
      const std::vector<uint8_t> bytes =
          message.record(offset, attempt_->next_number_in++, max_fragment());
      Bytes rest{bytes.data(), bytes.size()};
      RecordView record;
      if (take_record(rest, record)) feed(record, now);
    } while (!over() && first_sequence_ == attempt && offset < message.size());
    if (first_sequence_ != attempt) return;
    if (!over() && !attempt_->messages.was_taken(message.sequence())) drop();
  }
}

// RFC 8446 section 4.1.3: the server says that it has DTLS 1.3, which this side has offered, so
// that somebody in between has had a hand in it.
bool Handshake::is_downgrade(const HandshakeMessage& message) const {
  return message.type() == HandshakeType::kServerHello &&
         read_server_choice(message.type(), message.body()) == ServerChoice::kDowngraded;
}

void Handshake::refuse_downgrade() {
  Failure failure;
  failure.kind = FailureKind::kVersionMismatch;
  failure.detail =
      "the server says that it has DTLSv1.3, and speaks an older version: somebody in between has "
      "taken it out of what was said";
  send_alert(SSL3_AL_FATAL, SSL_AD_ILLEGAL_PARAMETER);
  failure.alert = SSL_AD_ILLEGAL_PARAMETER;
  downgraded_ = true;
  fail(std::move(failure));
}

// True: OpenSSL must not get the message before a question has been answered, since its callback
// will need the answer at once.
bool Handshake::question_comes_first(const HandshakeMessage& message) {
  if (psk_question_comes_first(message)) return true;
  // Behind it this side's flight leaves, and the server may take the handshake for done.
  if (message.type() != HandshakeType::kServerHelloDone || !policy_->request_ocsp ||
      attempt_->ocsp_verdict != OcspVerdict::kUnasked) {
    return false;
  }
  ask_ocsp_verdict();
  return true;
}

bool Handshake::psk_question_comes_first(const HandshakeMessage& message) {
  Attempt& attempt = *attempt_;
  if (!policy_->ask_psk || attempt.psk != Psk::kUnasked ||
      !is_psk_suite(SSL_get_pending_cipher(ssl_.get()))) {
    return false;
  }
  Bytes name;
  switch (message.type()) {
    case HandshakeType::kServerKeyExchange:
      if (read_psk_name(message.body(), name)) {
        attempt.psk_hint.assign(name.data, name.data + name.size);
      }
      return false;
    case HandshakeType::kServerHelloDone:
      attempt.psk = Psk::kAsked;
      park(LookupKind::kPskClient, {attempt.psk_hint.data(), attempt.psk_hint.size()});
      return true;
    case HandshakeType::kClientKeyExchange:
      if (!read_psk_name(message.body(), name)) return false;
      attempt.psk = Psk::kAsked;
      psk_identity_.emplace(name.data, name.data + name.size);
      // OpenSSL's callback sees a C string: it would look up another identity than the peer sent.
      if (std::find(psk_identity_->begin(), psk_identity_->end(), 0) != psk_identity_->end()) {
        attempt.cause = FailureKind::kPskIdentityInvalid;
        return false;
      }
      park(LookupKind::kPskServer, name);
      return true;
    default:
      return false;
  }
}

}  // namespace dtls
