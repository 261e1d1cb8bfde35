#include "core/records/aead_protection.h"

#include <algorithm>

namespace dtls {

namespace {

constexpr size_t kNumberAt = 3;  // epoch and sequence number
constexpr size_t kNumberSize = 8;
constexpr size_t kLengthAt = 11;

void write_u64(uint8_t* p, uint64_t value) {
  write_u16(p, static_cast<uint32_t>(value >> 48));
  write_u48(p + 2, value);
}

using AdditionalData = std::array<uint8_t, kNumberSize + 5>;

AdditionalData additional_data(const uint8_t* record, size_t plaintext) {
  AdditionalData data{};
  std::copy_n(record + kNumberAt, kNumberSize, data.begin());
  std::copy_n(record, kNumberAt, data.begin() + kNumberSize);  // type and version
  write_u16(data.data() + kNumberSize + kNumberAt, static_cast<uint32_t>(plaintext));
  return data;
}

}  // namespace

AeadProtection::AeadProtection(const AeadSuite& suite, Direction direction, Bytes key,
                               Bytes fixed_iv)
    : suite_(suite), direction_(direction) {
  std::copy_n(key.data, suite.key_size, key_.bytes.data());
  std::copy_n(fixed_iv.data, suite.fixed_iv_size, iv_.bytes.data());
}

bool AeadProtection::make_context() {
  EvpCipherCtxPtr context(EVP_CIPHER_CTX_new());
  EVP_CIPHER_CTX* ctx = context.get();
  const int seals = direction_ == Direction::kSeal ? 1 : 0;
  // CCM wants its tag's length before the key.
  if (ctx == nullptr ||
      EVP_CipherInit_ex(ctx, suite_.cipher, nullptr, nullptr, nullptr, seals) != 1 ||
      EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, static_cast<int>(AeadSuite::kNonceSize),
                          nullptr) != 1 ||
      (suite_.ccm && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG,
                                         static_cast<int>(suite_.tag_size), nullptr) != 1) ||
      EVP_CipherInit_ex(ctx, nullptr, nullptr, key_.bytes.data(), nullptr, seals) != 1) {
    ErrorQueueScope::clear();
    return false;
  }
  context_ = std::move(context);
  return true;
}

AeadProtection::Nonce AeadProtection::nonce(const uint8_t* record) const {
  Nonce nonce = iv_.bytes;
  if (suite_.explicit_nonce_size != 0) {
    std::copy_n(record + kRecordHeaderSize, kNumberSize, nonce.begin() + 4);
  } else {
    for (size_t i = 0; i < kNumberSize; ++i) nonce[4 + i] ^= record[kNumberAt + i];
  }
  return nonce;
}

bool AeadProtection::open(const RecordView& record, uint8_t* room, size_t& size) {
  size = record.fragment.size - suite_.overhead();
  const Nonce iv = nonce(record.whole.data);
  const AdditionalData aad = additional_data(record.whole.data, size);
  const uint8_t* ciphertext = record.whole.data + plaintext_offset();
  // OpenSSL takes the expected tag through a pointer without const.
  auto* tag = const_cast<uint8_t*>(ciphertext + size);
  EVP_CIPHER_CTX* ctx = context_.get();
  const int length = static_cast<int>(size);
  int done = 0;
  // CCM verifies as it decrypts, and has no final step.
  if (EVP_DecryptInit_ex(ctx, nullptr, nullptr, nullptr, iv.data()) == 1 &&
      EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(suite_.tag_size), tag) ==
          1 &&
      (!suite_.ccm || EVP_DecryptUpdate(ctx, nullptr, &done, nullptr, length) == 1) &&
      EVP_DecryptUpdate(ctx, nullptr, &done, aad.data(), static_cast<int>(aad.size())) == 1 &&
      EVP_DecryptUpdate(ctx, room, &done, ciphertext, length) == 1 &&
      (suite_.ccm || EVP_DecryptFinal_ex(ctx, room + done, &done) == 1)) {
    return true;
  }
  ErrorQueueScope::clear();
  std::fill_n(room, size, uint8_t{0});
  size = 0;
  return false;
}

size_t AeadProtection::seal(const Header& header, Bytes plaintext, uint8_t* out) {
  out[0] = static_cast<uint8_t>(header.type);
  write_u16(out + 1, header.version);
  write_u64(out + kNumberAt, header.number);
  write_u16(out + kLengthAt, static_cast<uint32_t>(suite_.overhead() + plaintext.size));
  if (suite_.explicit_nonce_size != 0) write_u64(out + kRecordHeaderSize, header.explicit_nonce);
  const Nonce iv = nonce(out);
  const AdditionalData aad = additional_data(out, plaintext.size);
  uint8_t* ciphertext = out + plaintext_offset();
  // Null would mean something else than an empty plaintext.
  const uint8_t* from = plaintext.data != nullptr ? plaintext.data : ciphertext;
  EVP_CIPHER_CTX* ctx = context_.get();
  const int length = static_cast<int>(plaintext.size);
  const int tag_size = static_cast<int>(suite_.tag_size);
  int done = 0;
  int rest = 0;
  // CCM's tag has its length fixed anew: the record before has used it up.
  if ((!suite_.ccm || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, tag_size, nullptr) == 1) &&
      EVP_EncryptInit_ex(ctx, nullptr, nullptr, nullptr, iv.data()) == 1 &&
      (!suite_.ccm || EVP_EncryptUpdate(ctx, nullptr, &done, nullptr, length) == 1) &&
      EVP_EncryptUpdate(ctx, nullptr, &done, aad.data(), static_cast<int>(aad.size())) == 1 &&
      EVP_EncryptUpdate(ctx, ciphertext, &done, from, length) == 1 &&
      EVP_EncryptFinal_ex(ctx, ciphertext + done, &rest) == 1 &&
      EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, tag_size, ciphertext + length) == 1) {
    return sealed_size(plaintext.size);
  }
  ErrorQueueScope::clear();
  return 0;
}

}  // namespace dtls
