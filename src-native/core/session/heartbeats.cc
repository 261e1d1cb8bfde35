// RFC 6520 heartbeats of a session. OpenSSL makes none, so only suites have them whose records are
// opened and sealed here.

#include <openssl/crypto.h>

#include <algorithm>
#include <cstring>

#include <array>

#include "core/session/session.h"

namespace dtls {

// ---- out ----

bool Session::send_heartbeat(Bytes message) {
  if (message.size > max_fragment_ || !seal(ContentType::kHeartbeat, message)) return false;
  outlet_.count<&TrafficStats::heartbeatsSent>();
  return true;
}

HeartbeatOutcome Session::heartbeat(Bytes payload, size_t padding, double timeout, uint32_t retries,
                                    double now) {
  if (state_ != SessionState::kOpen) return HeartbeatOutcome::kNotOpen;
  if (!heartbeat_ || !heartbeat_->negotiated()) return HeartbeatOutcome::kNotNegotiated;
  if (!heartbeat_->may_send()) return HeartbeatOutcome::kNotAllowed;
  if (records_->ssl() != nullptr) return HeartbeatOutcome::kUnsupportedCipher;
  if (heartbeat_->in_flight) return HeartbeatOutcome::kBusy;
  const size_t size = kHeartbeatHeader + payload.size + padding;
  if (padding < kMinHeartbeatPadding || size > max_fragment_) return HeartbeatOutcome::kTooBig;
  HeartbeatRequest request;
  request.message = make_heartbeat(HeartbeatType::kRequest, payload, padding);
  stir(now);
  if (request.message.empty() ||
      !send_heartbeat({request.message.data(), request.message.size()})) {
    return HeartbeatOutcome::kFailed;
  }
  request.payload_size = payload.size;
  request.sent_at = now;
  request.wait = timeout;
  request.retries_left = retries;
  heartbeat_->in_flight = std::move(request);
  emit_heartbeat(true, HeartbeatType::kRequest, size, 0);
  return HeartbeatOutcome::kSent;
}

void Session::advance_heartbeat(double now) {
  Heartbeat& heartbeat = *heartbeat_;
  if (!heartbeat.in_flight) {
    if (!keep_alive_on() || now < last_heard_ + policy_->heartbeat_interval) return;
    // What comes back only has to be ours: 16 bytes that nobody can guess.
    std::vector<uint8_t> payload = make_heartbeat(HeartbeatType::kRequest, {}, 16);
    const Bytes random = Bytes{payload.data(), payload.size()}.from(kHeartbeatHeader);
    if (this->heartbeat(random, kMinHeartbeatPadding, policy_->heartbeat_timeout,
                        policy_->heartbeat_retries, now) == HeartbeatOutcome::kSent) {
      heartbeat.in_flight->keep_alive = true;
    } else {
      last_heard_ = now;  // try again an interval later: a suite without AEAD never can
    }
    return;
  }
  HeartbeatRequest& request = *heartbeat.in_flight;
  if (now < heartbeat.resend_at()) return;
  if (request.retries_left == 0) {
    const bool keep_alive = request.keep_alive;
    heartbeat.in_flight.reset();
    outlet_.append(RecordType::kHeartbeat, 0, 0);
    // An interval of silence and every repetition of the request lie behind us.
    if (keep_alive) {
      say_goodbye();
      Failure failure;
      failure.kind = FailureKind::kHeartbeatTimeout;
      fail(failure);
    }
    return;
  }
  --request.retries_left;
  request.sent_at = now;
  request.wait = std::min(request.wait * policy_->retransmit_backoff,
                          std::max(request.wait, policy_->retransmit_max));
  if (send_heartbeat({request.message.data(), request.message.size()})) {
    emit_heartbeat(true, HeartbeatType::kRequest, request.message.size(), 0);
  }
}

// ---- in ----

RecordOutcome Session::on_heartbeat(Bytes bytes, double now) {
  Heartbeat& heartbeat = *heartbeat_;
  const std::optional<HeartbeatMessage> message = parse_heartbeat(bytes);
  const bool request = message && message->type == HeartbeatType::kRequest;
  // Silently: RFC 6520 section 4 for what does not parse or answers nothing, section 2 for a
  // request from a peer that was told not to send any.
  if (!message || (request && !heartbeat.may_receive()) ||
      (!request &&
       (!heartbeat.in_flight || message->payload.size != heartbeat.in_flight->payload_size ||
        CRYPTO_memcmp(message->payload.data, heartbeat.in_flight->payload().data,
                      message->payload.size) != 0))) {
    return RecordOutcome::kHeartbeatDiscarded;
  }
  outlet_.count<&TrafficStats::heartbeatsReceived>();
  last_activity_ = last_heard_ = now;
  if (!request) {
    const double rtt = now - heartbeat.in_flight->sent_at;
    heartbeat.in_flight.reset();
    emit_heartbeat(false, HeartbeatType::kResponse, bytes.size, rtt);
    return RecordOutcome::kTaken;
  }
  emit_heartbeat(false, HeartbeatType::kRequest, bytes.size, 0);
  // Never longer than the request: its padding had at least as much.
  const std::vector<uint8_t> response =
      make_heartbeat(HeartbeatType::kResponse, message->payload, kMinHeartbeatPadding);
  if (!response.empty() && send_heartbeat({response.data(), response.size()})) {
    emit_heartbeat(true, HeartbeatType::kResponse, response.size(), 0);
  }
  return RecordOutcome::kTaken;
}

void Session::emit_heartbeat(bool out, HeartbeatType type, size_t length, double rtt) {
  std::array<uint8_t, sizeof(double)> bytes{};
  std::memcpy(bytes.data(), &rtt, sizeof rtt);
  outlet_.append(RecordType::kHeartbeat,
                 kOut.put(out) | kHeartbeatType.put(static_cast<uint32_t>(type)),
                 static_cast<uint32_t>(length), {bytes.data(), bytes.size()});
}

}  // namespace dtls
