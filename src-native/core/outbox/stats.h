#ifndef DGRAM_DTLS_CORE_OUTBOX_STATS_H_
#define DGRAM_DTLS_CORE_OUTBOX_STATS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/base/error.h"

namespace dtls {

#define DTLS_STAT(name) +1
constexpr size_t kTrafficStats = 0
#include "core/outbox/stats.def"
// And behind these:
#include "core/outbox/seldom_stats.def"
    ;
constexpr size_t kEndpointStats = 0
#include "core/outbox/endpoint_stats.def"
    ;
#undef DTLS_STAT
#define DTLS_DROP(whose, name) +1
constexpr size_t kDropReasons = 0
#include "core/outbox/drops.def"
    ;
#undef DTLS_DROP

#define DTLS_STAT(name) uint64_t name = 0;
struct UsualStats {
#include "core/outbox/stats.def"
};
struct SeldomStats {
#include "core/outbox/seldom_stats.def"
};
#undef DTLS_STAT
struct TrafficStats : UsualStats, SeldomStats {};

struct EndpointStats {
#define DTLS_STAT(name) uint64_t name = 0;
#include "core/outbox/endpoint_stats.def"
#undef DTLS_STAT
  // Handshakes that failed, by reason.
  std::array<uint64_t, kFailureKinds> failures{};
};

using DropCounts = std::array<uint64_t, kDropReasons>;

inline DropCounts drop_counts(const TrafficStats& traffic, const EndpointStats& endpoint) {
  return {
#define DTLS_DROP(whose, name) whose.name,
#include "core/outbox/drops.def"
#undef DTLS_DROP
  };
}

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_OUTBOX_STATS_H_
