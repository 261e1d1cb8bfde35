// Which of this side's certificates is shown, and what OpenSSL asks about it in a handshake.

#include <openssl/crypto.h>

#include <algorithm>

#include "core/session/session.h"

namespace dtls {

namespace {

// OpenSSL's judgement of the current certificate by what the peer has said.
unsigned suits_peer(SSL* ssl) {
  STACK_OF(X509)* chain = nullptr;
  SSL_get0_chain_certs(ssl, &chain);
  return static_cast<unsigned>(
      SSL_check_chain(ssl, SSL_get_certificate(ssl), SSL_get_privatekey(ssl), chain));
}

// A server's OpenSSL goes through its certificates by itself; a client's tries only the current
// one. The server has said which types it takes, and from which authorities (RFC 5246 section
// 7.4.4).
void choose_client_certificate(SSL* ssl) {
  for (const unsigned wanted : {CERT_PKEY_VALID | CERT_PKEY_CERT_TYPE | CERT_PKEY_ISSUER_NAME,
                                CERT_PKEY_VALID | CERT_PKEY_CERT_TYPE}) {
    for (long found = SSL_set_current_cert(ssl, SSL_CERT_SET_FIRST); found == 1;
         found = SSL_set_current_cert(ssl, SSL_CERT_SET_NEXT)) {
      if ((suits_peer(ssl) & wanted) == wanted) return;
    }
  }
  SSL_set_current_cert(ssl, SSL_CERT_SET_FIRST);
}

}  // namespace

// Server: OpenSSL has not chosen a certificate yet when it can still wait, so that each of them is
// asked about, one after the other. The one in question is the current one.
bool Session::lacks_ocsp_answer() {
  SSL* ssl = ssl_.get();
  if (!handshake_ || SSL_get_tlsext_status_type(ssl) != TLSEXT_STATUSTYPE_ocsp) return false;
  const auto& answers = handshake_->ocsp;
  for (long found = SSL_set_current_cert(ssl, SSL_CERT_SET_FIRST); found == 1;
       found = SSL_set_current_cert(ssl, SSL_CERT_SET_NEXT)) {
    const X509* leaf = SSL_get_certificate(ssl);
    if (std::none_of(answers.begin(), answers.end(),
                     [leaf](const auto& answer) { return answer.first == leaf; })) {
      return true;
    }
  }
  SSL_set_current_cert(ssl, SSL_CERT_SET_FIRST);
  return false;
}

// Client: the server's whole flight is there, and its certificate has been verified.
void Session::ask_ocsp_verdict() {
  handshake_->ocsp_asked = true;
  const unsigned char* response = nullptr;
  const long size = SSL_get_tlsext_status_ocsp_resp(ssl_.get(), &response);
  park(LookupKind::kOcspVerdict, {response, size > 0 ? static_cast<size_t>(size) : 0});
}

void Session::answer_ocsp(bool refused, Bytes response, uint8_t* scratch, double now) {
  if (waits_for(LookupKind::kOcspVerdict)) {
    handshake_->ocsp_refused = refused;
    if (refused) handshake_->cause = FailureKind::kOcspResponseRefused;
    resume(scratch, now);
    return;
  }
  if (!waits_for(LookupKind::kOcspResponse)) return;
  if (refused) handshake_->cause = FailureKind::kOcspRefused;
  handshake_->ocsp.emplace_back(SSL_get_certificate(ssl_.get()),
                                std::vector<uint8_t>(response.data, response.data + response.size));
  resume(scratch, now);
}

int Session::certificate_callback(SSL* ssl, void* /*arg*/) {
  Session& session = *of(ssl);
  if (session.role_ == Role::kClient) {
    choose_client_certificate(ssl);
    return 1;
  }
  if (session.handshake_ && session.handshake_->cause == FailureKind::kOcspRefused) return 0;
  return session.lacks_ocsp_answer() ? -1 : 1;
}

// Server: a certificate has been chosen. Client: OpenSSL got ServerHelloDone, and 0 makes it end
// the handshake with bad_certificate_status_response (RFC 6066 section 8) in place of its own
// flight.
int Session::status_callback(SSL* ssl, void* /*arg*/) {
  Session& session = *of(ssl);
  if (session.role_ == Role::kClient) {
    return session.handshake_ && session.handshake_->ocsp_refused ? 0 : 1;
  }
  if (!session.handshake_) return SSL_TLSEXT_ERR_NOACK;
  for (const auto& [leaf, response] : session.handshake_->ocsp) {
    if (leaf != SSL_get_certificate(ssl) || response.empty()) continue;
    void* copy = OPENSSL_memdup(response.data(), response.size());
    if (copy == nullptr) return SSL_TLSEXT_ERR_ALERT_FATAL;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(response.size()));  // owns it now
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

}  // namespace dtls
