#include "core/records13/epoch_protection.h"

#include <algorithm>
#include <utility>

#include "core/base/expand_label.h"

namespace dtls {

namespace {

constexpr size_t kSampleSize = 16;

AeadKey::Direction direction_of(const TrafficSecret& secret) {
  return secret.direction == TrafficSecret::Direction::kOpen ? AeadKey::Direction::kOpen
                                                             : AeadKey::Direction::kSeal;
}

}  // namespace

EpochProtection::EpochProtection(const TrafficSecret& secret)
    : key_(aead_suite(secret.suite->aead), direction_of(secret)), kind_(secret.suite->aead) {
  const ErrorQueueScope errors;
  LabelExpander expander(secret.suite->digest, secret.bytes.view());
  const auto expand = [&expander](const char* label, uint8_t* out, size_t size) {
    return expander.expand(label, {}, out, size);
  };
  const size_t key_size = aead().key_size;
  ready_ = aead().valid() && number_cipher(kind_).valid() &&
           expand("key", key_.bytes(), key_size) &&
           expand("iv", iv_.bytes.data(), iv_.bytes.size()) &&
           expand("sn", number_key_.bytes.data(), key_size);
}

void EpochProtection::rest() {
  key_.rest();
  mask_context_.reset();
}

bool EpochProtection::make_contexts() {
  if (key_.wake() && make_mask_context()) return true;
  rest();
  ErrorQueueScope::clear();
  return false;
}

bool EpochProtection::make_mask_context() {
  mask_context_.reset(EVP_CIPHER_CTX_new());
  return mask_context_ && EVP_EncryptInit_ex(mask_context_.get(), number_cipher(kind_).cipher,
                                             nullptr, number_key_.bytes.data(), nullptr) == 1;
}

// Whole blocks go through EVP_Cipher alone, which knows no padding and keeps nothing back.
bool EpochProtection::mask(const uint8_t* sample, Mask& mask) {
  EVP_CIPHER_CTX* ctx = mask_context_.get();
  std::array<uint8_t, kSampleSize> block{};
  bool done = false;
  if (kind_ != Aead13::kChaCha20Poly1305) {
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

AeadKey::Nonce EpochProtection::nonce(uint64_t number) const {
  AeadKey::Nonce nonce = iv_.bytes;
  for (size_t i = 0; i < sizeof number; ++i) {
    nonce[nonce.size() - 1 - i] ^= static_cast<uint8_t>(number >> (8 * i));
  }
  return nonce;
}

bool EpochProtection::open(uint64_t number, Bytes additional_data, Bytes sealed, uint8_t* room) {
  if (key_.open(nonce(number), additional_data, sealed, room)) return true;
  ErrorQueueScope::clear();
  std::fill_n(room, sealed.size - aead().tag_size, uint8_t{0});
  return false;
}

bool EpochProtection::seal(uint64_t number, Bytes additional_data, uint8_t* plaintext,
                           size_t size) {
  if (key_.seal(nonce(number), additional_data, {plaintext, size}, plaintext)) return true;
  ErrorQueueScope::clear();
  return false;
}

}  // namespace dtls
