#include "core/outbox/outbox.h"

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

void Outbox::spill(const Record& record, Bytes bytes) {
  spill_.push_back({record, SecretBytes(bytes)});
}

void Outbox::reset() {
  *control_ = {0, 0};
  while (!spill_.empty() && fits(spill_.front().bytes.size())) {
    const Spilled& next = spill_.front();
    place(next.record, next.bytes.view());
    spill_.pop_front();
  }
}

}  // namespace dtls
