#include "core/records/held_records.h"

#include <algorithm>
#include <utility>

namespace dtls {

bool HeldRecords::holds(const RecordView& record) const {
  constexpr size_t kNumberAt = 5;  // epoch 0 is before it, and a repetition has another number
  constexpr size_t kLengthAt = 11;
  const uint8_t* whole = record.whole.data;
  return std::any_of(records_.begin(), records_.end(), [&](const std::vector<uint8_t>& held) {
    return held.size() == record.whole.size && std::equal(whole, whole + kNumberAt, held.begin()) &&
           std::equal(whole + kLengthAt, whole + held.size(), held.begin() + kLengthAt);
  });
}

bool HeldRecords::keep(const RecordView& record) {
  if (record.epoch == 0 && holds(record)) return true;
  if (records_.size() >= max_records_ || bytes_ + record.whole.size > max_bytes_) return false;
  bytes_ += record.whole.size;
  records_.emplace_back(record.whole.data, record.whole.data + record.whole.size);
  return true;
}

std::vector<std::vector<uint8_t>> HeldRecords::take() {
  bytes_ = 0;
  return std::exchange(records_, {});
}

}  // namespace dtls
