// Sessions that are resumed (RFC 5246 section 7.3, RFC 5077), and what they are bound to:
// resumption must not skip a check that a full handshake would make. docs/resumption.md has the
// argument.

#include <openssl/crypto.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <cstring>

#include "core/handshake/handshake.h"
#include "core/handshake/psk_binding.h"
#include "core/identity/cipher_suites.h"
#include "core/wire/client_hello.h"

namespace dtls {

namespace {

struct StoreCtxFree {
  void operator()(X509_STORE_CTX* context) const { X509_STORE_CTX_free(context); }
};

bool contains(const STACK_OF(SSL_CIPHER) * suites, const SSL_CIPHER* suite) {
  for (int i = 0; suite != nullptr && i < sk_SSL_CIPHER_num(suites); ++i) {
    if (SSL_CIPHER_get_id(sk_SSL_CIPHER_value(suites, i)) == SSL_CIPHER_get_id(suite)) return true;
  }
  return false;
}

// Suites that this client would negotiate anew: with pre-shared keys only where it has some.
bool offers_suite(SSL* ssl, const SSL_CIPHER* suite) {
  STACK_OF(SSL_CIPHER)* offered = SSL_get1_supported_ciphers(ssl);
  const bool found = contains(offered, suite);
  sk_SSL_CIPHER_free(offered);
  return found;
}

}  // namespace

// ---- both: what sessions are bound to ----

// What certificates, their signatures, key exchanges and suites are judged by, on either side.
std::string Handshake::algorithm_rules() const {
  std::string rules(1, static_cast<char>(SSL_get_security_level(ssl_.get())));
  // RFC 7627 section 5.3: without the extension a session that was made with it ends the handshake.
  rules += (SSL_get_options(ssl_.get()) & SSL_OP_NO_EXTENDED_MASTER_SECRET) != 0 ? '0' : '1';
  for (const std::string* list : {&context_->groups(), &context_->sigalgs()}) {
    rules += std::to_string(list->size()) + ' ' + *list;
  }
  return rules;
}

// OpenSSL resumes a session only under the session id context that it was made under, whether it
// comes in a ticket or by its id: so all that its peer was judged by goes into it. A client has its
// own, which its server never sees.
bool Handshake::bind_sessions() {
  const std::vector<uint8_t> digest = rules_digest();
  return !digest.empty() && SSL_set_session_id_context(ssl_.get(), digest.data(),
                                                       static_cast<unsigned>(digest.size())) == 1;
}

// Empty when OpenSSL fails.
std::vector<uint8_t> Handshake::rules_digest() const {
  std::string rules = "dgram-dtls 2" + algorithm_rules();
  if (role_ == Role::kServer) rules += client_rules();
  std::vector<uint8_t> digest(SSL_MAX_SID_CTX_LENGTH);
  if (EVP_Digest(rules.data(), rules.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1) {
    return {};
  }
  return digest;
}

// ---- server ----

// What a client is judged by besides.
std::string Handshake::client_rules() const {
  const SessionPolicy& policy = *policy_;
  std::string rules;
  const std::string& context = context_->session_id_context();
  rules += static_cast<char>(context.size());
  rules += context;
  rules += static_cast<char>((policy.request_certificate ? 1 : 0) |
                             (policy.reject_unauthorized ? 2 : 0) | (policy.ask_psk ? 4 : 0) |
                             (context_->partial_chain_allowed() ? 8 : 0));
  // RFC 6066 section 3: a session is not resumed for another name. At most 255 bytes.
  rules += static_cast<char>(attempt_->server_name.size());
  rules += attempt_->server_name;
  if (policy.request_certificate) {
    const auto& digest = context_->trust().digest;
    rules.append(digest.begin(), digest.end());
    for (const std::vector<uint8_t>& value : policy.fingerprints.values) {
      rules += static_cast<char>(value.size());
      rules.append(value.begin(), value.end());
    }
    for (const std::vector<uint8_t>& key : policy.public_keys) {
      rules += "key" + std::to_string(key.size()) + ' ';
      rules.append(key.begin(), key.end());
    }
  }
  return rules;
}

// OpenSSL puts the client's certificate into the ticket, which has 16 bits for its length, and ends
// the handshake with an internal error when it does not fit. A session that gets a ticket has no
// id.
bool Handshake::fits_ticket(X509* certificate) const {
  unsigned id_size = 0;
  if (role_ == Role::kClient || certificate == nullptr ||
      (SSL_get_options(ssl_.get()) & SSL_OP_NO_TICKET) != 0) {
    return true;
  }
  SSL_SESSION_get_id(SSL_get_session(ssl_.get()), &id_size);
  return id_size != 0 || i2d_X509(certificate, nullptr) <= kMaxCertificateInTicket;
}

// A ticket keeps the client's certificate, but not the chain that proved it, and nobody looks at
// dates when a session is resumed: so it lives no longer than anything that it depends on.
bool Handshake::verify_chain(X509_STORE_CTX* store) {
  if (X509_verify_cert(store) <= 0) return false;
  SSL_SESSION* session = SSL_get_session(ssl_.get());
  if (role_ == Role::kClient || session == nullptr) return true;
  const int64_t expires = std::min(chain_expires(X509_STORE_CTX_get0_chain(store)),
                                   context_->trust().revocation_expires);
  const int64_t left = std::max<int64_t>(expires - SSL_SESSION_get_time(session), 0);
  if (left < SSL_SESSION_get_timeout(session)) {
    SSL_SESSION_set_timeout(session, static_cast<long>(left));
  }
  return true;
}

// Between the answers about the hello and the SSL: what the session that the client wants to resume
// makes necessary to ask.
void Handshake::consider_session(double now) {
  Attempt& attempt = *attempt_;
  ClientHelloView hello;
  if (attempt.cause == FailureKind::kNone && parse_client_hello(attempt.hello->body(), hello)) {
    if ((attempt.questions & kAskStoredSession) != 0 && hello.session_id.size != 0 &&
        hello.ticket.size == 0 && !attempt.session_asked) {
      attempt.session_asked = true;
      park(LookupKind::kStoredSession, hello.session_id);
      return;
    }
    if (ask_session_psk(hello.ticket, now)) return;
  }
  begin_server(now);
}

void Handshake::answer_session(Bytes session, bool refused, double now) {
  if (!waits_for(LookupKind::kStoredSession)) return;
  const ErrorQueueScope errors;
  attempt_->question.reset();
  if (refused) attempt_->cause = FailureKind::kSessionRefused;
  const uint8_t* end = session.data;
  if (session.size != 0) {
    attempt_->stored_session.reset(d2i_SSL_SESSION(nullptr, &end, static_cast<long>(session.size)));
  }
  if (end != session.data + session.size) attempt_->stored_session.reset();
  consider_session(now);
}

// Whether the identity of a session has the key still that the session was made with. True when the
// handshake waits for the answer.
bool Handshake::ask_session_psk(Bytes ticket, double now) {
  Attempt& attempt = *attempt_;
  if (!policy_->ask_psk || attempt.session_psk_state != SessionPsk::kUnasked) return false;
  attempt.session_psk_state = SessionPsk::kAsked;
  if (ticket.size != 0 && policy_->ticket_keys) {
    const ErrorQueueScope errors;
    const SecretBytes state = policy_->ticket_keys->unseal(ticket, now);
    const uint8_t* end = state.data();
    const SslSessionPtr session(
        state.empty() ? nullptr : d2i_SSL_SESSION(nullptr, &end, static_cast<long>(state.size())));
    if (session) attempt.session_psk = psk_binding(session.get());
  } else if (attempt.stored_session) {
    attempt.session_psk = psk_binding(attempt.stored_session.get());
  }
  if (attempt.session_psk.empty()) return false;
  park(LookupKind::kPskServer, bound_identity(attempt.session_psk));
  return true;
}

void Handshake::confirm_session_psk(Bytes key) {
  if (is_bound_to(attempt_->session_psk, key)) attempt_->session_psk_state = SessionPsk::kConfirmed;
}

// What OpenSSL does not look at: it asks only whether the client offers the suite.
bool Handshake::may_resume(const SSL_SESSION* session) const {
  const SSL_CIPHER* suite = SSL_SESSION_get0_cipher(session);
  if (!may_use(suite) || !contains(SSL_get_ciphers(ssl_.get()), suite)) {
    return false;
  }
  return !is_psk_suite(suite) || (attempt_->session_psk_state == SessionPsk::kConfirmed &&
                                  psk_binding(session) == attempt_->session_psk);
}

SSL_TICKET_RETURN Handshake::ticket_opened_callback(SSL* ssl, SSL_SESSION* session,
                                                    const unsigned char* /*name*/,
                                                    size_t /*name_size*/, SSL_TICKET_STATUS status,
                                                    void* /*arg*/) {
  const bool opened = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW;
  if (!opened || of(ssl) == nullptr || !of(ssl)->may_resume(session))
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

SSL_SESSION* Handshake::get_session_callback(SSL* ssl, const unsigned char* id, int size,
                                             int* copy) {
  *copy = 0;  // the reference passes to OpenSSL
  const Handshake* handshake = of(ssl);
  if (handshake == nullptr || !handshake->attempt_->stored_session) return nullptr;
  SslSessionPtr& stored = handshake->attempt_->stored_session;
  unsigned stored_size = 0;
  const unsigned char* stored_id = SSL_SESSION_get_id(stored.get(), &stored_size);
  // A store may have mixed its sessions up.
  if (stored_size != static_cast<unsigned>(size) || std::memcmp(stored_id, id, stored_size) != 0 ||
      !handshake->may_resume(stored.get())) {
    return nullptr;
  }
  return stored.release();
}

// A session without a ticket, for somebody to store before the peer comes back with its id. True
// when the handshake waits for that.
bool Handshake::tell_new_session() {
  Attempt& attempt = *attempt_;
  if ((attempt.questions & kTellNewSession) == 0 || attempt.new_session_told ||
      SSL_session_reused(ssl_.get()) != 0 || SSL_get_extms_support(ssl_.get()) != 1) {
    return false;
  }
  attempt.new_session_told = true;
  SSL_SESSION* session = SSL_get_session(ssl_.get());
  unsigned id_size = 0;
  const unsigned char* id = SSL_SESSION_get_id(session, &id_size);
  const int size = id_size == 0 ? 0 : i2d_SSL_SESSION(session, nullptr);
  if (size <= 0) return false;
  SecretBytes bytes(1 + id_size + static_cast<size_t>(size));
  *bytes.data() = static_cast<uint8_t>(id_size);
  std::copy_n(id, id_size, bytes.data() + 1);
  uint8_t* end = bytes.data() + 1 + id_size;
  i2d_SSL_SESSION(session, &end);
  park(LookupKind::kNewSession, bytes.view());
  return true;
}

void Handshake::answer_new_session(double now) {
  if (!waits_for(LookupKind::kNewSession)) return;
  resume(now);
}

int Handshake::ticket_key_callback(SSL* ssl, unsigned char* name, unsigned char* iv,
                                   EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int sealing) {
  const Handshake* handshake = of(ssl);
  TicketKeys* keys = handshake != nullptr ? handshake->policy_->ticket_keys.get() : nullptr;
  if (keys == nullptr) return sealing != 0 ? -1 : 0;
  // RFC 7627 section 5.4: a session without the extended master secret is not to be resumed.
  if (sealing != 0 && !handshake->extends_master_secret()) return 0;
  // A client that came with a longer one would have a longer ClientHello than is put together.
  constexpr int kLongest = 15'000;
  if (sealing != 0 && i2d_SSL_SESSION(SSL_get_session(ssl), nullptr) > kLongest) return 0;
  const double now = handshake->now_;
  return sealing != 0 ? keys->seal(name, iv, cipher, mac, now)
                      : keys->open(name, iv, cipher, mac, now);
}

// ---- client ----

// True when the handshake waits for the consumer to say what the key of the session's identity is
// now, or whether the session's server is the host that was meant. A session that does not pass is
// not offered: the full handshake then judges.
bool Handshake::offer_session(double now) {
  const ErrorQueueScope errors;
  SSL* ssl = ssl_.get();
  const KeptSession& session = *policy_->session;
  const SSL_CIPHER* suite = SSL_SESSION_get0_cipher(session.get());
  // A server refuses to resume a session under another max_fragment_length (RFC 6066 section 4).
  const uint8_t code = SSL_SESSION_get_max_fragment_length(session.get());
  const uint8_t own = max_fragment_code(policy_->max_fragment_length);
  const bool by_key = is_psk_suite(suite);
  if (session.expired(now) || !offers_suite(ssl, suite) || (code <= 4 ? code : 0) != own ||
      session.rules() != rules_digest() || (by_key ? session.psk().empty() : !session.leaf()) ||
      SSL_set_session(ssl, session.get()) != 1) {
    return false;
  }
  if (!by_key) return offer_verified_session();
  attempt_->session_psk_state = SessionPsk::kAsked;
  const char* hint = SSL_get_psk_identity_hint(ssl);  // that of the session's own handshake
  const size_t size = hint == nullptr ? 0 : std::strlen(hint);
  park(LookupKind::kPskClient, {reinterpret_cast<const uint8_t*>(hint), size});
  return true;
}

// The same identity must have the same key still: the server has proved no more than that it knows
// that one.
void Handshake::answer_session_psk(bool found, Bytes identity, Bytes key, double now) {
  attempt_->question.reset();
  attempt_->session_psk_state = SessionPsk::kConfirmed;
  const std::vector<uint8_t>& binding = policy_->session->psk();
  const Bytes bound = bound_identity(binding);
  const bool same = found &&
                    std::equal(identity.data, identity.data + identity.size, bound.data,
                               bound.data + bound.size) &&
                    is_bound_to(binding, key);
  if (!same) {
    withdraw_session();
  } else if (policy_->session->leaf() != nullptr && offer_verified_session()) {
    return;
  }
  resume(now);
}

// The certificate of the session's server, again.
bool Handshake::offer_verified_session() {
  const ErrorQueueScope errors;
  SSL* ssl = ssl_.get();
  const KeptSession& session = *policy_->session;
  // What is known of the session's server now must be what OpenSSL will say of it afterwards. A
  // name is judged where the chain is good, as in a full attempt.
  const long then = SSL_get_verify_result(ssl);
  const long today = verify_result_today(session);
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

void Handshake::withdraw_session() {
  SSL_set_session(ssl_.get(), nullptr);
  SSL_set_verify_result(ssl_.get(), X509_V_OK);
}

// The chain again, as OpenSSL verifies it in a full attempt.
long Handshake::verify_result_today(const KeptSession& session) {
  // A session that was kept has no raw public key to compare: a full handshake shows one.
  if (!policy_->public_keys.empty()) return X509_V_ERR_CERT_REJECTED;
  if (policy_->fingerprints.expected()) {
    return policy_->fingerprints.match(session.leaf()) ? X509_V_OK : X509_V_ERR_CERT_REJECTED;
  }
  SSL* ssl = ssl_.get();
  const SecureContext& trusting = policy_->authorities ? *policy_->authorities : *context_;
  const std::unique_ptr<X509_STORE_CTX, StoreCtxFree> store(X509_STORE_CTX_new());
  if (!store || X509_STORE_CTX_init(store.get(), SSL_CTX_get_cert_store(trusting.get()),
                                    session.leaf(), session.chain()) != 1) {
    return X509_V_ERR_UNSPECIFIED;
  }
  X509_STORE_CTX_set_default(store.get(), "ssl_server");
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(store.get());
  X509_VERIFY_PARAM_set1(parameters, SSL_get0_param(ssl));
  X509_VERIFY_PARAM_set_auth_level(parameters, SSL_get_security_level(ssl));
  if (verify_chain(store.get())) return X509_V_OK;
  const int error = X509_STORE_CTX_get_error(store.get());
  return error == X509_V_OK ? X509_V_ERR_UNSPECIFIED : error;
}

// ---- both ----

// A session that is resumed has the identity that it was made with: the one that was found to have
// its key still. What OpenSSL says of it is a field of the session, which nobody has verified.
void Handshake::note_psk_identity() {
  const SSL* ssl = ssl_.get();
  if (SSL_session_reused(ssl) == 0 || !is_psk_suite(SSL_get_current_cipher(ssl))) return;
  const Bytes identity =
      bound_identity(role_ == Role::kClient ? policy_->session->psk() : attempt_->session_psk);
  psk_identity_.emplace(identity.data, identity.data + identity.size);
}

// Whether a client has something new to keep.
bool Handshake::has_session_to_keep() const {
  const SSL* ssl = ssl_.get();
  const SSL_SESSION* session = SSL_get_session(ssl);
  return role_ == Role::kClient && (SSL_session_reused(ssl) == 0 || attempt_->ticket_received) &&
         session != nullptr && SSL_SESSION_is_resumable(session) == 1;
}

}  // namespace dtls
