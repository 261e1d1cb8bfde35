#include "core/record_protection.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>
#include <cstring>
#include <string>

namespace dtls {

namespace {

constexpr size_t kGcmFixedIv = 4;
constexpr size_t kExplicitNonce = 8;
constexpr size_t kTag = 16;
constexpr size_t kCcm8Tag = 8;
constexpr size_t kChaChaIv = 12;
constexpr size_t kMaxKeyBlock = 2 * (32 + kChaChaIv);

// Suites of RFC 6655 and RFC 7251 whose tag has 8 bytes. OpenSSL gives CCM and CCM-8 one cipher
// NID.
bool is_ccm8(const SSL_CIPHER* cipher) {
  switch (SSL_CIPHER_get_protocol_id(cipher)) {
    case 0xc0a0:  // RSA_WITH_AES_128_CCM_8
    case 0xc0a1:  // RSA_WITH_AES_256_CCM_8
    case 0xc0a2:  // DHE_RSA_WITH_AES_128_CCM_8
    case 0xc0a3:  // DHE_RSA_WITH_AES_256_CCM_8
    case 0xc0a8:  // PSK_WITH_AES_128_CCM_8
    case 0xc0a9:  // PSK_WITH_AES_256_CCM_8
    case 0xc0aa:  // PSK_DHE_WITH_AES_128_CCM_8
    case 0xc0ab:  // PSK_DHE_WITH_AES_256_CCM_8
    case 0xc0ae:  // ECDHE_ECDSA_WITH_AES_128_CCM_8
    case 0xc0af:  // ECDHE_ECDSA_WITH_AES_256_CCM_8
      return true;
    default:
      return false;
  }
}

// Wipes a buffer of secrets however the function is left.
template <size_t Size>
struct Secret {
  std::array<uint8_t, Size> bytes{};
  Secret() = default;
  ~Secret() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
};

// The key block, RFC 5246 section 6.3: PRF(master_secret, "key expansion", server_random +
// client_random).
bool key_block(SSL* ssl, uint8_t* out, size_t size) {
  Secret<SSL_MAX_MASTER_KEY_LENGTH> master;
  std::array<uint8_t, kRandomSize> client_random{};
  std::array<uint8_t, kRandomSize> server_random{};
  const size_t master_size =
      SSL_SESSION_get_master_key(SSL_get_session(ssl), master.bytes.data(), master.bytes.size());
  const EVP_MD* digest = SSL_CIPHER_get_handshake_digest(SSL_get_current_cipher(ssl));
  if (master_size == 0 || digest == nullptr ||
      SSL_get_client_random(ssl, client_random.data(), kRandomSize) != kRandomSize ||
      SSL_get_server_random(ssl, server_random.data(), kRandomSize) != kRandomSize) {
    return false;
  }
  const EvpKdfPtr kdf(EVP_KDF_fetch(nullptr, "TLS1-PRF", nullptr));
  const EvpKdfCtxPtr context(kdf ? EVP_KDF_CTX_new(kdf.get()) : nullptr);
  if (!context) return false;
  std::string digest_name = EVP_MD_get0_name(digest);
  std::string label = "key expansion";
  // Several seeds are one after the other.
  const std::array<OSSL_PARAM, 6> params = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest_name.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master.bytes.data(), master_size),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, label.data(), label.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, server_random.data(), kRandomSize),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, client_random.data(), kRandomSize),
      OSSL_PARAM_construct_end()};
  return EVP_KDF_derive(context.get(), out, size, params.data()) > 0;
}

}  // namespace

AeadSuite aead_suite(const SSL_CIPHER* cipher) {
  if (cipher == nullptr || SSL_CIPHER_is_aead(cipher) != 1) return {};
  const size_t ccm_tag = is_ccm8(cipher) ? kCcm8Tag : kTag;
  switch (SSL_CIPHER_get_cipher_nid(cipher)) {
    case NID_aes_128_gcm:
      return {EVP_aes_128_gcm(), 16, kGcmFixedIv, kExplicitNonce, kTag, false};
    case NID_aes_256_gcm:
      return {EVP_aes_256_gcm(), 32, kGcmFixedIv, kExplicitNonce, kTag, false};
    case NID_aes_128_ccm:
      return {EVP_aes_128_ccm(), 16, kGcmFixedIv, kExplicitNonce, ccm_tag, true};
    case NID_aes_256_ccm:
      return {EVP_aes_256_ccm(), 32, kGcmFixedIv, kExplicitNonce, ccm_tag, true};
    case NID_chacha20_poly1305:
      return {EVP_chacha20_poly1305(), 32, kChaChaIv, 0, kTag, false};
    default:
      return {};
  }
}

bool RecordProtection::init_context(EvpCipherCtxPtr& context, Bytes key, bool encrypt) const {
  context.reset(EVP_CIPHER_CTX_new());
  EVP_CIPHER_CTX* ctx = context.get();
  const int direction = encrypt ? 1 : 0;
  // CCM wants its tag's length before the key.
  return ctx != nullptr &&
         EVP_CipherInit_ex(ctx, suite_.cipher, nullptr, nullptr, nullptr, direction) == 1 &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, static_cast<int>(Nonce{}.size()),
                             nullptr) == 1 &&
         (!suite_.ccm || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG,
                                             static_cast<int>(suite_.tag_size), nullptr) == 1) &&
         EVP_CipherInit_ex(ctx, nullptr, nullptr, key.data, nullptr, direction) == 1;
}

bool RecordProtection::init(const AeadSuite& suite, Bytes key, Bytes fixed_iv) {
  if (!suite.valid() || key.size != suite.key_size || fixed_iv.size != suite.fixed_iv_size) {
    return false;
  }
  suite_ = suite;
  std::copy_n(fixed_iv.data, fixed_iv.size, fixed_iv_.data());
  if (init_context(opener_, key, false) && init_context(sealer_, key, true)) return true;
  opener_.reset();
  sealer_.reset();
  return false;
}

RecordProtection::Nonce RecordProtection::nonce(const RecordView& record) const {
  Nonce nonce = fixed_iv_;
  if (suite_.explicit_nonce_size != 0) {
    // Taken from the record, never invented: GCM's starts at random in OpenSSL.
    std::copy_n(record.fragment.data, suite_.explicit_nonce_size,
                nonce.begin() + static_cast<long>(suite_.fixed_iv_size));
    return nonce;
  }
  // RFC 7905 section 2: the IV XOR the epoch and sequence number.
  for (size_t i = 0; i < 8; ++i) nonce[4 + i] ^= record.whole.data[3 + i];
  return nonce;
}

RecordProtection::AdditionalData RecordProtection::additional_data(const RecordView& record,
                                                                   uint8_t type, size_t size) {
  AdditionalData data{};
  std::copy_n(record.whole.data + 3, 8, data.begin());  // epoch and sequence number
  data[8] = type;
  std::copy_n(record.whole.data + 1, 2, data.begin() + 9);  // version
  write_u16(data.data() + 11, static_cast<uint32_t>(size));
  return data;
}

bool RecordProtection::open(const RecordView& record, uint8_t* plaintext, size_t& size) {
  if (!opener_ || record.fragment.size < suite_.overhead()) return false;
  size = record.fragment.size - suite_.overhead();
  const Nonce iv = nonce(record);
  const AdditionalData aad = additional_data(record, record.type, size);
  const uint8_t* ciphertext = record.fragment.data + suite_.explicit_nonce_size;
  // OpenSSL takes the expected tag through a pointer without const.
  std::array<uint8_t, kTag> tag{};
  std::copy_n(ciphertext + size, suite_.tag_size, tag.begin());
  EVP_CIPHER_CTX* ctx = opener_.get();
  const int tag_size = static_cast<int>(suite_.tag_size);
  const int length = static_cast<int>(size);
  const ErrorQueueScope errors;
  int done = 0;
  if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, tag_size, tag.data()) != 1 ||
      EVP_CipherInit_ex(ctx, nullptr, nullptr, nullptr, iv.data(), 0) != 1 ||
      (suite_.ccm && EVP_CipherUpdate(ctx, nullptr, &done, nullptr, length) != 1) ||
      EVP_CipherUpdate(ctx, nullptr, &done, aad.data(), static_cast<int>(aad.size())) != 1 ||
      EVP_CipherUpdate(ctx, plaintext, &done, ciphertext, length) != 1) {
    return false;
  }
  // CCM verifies as it decrypts and has no final step.
  return suite_.ccm || EVP_CipherFinal_ex(ctx, plaintext + done, &done) == 1;
}

size_t RecordProtection::seal(uint8_t type, const RecordView& like, Bytes plaintext, uint8_t* out) {
  if (!sealer_ || plaintext.size > kMaxPlaintext ||
      like.fragment.size < suite_.explicit_nonce_size) {
    return 0;
  }
  const Nonce iv = nonce(like);
  const AdditionalData aad = additional_data(like, type, plaintext.size);
  std::copy_n(like.whole.data, kRecordHeaderSize, out);
  out[0] = type;
  write_u16(out + 11, static_cast<uint32_t>(suite_.overhead() + plaintext.size));
  uint8_t* fragment = out + kRecordHeaderSize;
  std::copy_n(like.fragment.data, suite_.explicit_nonce_size, fragment);
  uint8_t* ciphertext = fragment + suite_.explicit_nonce_size;
  EVP_CIPHER_CTX* ctx = sealer_.get();
  const int tag_size = static_cast<int>(suite_.tag_size);
  const int length = static_cast<int>(plaintext.size);
  const ErrorQueueScope errors;
  int done = 0;
  int rest = 0;
  if ((suite_.ccm &&
       // Fixes the tag's length anew: the message before has used it up.
       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, tag_size, nullptr) != 1) ||
      EVP_CipherInit_ex(ctx, nullptr, nullptr, nullptr, iv.data(), 1) != 1 ||
      (suite_.ccm && EVP_CipherUpdate(ctx, nullptr, &done, nullptr, length) != 1) ||
      EVP_CipherUpdate(ctx, nullptr, &done, aad.data(), static_cast<int>(aad.size())) != 1 ||
      EVP_CipherUpdate(ctx, ciphertext, &done, plaintext.data, length) != 1 ||
      EVP_CipherFinal_ex(ctx, ciphertext + done, &rest) != 1 ||
      EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, tag_size, ciphertext + length) != 1) {
    return 0;
  }
  return sealed_size(plaintext.size);
}

bool derive_record_protection(SSL* ssl, RecordProtection& own, RecordProtection& peers) {
  const ErrorQueueScope errors;
  const AeadSuite suite = aead_suite(SSL_get_current_cipher(ssl));
  if (!suite.valid() || SSL_version(ssl) != DTLS1_2_VERSION || SSL_is_init_finished(ssl) != 1) {
    return false;
  }
  Secret<kMaxKeyBlock> block;
  const size_t size = 2 * (suite.key_size + suite.fixed_iv_size);
  if (!key_block(ssl, block.bytes.data(), size)) return false;
  const uint8_t* at = block.bytes.data();
  const Bytes client_key{at, suite.key_size};
  const Bytes server_key{at + suite.key_size, suite.key_size};
  const Bytes client_iv{at + 2 * suite.key_size, suite.fixed_iv_size};
  const Bytes server_iv{at + 2 * suite.key_size + suite.fixed_iv_size, suite.fixed_iv_size};
  RecordProtection& server = SSL_is_server(ssl) == 1 ? own : peers;
  RecordProtection& client = SSL_is_server(ssl) == 1 ? peers : own;
  return client.init(suite, client_key, client_iv) && server.init(suite, server_key, server_iv);
}

}  // namespace dtls
