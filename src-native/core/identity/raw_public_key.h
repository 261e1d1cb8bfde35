#ifndef DGRAM_DTLS_CORE_IDENTITY_RAW_PUBLIC_KEY_H_
#define DGRAM_DTLS_CORE_IDENTITY_RAW_PUBLIC_KEY_H_

#include <vector>

#include "core/base/bytes.h"
#include "core/base/openssl_ptr.h"

// Raw public keys (RFC 7250), which OpenSSL has from 3.2 on: what is there is found out when the
// program is loaded, because one binary serves them all.
namespace dtls::rpk {

bool supported();

// What this side can show: its key alone, and its certificate where it has one.
bool show(SSL* ssl, bool has_certificate);
// This side takes nothing but a raw public key from its peer.
bool expect(SSL* ssl);

// Borrowed; null for none.
EVP_PKEY* of_peer(const SSL* ssl);
EVP_PKEY* of_store(X509_STORE_CTX* store);

// SubjectPublicKeyInfo in DER, as it is on the wire; empty for none.
std::vector<uint8_t> to_der(const EVP_PKEY* key);

}  // namespace dtls::rpk

#endif  // DGRAM_DTLS_CORE_IDENTITY_RAW_PUBLIC_KEY_H_
