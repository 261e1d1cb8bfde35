// Which of this side's certificates is shown, and what OpenSSL asks about it in a handshake.

#include "core/session.h"

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

int Session::certificate_callback(SSL* ssl, void* /*arg*/) {
  if (of(ssl)->role_ == Role::kClient) choose_client_certificate(ssl);
  return 1;
}

}  // namespace dtls
