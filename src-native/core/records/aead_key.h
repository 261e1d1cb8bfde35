#ifndef DGRAM_DTLS_CORE_RECORDS_AEAD_KEY_H_
#define DGRAM_DTLS_CORE_RECORDS_AEAD_KEY_H_

#include <array>

#include "core/base/bytes.h"
#include "core/base/openssl_ptr.h"
#include "core/base/secret.h"
#include "core/records/aead_suite.h"

namespace dtls {

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

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS_AEAD_KEY_H_
