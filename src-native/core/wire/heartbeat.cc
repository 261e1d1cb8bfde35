#include "core/wire/heartbeat.h"

#include <openssl/rand.h>

#include <algorithm>

namespace dtls {

std::optional<HeartbeatMessage> parse_heartbeat(Bytes message) {
  if (message.size < kHeartbeatHeader + kMinHeartbeatPadding) return std::nullopt;
  const size_t payload_size = read_u16(message.data + 1);
  if (payload_size > message.size - kHeartbeatHeader - kMinHeartbeatPadding) return std::nullopt;
  const uint8_t type = message.data[0];
  if (type != static_cast<uint8_t>(HeartbeatType::kRequest) &&
      type != static_cast<uint8_t>(HeartbeatType::kResponse)) {
    return std::nullopt;
  }
  return HeartbeatMessage{static_cast<HeartbeatType>(type),
                          {message.data + kHeartbeatHeader, payload_size}};
}

std::vector<uint8_t> make_heartbeat(HeartbeatType type, Bytes payload, size_t padding) {
  std::vector<uint8_t> message(kHeartbeatHeader + payload.size + padding);
  message[0] = static_cast<uint8_t>(type);
  write_u16(message.data() + 1, static_cast<uint32_t>(payload.size));
  if (payload.size != 0) {
    std::copy_n(payload.data, payload.size, message.begin() + kHeartbeatHeader);
  }
  uint8_t* end = message.data() + kHeartbeatHeader + payload.size;
  if (RAND_bytes(end, static_cast<int>(padding)) != 1) return {};
  return message;
}

}  // namespace dtls
