#ifndef DGRAM_DTLS_CORE_BASE_TRAFFIC_SECRET_H_
#define DGRAM_DTLS_CORE_BASE_TRAFFIC_SECRET_H_

#include <cstdint>

#include "core/base/cipher_suite13.h"
#include "core/base/secret.h"

namespace dtls {

// A traffic secret of (D)TLS 1.3 (RFC 8446 section 7.1), from which the keys of one direction of
// one epoch are made. It owns its bytes, and moves.
struct TrafficSecret {
  // From this side's view: what the peer seals is opened.
  enum class Direction : uint8_t { kOpen, kSeal };

  const CipherSuite13* suite = nullptr;  // never null in a secret that is handed over
  uint64_t epoch = 0;  // RFC 9147 section 6.1: 1 early, 2 handshake, from 3 on data
  Direction direction = Direction::kOpen;
  SecretBytes bytes;  // suite->hash_size of them
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_BASE_TRAFFIC_SECRET_H_
