#ifndef DGRAM_DTLS_CORE_SESSION_HEARTBEAT_H_
#define DGRAM_DTLS_CORE_SESSION_HEARTBEAT_H_

#include <optional>
#include <vector>

#include "core/base/timer_queue.h"
#include "core/wire/wire.h"

// RFC 6520 without I/O: the messages, and what a session remembers of them.
namespace dtls {

// RFC 6520 section 2: what a peer tells the other one that it may do.
enum class HeartbeatMode : uint8_t {
  kOff = 0,  // the extension is not sent
  kPeerAllowedToSend = 1,
  kPeerNotAllowedToSend = 2,
};

enum class HeartbeatType : uint8_t { kRequest = 1, kResponse = 2 };

enum class HeartbeatOutcome : uint32_t {
  kSent = 0,
  kNotOpen,
  kNotNegotiated,
  kNotAllowed,
  kUnsupportedCipher,
  kBusy,
  kTooBig,
  kFailed,
};

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

// The one request that may be in flight. Sent again by the rules of the handshake's timer.
struct HeartbeatRequest {
  std::vector<uint8_t> message;
  size_t payload_size = 0;
  double sent_at = 0;
  double wait = 0;  // until it is sent again
  uint32_t retries_left = 0;
  bool keep_alive = false;  // ours: when it goes unanswered, so does the session

  Bytes payload() const { return {message.data() + kHeartbeatHeader, payload_size}; }
};

struct Heartbeat {
  HeartbeatMode own = HeartbeatMode::kOff;
  HeartbeatMode peer = HeartbeatMode::kOff;  // what the peer's extension said
  std::optional<HeartbeatRequest> in_flight;

  bool negotiated() const { return own != HeartbeatMode::kOff && peer != HeartbeatMode::kOff; }
  bool may_send() const { return negotiated() && peer == HeartbeatMode::kPeerAllowedToSend; }
  bool may_receive() const { return negotiated() && own == HeartbeatMode::kPeerAllowedToSend; }
  double resend_at() const { return in_flight ? in_flight->sent_at + in_flight->wait : kNever; }
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_SESSION_HEARTBEAT_H_
