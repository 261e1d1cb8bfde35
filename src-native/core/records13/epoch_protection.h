#ifndef DGRAM_DTLS_CORE_RECORDS13_EPOCH_PROTECTION_H_
#define DGRAM_DTLS_CORE_RECORDS13_EPOCH_PROTECTION_H_

#include <array>

#include "core/base/traffic_secret.h"
#include "core/records/aead_key.h"
#include "core/records13/number_cipher.h"

namespace dtls {

// The keys of one direction of one epoch, and what is done with them to one record: RFC 8446
// sections 5.2 and 5.3, RFC 9147 section 4.2.3.
//
// As with AeadKey, OpenSSL's contexts are made when the first record comes, and given back by
// rest(); the keys stay here meanwhile, and are wiped at the end.
class EpochProtection {
 public:
  using Mask = std::array<uint8_t, 2>;

  // Makes the keys "key", "iv" and "sn" of a secret that has its suite, and the size of its hash
  // (RFC 8446 section 7.3, RFC 9147 section 4.2.3). Look at ready() before anything else is called.
  explicit EpochProtection(const TrafficSecret& secret);

  // False: this OpenSSL does not have the suite's ciphers, or has failed.
  bool ready() const { return ready_; }
  const AeadSuite& aead() const { return key_.suite(); }

  // Makes the contexts where there are none. False: OpenSSL has failed. Call the others only when
  // it has succeeded.
  bool wake() { return (key_.awake() && mask_context_) || make_contexts(); }
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
  bool make_contexts();
  bool make_mask_context();
  AeadKey::Nonce nonce(uint64_t number) const;

  // A session at rest has several of these: what can be looked up is not kept.
  AeadKey key_;
  EvpCipherCtxPtr mask_context_;  // null while it rests
  Secret<AeadSuite::kMaxKeySize> number_key_;
  Secret<AeadSuite::kNonceSize> iv_;
  const Aead13 kind_;
  bool ready_ = false;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS13_EPOCH_PROTECTION_H_
