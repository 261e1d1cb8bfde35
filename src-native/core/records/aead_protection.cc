#include "core/records/aead_protection.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <algorithm>
#include <utility>

namespace dtls {

namespace {

constexpr size_t kNumberAt = 3;  // epoch and sequence number
constexpr size_t kNumberSize = 8;
constexpr size_t kLengthAt = 11;

// One after the other, of which compilers make one store: OpenSSL reads these bytes together soon
// after, and would wait for single ones.
void write_u64(uint8_t* p, uint64_t value) {
  p[0] = static_cast<uint8_t>(value >> 56);
  p[1] = static_cast<uint8_t>(value >> 48);
  p[2] = static_cast<uint8_t>(value >> 40);
  p[3] = static_cast<uint8_t>(value >> 32);
  p[4] = static_cast<uint8_t>(value >> 24);
  p[5] = static_cast<uint8_t>(value >> 16);
  p[6] = static_cast<uint8_t>(value >> 8);
  p[7] = static_cast<uint8_t>(value);
}

using AdditionalData = std::array<uint8_t, kNumberSize + 5>;

// From what is known, not from the record: what was just written there is slow to read again.
AdditionalData additional_data(const AeadProtection::Header& header, size_t size) {
  AdditionalData data{};
  write_u64(data.data(), header.number);
  data[8] = static_cast<uint8_t>(header.type);
  write_u16(data.data() + 9, header.version);
  write_u16(data.data() + 11, static_cast<uint32_t>(size));
  return data;
}

AeadProtection::Header header_of(const RecordView& record) {
  return {record.type, record.version, uint64_t{record.epoch} << 48 | record.sequence, 0};
}

// What OSSL_PARAM_construct_octet_string does, and OSSL_PARAM_construct_end: several calls of the
// library for each record would be felt.
OSSL_PARAM bytes_param(const char* name, uint8_t* bytes, size_t size) {
  return {name, OSSL_PARAM_OCTET_STRING, bytes, size, OSSL_PARAM_UNMODIFIED};
}

constexpr OSSL_PARAM kEnd = OSSL_PARAM_END;

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
      (suite_.ccm() && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG,
                                           static_cast<int>(suite_.tag_size), nullptr) != 1) ||
      EVP_CipherInit_ex(ctx, nullptr, nullptr, key_.bytes.data(), nullptr, seals) != 1 ||
      (suite_.calls == Calls::kTls &&
       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IV_FIXED, static_cast<int>(suite_.fixed_iv_size),
                           iv_.bytes.data()) != 1)) {
    ErrorQueueScope::clear();
    return false;
  }
  context_ = std::move(context);
  return true;
}

// Begins a record with its explicit nonce; `expected_tag` is null where one is sealed.
bool AeadProtection::begin(const uint8_t* explicit_nonce, uint8_t* expected_tag) {
  Nonce nonce = iv_.bytes;
  std::copy_n(explicit_nonce, kNumberSize, nonce.end() - kNumberSize);
  EVP_CIPHER_CTX* ctx = context_.get();
  const OSSL_PARAM tag = bytes_param(OSSL_CIPHER_PARAM_AEAD_TAG, expected_tag, suite_.tag_size);
  if (suite_.calls == Calls::kGcm3_0) {
    // EVP_CipherInit_ex asks for the nonce's length there, which takes a third of the time of a
    // short record. A length of -1 stands for a whole nonce.
    const std::array<OSSL_PARAM, 3> params = {
        bytes_param(OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED, nonce.data(), static_cast<size_t>(-1)),
        expected_tag != nullptr ? tag : kEnd, kEnd};
    return EVP_CIPHER_CTX_set_params(ctx, params.data()) == 1;
  }
  const std::array<OSSL_PARAM, 2> params = {tag, kEnd};
  return ((expected_tag == nullptr && !suite_.ccm()) ||
          EVP_CIPHER_CTX_set_params(ctx, params.data()) == 1) &&
         EVP_CipherInit_ex(ctx, nullptr, nullptr, nullptr, nonce.data(), -1) == 1;
}

bool AeadProtection::open_in_tls_mode(const RecordView& record, uint8_t* room, size_t size) {
  // OpenSSL takes the tag off the length by itself.
  AdditionalData aad = additional_data(header_of(record), size + suite_.tag_size);
  const std::array<OSSL_PARAM, 2> params = {
      bytes_param(OSSL_CIPHER_PARAM_AEAD_TLS1_AAD, aad.data(), aad.size()), kEnd};
  return EVP_CIPHER_CTX_set_params(context_.get(), params.data()) == 1 &&
         EVP_Cipher(context_.get(), room, record.fragment.data,
                    static_cast<unsigned>(size + suite_.tag_size)) >= 0;
}

bool AeadProtection::seal_in_tls_mode(const Header& header, Bytes plaintext, uint8_t* record) {
  AdditionalData aad = additional_data(header, plaintext.size);
  const std::array<OSSL_PARAM, 2> params = {
      bytes_param(OSSL_CIPHER_PARAM_AEAD_TLS1_AAD, aad.data(), aad.size()), kEnd};
  return EVP_CIPHER_CTX_set_params(context_.get(), params.data()) == 1 &&
         EVP_Cipher(context_.get(), record + kRecordHeaderSize, plaintext.data,
                    static_cast<unsigned>(plaintext.size + suite_.tag_size)) >= 0;
}

bool AeadProtection::open(const RecordView& record, uint8_t* room, size_t& size) {
  size = record.fragment.size - suite_.overhead();
  if (suite_.calls == Calls::kTls ? open_in_tls_mode(record, room, size)
                                  : open_plainly(record, room, size)) {
    return true;
  }
  ErrorQueueScope::clear();
  std::fill_n(room, size, uint8_t{0});
  size = 0;
  return false;
}

bool AeadProtection::open_plainly(const RecordView& record, uint8_t* room, size_t size) {
  const AdditionalData aad = additional_data(header_of(record), size);
  const uint8_t* ciphertext = record.whole.data + plaintext_offset();
  // OpenSSL only reads it, through a pointer to what is not const.
  auto* tag = const_cast<uint8_t*>(ciphertext + size);
  EVP_CIPHER_CTX* ctx = context_.get();
  const int length = static_cast<int>(size);
  int done = 0;
  // CCM verifies as it decrypts, and has no final step.
  return begin(record.fragment.data, tag) &&
         (!suite_.ccm() || EVP_DecryptUpdate(ctx, nullptr, &done, nullptr, length) == 1) &&
         EVP_DecryptUpdate(ctx, nullptr, &done, aad.data(), static_cast<int>(aad.size())) == 1 &&
         EVP_DecryptUpdate(ctx, room, &done, ciphertext, length) == 1 &&
         (suite_.ccm() || EVP_DecryptFinal_ex(ctx, room + done, &done) == 1);
}

size_t AeadProtection::seal(const Header& header, Bytes plaintext, uint8_t* out) {
  out[0] = static_cast<uint8_t>(header.type);
  write_u16(out + 1, header.version);
  write_u64(out + kNumberAt, header.number);
  write_u16(out + kLengthAt, static_cast<uint32_t>(suite_.overhead() + plaintext.size));
  if (suite_.explicit_nonce_size != 0) write_u64(out + kRecordHeaderSize, header.explicit_nonce);
  // Null would mean something else to OpenSSL than an empty plaintext.
  if (plaintext.data == nullptr) plaintext.data = out + plaintext_offset();
  if (suite_.calls == Calls::kTls ? seal_in_tls_mode(header, plaintext, out)
                                  : seal_plainly(header, plaintext, out)) {
    return sealed_size(plaintext.size);
  }
  ErrorQueueScope::clear();
  return 0;
}

bool AeadProtection::seal_plainly(const Header& header, Bytes plaintext, uint8_t* record) {
  const AdditionalData aad = additional_data(header, plaintext.size);
  uint8_t* ciphertext = record + plaintext_offset();
  EVP_CIPHER_CTX* ctx = context_.get();
  const int length = static_cast<int>(plaintext.size);
  int done = 0;
  int rest = 0;
  std::array<OSSL_PARAM, 2> tag = {
      bytes_param(OSSL_CIPHER_PARAM_AEAD_TAG, ciphertext + plaintext.size, suite_.tag_size), kEnd};
  std::array<uint8_t, kNumberSize> explicit_nonce{};
  write_u64(explicit_nonce.data(), header.explicit_nonce);
  return begin(explicit_nonce.data(), nullptr) &&
         (!suite_.ccm() || EVP_EncryptUpdate(ctx, nullptr, &done, nullptr, length) == 1) &&
         EVP_EncryptUpdate(ctx, nullptr, &done, aad.data(), static_cast<int>(aad.size())) == 1 &&
         EVP_EncryptUpdate(ctx, ciphertext, &done, plaintext.data, length) == 1 &&
         EVP_EncryptFinal_ex(ctx, ciphertext + done, &rest) == 1 &&
         EVP_CIPHER_CTX_get_params(ctx, tag.data()) == 1;
}

}  // namespace dtls
