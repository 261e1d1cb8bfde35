#ifndef DGRAM_DTLS_CORE_BASE_CIPHER_SUITE13_H_
#define DGRAM_DTLS_CORE_BASE_CIPHER_SUITE13_H_

#include <cstddef>
#include <cstdint>

namespace dtls {

// The AEADs of TLS 1.3's cipher suites: RFC 8446 appendix B.4.
enum class Aead13 : uint8_t {
  kAes128Gcm,
  kAes256Gcm,
  kChaCha20Poly1305,
  kAes128Ccm,
  kAes128Ccm8,
};

// A cipher suite of (D)TLS 1.3. There is one of each, which lives as long as the process.
struct CipherSuite13 {
  uint16_t id;         // IANA's
  const char* name;    // IANA's, and OpenSSL's
  const char* digest;  // of HKDF, the transcript and PSKs, as OpenSSL names it
  size_t hash_size;    // of that digest, and so of each secret, in bytes
  Aead13 aead;
};

// Null for an id that is none of a 1.3 suite. Whether this OpenSSL has the cipher is another
// question: see records13.
const CipherSuite13* cipher_suite13(uint16_t id);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_BASE_CIPHER_SUITE13_H_
