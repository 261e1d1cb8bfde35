#include "core/records/record_protection.h"

#include <algorithm>
#include <cstring>

#include "core/records/key_block.h"

namespace dtls {

namespace {

constexpr size_t kTag = AeadSuite::kMaxTagSize;
constexpr size_t kMaxKeyBlock = 2 * (AeadSuite::kMaxKeySize + AeadSuite::kNonceSize);

}  // namespace

bool RecordProtection::init_context(EvpCipherCtxPtr& context, Bytes key, bool encrypt) const {
  context.reset(EVP_CIPHER_CTX_new());
  EVP_CIPHER_CTX* ctx = context.get();
  const int direction = encrypt ? 1 : 0;
  // CCM wants its tag's length before the key.
  return ctx != nullptr &&
         EVP_CipherInit_ex(ctx, suite_.cipher, nullptr, nullptr, nullptr, direction) == 1 &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, static_cast<int>(Nonce{}.size()),
                             nullptr) == 1 &&
         (!suite_.ccm() || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG,
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
                                                                   ContentType type, size_t size) {
  AdditionalData data{};
  std::copy_n(record.whole.data + 3, 8, data.begin());  // epoch and sequence number
  data[8] = static_cast<uint8_t>(type);
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
      (suite_.ccm() && EVP_CipherUpdate(ctx, nullptr, &done, nullptr, length) != 1) ||
      EVP_CipherUpdate(ctx, nullptr, &done, aad.data(), static_cast<int>(aad.size())) != 1 ||
      EVP_CipherUpdate(ctx, plaintext, &done, ciphertext, length) != 1) {
    return false;
  }
  // CCM verifies as it decrypts and has no final step.
  return suite_.ccm() || EVP_CipherFinal_ex(ctx, plaintext + done, &done) == 1;
}

size_t RecordProtection::seal(ContentType type, const RecordView& like, Bytes plaintext,
                              uint8_t* out) {
  if (!sealer_ || plaintext.size > kMaxPlaintext ||
      like.fragment.size < suite_.explicit_nonce_size) {
    return 0;
  }
  const Nonce iv = nonce(like);
  const AdditionalData aad = additional_data(like, type, plaintext.size);
  std::copy_n(like.whole.data, kRecordHeaderSize, out);
  out[0] = static_cast<uint8_t>(type);
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
  if ((suite_.ccm() &&
       // Fixes the tag's length anew: the message before has used it up.
       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, tag_size, nullptr) != 1) ||
      EVP_CipherInit_ex(ctx, nullptr, nullptr, nullptr, iv.data(), 1) != 1 ||
      (suite_.ccm() && EVP_CipherUpdate(ctx, nullptr, &done, nullptr, length) != 1) ||
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
  const AeadSuite& suite = aead_suite(negotiated_cipher(ssl));
  if (!suite.valid() || SSL_version(ssl) != DTLS1_2_VERSION) return false;
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
