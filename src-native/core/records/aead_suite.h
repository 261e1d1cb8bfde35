#ifndef DGRAM_DTLS_CORE_RECORDS_AEAD_SUITE_H_
#define DGRAM_DTLS_CORE_RECORDS_AEAD_SUITE_H_

#include <openssl/evp.h>
#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>

#include "core/base/cipher_suite13.h"

// The AEADs of DTLS 1.2's suites (RFC 5246 section 6.2.3.3) and of 1.3's (RFC 8446 section 5.2),
// and how long their keys may be used.
namespace dtls {

// What a suite fixes. Sizes in bytes.
struct AeadSuite {
  static constexpr size_t kNonceSize = 12;
  static constexpr size_t kMaxKeySize = 32;
  static constexpr size_t kMaxTagSize = 16;

  // How a cipher is used where one call more for each record would be felt.
  enum class Calls : uint8_t {
    kPlain,   // as OpenSSL documents it for all AEADs
    kGcm3_0,  // GCM in OpenSSL 3.0: the nonce is set as a parameter, beside the tag
    kTls,     // OpenSSL's TLS mode, which has code of its own for ChaCha20-Poly1305
    kCcm,     // the length comes first, and each record fixes that of the tag anew
  };

  const EVP_CIPHER* cipher = nullptr;
  Calls calls = Calls::kPlain;
  size_t key_size = 0;
  // A nonce is the fixed IV, from the key block, and the explicit part, which every record carries:
  // RFC 5288 (GCM), RFC 6655 (CCM), RFC 6209 (ARIA). Where there is no explicit part it is the IV
  // XOR epoch and sequence number: RFC 7905 section 2 (ChaCha20-Poly1305), RFC 8446 section 5.3.
  size_t fixed_iv_size = 0;
  size_t explicit_nonce_size = 0;
  size_t tag_size = 0;

  // How many records that cannot be authenticated one key may see. DTLS drops a forgery and goes
  // on, so that an attacker may try again and again: RFC 9147 section 4.5.3, which holds for the
  // same AEADs in DTLS 1.2.
  uint64_t integrity_limit = 0;
  // How many blocks of 16 bytes one key may seal before what it hides begins to show, by the margin
  // that RFC 8446 section 5.5 and RFC 9147 section 4.5.3 take. They give it in records of 2^14
  // bytes; the analysis behind them is about blocks.
  uint64_t confidentiality_limit = 0;

  bool valid() const { return cipher != nullptr; }
  bool ccm() const { return calls == Calls::kCcm; }
  size_t overhead() const { return explicit_nonce_size + tag_size; }
  // Keys and IVs of both directions, RFC 5246 section 6.3.
  size_t key_block_size() const { return 2 * (key_size + fixed_iv_size); }
};

// Not valid() for null, for CBC and other suites that are no AEAD, and for those whose cipher this
// OpenSSL does not have. The suite lives as long as the process.
const AeadSuite& aead_suite(const SSL_CIPHER* cipher);

// The same for DTLS 1.3, where none has an explicit part. Not valid() when this OpenSSL does not
// have the cipher.
const AeadSuite& aead_suite(Aead13 aead);

// What a suite's nonce and tag, or MAC, take. A protected record below that is fatal to OpenSSL,
// where RFC 6347 section 4.1.2.7 has it dropped. 0 without a suite.
size_t shortest_protected_record(const SSL_CIPHER* cipher);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS_AEAD_SUITE_H_
