#ifndef DGRAM_DTLS_CORE_RECORDS13_NUMBER_CIPHER_H_
#define DGRAM_DTLS_CORE_RECORDS13_NUMBER_CIPHER_H_

#include <openssl/evp.h>

#include "core/base/cipher_suite13.h"

namespace dtls {

// What hides the numbers of records: RFC 9147 section 4.2.3.
struct NumberCipher {
  const EVP_CIPHER* cipher = nullptr;  // null where this OpenSSL does not have it

  bool valid() const { return cipher != nullptr; }
};

// That of the suites with this AEAD, whose key has the same size. It lives as long as the process.
const NumberCipher& number_cipher(Aead13 aead);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS13_NUMBER_CIPHER_H_
