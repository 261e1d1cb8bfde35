#ifndef DGRAM_DTLS_CORE_RECORDS13_UNIFIED_HEADER_H_
#define DGRAM_DTLS_CORE_RECORDS13_UNIFIED_HEADER_H_

#include "core/wire/wire.h"

// The header of protected records of DTLS 1.3: RFC 9147 section 4.
//
//    0 1 2 3 4 5 6 7
//   +-+-+-+-+-+-+-+-+
//   |0|0|1|C|S|L|E E|   C: a connection ID follows, S: a number of 16 bits in place of 8,
//   +-+-+-+-+-+-+-+-+   L: a length follows, E: the low bits of the epoch
//
namespace dtls {

// The connection IDs that this side has asked for: none.
constexpr size_t kConnectionIdSize13 = 0;

// What this side writes: a number of 16 bits, so that records may come late or be lost by the
// thousand and still be told apart, and always the length. Without it a record goes on to the end
// of its datagram, so that nothing could follow: flights, ACKs and alerts share datagrams, and who
// seals a record does not know what will be put behind it.
constexpr size_t kSealedHeaderSize13 = 5;

// The longest header that is read.
constexpr size_t kMaxHeaderSize13 = 5 + kConnectionIdSize13;

// Ciphertext that a number can be hidden with: section 4.2.3 has shorter records rejected.
constexpr size_t kMinCiphertext13 = 16;

// The plaintext with its content type and padding: section 4, RFC 8446 section 5.2.
constexpr size_t kMaxInner13 = kMaxPlaintext + 1;

// A record as it came: its number is hidden still.
struct CiphertextView {
  Bytes whole;              // header and ciphertext
  Bytes ciphertext;         // with the tag
  uint8_t epoch_bits = 0;   // the low two of the epoch
  uint8_t number_at = 0;    // where in `whole` the number is
  uint8_t number_size = 0;  // 1 or 2

  Bytes header() const { return whole.first(whole.size - ciphertext.size); }
};

// Whether a record with this first byte has a unified header. Those of epoch 0, and all of 1.2's,
// begin with their content type: section 4.1.
inline bool is_unified(uint8_t first) { return first >> 5 == 1; }

// Takes the first record off the front of `datagram`, one with a unified header. False: there is no
// whole one, or it has a connection ID that nobody has asked for; the rest is to be discarded
// (section 4.5.2). Inline, because every datagram goes through it.
inline bool take_ciphertext(Bytes& datagram, CiphertextView& record) {
  constexpr uint8_t kHasConnectionId = 0x10;
  constexpr uint8_t kLongNumber = 0x08;
  constexpr uint8_t kHasLength = 0x04;
  constexpr uint8_t kEpochBits = 0x03;
  if (datagram.size == 0 || !is_unified(datagram.data[0])) return false;
  const uint8_t flags = datagram.data[0];
  if (((flags & kHasConnectionId) != 0) != (kConnectionIdSize13 != 0)) return false;
  record.epoch_bits = flags & kEpochBits;
  record.number_at = 1 + kConnectionIdSize13;
  record.number_size = (flags & kLongNumber) != 0 ? 2 : 1;
  const bool has_length = (flags & kHasLength) != 0;
  const size_t length_at = size_t{record.number_at} + record.number_size;
  const size_t header = length_at + (has_length ? 2 : 0);
  if (datagram.size < header) return false;
  const size_t left = datagram.size - header;
  const size_t length = has_length ? read_u16(datagram.data + length_at) : left;
  if (length > left) return false;
  record.whole = datagram.first(header + length);
  record.ciphertext = {datagram.data + header, length};
  datagram = datagram.from(header + length);
  return true;
}

// The number whose low `size` bytes (1 or 2) are `low`, and that is closest to `expected`, one
// above the highest number of a record that was opened: section 4.2.2. Of two that are as close,
// the higher.
inline uint64_t whole_number(uint64_t expected, uint32_t low, size_t size) {
  const uint64_t all = uint64_t{1} << (8 * size);
  const uint64_t half = all / 2;
  const uint64_t number = (expected & ~(all - 1)) | low;
  if (number + half <= expected && number <= UINT64_MAX - all) return number + all;
  if (number > expected + half && number >= all) return number - all;
  return number;
}

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS13_UNIFIED_HEADER_H_
