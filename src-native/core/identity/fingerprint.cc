#include "core/identity/fingerprint.h"

#include <algorithm>

namespace dtls {

bool Fingerprints::match(const X509* certificate) const {
  std::vector<uint8_t> digest(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  if (certificate == nullptr || X509_digest(certificate, hash, digest.data(), &size) != 1) {
    return false;
  }
  digest.resize(size);
  return std::find(values.begin(), values.end(), digest) != values.end();
}

}  // namespace dtls
