#ifndef DGRAM_DTLS_CORE_IDENTITY_TRUST_H_
#define DGRAM_DTLS_CORE_IDENTITY_TRUST_H_

#include <array>
#include <cstdint>

#include "core/base/openssl_ptr.h"

namespace dtls {

// Whom a context trusts, in a form that can be compared: what sessions are bound to.
struct Trust {
  std::array<uint8_t, 32> digest{};  // over all certificates and revocation lists, in any order
  int64_t revocation_expires = INT64_MAX;  // when the first list is out of date; Unix seconds
};

Trust describe_trust(X509_STORE* store);

// The time at which the first certificate of a verified chain expires; Unix seconds.
int64_t chain_expires(const STACK_OF(X509) * chain);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_IDENTITY_TRUST_H_
