#ifndef DGRAM_DTLS_CORE_FLIGHTS13_RECORD_NUMBER_H_
#define DGRAM_DTLS_CORE_FLIGHTS13_RECORD_NUMBER_H_

#include <algorithm>
#include <cstdint>

namespace dtls {

// What an ACK names a record by: RFC 9147 section 4. In full, not as shortened in a header.
struct RecordNumber {
  uint64_t epoch = 0;
  uint64_t number = 0;
};

inline bool operator<(const RecordNumber& a, const RecordNumber& b) {
  return a.epoch != b.epoch ? a.epoch < b.epoch : a.number < b.number;
}
inline bool operator==(const RecordNumber& a, const RecordNumber& b) {
  return a.epoch == b.epoch && a.number == b.number;
}

// RFC 9147 section 6.1.
constexpr uint64_t kClearEpoch = 0;
constexpr uint64_t kHandshakeEpoch = 2;
constexpr uint64_t kApplicationEpoch = 3;

// Epochs as far as order matters between them: after the handshake each side changes its keys for
// itself, and an epoch of one says nothing about those of the other.
inline uint64_t level_of(uint64_t epoch) { return std::min(epoch, kApplicationEpoch); }

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_FLIGHTS13_RECORD_NUMBER_H_
