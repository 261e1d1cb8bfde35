#include "core/records/integrity_limit.h"

#include "core/records/aead_suite.h"

namespace dtls {

uint64_t integrity_limit(const SSL_CIPHER* cipher) {
  // RFC 9147 has none for suites without AEAD. The tags of HMAC are longer than those of AEADs,
  // whose highest limit this is.
  constexpr uint64_t kOthers = uint64_t{1} << 36;
  const AeadSuite& suite = aead_suite(cipher);
  return suite.valid() ? suite.integrity_limit : kOthers;
}

}  // namespace dtls
