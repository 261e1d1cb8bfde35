#ifndef DGRAM_DTLS_CORE_HANDSHAKE13_HELD_CIPHERTEXTS_H_
#define DGRAM_DTLS_CORE_HANDSHAKE13_HELD_CIPHERTEXTS_H_

#include <utility>
#include <vector>

#include "core/base/bytes.h"

namespace dtls {

// Protected records that came before their keys, in order, and no more of them than a peer has
// reason to send.
class HeldCiphertexts {
 public:
  static constexpr size_t kMaxRecords = 64;
  static constexpr size_t kMaxBytes = size_t{64} * 1024;

  // False: there is no room.
  bool hold(Bytes record) {
    if (records_.size() >= kMaxRecords || record.size > kMaxBytes - bytes_) return false;
    records_.emplace_back(record.data, record.data + record.size);
    bytes_ += record.size;
    return true;
  }
  bool empty() const { return records_.empty(); }
  std::vector<std::vector<uint8_t>> take() {
    bytes_ = 0;
    return std::exchange(records_, {});
  }

 private:
  std::vector<std::vector<uint8_t>> records_;
  size_t bytes_ = 0;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HANDSHAKE13_HELD_CIPHERTEXTS_H_
