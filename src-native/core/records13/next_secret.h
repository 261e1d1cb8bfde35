#ifndef DGRAM_DTLS_CORE_RECORDS13_NEXT_SECRET_H_
#define DGRAM_DTLS_CORE_RECORDS13_NEXT_SECRET_H_

#include "core/base/traffic_secret.h"

namespace dtls {

// The first epoch of application data, and the last one that is sealed under: RFC 9147 sections 6.1
// and 8.
constexpr uint64_t kFirstDataEpoch = 3;
constexpr uint64_t kLastEpoch = (uint64_t{1} << 48) - 1;

// The secret of the next epoch: RFC 8446 section 7.2. Without bytes when OpenSSL fails, and where
// the one before has none.
TrafficSecret next_secret(const TrafficSecret& secret);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS13_NEXT_SECRET_H_
