// What a handshake asks of the consumer, and what the answers do to it.

#include "core/handshake/handshake.h"
#include "core/identity/marked_random.h"
#include "core/wire/client_hello.h"

namespace dtls {

void Handshake::park(LookupKind kind, Bytes about) {
  attempt_->question = kind;
  update_retransmission(0);
  outlet_.append(RecordType::kLookup, static_cast<uint32_t>(kind), 0, about);
}

void Handshake::resume(double now) {
  attempt_->question.reset();
  begin(now);
  feed_messages(now);
  feed_held(now);
}

// The hello is whole. There is no SSL yet: one that is made when the answer is known has all that
// its context says, and while the answer is open the peer costs no more than its hello.
void Handshake::on_hello(double now) {
  ClientHelloView hello;
  attempt_->questions = policy_->hello_questions;
  if (parse_client_hello(attempt_->hello->body(), hello)) {
    const Bytes name = hello.server_name;
    attempt_->server_name.assign(name.data, name.data + name.size);
    const auto asks = [this](uint32_t about) { return (policy_->hello_questions & about) != 0; };
    if (asks(kAskAlways) || (asks(kAskServerName) && name.size != 0) ||
        (asks(kAskProtocols) && hello.protocols.size != 0)) {
      const std::vector<uint8_t> about = pack_client_hello(hello);
      park(LookupKind::kClientHello, {about.data(), about.size()});
      return;
    }
  }
  consider_session(now);
}

void Handshake::answer_hello(HelloAnswer answer, double now) {
  if (!waits_for(LookupKind::kClientHello)) return;
  attempt_->question.reset();
  attempt_->cause = answer.refusal;
  attempt_->protocols = std::move(answer.protocols);
  attempt_->name_used = answer.context != nullptr && !attempt_->server_name.empty();
  if (answer.context) context_ = std::move(answer.context);
  if (answer.policy) policy_ = std::move(answer.policy);
  mtu_ = policy_->mtu;
  consider_session(now);
}

void Handshake::begin_server(double now) {
  const std::unique_ptr<HandshakeMessage> hello = std::move(attempt_->hello);
  state_ = HandshakeState::kExchange;
  // OpenSSL knows nothing of a context that has DTLS 1.3 and nothing older.
  if (context_->says_versions() && !context_->allows(kDtls12) && !context_->allows(kDtls10)) {
    Failure failure;
    failure.kind = FailureKind::kVersionMismatch;
    failure.detail = "the context that was chosen for this client has DTLSv1.3 alone";
    send_alert(SSL3_AL_FATAL, SSL_AD_PROTOCOL_VERSION);
    failure.alert = SSL_AD_PROTOCOL_VERSION;
    fail(std::move(failure));
    return;
  }
  if (!create_ssl()) {
    fail(failure_from_openssl(FailureKind::kInternal));
    return;
  }
  const ErrorQueueScope errors;
  if (!pass_cookie_exchange(*hello)) {
    fail(openssl_failure());
    return;
  }
  size_t offset = 0;
  const std::vector<uint8_t> record = hello->record(offset, attempt_->next_number_in++);
  offer({record.data(), record.size()});
  {
    // RFC 8446 section 4.1.3: a server that has DTLS 1.3 says so where it speaks an older version,
    // whatever the context for the client's server name says of versions.
    std::optional<MarksNextRandom> marks;
    if (beside_dtls13_) marks.emplace(ssl_.get());
    begin(now);
  }
  take_back();
  if (!over()) feed_held(now);
}

void Handshake::answer_psk(PskAnswer answer, Bytes identity, Bytes key, double now) {
  const bool found = answer == PskAnswer::kFound;
  if (!waits_for(role_ == Role::kServer ? LookupKind::kPskServer : LookupKind::kPskClient)) return;
  if (state_ == HandshakeState::kHello) {  // it is about a session
    attempt_->question.reset();
    if (found) confirm_session_psk(key);
    consider_session(now);
    return;
  }
  if (role_ == Role::kClient && attempt_->session_psk_state == SessionPsk::kAsked) {
    answer_session_psk(found, identity, key, now);
    return;
  }
  attempt_->psk = found ? Psk::kFound : Psk::kMissing;
  attempt_->psk_key = SecretBytes(key);
  if (role_ == Role::kClient) {
    attempt_->offered_identity.assign(identity.data, identity.data + identity.size);
    psk_identity_ = attempt_->offered_identity;
  }
  resume(now);
}

void Handshake::answer_identity(bool accepted, double now) {
  if (waits_for(LookupKind::kSessionIdentity)) {
    // What is said of the name now must be what the session's own handshake came to.
    const bool accepted_then = SSL_get_verify_result(ssl_.get()) == X509_V_OK;
    if (accepted != accepted_then) withdraw_session();
    resume(now);
    return;
  }
  if (!waits_for(LookupKind::kPeerIdentity)) return;
  attempt_->peer_identity = accepted ? PeerIdentity::kAccepted : PeerIdentity::kRejected;
  resume(now);
}

}  // namespace dtls
