// What a handshake asks of the consumer, and what the answers do to it.

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/handshake/psk_binding.h"
#include "core/handshake/psk_lookahead.h"
#include "core/handshake13/handshake13.h"
#include "core/hello13/client_offer.h"
#include "core/wire/client_hello.h"

namespace dtls {

namespace {

constexpr size_t kHeader = 4;

Bytes view(const std::vector<uint8_t>& bytes) { return {bytes.data(), bytes.size()}; }

}  // namespace

// The hello is whole. There is no engine yet: one that is made when the answer is known has all
// that its context says, and while the answer is open the peer costs no more than its hello.
void Handshake13::on_hello(double now) {
  ClientHelloView hello;
  if (parse_client_hello(view(hello_.message).from(kHeader), hello)) {
    const Bytes name = hello.server_name;
    server_name_.assign(name.data, name.data + name.size);
    const auto asks = [this](uint32_t about) { return (policy_->hello_questions & about) != 0; };
    if (asks(kAskAlways) || (asks(kAskServerName) && name.size != 0) ||
        (asks(kAskProtocols) && hello.protocols.size != 0)) {
      hello.session_id = {};  // names nothing in DTLS 1.3
      const std::vector<uint8_t> about = pack_client_hello(hello);
      park(LookupKind::kClientHello, view(about));
      return;
    }
  }
  consider_keys(now);
}

void Handshake13::answer_hello(HelloAnswer answer, double now) {
  if (!waits_for(LookupKind::kClientHello)) return;
  const ErrorQueueScope errors;
  question_.reset();
  cause_ = answer.refusal;
  protocols_ = std::move(answer.protocols);
  name_used_ = answer.context != nullptr && !server_name_.empty();
  if (answer.context) context_ = std::move(answer.context);
  if (answer.policy) policy_ = std::move(answer.policy);
  mtu_ = policy_->mtu;
  consider_keys(now);
  leave(now);
}

// Which keys the identities in the hello have is asked before the engine sees it, which takes the
// answer at once. A ticket of our own names the key that its session was made with.
void Handshake13::consider_keys(double now) {
  if (policy_->ask_psk && cause_ == FailureKind::kNone && !keys_considered_) {
    keys_considered_ = true;
    // Whoever sends more of them asks for more lookups than a handshake is worth.
    constexpr size_t kMostIdentities = 4;
    ClientOffer offer;
    Bytes identities;
    if (read_client_offer(view(hello_.message).from(kHeader), offer)) {
      identities = offer.psk_identities;
    }
    while (identities.size > 2 && asked_identities_.size() < kMostIdentities) {
      const Bytes identity = identities.from(2).first(read_u16(identities.data));
      constexpr size_t kAge = 4;
      identities = identities.from(2 + identity.size + kAge);
      const SecretBytes state =
          policy_->ticket_keys ? policy_->ticket_keys->unseal(identity, now) : SecretBytes();
      if (state.empty()) {
        // As at 1.2, where OpenSSL would cut it.
        if (identity.size > kMaxPskIdentity ||
            std::memchr(identity.data, 0, identity.size) != nullptr) {
          invalid_identity_ = true;
          continue;
        }
        asked_identities_.emplace_back(identity.data, identity.data + identity.size);
        continue;
      }
      const uint8_t* end = state.data();
      const SslSessionPtr session(d2i_SSL_SESSION(nullptr, &end, static_cast<long>(state.size())));
      if (session && session_psk_.empty()) session_psk_ = psk_binding(session.get());
    }
    asked_identities_ = {asked_identities_.rbegin(), asked_identities_.rend()};
    if (!session_psk_.empty()) {
      asks_session_psk_ = true;
      park(LookupKind::kPskServer, bound_identity(session_psk_));
      return;
    }
  }
  if (!ask_next_key(now)) begin_server(now);
}

bool Handshake13::ask_next_key(double /*now*/) {
  if (external_ || asked_identities_.empty()) return false;
  asked_for_key_ = true;
  park(LookupKind::kPskServer, view(asked_identities_.back()));
  return true;
}

// The client offers the key of its session as well. It is known already, and not asked for again.
void Handshake13::take_key_of_session(Bytes key) {
  const Bytes identity = bound_identity(session_psk_);
  for (const std::vector<uint8_t>& asked : asked_identities_) {
    if (!std::equal(identity.data, identity.data + identity.size, asked.begin(), asked.end())) {
      continue;
    }
    external_ = ExternalKey{asked, SecretBytes(key)};
    return;
  }
}

void Handshake13::answer_psk(PskAnswer answer, Bytes identity, Bytes key, double now) {
  const ErrorQueueScope errors;
  const bool found = answer == PskAnswer::kFound;
  if (role_ == Role::kServer) {
    if (!waits_for(LookupKind::kPskServer)) return;
    question_.reset();
    if (answer == PskAnswer::kRefused) {
      fail_with(FailureKind::kPskIdentityUnknown, SSL_AD_UNKNOWN_PSK_IDENTITY);
      return;
    }
    if (asks_session_psk_) {
      asks_session_psk_ = false;
      session_psk_confirmed_ = found && is_bound_to(session_psk_, key);
      if (session_psk_confirmed_) take_key_of_session(key);
    } else {
      if (found) external_ = ExternalKey{std::move(asked_identities_.back()), SecretBytes(key)};
      asked_identities_.pop_back();
    }
    if (!ask_next_key(now)) begin_server(now);
    leave(now);
    return;
  }
  if (!waits_for(LookupKind::kPskClient)) return;
  question_.reset();
  if (answer == PskAnswer::kRefused && !asks_session_psk_) {
    Failure failure;
    failure.kind = FailureKind::kPskRequired;
    fail(std::move(failure));
    return;
  }
  if (asks_session_psk_) {
    asks_session_psk_ = false;
    answer_session_psk(found, identity, key, now);
    leave(now);
    return;
  }
  const bool named = identity.size != 0;
  if (found && !named && !offers_dtls12()) {
    Failure failure;
    failure.kind = FailureKind::kPskIdentityInvalid;
    failure.detail = kNoEmptyIdentity;
    fail(std::move(failure));
    return;
  }
  invalid_identity_ = found && !named;
  if (found && named) {
    psk_identity_.emplace(identity.data, identity.data + identity.size);
    external_ = ExternalKey{*psk_identity_, SecretBytes(key)};
  }
  begin_client(now);
  leave(now);
}

void Handshake13::answer_identity(bool accepted, double now) {
  const ErrorQueueScope errors;
  if (waits_for(LookupKind::kSessionIdentity)) {
    question_.reset();
    // What is said of the name now must be what the session's own handshake came to.
    const bool accepted_then = SSL_get_verify_result(engine_->ssl()) == X509_V_OK;
    if (accepted != accepted_then) withdraw_session();
    begin_client(now);
    leave(now);
    return;
  }
  if (!waits_for(LookupKind::kPeerIdentity)) return;
  peer_identity_ = accepted ? PeerIdentity::kAccepted : PeerIdentity::kRejected;
  resume(now);
}

void Handshake13::answer_ocsp(bool refused, Bytes response, double now) {
  const ErrorQueueScope errors;
  if (waits_for(LookupKind::kOcspVerdict)) {
    ocsp_verdict_ = refused ? OcspVerdict::kRefused : OcspVerdict::kAccepted;
    if (refused) cause_ = FailureKind::kOcspResponseRefused;
    question_.reset();
    feed_messages(now);
    leave(now);
    return;
  }
  if (!waits_for(LookupKind::kOcspResponse)) return;
  if (refused) cause_ = FailureKind::kOcspRefused;
  ocsp_.emplace_back(SSL_get_certificate(engine_->ssl()),
                     std::vector<uint8_t>(response.data, response.data + response.size));
  resume(now);
}

// The engine goes on where it paused.
void Handshake13::resume(double now) {
  question_.reset();
  now_ = now;
  peers_turn_since_ = now;
  drive(engine_->resume(), now);
  feed_held(now);
  feed_messages(now);
  leave(now);
}

}  // namespace dtls
