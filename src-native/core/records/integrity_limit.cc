#include "core/records/integrity_limit.h"

#include "core/records/record_protection.h"

namespace dtls {

namespace {

// AES-GCM and ChaCha20-Poly1305. The RFC names no others; ARIA's GCM differs by its block cipher
// only, and the tags of HMAC are longer than theirs.
constexpr uint64_t kLimit = uint64_t{1} << 36;
// 2^23.5, RFC 9147 appendix B.2.
constexpr uint64_t kCcmLimit = 11863283;
// Appendix B.3: 2^7 would be needed for the margin of the others, and would let anybody end a
// session by 129 datagrams. With so many as here the chance of one forgery is 2^-44.
constexpr uint64_t kCcm8Limit = uint64_t{1} << 20;

}  // namespace

uint64_t integrity_limit(const SSL_CIPHER* cipher) {
  const AeadSuite suite = aead_suite(cipher);
  if (!suite.ccm) return kLimit;
  constexpr size_t kFullTag = 16;
  return suite.tag_size < kFullTag ? kCcm8Limit : kCcmLimit;
}

}  // namespace dtls
