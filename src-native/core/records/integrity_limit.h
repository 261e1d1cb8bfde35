#ifndef DGRAM_DTLS_CORE_RECORDS_INTEGRITY_LIMIT_H_
#define DGRAM_DTLS_CORE_RECORDS_INTEGRITY_LIMIT_H_

#include <openssl/ssl.h>

#include <cstdint>

namespace dtls {

// How many records that cannot be authenticated one key may see. DTLS drops a forgery and goes on,
// so that an attacker may try again and again: RFC 9147 section 4.5.3.
uint64_t integrity_limit(const SSL_CIPHER* cipher);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS_INTEGRITY_LIMIT_H_
