#include "core/records/held_records.h"

#include <algorithm>
#include <utility>

namespace dtls {

bool HeldRecords::holds(const RecordView& record) const {
  constexpr size_t kNumberAt = 5;  // epoch 0 is before it, and a repetition has another number
  constexpr size_t kLengthAt = 11;
  const uint8_t* whole = record.whole.data;
  return std::any_of(records_.begin(), records_.end(), [&](const Held& held) {
    const std::vector<uint8_t>& bytes = held.bytes;
    return bytes.size() == record.whole.size &&
           std::equal(whole, whole + kNumberAt, bytes.begin()) &&
           std::equal(whole + kLengthAt, whole + bytes.size(), bytes.begin() + kLengthAt);
  });
}

bool HeldRecords::hold(const RecordView& record, Until until, uint64_t arrival) {
  if (record.epoch == 0 && holds(record)) return true;
  size_t records = 0;
  size_t bytes = 0;
  for (const Held& held : records_) {
    if ((held.until == Until::kAnswer) != (until == Until::kAnswer)) continue;
    ++records;
    bytes += held.bytes.size();
  }
  if (records >= kMaxRecords || bytes + record.whole.size > kMaxBytes) return false;
  records_.push_back({until, arrival, {record.whole.data, record.whole.data + record.whole.size}});
  return true;
}

std::vector<HeldRecords::Held> HeldRecords::take(Due due) {
  const auto is_due = [due](const Held& held) {
    switch (held.until) {
      case Until::kAnswer:
        return due.answer;
      case Until::kKeys:
        return due.keys;
      case Until::kOpen:
        return due.open;
    }
    return false;
  };
  std::vector<Held> taken;
  if (std::none_of(records_.begin(), records_.end(), is_due)) return taken;
  std::vector<Held> rest;
  for (Held& held : records_) (is_due(held) ? taken : rest).push_back(std::move(held));
  records_ = std::move(rest);
  return taken;
}

}  // namespace dtls
