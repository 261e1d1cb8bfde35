#include "core/records/key_block.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>

#include "core/wire/wire.h"

namespace dtls {

// A suite of before TLS 1.2 has SHA-256 in DTLS 1.2 (RFC 5246 section 5). Before that there is one
// PRF, of MD5 with SHA-1, whatever the suite (RFC 5487 section 3 says so of those with SHA-384).
const EVP_MD* prf_digest(const SSL_CIPHER* cipher, int version) {
  const EVP_MD* digest = cipher != nullptr ? SSL_CIPHER_get_handshake_digest(cipher) : nullptr;
  if (digest == nullptr) return nullptr;
  if (version != DTLS1_2_VERSION) return EVP_md5_sha1();
  return EVP_MD_get_type(digest) == NID_md5_sha1 ? EVP_sha256() : digest;
}

const SSL_CIPHER* negotiated_cipher(const SSL* ssl) {
  const SSL_CIPHER* pending = SSL_get_pending_cipher(ssl);
  return pending != nullptr ? pending : SSL_get_current_cipher(ssl);
}

// PRF(master_secret, "key expansion", server_random + client_random).
bool key_block(SSL* ssl, uint8_t* out, size_t size) {
  Secret<SSL_MAX_MASTER_KEY_LENGTH> master;
  std::array<uint8_t, kRandomSize> client_random{};
  std::array<uint8_t, kRandomSize> server_random{};
  const SSL_SESSION* session = SSL_get_session(ssl);
  const size_t master_size =
      session != nullptr
          ? SSL_SESSION_get_master_key(session, master.bytes.data(), master.bytes.size())
          : 0;
  const EVP_MD* digest = prf_digest(negotiated_cipher(ssl), SSL_version(ssl));
  if (master_size == 0 || digest == nullptr ||
      SSL_get_client_random(ssl, client_random.data(), kRandomSize) != kRandomSize ||
      SSL_get_server_random(ssl, server_random.data(), kRandomSize) != kRandomSize) {
    return false;
  }
  std::array<uint8_t, 2 * kRandomSize> seed{};
  std::copy(client_random.begin(), client_random.end(),
            std::copy(server_random.begin(), server_random.end(), seed.begin()));
  return tls1_prf(EVP_MD_get0_name(digest), {master.bytes.data(), master_size}, "key expansion",
                  {seed.data(), seed.size()}, out, size);
}

bool tls1_prf(std::string digest, Bytes secret, std::string label, Bytes seed, uint8_t* out,
              size_t size) {
  const EvpKdfPtr kdf(EVP_KDF_fetch(nullptr, "TLS1-PRF", nullptr));
  const EvpKdfCtxPtr context(kdf ? EVP_KDF_CTX_new(kdf.get()) : nullptr);
  if (!context) return false;
  // OpenSSL only reads them, but its constructors take pointers to what is not const.
  auto* secret_data = const_cast<uint8_t*>(secret.data);
  auto* seed_data = const_cast<uint8_t*>(seed.data);
  // Several seeds are one after the other.
  const std::array<OSSL_PARAM, 5> params = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, secret_data, secret.size),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, label.data(), label.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed_data, seed.size),
      OSSL_PARAM_construct_end()};
  return EVP_KDF_derive(context.get(), out, size, params.data()) > 0;
}

}  // namespace dtls
