#include "core/records/aead_key.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <utility>

namespace dtls {

namespace {

using Calls = AeadSuite::Calls;

// What OSSL_PARAM_construct_octet_string does, and OSSL_PARAM_construct_end: several calls of the
// library for each record would be felt. OpenSSL only reads what is set by them.
OSSL_PARAM bytes_param(const char* name, const uint8_t* bytes, size_t size) {
  return {name, OSSL_PARAM_OCTET_STRING, const_cast<uint8_t*>(bytes), size, OSSL_PARAM_UNMODIFIED};
}

constexpr OSSL_PARAM kEnd = OSSL_PARAM_END;

}  // namespace

bool AeadKey::wake() {
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
      EVP_CipherInit_ex(ctx, nullptr, nullptr, key_.bytes.data(), nullptr, seals) != 1) {
    return false;
  }
  context_ = std::move(context);
  return true;
}

// Begins a record; `expected_tag` is null where one is sealed.
bool AeadKey::begin(const Nonce& nonce, const uint8_t* expected_tag) {
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

bool AeadKey::open(const Nonce& nonce, Bytes additional_data, Bytes sealed, uint8_t* room) {
  EVP_CIPHER_CTX* ctx = context_.get();
  const size_t size = sealed.size - suite_.tag_size;
  const int length = static_cast<int>(size);
  int done = 0;
  // CCM verifies as it decrypts, and has no final step.
  return begin(nonce, sealed.data + size) &&
         (!suite_.ccm() || EVP_DecryptUpdate(ctx, nullptr, &done, nullptr, length) == 1) &&
         EVP_DecryptUpdate(ctx, nullptr, &done, additional_data.data,
                           static_cast<int>(additional_data.size)) == 1 &&
         EVP_DecryptUpdate(ctx, room, &done, sealed.data, length) == 1 &&
         (suite_.ccm() || EVP_DecryptFinal_ex(ctx, room + done, &done) == 1);
}

bool AeadKey::seal(const Nonce& nonce, Bytes additional_data, Bytes plaintext, uint8_t* out) {
  EVP_CIPHER_CTX* ctx = context_.get();
  const int length = static_cast<int>(plaintext.size);
  int done = 0;
  int rest = 0;
  std::array<OSSL_PARAM, 2> tag = {
      bytes_param(OSSL_CIPHER_PARAM_AEAD_TAG, out + plaintext.size, suite_.tag_size), kEnd};
  return begin(nonce, nullptr) &&
         (!suite_.ccm() || EVP_EncryptUpdate(ctx, nullptr, &done, nullptr, length) == 1) &&
         EVP_EncryptUpdate(ctx, nullptr, &done, additional_data.data,
                           static_cast<int>(additional_data.size)) == 1 &&
         EVP_EncryptUpdate(ctx, out, &done, plaintext.data, length) == 1 &&
         EVP_EncryptFinal_ex(ctx, out + done, &rest) == 1 &&
         EVP_CIPHER_CTX_get_params(ctx, tag.data()) == 1;
}

}  // namespace dtls
