#ifndef DGRAM_DTLS_CORE_IDENTITY_CIPHER_SUITES_H_
#define DGRAM_DTLS_CORE_IDENTITY_CIPHER_SUITES_H_

#include <openssl/ssl.h>

// What a cipher suite is and needs.
namespace dtls {

// TLS 1.3 suites are in OpenSSL's lists, but not for DTLS 1.2.
bool is_of_dtls12(const SSL_CIPHER* suite);

// Whether a suite authenticates by a pre-shared key. Null is none.
bool is_psk_suite(const SSL_CIPHER* suite);

// Whether the server of a suite shows a certificate (RFC 5246 section 7.4.2).
bool shows_certificate(const SSL_CIPHER* suite);

// Diffie-Hellman with parameters that the server brings.
bool needs_dhparam(const SSL_CIPHER* suite);

// Whether the security level lets a suite be used. It is part of the cipher list ('@SECLEVEL=…'),
// and the versions of OpenSSL differ in what they ask of a suite at the same level.
bool level_permits(const SSL_CTX* ctx, const SSL_CIPHER* suite);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_IDENTITY_CIPHER_SUITES_H_
