#ifndef DGRAM_DTLS_CORE_RECORDS_AEAD_KEY_H_
#define DGRAM_DTLS_CORE_RECORDS_AEAD_KEY_H_

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <array>

#include "core/base/bytes.h"
#include "core/base/openssl_ptr.h"
#include "core/base/secret.h"
#include "core/records/aead_suite.h"

namespace dtls {

// ---- parameters of OpenSSL, for each record ----

// What OSSL_PARAM_construct_octet_string does, and OSSL_PARAM_construct_end: several calls of the
// library for each record would be felt. OpenSSL only reads what is set by them.
inline OSSL_PARAM bytes_param(const char* name, const uint8_t* bytes, size_t size) {
  return {name, OSSL_PARAM_OCTET_STRING, const_cast<uint8_t*>(bytes), size, OSSL_PARAM_UNMODIFIED};
}

constexpr OSSL_PARAM kEndOfParams = OSSL_PARAM_END;

// A key of an AEAD that opens or seals, as DTLS 1.2 and 1.3 have it in common. EVP does all of the
// cryptography.
//
// What costs memory is OpenSSL's context, with the key set once: it is made when the first record
// comes, and given back by rest(). The key stays here meanwhile, and is wiped at the end.
class AeadKey {
 public:
  enum class Direction : uint8_t { kOpen, kSeal };
  using Nonce = std::array<uint8_t, AeadSuite::kNonceSize>;

  AeadKey(const AeadSuite& suite, Direction direction) : suite_(suite), direction_(direction) {}

  const AeadSuite& suite() const { return suite_; }
  // To be filled before the first wake(): the suite's key_size.
  uint8_t* bytes() { return key_.bytes.data(); }

  bool awake() const { return context_ != nullptr; }
  // Makes the context. False: OpenSSL has failed, why is in its queue.
  bool wake();
  void rest() { context_.reset(); }
  // Only while it is awake; so are the calls below.
  EVP_CIPHER_CTX* context() const { return context_.get(); }

  // Opens `sealed`, ciphertext and tag, which has at least the tag, into `room`, which is not where
  // it is. False: it is not authentic, and `room` has to be overwritten.
  bool open(const Nonce& nonce, Bytes additional_data, Bytes sealed, uint8_t* room);

  // Seals `plaintext`, which is not null, into `out`, and puts the tag behind it. It may be there
  // already; else the two do not overlap. False on failure; nobody may seal under the same nonce
  // again, also then.
  bool seal(const Nonce& nonce, Bytes additional_data, Bytes plaintext, uint8_t* out);

 private:
  bool begin(const Nonce& nonce, const uint8_t* expected_tag);

  const AeadSuite& suite_;
  EvpCipherCtxPtr context_;
  Secret<AeadSuite::kMaxKeySize> key_;
  Direction direction_;
};

// Inline: of a short record a call more would be a twentieth.

// Begins a record; `expected_tag` is null where one is sealed.
inline bool AeadKey::begin(const Nonce& nonce, const uint8_t* expected_tag) {
  EVP_CIPHER_CTX* ctx = context_.get();
  const OSSL_PARAM tag = bytes_param(OSSL_CIPHER_PARAM_AEAD_TAG, expected_tag, suite_.tag_size);
  if (suite_.calls == AeadSuite::Calls::kGcm3_0) {
    // EVP_CipherInit_ex asks for the nonce's length there, which takes a third of the time of a
    // short record. A length of -1 stands for a whole nonce.
    const std::array<OSSL_PARAM, 3> params = {
        bytes_param(OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED, nonce.data(), static_cast<size_t>(-1)),
        expected_tag != nullptr ? tag : kEndOfParams, kEndOfParams};
    return EVP_CIPHER_CTX_set_params(ctx, params.data()) == 1;
  }
  const std::array<OSSL_PARAM, 2> params = {tag, kEndOfParams};
  return ((expected_tag == nullptr && !suite_.ccm()) ||
          EVP_CIPHER_CTX_set_params(ctx, params.data()) == 1) &&
         EVP_CipherInit_ex(ctx, nullptr, nullptr, nullptr, nonce.data(), -1) == 1;
}

inline bool AeadKey::open(const Nonce& nonce, Bytes additional_data, Bytes sealed, uint8_t* room) {
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

inline bool AeadKey::seal(const Nonce& nonce, Bytes additional_data, Bytes plaintext,
                          uint8_t* out) {
  EVP_CIPHER_CTX* ctx = context_.get();
  const int length = static_cast<int>(plaintext.size);
  int done = 0;
  int rest = 0;
  std::array<OSSL_PARAM, 2> tag = {
      bytes_param(OSSL_CIPHER_PARAM_AEAD_TAG, out + plaintext.size, suite_.tag_size), kEndOfParams};
  return begin(nonce, nullptr) &&
         (!suite_.ccm() || EVP_EncryptUpdate(ctx, nullptr, &done, nullptr, length) == 1) &&
         EVP_EncryptUpdate(ctx, nullptr, &done, additional_data.data,
                           static_cast<int>(additional_data.size)) == 1 &&
         EVP_EncryptUpdate(ctx, out, &done, plaintext.data, length) == 1 &&
         EVP_EncryptFinal_ex(ctx, out + done, &rest) == 1 &&
         EVP_CIPHER_CTX_get_params(ctx, tag.data()) == 1;
}

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS_AEAD_KEY_H_
