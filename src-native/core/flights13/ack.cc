#include "core/flights13/ack.h"

#include <algorithm>

#include "core/wire/wire.h"

namespace dtls {

namespace {

void write_u64(uint8_t* p, uint64_t value) {
  write_u16(p, static_cast<uint32_t>(value >> 48));
  write_u48(p + 2, value);
}

uint64_t read_u64(const uint8_t* p) { return uint64_t{read_u16(p)} << 48 | read_u48(p + 2); }

}  // namespace

std::vector<uint8_t> write_ack(std::vector<RecordNumber> numbers) {
  std::sort(numbers.begin(), numbers.end());
  std::vector<uint8_t> body(ack_size(numbers.size()));
  write_u16(body.data(), static_cast<uint32_t>(body.size() - kAckHeaderSize));
  uint8_t* p = body.data() + kAckHeaderSize;
  for (const RecordNumber& record : numbers) {
    write_u64(p, record.epoch);
    write_u64(p + 8, record.number);
    p += kAckNumberSize;
  }
  return body;
}

std::optional<std::vector<RecordNumber>> parse_ack(Bytes body) {
  if (body.size < kAckHeaderSize) return std::nullopt;
  const size_t length = read_u16(body.data);
  if (length != body.size - kAckHeaderSize || length % kAckNumberSize != 0) return std::nullopt;
  std::vector<RecordNumber> numbers;
  numbers.reserve(length / kAckNumberSize);
  for (size_t at = kAckHeaderSize; at < body.size; at += kAckNumberSize) {
    numbers.push_back({read_u64(body.data + at), read_u64(body.data + at + 8)});
  }
  return numbers;
}

}  // namespace dtls
