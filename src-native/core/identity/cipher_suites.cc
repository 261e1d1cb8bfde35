#include "core/identity/cipher_suites.h"

namespace dtls {

bool is_of_dtls12(const SSL_CIPHER* suite) { return SSL_CIPHER_get_kx_nid(suite) != NID_kx_any; }

bool is_psk_suite(const SSL_CIPHER* suite) {
  if (suite == nullptr) return false;
  switch (SSL_CIPHER_get_kx_nid(suite)) {
    case NID_kx_psk:
    case NID_kx_ecdhe_psk:
    case NID_kx_dhe_psk:
    case NID_kx_rsa_psk:
      return true;
    default:
      return false;
  }
}

bool shows_certificate(const SSL_CIPHER* suite) {
  const int proof = SSL_CIPHER_get_auth_nid(suite);
  return proof != NID_auth_psk && proof != NID_auth_null && proof != NID_auth_srp;
}

bool needs_dhparam(const SSL_CIPHER* suite) {
  const int exchange = SSL_CIPHER_get_kx_nid(suite);
  return exchange == NID_kx_dhe || exchange == NID_kx_dhe_psk;
}

bool level_permits(const SSL_CTX* ctx, const SSL_CIPHER* suite) {
  const auto judge = SSL_CTX_get_security_callback(ctx);
  return judge(nullptr, ctx, SSL_SECOP_CIPHER_SUPPORTED, SSL_CIPHER_get_bits(suite, nullptr), 0,
               const_cast<SSL_CIPHER*>(suite), SSL_CTX_get0_security_ex_data(ctx)) == 1;
}

}  // namespace dtls
