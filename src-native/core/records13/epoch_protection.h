#ifndef DGRAM_DTLS_CORE_RECORDS13_EPOCH_PROTECTION_H_
#define DGRAM_DTLS_CORE_RECORDS13_EPOCH_PROTECTION_H_

#include <array>

#include "core/base/openssl_ptr.h"
#include "core/base/traffic_secret.h"
#include "core/records13/suite_protection.h"

namespace dtls {

// The keys of one direction of one epoch, and what is done with them to one record: RFC 8446
// sections 5.2 and 5.3, RFC 9147 section 4.2.3. EVP does all of the cryptography.
//
// What costs memory is OpenSSL's contexts, each with its key set once: they are made when the first
// record comes, and given back by rest(). The keys stay here meanwhile, and are wiped at the end.
class EpochProtection {
 public:
  using Direction = TrafficSecret::Direction;
  using Mask = std::array<uint8_t, 2>;

  // From a secret of the suite's hash's size: "key", "iv" and "sn" (RFC 8446 section 7.3, RFC 9147
  // section 4.2.3). Look at ready() before anything else is called.
  EpochProtection(const CipherSuite13& suite, Direction direction, Bytes secret);

  // False: this OpenSSL does not have the suite's ciphers, or has failed.
  bool ready() const { return ready_; }
  const AeadSuite& aead() const { return protection_.aead; }

  // Makes the contexts where there are none. False: OpenSSL has failed. Call the others only when
  // it has succeeded.
  bool wake() { return (context_ && mask_context_) || make_contexts(); }
  void rest();

  // What a record's number is hidden with: `sample` is the first 16 bytes of its ciphertext. False:
  // OpenSSL has failed.
  bool mask(const uint8_t* sample, Mask& mask);

  // Opens `sealed`, ciphertext and tag, which has at least the tag, into `room`, which is not where
  // it is. False: it is not authentic; `room` then has zeros in place of the plaintext.
  bool open(uint64_t number, Bytes additional_data, Bytes sealed, uint8_t* room);

  // Seals `size` bytes where they are, and puts the tag behind them. False on failure; nobody may
  // seal under the same number again, also then.
  bool seal(uint64_t number, Bytes additional_data, uint8_t* plaintext, size_t size);

 private:
  using Nonce = std::array<uint8_t, AeadSuite::kNonceSize>;

  bool make_contexts();
  EvpCipherCtxPtr make_aead_context() const;
  EvpCipherCtxPtr make_mask_context() const;
  bool begin(uint64_t number, uint8_t* expected_tag);
  bool decrypt(uint64_t number, Bytes additional_data, Bytes sealed, uint8_t* room);

  const SuiteProtection& protection_;
  const Direction direction_;
  bool ready_ = false;
  EvpCipherCtxPtr context_;
  EvpCipherCtxPtr mask_context_;
  Secret<AeadSuite::kMaxKeySize> key_;
  Secret<AeadSuite::kMaxKeySize> number_key_;
  Secret<AeadSuite::kNonceSize> iv_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS13_EPOCH_PROTECTION_H_
