#ifndef DGRAM_DTLS_CORE_FLIGHTS13_ACK_H_
#define DGRAM_DTLS_CORE_FLIGHTS13_ACK_H_

#include <optional>
#include <vector>

#include "core/base/bytes.h"
#include "core/flights13/record_number.h"

// The content of ACK records: RFC 9147 section 7.
namespace dtls {

// Bytes of an ACK of so many records.
constexpr size_t kAckHeaderSize = 2;
constexpr size_t kAckNumberSize = 16;
constexpr size_t ack_size(size_t numbers) { return kAckHeaderSize + numbers * kAckNumberSize; }

// `numbers` in any order; on the wire they are in increasing order. At most 4095.
std::vector<uint8_t> write_ack(std::vector<RecordNumber> numbers);

// The numbers in an ACK's body, in its order. Nothing when it is not one whole list.
std::optional<std::vector<RecordNumber>> parse_ack(Bytes body);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_FLIGHTS13_ACK_H_
