// What OpenSSL calls, in the middle of what it does: notes things down, answers from what is there
// already, and never calls back.

#include <openssl/crypto.h>

#include <algorithm>
#include <cstring>

#include "core/handshake/session_rules.h"
#include "core/handshake13/handshake13.h"
#include "core/identity/raw_public_key.h"

namespace dtls {

Handshake13* Handshake13::of(const SSL* ssl) {
  return static_cast<Handshake13*>(SSL_get_app_data(ssl));
}

void Handshake13::install_callbacks(SSL_CTX* ctx) {
  SSL_CTX_set_cert_verify_callback(ctx, verify_callback, nullptr);
  SSL_CTX_set_cert_cb(ctx, certificate_callback, nullptr);
  SSL_CTX_set_tlsext_status_cb(ctx, status_callback);
  SSL_CTX_set_tlsext_servername_callback(ctx, server_name_callback);
  SSL_CTX_set_alpn_select_cb(ctx, protocols_callback, nullptr);
  SSL_CTX_set_keylog_callback(ctx, keylog_callback);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, ticket_key_callback);
  SSL_CTX_set_session_ticket_cb(ctx, nullptr, ticket_opened_callback, nullptr);
}

int Handshake13::verify_callback(X509_STORE_CTX* store, void* /*arg*/) {
  SSL* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  if (of(ssl) == nullptr) return 0;
  Handshake13& handshake = *of(ssl);
  const SessionPolicy& policy = *handshake.policy_;
  const bool tolerant = !policy.reject_unauthorized;
  X509* const leaf = X509_STORE_CTX_get0_cert(store);
  // OpenSSL would fail at such a ticket. At 1.2 the client has been promised one by then.
  if (handshake.role_ == Role::kServer && !fits_into_ticket(ssl, leaf)) {
    SSL_set_num_tickets(ssl, 0);
  }
  if (policy.fingerprints.expected() || !policy.public_keys.empty()) {
    const auto& keys = policy.public_keys;
    const bool match =
        policy.fingerprints.expected()
            ? policy.fingerprints.match(leaf)
            : std::find(keys.begin(), keys.end(), rpk::to_der(rpk::of_store(store))) != keys.end();
    X509_STORE_CTX_set_error(store, match ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
    return match || tolerant ? 1 : 0;
  }
  PeerIdentity& identity = handshake.peer_identity_;
  switch (identity) {
    case PeerIdentity::kUnasked:
      if (!verify_chain(store, ssl, handshake.role_, *handshake.context_)) return tolerant ? 1 : 0;
      if (!policy.ask_identity) return 1;
      identity = PeerIdentity::kAsked;
      [[fallthrough]];
    case PeerIdentity::kAsked:
      // The chain is good. OpenSSL pauses and calls again when the consumer has judged the name.
      return SSL_set_retry_verify(ssl) ? 1 : 0;
    case PeerIdentity::kAccepted:
      return 1;
    case PeerIdentity::kRejected:
      X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
      return tolerant ? 1 : 0;
  }
  return 0;
}

// Server: OpenSSL has not chosen a certificate yet when it can still wait, so that each of them is
// asked about, one after the other. The one in question is the current one.
bool Handshake13::lacks_ocsp_answer() {
  SSL* ssl = engine_->ssl();
  if (SSL_get_tlsext_status_type(ssl) != TLSEXT_STATUSTYPE_ocsp) return false;
  for (long found = SSL_set_current_cert(ssl, SSL_CERT_SET_FIRST); found == 1;
       found = SSL_set_current_cert(ssl, SSL_CERT_SET_NEXT)) {
    const X509* leaf = SSL_get_certificate(ssl);
    if (std::none_of(ocsp_.begin(), ocsp_.end(),
                     [leaf](const auto& answer) { return answer.first == leaf; })) {
      return true;
    }
  }
  SSL_set_current_cert(ssl, SSL_CERT_SET_FIRST);
  return false;
}

// A client's OpenSSL chooses among its certificates by what the server's signature algorithms are.
int Handshake13::certificate_callback(SSL* ssl, void* /*arg*/) {
  if (of(ssl) == nullptr) return 0;
  Handshake13& handshake = *of(ssl);
  if (handshake.role_ == Role::kClient) return 1;
  if (handshake.cause_ == FailureKind::kOcspRefused) return 0;
  return handshake.lacks_ocsp_answer() ? -1 : 1;
}

// Server: a certificate has been chosen. Client: the server's Finished is there, and 0 makes
// OpenSSL end the handshake in place of this side's own flight.
int Handshake13::status_callback(SSL* ssl, void* /*arg*/) {
  if (of(ssl) == nullptr) return SSL_TLSEXT_ERR_NOACK;
  const Handshake13& handshake = *of(ssl);
  if (handshake.role_ == Role::kClient) {
    return handshake.ocsp_verdict_ == OcspVerdict::kRefused ? 0 : 1;
  }
  for (const auto& [leaf, response] : handshake.ocsp_) {
    if (leaf != SSL_get_certificate(ssl) || response.empty()) continue;
    void* copy = OPENSSL_memdup(response.data(), response.size());
    if (copy == nullptr) return SSL_TLSEXT_ERR_ALERT_FATAL;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(response.size()));  // owns it now
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

// Whatever the name, there is a context for it. A server says so only when it has used the name to
// choose that context, see Handshake::server_name_callback.
int Handshake13::server_name_callback(SSL* ssl, int* /*alert*/, void* /*arg*/) {
  const Handshake13* handshake = of(ssl);
  return handshake != nullptr && SSL_is_server(ssl) != 0 && handshake->name_used_
             ? SSL_TLSEXT_ERR_OK
             : SSL_TLSEXT_ERR_NOACK;
}

// RFC 7301 section 3.2: the server's order decides, and without a protocol in common it refuses.
int Handshake13::protocols_callback(SSL* ssl, const unsigned char** out, unsigned char* out_size,
                                    const unsigned char* in, unsigned in_size, void* /*arg*/) {
  if (of(ssl) == nullptr) return SSL_TLSEXT_ERR_ALERT_FATAL;
  Handshake13& handshake = *of(ssl);
  const bool answered = handshake.protocols_.has_value();
  const std::vector<uint8_t>& own = answered ? *handshake.protocols_ : handshake.policy_->protocols;
  if (own.empty() && !answered) return SSL_TLSEXT_ERR_NOACK;
  unsigned char* chosen = nullptr;
  if (!own.empty() &&
      SSL_select_next_proto(&chosen, out_size, own.data(), static_cast<unsigned>(own.size()), in,
                            in_size) == OPENSSL_NPN_NEGOTIATED) {
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
  }
  handshake.refused_protocols_.assign(in, in + in_size);
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void Handshake13::keylog_callback(const SSL* ssl, const char* line) {
  Handshake13* handshake = of(ssl);
  if (handshake == nullptr || !handshake->policy_->keylog) return;
  handshake->outlet_.append(RecordType::kKeylog, 0, 0,
                            {reinterpret_cast<const uint8_t*>(line), std::strlen(line)});
}

}  // namespace dtls
