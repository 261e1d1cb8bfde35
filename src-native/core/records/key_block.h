#ifndef DGRAM_DTLS_CORE_RECORDS_KEY_BLOCK_H_
#define DGRAM_DTLS_CORE_RECORDS_KEY_BLOCK_H_

#include <string>

#include "core/base/bytes.h"
#include "core/base/openssl_ptr.h"
#include "core/base/secret.h"

namespace dtls {

// The suite that is or will be in use; null before there is one.
const SSL_CIPHER* negotiated_cipher(const SSL* ssl);

// The digest of the PRF of a suite in a version of the protocol; null for none.
const EVP_MD* prf_digest(const SSL_CIPHER* cipher, int version);

// The first `size` bytes of the key block, RFC 5246 section 6.3. False while there is no master
// secret yet, and when OpenSSL fails.
bool key_block(SSL* ssl, uint8_t* out, size_t size);

// PRF(secret, label, seed) of RFC 5246 section 5, by OpenSSL; of RFC 2246 section 5 with the digest
// "MD5-SHA1". False when OpenSSL fails; why stays in its queue.
bool tls1_prf(std::string digest, Bytes secret, std::string label, Bytes seed, uint8_t* out,
              size_t size);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS_KEY_BLOCK_H_
