// Sessions that are resumed, by tickets (RFC 8446 section 4.6.1), and pre-shared keys that are none
// of ours: both are pre_shared_key to DTLS 1.3, and OpenSSL has them in one list.

#include <algorithm>
#include <cstring>

#include "core/handshake/psk_binding.h"
#include "core/handshake/session_rules.h"
#include "core/handshake13/handshake13.h"

namespace dtls {

namespace {

bool offers_suite(SSL* ssl, const SSL_CIPHER* suite) {
  STACK_OF(SSL_CIPHER)* offered = SSL_get1_supported_ciphers(ssl);
  bool found = false;
  for (int i = 0; suite != nullptr && i < sk_SSL_CIPHER_num(offered); ++i) {
    found = found || SSL_CIPHER_get_id(sk_SSL_CIPHER_value(offered, i)) == SSL_CIPHER_get_id(suite);
  }
  sk_SSL_CIPHER_free(offered);
  return found;
}

}  // namespace

bool Handshake13::bind_sessions() {
  return bind_to_rules(
      engine_->ssl(), rules_digest(role_, engine_->ssl(), true, *context_, *policy_, server_name_));
}

// ---- external keys ----

// OpenSSL has a key as a session that was never made. RFC 8446 section 4.2.11: without another word
// its hash is SHA-256.
SslSessionPtr Handshake13::session_of_key(SSL* ssl, const ExternalKey& external) const {
  constexpr unsigned char kAes128GcmSha256[] = {0x13, 0x01};
  const Bytes key = external.key.view();
  const SSL_CIPHER* suite = SSL_CIPHER_find(ssl, kAes128GcmSha256);
  SslSessionPtr session(SSL_SESSION_new());
  if (!session || suite == nullptr || key.size == 0 ||
      SSL_SESSION_set1_master_key(session.get(), key.data, key.size) != 1 ||
      SSL_SESSION_set_cipher(session.get(), suite) != 1 ||
      SSL_SESSION_set_protocol_version(session.get(), TLS1_3_VERSION) != 1) {
    return nullptr;
  }
  if (role_ == Role::kClient) {  // a server's OpenSSL does so by itself
    const std::vector<uint8_t> rules =
        rules_digest(role_, ssl, true, *context_, *policy_, server_name_);
    SSL_SESSION_set1_id_context(session.get(), rules.data(), static_cast<unsigned>(rules.size()));
  }
  bind_to_psk(session.get(), {external.identity.data(), external.identity.size()}, key);
  return session;
}

// Of several identities the last one that OpenSSL asks about is the one that it takes.
int Handshake13::psk_find_callback(SSL* ssl, const unsigned char* identity, size_t size,
                                   SSL_SESSION** session) {
  *session = nullptr;
  if (of(ssl) == nullptr) return 0;
  Handshake13& handshake = *of(ssl);
  handshake.external_chosen_ = false;
  const auto& external = handshake.external_;
  if (!external || !std::equal(identity, identity + size, external->identity.begin(),
                               external->identity.end())) {
    return 1;  // a ticket, perhaps
  }
  *session = handshake.session_of_key(ssl, *external).release();
  handshake.external_chosen_ = *session != nullptr;
  return *session != nullptr ? 1 : 0;
}

int Handshake13::psk_use_callback(SSL* ssl, const EVP_MD* md, const unsigned char** id,
                                  size_t* id_size, SSL_SESSION** session) {
  *session = nullptr;
  if (of(ssl) == nullptr) return 0;
  Handshake13& handshake = *of(ssl);
  const auto& external = handshake.external_;
  // After a HelloRetryRequest the hash is known.
  if (!external || (md != nullptr && EVP_MD_get_type(md) != NID_sha256)) return 1;
  if (!handshake.external_session_) {
    handshake.external_session_ = handshake.session_of_key(ssl, *external);
    if (!handshake.external_session_) return 0;
  }
  SSL_SESSION_up_ref(handshake.external_session_.get());
  *session = handshake.external_session_.get();
  *id = external->identity.data();
  *id_size = external->identity.size();
  return 1;
}

// To OpenSSL it is a session that was resumed. A client may offer both a session and a key, whose
// sessions it tells apart by the salt in the binding: what OpenSSL goes on with may be a copy.
bool Handshake13::by_external_key() const {
  if (!engine_ || !external_ || SSL_session_reused(engine_->ssl()) == 0) return false;
  if (role_ == Role::kServer) return external_chosen_;
  return external_session_ &&
         psk_binding(SSL_get0_session(engine_->ssl())) == psk_binding(external_session_.get());
}

// How the session that is resumed knows the key that it was made with; empty where there is none. A
// hello may have several tickets, so a server asks the session that OpenSSL has taken.
std::vector<uint8_t> Handshake13::resumed_key() const {
  if (!engine_ || SSL_session_reused(engine_->ssl()) == 0 || by_external_key()) return {};
  return role_ == Role::kServer ? psk_binding(SSL_get0_session(engine_->ssl())) : session_psk_;
}

// ---- tickets: a server's ----

// What OpenSSL does not look at: whether the key of the session's identity is still the same.
bool Handshake13::may_resume(const SSL_SESSION* session) const {
  const std::vector<uint8_t> binding = psk_binding(session);
  return binding.empty() || (session_psk_confirmed_ && binding == session_psk_);
}

SSL_TICKET_RETURN Handshake13::ticket_opened_callback(SSL* ssl, SSL_SESSION* session,
                                                      const unsigned char* /*name*/,
                                                      size_t /*name_size*/,
                                                      SSL_TICKET_STATUS status, void* /*arg*/) {
  const bool opened = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW;
  if (!opened || of(ssl) == nullptr || !of(ssl)->may_resume(session)) {
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
  // RFC 8446 appendix C.4: a ticket is used once, so there is always a new one.
  return SSL_TICKET_RETURN_USE_RENEW;
}

int Handshake13::ticket_key_callback(SSL* ssl, unsigned char* name, unsigned char* iv,
                                     EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int sealing) {
  const Handshake13* handshake = of(ssl);
  TicketKeys* keys = handshake != nullptr ? handshake->policy_->ticket_keys.get() : nullptr;
  if (keys == nullptr) return sealing != 0 ? -1 : 0;
  // Beside the longest list of protocols it still goes into a ClientHello that a server puts
  // together for an address that is not proved (HeldHellos).
  constexpr int kLongest = 6000;
  if (sealing != 0 && i2d_SSL_SESSION(SSL_get_session(ssl), nullptr) > kLongest) return 0;
  return sealing != 0 ? keys->seal(name, iv, cipher, mac, handshake->now_)
                      : keys->open(name, iv, cipher, mac, handshake->now_);
}

// ---- tickets: a client's ----

// True when the handshake waits for the consumer to say what the key of the session's identity is
// now, or whether the session's server is the host that was meant. A session that does not pass is
// not offered: the full handshake then judges.
bool Handshake13::offer_session() {
  SSL* ssl = engine_->ssl();
  const KeptSession& session = *policy_->session;
  const bool by_key = !session.psk().empty();
  const unsigned char* ticket = nullptr;
  size_t ticket_size = 0;
  SSL_SESSION_get0_ticket(session.get(), &ticket, &ticket_size);
  // A hello that is longer than a server puts together would be dropped, for the session's whole
  // life. Our own servers' tickets are shorter.
  constexpr size_t kLongest = 8192;
  if (ticket_size > kLongest || !session.of_dtls13() || session.expired() ||
      !offers_suite(ssl, SSL_SESSION_get0_cipher(session.get())) ||
      session.rules() != rules_digest(role_, ssl, true, *context_, *policy_, server_name_) ||
      (by_key ? !policy_->ask_psk : !session.leaf()) || SSL_set_session(ssl, session.get()) != 1) {
    return false;
  }
  if (!by_key) return offer_verified_session();
  session_psk_ = session.psk();
  asks_session_psk_ = true;
  park(LookupKind::kPskClient, {});
  return true;
}

// The same identity must have the same key still: the server has proved no more than that it knows
// that one.
void Handshake13::answer_session_psk(bool found, Bytes identity, Bytes key, double now) {
  const Bytes bound = bound_identity(session_psk_);
  const bool same = found &&
                    std::equal(identity.data, identity.data + identity.size, bound.data,
                               bound.data + bound.size) &&
                    is_bound_to(session_psk_, key);
  if (same) {
    // The key itself is offered behind the session, which the server may not have any more.
    psk_identity_.emplace(identity.data, identity.data + identity.size);
    external_ = ExternalKey{*psk_identity_, SecretBytes(key)};
  } else {
    withdraw_session();
  }
  begin_client(now);
}

// The certificate of the session's server, again.
bool Handshake13::offer_verified_session() {
  SSL* ssl = engine_->ssl();
  const KeptSession& session = *policy_->session;
  // What is known of the session's server now must be what OpenSSL will say of it afterwards. A
  // name is judged where the chain is good, as in a full attempt.
  const long then = SSL_get_verify_result(ssl);
  const long today = verify_again(ssl, *context_, *policy_, session);
  const bool asks = today == X509_V_OK && policy_->ask_identity;
  const bool same = today == then || (asks && then == X509_V_ERR_HOSTNAME_MISMATCH);
  if (!same || (then != X509_V_OK && policy_->reject_unauthorized)) {
    withdraw_session();
    return false;
  }
  if (!asks) return false;
  park(LookupKind::kSessionIdentity, {});
  return true;
}

void Handshake13::withdraw_session() {
  session_psk_.clear();
  SSL_set_session(engine_->ssl(), nullptr);
  SSL_set_verify_result(engine_->ssl(), X509_V_OK);
}

}  // namespace dtls
