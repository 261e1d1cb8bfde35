#ifndef DGRAM_DTLS_CORE_IDENTITY_FINGERPRINT_H_
#define DGRAM_DTLS_CORE_IDENTITY_FINGERPRINT_H_

#include <cstdint>
#include <vector>

#include "core/base/openssl_ptr.h"

namespace dtls {

// The fingerprints of the certificates that a peer may show (RFC 8122 section 5), in place of a
// chain that verifies.
struct Fingerprints {
  const EVP_MD* hash = nullptr;
  std::vector<std::vector<uint8_t>> values;  // empty: nothing is expected

  bool expected() const { return !values.empty(); }
  bool match(const X509* certificate) const;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_IDENTITY_FINGERPRINT_H_
