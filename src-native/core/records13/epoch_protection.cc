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

bool can_protect(Aead13 aead) {
  const AeadSuite& suite = aead_suite(aead);
  return suite.valid() && number_cipher(aead).valid() &&
         (suite.calls != AeadSuite::Calls::kApart || ChaCha20Poly1305::available());
}

EpochProtection::EpochProtection(const TrafficSecret& secret)
    : number_cipher_(number_cipher(secret.suite->aead)),
      key_(aead_suite(secret.suite->aead), direction_of(secret)) {
  const ErrorQueueScope errors;
  const auto expand = [&](const char* label, uint8_t* out, size_t size) {
    return expand_label(secret.suite->digest, secret.bytes.view(), label, {}, out, size);
  };
  const size_t key_size = aead().key_size;
  ready_ = can_protect(secret.suite->aead) && expand("key", key_.bytes(), key_size) &&
           expand("iv", iv_.bytes.data(), iv_.bytes.size()) &&
           expand("sn", number_key_.bytes.data(), key_size);
}

void EpochProtection::rest() {
  key_.rest();
  apart_.reset();
  mask_context_.reset();
}

bool EpochProtection::make_contexts() {
  if (make_record_context() && make_mask_context()) return true;
  rest();
  ErrorQueueScope::clear();
  return false;
}

bool EpochProtection::make_record_context() {
  if (aead().calls != AeadSuite::Calls::kApart) return key_.wake();
  apart_ = std::make_unique<ChaCha20Poly1305>();
  return apart_->begin(key_.bytes());
}

bool EpochProtection::make_mask_context() {
  EvpCipherCtxPtr context(EVP_CIPHER_CTX_new());
  if (!context || EVP_EncryptInit_ex(context.get(), number_cipher_.cipher, nullptr,
                                     number_key_.bytes.data(), nullptr) != 1) {
    return false;
  }
  mask_context_ = std::move(context);
  return true;
}

// Whole blocks go through EVP_Cipher alone, which knows no padding and keeps nothing back.
bool EpochProtection::mask(const uint8_t* sample, Mask& mask) {
  EVP_CIPHER_CTX* ctx = mask_context_.get();
  std::array<uint8_t, kSampleSize> block{};
  bool done = false;
  if (number_cipher_.block) {
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
  if (apart_ ? apart_->open(nonce(number), additional_data, sealed, room)
             : key_.open(nonce(number), additional_data, sealed, room)) {
    return true;
  }
  ErrorQueueScope::clear();
  std::fill_n(room, sealed.size - aead().tag_size, uint8_t{0});
  return false;
}

bool EpochProtection::seal(uint64_t number, Bytes additional_data, uint8_t* plaintext,
                           size_t size) {
  const Bytes content{plaintext, size};
  if (apart_ ? apart_->seal(nonce(number), additional_data, content, plaintext)
             : key_.seal(nonce(number), additional_data, content, plaintext)) {
    return true;
  }
  ErrorQueueScope::clear();
  return false;
}

}  // namespace dtls
