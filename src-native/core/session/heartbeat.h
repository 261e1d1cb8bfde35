#ifndef DGRAM_DTLS_CORE_SESSION_HEARTBEAT_H_
#define DGRAM_DTLS_CORE_SESSION_HEARTBEAT_H_

#include <optional>
#include <vector>

#include "core/base/timer_queue.h"
#include "core/wire/heartbeat.h"

// What a session remembers of its heartbeats (RFC 6520).
namespace dtls {

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
