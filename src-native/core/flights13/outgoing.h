#ifndef DGRAM_DTLS_CORE_FLIGHTS13_OUTGOING_H_
#define DGRAM_DTLS_CORE_FLIGHTS13_OUTGOING_H_

#include <vector>

#include "core/wire/wire.h"

// What flights ask to be sent, and what they have to keep within.
namespace dtls {

// Bytes that a record has around its plaintext, the inner content type and the tag among them, at
// most, by the keys that it is sealed with.
struct RecordOverhead {
  size_t clear = kRecordHeaderSize;  // epoch 0
  size_t handshake = 0;              // epoch 2
  size_t application = 0;            // epoch 3 and up

  size_t of(uint64_t epoch) const {
    return epoch == 0 ? clear : epoch < 3 ? handshake : application;
  }
};

struct LeaveLimits {
  size_t mtu;  // bytes of a datagram: UDP payload
  RecordOverhead overhead;
  size_t max_plaintext = kMaxPlaintext;  // bytes of plaintext in a record, RFC 8449
};

// Which bytes of which message of ours a handshake record has.
struct MessagePiece {
  uint16_t message_seq = 0;
  uint32_t offset = 0;
  uint32_t length = 0;
};

// A record to be sealed, or written in clear for epoch 0.
struct OutgoingRecord {
  uint64_t epoch = 0;
  ContentType type{};              // kHandshake or kAck
  std::vector<uint8_t> plaintext;  // header and bytes of one fragment; or the body of an ACK
  MessagePiece piece;              // of kHandshake
};

// Records that leave in one datagram, in this order.
using OutgoingDatagram = std::vector<OutgoingRecord>;

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_FLIGHTS13_OUTGOING_H_
