#include "core/records13/epoch_protection.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <algorithm>
#include <utility>

#include "core/base/expand_label.h"

namespace dtls {

namespace {

constexpr size_t kNumberSize = 8;
constexpr size_t kSampleSize = 16;

// What OSSL_PARAM_construct_octet_string does, and OSSL_PARAM_construct_end: several calls of the
// library for each record would be felt.
OSSL_PARAM bytes_param(const char* name, uint8_t* bytes, size_t size) {
  return {name, OSSL_PARAM_OCTET_STRING, bytes, size, OSSL_PARAM_UNMODIFIED};
}

constexpr OSSL_PARAM kEnd = OSSL_PARAM_END;

}  // namespace

EpochProtection::EpochProtection(const CipherSuite13& suite, Direction direction, Bytes secret)
    : protection_(suite_protection(suite)), direction_(direction) {
  const ErrorQueueScope errors;
  const size_t key_size = protection_.aead.key_size;
  const auto expand = [&](const char* label, uint8_t* out, size_t size) {
    return expand_label(suite.digest, secret, label, {}, out, size);
  };
  ready_ = protection_.valid() && expand("key", key_.bytes.data(), key_size) &&
           expand("iv", iv_.bytes.data(), iv_.bytes.size()) &&
           expand("sn", number_key_.bytes.data(), key_size);
}

void EpochProtection::rest() {
  context_.reset();
  mask_context_.reset();
}

bool EpochProtection::make_contexts() {
  EvpCipherCtxPtr context = make_aead_context();
  EvpCipherCtxPtr mask_context = make_mask_context();
  if (!context || !mask_context) {
    ErrorQueueScope::clear();
    return false;
  }
  context_ = std::move(context);
  mask_context_ = std::move(mask_context);
  return true;
}

EvpCipherCtxPtr EpochProtection::make_aead_context() const {
  const AeadSuite& suite = aead();
  EvpCipherCtxPtr context(EVP_CIPHER_CTX_new());
  EVP_CIPHER_CTX* ctx = context.get();
  const int seals = direction_ == Direction::kSeal ? 1 : 0;
  // CCM wants its tag's length before the key.
  if (ctx == nullptr ||
      EVP_CipherInit_ex(ctx, suite.cipher, nullptr, nullptr, nullptr, seals) != 1 ||
      EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, static_cast<int>(AeadSuite::kNonceSize),
                          nullptr) != 1 ||
      (suite.ccm() && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG,
                                          static_cast<int>(suite.tag_size), nullptr) != 1) ||
      EVP_CipherInit_ex(ctx, nullptr, nullptr, key_.bytes.data(), nullptr, seals) != 1) {
    return nullptr;
  }
  return context;
}

EvpCipherCtxPtr EpochProtection::make_mask_context() const {
  EvpCipherCtxPtr context(EVP_CIPHER_CTX_new());
  EVP_CIPHER_CTX* ctx = context.get();
  if (ctx == nullptr ||
      EVP_EncryptInit_ex(ctx, protection_.mask, nullptr, number_key_.bytes.data(), nullptr) != 1) {
    return nullptr;
  }
  return context;
}

// Whole blocks go through EVP_Cipher alone, which knows no padding and keeps nothing back.
bool EpochProtection::mask(const uint8_t* sample, Mask& mask) {
  EVP_CIPHER_CTX* ctx = mask_context_.get();
  std::array<uint8_t, kSampleSize> block{};
  bool done = false;
  if (protection_.mask_by_block) {
    done = EVP_Cipher(ctx, block.data(), sample, kSampleSize) == static_cast<int>(kSampleSize);
  } else {
    // OpenSSL's initialisation vector of ChaCha20 is the counter and the nonce, one behind the
    // other and as the sample has them.
    static constexpr Mask kZeros{};
    done = EVP_CipherInit_ex(ctx, nullptr, nullptr, nullptr, sample, -1) == 1 &&
           EVP_Cipher(ctx, block.data(), kZeros.data(), kZeros.size()) ==
               static_cast<int>(kZeros.size());
  }
  if (!done) ErrorQueueScope::clear();
  std::copy_n(block.data(), mask.size(), mask.data());
  return done;
}

// Begins a record; `expected_tag` is null where one is sealed.
bool EpochProtection::begin(uint64_t number, uint8_t* expected_tag) {
  const AeadSuite& suite = aead();
  Nonce nonce = iv_.bytes;
  for (size_t i = 0; i < kNumberSize; ++i) {
    nonce[nonce.size() - 1 - i] ^= static_cast<uint8_t>(number >> (8 * i));
  }
  EVP_CIPHER_CTX* ctx = context_.get();
  const OSSL_PARAM tag = bytes_param(OSSL_CIPHER_PARAM_AEAD_TAG, expected_tag, suite.tag_size);
  if (suite.calls == AeadSuite::Calls::kGcm3_0) {
    // EVP_CipherInit_ex asks for the nonce's length there, which takes a third of the time of a
    // short record. A length of -1 stands for a whole nonce.
    const std::array<OSSL_PARAM, 3> params = {
        bytes_param(OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED, nonce.data(), static_cast<size_t>(-1)),
        expected_tag != nullptr ? tag : kEnd, kEnd};
    return EVP_CIPHER_CTX_set_params(ctx, params.data()) == 1;
  }
  const std::array<OSSL_PARAM, 2> params = {tag, kEnd};
  return ((expected_tag == nullptr && !suite.ccm()) ||
          EVP_CIPHER_CTX_set_params(ctx, params.data()) == 1) &&
         EVP_CipherInit_ex(ctx, nullptr, nullptr, nullptr, nonce.data(), -1) == 1;
}

bool EpochProtection::open(uint64_t number, Bytes additional_data, Bytes sealed, uint8_t* room) {
  if (decrypt(number, additional_data, sealed, room)) return true;
  ErrorQueueScope::clear();
  std::fill_n(room, sealed.size - aead().tag_size, uint8_t{0});
  return false;
}

bool EpochProtection::decrypt(uint64_t number, Bytes additional_data, Bytes sealed, uint8_t* room) {
  const bool ccm = aead().ccm();
  const int length = static_cast<int>(sealed.size - aead().tag_size);
  // OpenSSL only reads it, through a pointer to what is not const.
  auto* tag = const_cast<uint8_t*>(sealed.data + length);
  EVP_CIPHER_CTX* ctx = context_.get();
  int done = 0;
  // CCM verifies as it decrypts, and has no final step.
  return begin(number, tag) &&
         (!ccm || EVP_DecryptUpdate(ctx, nullptr, &done, nullptr, length) == 1) &&
         EVP_DecryptUpdate(ctx, nullptr, &done, additional_data.data,
                           static_cast<int>(additional_data.size)) == 1 &&
         EVP_DecryptUpdate(ctx, room, &done, sealed.data, length) == 1 &&
         (ccm || EVP_DecryptFinal_ex(ctx, room + done, &done) == 1);
}

bool EpochProtection::seal(uint64_t number, Bytes additional_data, uint8_t* plaintext,
                           size_t size) {
  EVP_CIPHER_CTX* ctx = context_.get();
  const int length = static_cast<int>(size);
  int done = 0;
  int rest = 0;
  std::array<OSSL_PARAM, 2> tag = {
      bytes_param(OSSL_CIPHER_PARAM_AEAD_TAG, plaintext + size, aead().tag_size), kEnd};
  if (begin(number, nullptr) &&
      (!aead().ccm() || EVP_EncryptUpdate(ctx, nullptr, &done, nullptr, length) == 1) &&
      EVP_EncryptUpdate(ctx, nullptr, &done, additional_data.data,
                        static_cast<int>(additional_data.size)) == 1 &&
      EVP_EncryptUpdate(ctx, plaintext, &done, plaintext, length) == 1 &&
      EVP_EncryptFinal_ex(ctx, plaintext + done, &rest) == 1 &&
      EVP_CIPHER_CTX_get_params(ctx, tag.data()) == 1) {
    return true;
  }
  ErrorQueueScope::clear();
  return false;
}

}  // namespace dtls
