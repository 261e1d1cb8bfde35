#ifndef DGRAM_DTLS_CORE_RECORDS13_CHACHA20_POLY1305_H_
#define DGRAM_DTLS_CORE_RECORDS13_CHACHA20_POLY1305_H_

#include <array>

#include "core/base/bytes.h"
#include "core/base/openssl_ptr.h"
#include "core/records/aead_suite.h"
#include "core/records13/unified_header.h"

namespace dtls {

// The AEAD of RFC 8439 section 2.8, made of OpenSSL's ChaCha20 and OpenSSL's Poly1305.
//
// OpenSSL's own AEAD asks ChaCha20 for the key of Poly1305, for whole blocks of the message and for
// the rest of it, one after the other, and each takes as long as a dozen blocks at once. Here one
// call has them all, which takes 150 to 250 ns off a record. (For the additional data of 1.2, and
// for no other, OpenSSL has a faster mode.)
class ChaCha20Poly1305 {
 public:
  static constexpr size_t kKeySize = 32;
  static constexpr size_t kTagSize = 16;
  using Nonce = std::array<uint8_t, AeadSuite::kNonceSize>;

  // Whether this OpenSSL has both.
  static bool available();

  // Makes the contexts, with the key set once. False: OpenSSL has failed. Call the others only when
  // it has succeeded.
  bool begin(const uint8_t* key);

  // Opens `sealed`, ciphertext and tag, of a record into `room`, which is not where it is. False:
  // it is not authentic, and nothing was written.
  bool open(const Nonce& nonce, Bytes additional_data, Bytes sealed, uint8_t* room);

  // Seals a record's content into `out`, where it may be already, and puts the tag behind it. False
  // on failure; nobody may seal under the same nonce again, also then.
  bool seal(const Nonce& nonce, Bytes additional_data, Bytes plaintext, uint8_t* out);

 private:
  static constexpr size_t kBlock = 64;
  static constexpr size_t kRoom = kBlock + (kMaxInner13 + kBlock - 1) / kBlock * kBlock;

  // What ChaCha20 makes of zeros and of a record: the first block, whose front is the key of
  // Poly1305, and the message. The first block is wiped at the end.
  struct Stream {
    std::array<uint8_t, kRoom> bytes;  // not initialised: most records are short
    ~Stream();
    const uint8_t* mac_key() const { return bytes.data(); }
    const uint8_t* message() const { return bytes.data() + kBlock; }
  };

  bool apply(const Nonce& nonce, Bytes message, Stream& stream);
  bool authenticate(const Stream& stream, Bytes additional_data, Bytes ciphertext, uint8_t* tag);

  EvpCipherCtxPtr cipher_;
  EvpMacCtxPtr mac_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS13_CHACHA20_POLY1305_H_
