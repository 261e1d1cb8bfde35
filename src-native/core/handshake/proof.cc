// What the peer has to prove: where 'rejectUnauthorized' demands it, a session has a peer whose
// certificate or raw public key was accepted, or who holds the pre-shared key.

#include "core/handshake/handshake.h"

namespace dtls {

namespace {

// Whether the peer proves something by this suite. With a certificate suite OpenSSL ends the
// handshake itself when there is no certificate, or one that verify_callback refuses. Suites of
// TLS 1.3 (any) are in OpenSSL's list, too, and DTLS 1.2 never uses them.
bool proves_peer(const SSL_CIPHER* suite) {
  switch (SSL_CIPHER_get_auth_nid(suite)) {
    case NID_auth_rsa:
    case NID_auth_dss:
    case NID_auth_ecdsa:
    case NID_auth_psk:
    case NID_auth_any:
      return true;
    default:
      return false;  // NID_auth_null above all: anonymous Diffie-Hellman, RFC 5246 appendix A.5
  }
}

}  // namespace

bool Handshake::may_use(const SSL_CIPHER* suite) const {
  const bool demanded =
      policy_->reject_unauthorized && (role_ == Role::kClient || policy_->request_certificate);
  return !demanded || proves_peer(suite);
}

void Handshake::demand_proof() { SSL_set_security_callback(ssl_.get(), security_callback); }

// OpenSSL asks about every suite that it offers, chooses, or is to use because the peer chose it,
// in resumed handshakes, too. So a suite that will not do never comes to a key exchange, and an
// alert says so.
int Handshake::security_callback(const SSL* ssl, const SSL_CTX* ctx, int operation, int bits,
                                 int nid, void* other, void* arg) {
  const auto by_level = SSL_CTX_get_security_callback(SSL_get_SSL_CTX(ssl));
  if (by_level(ssl, ctx, operation, bits, nid, other, arg) != 1) return 0;
  if ((operation & SSL_SECOP_OTHER_TYPE) != SSL_SECOP_OTHER_CIPHER) return 1;
  const Handshake* handshake = of(ssl);
  if (handshake == nullptr || handshake->may_use(static_cast<const SSL_CIPHER*>(other))) return 1;
  handshake->attempt_->unproving_refused = true;
  // The peer chose what it was not offered.
  if (operation == SSL_SECOP_CIPHER_CHECK) {
    handshake->attempt_->cause = FailureKind::kPeerUnauthenticated;
  }
  return 0;
}

}  // namespace dtls
