// Sessions that are resumed (RFC 5246 section 7.3, RFC 5077), and what they are bound to:
// resumption must not skip a check that a full handshake would make. docs/resumption.md has the
// argument.

#include <openssl/crypto.h>

#include <algorithm>
#include <cstring>

#include "core/handshake/handshake.h"
#include "core/handshake/psk_binding.h"
#include "core/handshake/session_rules.h"
#include "core/identity/cipher_suites.h"
#include "core/wire/client_hello.h"

namespace dtls {

namespace {

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

// OpenSSL resumes a session only under the session id context that it was made under, whether it
// comes in a ticket or by its id: so all that its peer was judged by goes into it. A client has its
// own, which its server never sees.
bool Handshake::bind_sessions() { return bind_to_rules(ssl_.get(), own_rules()); }

std::vector<uint8_t> Handshake::own_rules() const {
  return rules_digest(role_, ssl_.get(), false, *context_, *policy_, attempt_->server_name);
}

// ---- server ----

// A session that gets a ticket has no id.
bool Handshake::fits_ticket(X509* certificate) const {
  unsigned id_size = 0;
  if (role_ == Role::kClient) return true;
  SSL_SESSION_get_id(SSL_get_session(ssl_.get()), &id_size);
  return id_size != 0 || fits_into_ticket(ssl_.get(), certificate);
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
  if (sealing != 0 && !is_short_enough_for_ticket(ssl)) return 0;
  const double now = handshake->now_;
  return sealing != 0 ? keys->seal(name, iv, cipher, mac, now)
                      : keys->open(name, iv, cipher, mac, now);
}

// ---- client ----

// True when the handshake waits for the consumer to say what the key of the session's identity is
// now, or whether the session's server is the host that was meant. A session that does not pass is
// not offered: the full handshake then judges.
bool Handshake::offer_session() {
  const ErrorQueueScope errors;
  SSL* ssl = ssl_.get();
  const KeptSession& session = *policy_->session;
  const SSL_CIPHER* suite = SSL_SESSION_get0_cipher(session.get());
  // A server refuses to resume a session under another max_fragment_length (RFC 6066 section 4).
  const uint8_t code = SSL_SESSION_get_max_fragment_length(session.get());
  const uint8_t own = max_fragment_code(policy_->max_fragment_length);
  const bool by_key = is_psk_suite(suite);
  if (session.of_dtls13() || session.expired() || !offers_suite(ssl, suite) ||
      (code <= 4 ? code : 0) != own || session.rules() != own_rules() ||
      (by_key ? session.psk().empty() : !session.leaf()) ||
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

void Handshake::withdraw_session() {
  SSL_set_session(ssl_.get(), nullptr);
  SSL_set_verify_result(ssl_.get(), X509_V_OK);
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
