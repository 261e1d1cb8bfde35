#ifndef DGRAM_DTLS_CORE_WIRE_HEARTBEAT_H_
#define DGRAM_DTLS_CORE_WIRE_HEARTBEAT_H_

#include <optional>
#include <vector>

#include "core/wire/wire.h"

// The messages of RFC 6520.
namespace dtls {

// RFC 6520 section 2: what a peer tells the other one that it may do.
enum class HeartbeatMode : uint8_t {
  kOff = 0,  // the extension is not sent
  kPeerAllowedToSend = 1,
  kPeerNotAllowedToSend = 2,
};

enum class HeartbeatType : uint8_t { kRequest = 1, kResponse = 2 };

constexpr unsigned kHeartbeatExtension = 15;  // RFC 6520 section 2
constexpr size_t kHeartbeatHeader = 3;
constexpr size_t kMinHeartbeatPadding = 16;

struct HeartbeatMessage {
  HeartbeatType type;
  Bytes payload;
};

// Nothing when the message must be discarded silently (RFC 6520 section 4): too short, a
// payload_length beyond the message (the shape of Heartbleed, CVE-2014-0160), padding under 16
// bytes, or an unknown type.
std::optional<HeartbeatMessage> parse_heartbeat(Bytes message);

// Padding is random. Empty when OpenSSL has no randomness.
std::vector<uint8_t> make_heartbeat(HeartbeatType type, Bytes payload, size_t padding);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_WIRE_HEARTBEAT_H_
