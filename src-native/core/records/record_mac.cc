#include "core/records/record_mac.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <string>

#include "core/records/key_block.h"

namespace dtls {

bool can_encrypt_then_mac(const SSL_CIPHER* cipher) {
  if (cipher == nullptr || SSL_CIPHER_is_aead(cipher) == 1) return false;
  const int nid = SSL_CIPHER_get_cipher_nid(cipher);
  if (nid == NID_undef) return true;  // eNULL
  const EVP_CIPHER* known = EVP_get_cipherbynid(nid);
  return known != nullptr && EVP_CIPHER_get_mode(known) == EVP_CIPH_CBC_MODE;
}

bool RecordMac::derive(SSL* ssl) {
  const ErrorQueueScope errors;
  const SSL_CIPHER* cipher = negotiated_cipher(ssl);
  const EVP_MD* digest =
      cipher != nullptr ? EVP_get_digestbynid(SSL_CIPHER_get_digest_nid(cipher)) : nullptr;
  if (digest == nullptr) return false;
  size_ = static_cast<size_t>(EVP_MD_get_size(digest));
  // The client's key comes first, the server's next, RFC 5246 section 6.3.
  Secret<size_t{2} * EVP_MAX_MD_SIZE> keys;
  if (!key_block(ssl, keys.bytes.data(), 2 * size_)) return false;
  const uint8_t* key = keys.bytes.data() + (SSL_is_server(ssl) == 1 ? 0 : size_);
  const EvpMacPtr hmac(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
  EvpMacCtxPtr mac(hmac ? EVP_MAC_CTX_new(hmac.get()) : nullptr);
  std::string name = EVP_MD_get0_name(digest);
  const std::array<OSSL_PARAM, 2> params = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0),
      OSSL_PARAM_construct_end()};
  if (!mac || EVP_MAC_init(mac.get(), key, size_, params.data()) != 1) return false;
  mac_ = std::move(mac);
  return true;
}

bool RecordMac::verify(const RecordView& record) {
  if (!mac_ || record.fragment.size < size_) return false;
  const ErrorQueueScope errors;
  const size_t size = record.fragment.size - size_;
  // RFC 7366 section 3, with DTLS's epoch and sequence number in place of TLS's sequence number.
  std::array<uint8_t, 13> header{};
  std::copy_n(record.whole.data + 3, 8, header.begin());
  std::copy_n(record.whole.data, 3, header.begin() + 8);
  write_u16(header.data() + 11, static_cast<uint32_t>(size));
  const EvpMacCtxPtr context(EVP_MAC_CTX_dup(mac_.get()));
  std::array<uint8_t, EVP_MAX_MD_SIZE> expected{};
  size_t expected_size = 0;
  return context && EVP_MAC_update(context.get(), header.data(), header.size()) == 1 &&
         EVP_MAC_update(context.get(), record.fragment.data, size) == 1 &&
         EVP_MAC_final(context.get(), expected.data(), &expected_size, expected.size()) == 1 &&
         expected_size == size_ &&
         CRYPTO_memcmp(expected.data(), record.fragment.data + size, size_) == 0;
}

}  // namespace dtls
