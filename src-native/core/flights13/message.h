#ifndef DGRAM_DTLS_CORE_FLIGHTS13_MESSAGE_H_
#define DGRAM_DTLS_CORE_FLIGHTS13_MESSAGE_H_

#include <vector>

#include "core/wire/wire.h"

// A handshake message as TLS has it, which is what is hashed at 1.3 (RFC 9147 section 5.2): without
// the number and the fragment that DTLS adds.
namespace dtls {

constexpr size_t kMessageHeaderSize = 4;  // type, 3 bytes of length

inline bool is_whole_message(Bytes message) {
  return message.size >= kMessageHeaderSize &&
         read_u24(message.data + 1) == message.size - kMessageHeaderSize;
}

inline HandshakeType message_type(Bytes message) {
  return static_cast<HandshakeType>(message.data[0]);
}

// A message that the peer sent.
struct IncomingMessage {
  uint64_t epoch = 0;  // of its records: whether its type may come there is the engine's to judge
  uint16_t message_seq = 0;
  std::vector<uint8_t> bytes;  // type, 3 bytes of length, body

  HandshakeType type() const { return message_type({bytes.data(), bytes.size()}); }
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_FLIGHTS13_MESSAGE_H_
