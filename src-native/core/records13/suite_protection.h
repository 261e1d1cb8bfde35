#ifndef DGRAM_DTLS_CORE_RECORDS13_SUITE_PROTECTION_H_
#define DGRAM_DTLS_CORE_RECORDS13_SUITE_PROTECTION_H_

#include "core/base/cipher_suite13.h"
#include "core/records/aead_suite.h"

namespace dtls {

// What a cipher suite of DTLS 1.3 protects records with.
struct SuiteProtection {
  // Its nonce is the IV XOR the record's number, RFC 8446 section 5.3: there is no explicit part.
  AeadSuite aead;
  // Hides numbers, RFC 9147 section 4.2.3. Null where this OpenSSL does not have it.
  const EVP_CIPHER* mask = nullptr;
  // A block cipher in ECB; else it is ChaCha20.
  bool mask_by_block = true;

  bool valid() const { return aead.valid() && mask != nullptr; }
};

// Not valid() where this OpenSSL does not have the ciphers. It lives as long as the process.
const SuiteProtection& suite_protection(const CipherSuite13& suite);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS13_SUITE_PROTECTION_H_
