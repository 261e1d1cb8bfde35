// Which of this side's certificates is shown, and what OpenSSL asks about it in a handshake.

#include <openssl/crypto.h>

#include <algorithm>

#include "core/handshake/handshake.h"

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
bool Handshake::lacks_ocsp_answer() {
  SSL* ssl = ssl_.get();
  if (SSL_get_tlsext_status_type(ssl) != TLSEXT_STATUSTYPE_ocsp) return false;
  const auto& answers = attempt_->ocsp;
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
void Handshake::ask_ocsp_verdict() {
  attempt_->ocsp_verdict = OcspVerdict::kAsked;
  const unsigned char* response = nullptr;
  const long size = SSL_get_tlsext_status_ocsp_resp(ssl_.get(), &response);
  park(LookupKind::kOcspVerdict, {response, size > 0 ? static_cast<size_t>(size) : 0});
}

void Handshake::answer_ocsp(bool refused, Bytes response, double now) {
  if (waits_for(LookupKind::kOcspVerdict)) {
    attempt_->ocsp_verdict = refused ? OcspVerdict::kRefused : OcspVerdict::kAccepted;
    if (refused) attempt_->cause = FailureKind::kOcspResponseRefused;
    resume(now);
    return;
  }
  if (!waits_for(LookupKind::kOcspResponse)) return;
  if (refused) attempt_->cause = FailureKind::kOcspRefused;
  attempt_->ocsp.emplace_back(SSL_get_certificate(ssl_.get()),
                              std::vector<uint8_t>(response.data, response.data + response.size));
  resume(now);
}

int Handshake::certificate_callback(SSL* ssl, void* /*arg*/) {
  if (of(ssl) == nullptr) return 0;
  Handshake& handshake = *of(ssl);
  if (handshake.role_ == Role::kClient) {
    choose_client_certificate(ssl);
    return 1;
  }
  if (handshake.attempt_->cause == FailureKind::kOcspRefused) return 0;
  return handshake.lacks_ocsp_answer() ? -1 : 1;
}

// Server: a certificate has been chosen. Client: OpenSSL got ServerHelloDone, and 0 makes it end
// the handshake with bad_certificate_status_response (RFC 6066 section 8) in place of its own
// flight.
int Handshake::status_callback(SSL* ssl, void* /*arg*/) {
  if (of(ssl) == nullptr) return SSL_TLSEXT_ERR_NOACK;
  const Handshake& handshake = *of(ssl);
  if (handshake.role_ == Role::kClient) {
    return handshake.attempt_->ocsp_verdict == OcspVerdict::kRefused ? 0 : 1;
  }
  for (const auto& [leaf, response] : handshake.attempt_->ocsp) {
    if (leaf != SSL_get_certificate(ssl) || response.empty()) continue;
    void* copy = OPENSSL_memdup(response.data(), response.size());
    if (copy == nullptr) return SSL_TLSEXT_ERR_ALERT_FATAL;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(response.size()));  // owns it now
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

}  // namespace dtls
