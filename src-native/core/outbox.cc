#include "core/outbox.h"

#include <cstring>

namespace dtls {

void Outbox::attach(Control* control, Record* records, size_t record_capacity, uint8_t* arena,
                    size_t arena_capacity) {
  control_ = control;
  records_ = records;
  record_capacity_ = record_capacity;
  arena_ = arena;
  arena_capacity_ = arena_capacity;
  *control_ = {0, 0};
}

void Outbox::place(Record record, Bytes bytes) {
  record.offset = control_->bytes;
  uint8_t* const place = arena_ + control_->bytes;
  if (bytes.size != 0 && bytes.data != place) std::memcpy(place, bytes.data, bytes.size);
  records_[control_->records++] = record;
  control_->bytes += record.length;
}

void Outbox::append(RecordType type, SessionId id, uint32_t a, uint32_t b, Bytes bytes) {
  if (type == RecordType::kOpen || type == RecordType::kPacket || type == RecordType::kDropped) {
    ++named_peers_;
  }
  const Record record{
      static_cast<uint32_t>(type),      id.endpoint, id.slot, id.generation, a, b, 0,
      static_cast<uint32_t>(bytes.size)};
  if (spill_.empty() && fits(bytes.size)) {
    place(record, bytes);
  } else {
    spill_.push_back({record, {bytes.data, bytes.data + bytes.size}});
  }
}

void Outbox::reset(uint8_t* arena, size_t arena_capacity) {
  arena_ = arena;
  arena_capacity_ = arena_capacity;
  reset();
}

void Outbox::reset() {
  *control_ = {0, 0};
  while (!spill_.empty() && fits(spill_.front().bytes.size())) {
    const Spilled& next = spill_.front();
    place(next.record, {next.bytes.data(), next.bytes.size()});
    spill_.pop_front();
  }
}

}  // namespace dtls
