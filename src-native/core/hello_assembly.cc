#include "core/hello_assembly.h"

#include <algorithm>

namespace dtls {

HelloAssembly::HelloAssembly(const RecordView& record, const FragmentView& fragment)
    : record_(kRecordHeaderSize + kHandshakeHeaderSize + fragment.message_length),
      present_(fragment.message_length),
      missing_(fragment.message_length),
      message_sequence_(fragment.message_sequence) {
  uint8_t* header = record_.data();
  std::copy_n(record.whole.data, kRecordHeaderSize, header);
  write_u16(header + 11, static_cast<uint32_t>(kHandshakeHeaderSize + fragment.message_length));
  uint8_t* message = header + kRecordHeaderSize;
  message[0] = fragment.type;
  write_u24(message + 1, fragment.message_length);
  write_u16(message + 4, fragment.message_sequence);
  write_u24(message + 6, 0);
  write_u24(message + 9, fragment.message_length);
  add(fragment);
}

void HelloAssembly::add(const FragmentView& fragment) {
  if (fragment.type != static_cast<uint8_t>(HandshakeType::kClientHello) ||
      fragment.message_length != present_.size() ||
      fragment.message_sequence != message_sequence_) {
    return;
  }
  uint8_t* body = record_.data() + kRecordHeaderSize + kHandshakeHeaderSize;
  for (size_t i = 0; i < fragment.body.size; ++i) {
    const size_t at = fragment.offset + i;
    // The first copy of a byte stays: nobody can rewrite what the cookie came with.
    if (present_[at]) continue;
    present_[at] = true;
    body[at] = fragment.body.data[i];
    --missing_;
  }
}

}  // namespace dtls
