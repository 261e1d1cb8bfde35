#include "core/wire/message_assembly.h"

#include <algorithm>
#include <utility>

namespace dtls {

HandshakeMessage::HandshakeMessage(uint16_t version, const FragmentView& fragment)
    : version_(version),
      bytes_(kHandshakeHeaderSize + fragment.message_length),
      missing_(fragment.message_length) {
  FragmentHeader header;
  header.type = fragment.type;
  header.message_length = header.length = fragment.message_length;
  header.message_sequence = fragment.message_sequence;
  write_fragment_header(bytes_.data(), header);
  add(fragment);
}

const char* HandshakeMessage::add(const FragmentView& fragment) {
  if (fragment.type != type() || fragment.message_length != size() ||
      fragment.message_sequence != sequence()) {
    return "two fragments of one message name different types or lengths";
  }
  uint8_t* to = bytes_.data() + kHandshakeHeaderSize + fragment.offset;
  const uint8_t* from = fragment.body.data;
  const size_t count = fragment.body.size;
  const bool begins = missing_ == size();
  // Most messages come in one piece.
  if (begins && count == size()) {
    std::copy_n(from, count, to);
    missing_ = 0;
    return nullptr;
  }
  if (begins) present_.resize(size());
  const auto has = [&](size_t i) { return complete() || present_[fragment.offset + i]; };
  for (size_t i = 0; i < count; ++i) {
    if (has(i) && to[i] != from[i]) {
      return "two fragments of one message have different bytes for the same place";
    }
  }
  for (size_t i = 0; i < count; ++i) {
    if (has(i)) continue;
    present_[fragment.offset + i] = true;
    to[i] = from[i];
    --missing_;
  }
  if (complete()) present_ = {};
  return nullptr;
}

std::vector<uint8_t> HandshakeMessage::record(size_t& offset, uint64_t number, size_t most) const {
  const Bytes part = body().from(offset).first(most - kHandshakeHeaderSize);
  std::vector<uint8_t> record(kRecordHeaderSize + kHandshakeHeaderSize + part.size);
  write_clear_header(record.data(), ContentType::kHandshake, version_, number,
                     kHandshakeHeaderSize + part.size);
  FragmentHeader header;
  header.type = type();
  header.message_length = static_cast<uint32_t>(size());
  header.message_sequence = sequence();
  header.offset = static_cast<uint32_t>(offset);
  header.length = static_cast<uint32_t>(part.size);
  uint8_t* fragment = record.data() + kRecordHeaderSize;
  write_fragment_header(fragment, header);
  std::copy_n(part.data, part.size, fragment + kHandshakeHeaderSize);
  offset += part.size;
  return record;
}

MessageAssembly::Outcome MessageAssembly::refuse(const char* complaint) {
  complaint_ = complaint;
  return Outcome::kRefused;
}

// No handshake has two messages of one type (RFC 5246 section 7.3), but for HelloVerifyRequests.
bool MessageAssembly::comes_twice(HandshakeType type) const {
  return type != HandshakeType::kHelloVerifyRequest && took(type);
}

// What is refused is dropped, and ends nothing: RFC 6347 section 4.1.2.7. In clear anybody may have
// sent it.
MessageAssembly::Outcome MessageAssembly::add(uint16_t version, const FragmentView& fragment) {
  if (fragment.body.size == 0 && fragment.message_length != 0) {
    return refuse(kEmptyFragment);
  }
  if (was_taken(fragment.message_sequence)) return Outcome::kRepeated;
  if (comes_twice(fragment.type))
    return refuse("a message comes a second time, under another number");
  if (fragment.message_length > kMaxMessage) {
    return refuse(fragment.type == HandshakeType::kCertificate
                      ? kLongCertificate
                      : "a message is longer than 102400 bytes");
  }
  HandshakeMessage* same = nullptr;
  size_t ahead = 0;  // bytes of other messages behind the next one
  for (HandshakeMessage& message : messages_) {
    if (message.sequence() == fragment.message_sequence) {
      same = &message;
    } else if (message.sequence() != next_) {
      ahead += message.size();
    }
  }
  if (same != nullptr) {
    const bool was_complete = same->complete();
    const char* complaint = same->add(fragment);
    if (complaint == nullptr) {
      return same->complete() && !was_complete ? Outcome::kNew : Outcome::kIncomplete;
    }
    refuse(complaint);
  }
  // The next message always has its place; one that is refused now comes again with its flight.
  if (fragment.message_sequence != next_ && (fragment.message_sequence > next_ + kMaxAhead ||
                                             ahead + fragment.message_length > kMaxAheadBytes)) {
    return Outcome::kRefused;
  }
  if (same != nullptr) {
    if (!begins_anew(fragment.message_sequence)) return Outcome::kRefused;
    *same = HandshakeMessage(version, fragment);
    return Outcome::kBegunAnew;
  }
  messages_.emplace_back(version, fragment);
  return messages_.back().complete() ? Outcome::kNew : Outcome::kIncomplete;
}

bool MessageAssembly::begins_anew(uint16_t sequence) {
  const uint32_t bit = uint32_t{1} << sequence % 32;
  const bool first = (begun_anew_ & bit) == 0;
  begun_anew_ |= bit;
  return first;
}

const HandshakeMessage* MessageAssembly::next() const {
  for (const HandshakeMessage& message : messages_) {
    if (message.sequence() == next_) return message.complete() ? &message : nullptr;
  }
  return nullptr;
}

const HandshakeMessage* MessageAssembly::whole(HandshakeType type) const {
  const auto found =
      std::find_if(messages_.begin(), messages_.end(), [type](const HandshakeMessage& message) {
        return message.type() == type && message.complete();
      });
  return found == messages_.end() ? nullptr : &*found;
}

HandshakeMessage MessageAssembly::take() {
  const auto found =
      std::find_if(messages_.begin(), messages_.end(),
                   [this](const HandshakeMessage& message) { return message.sequence() == next_; });
  HandshakeMessage message = std::move(*found);
  messages_.erase(found);
  return message;
}

void MessageAssembly::on_taken(HandshakeType type, uint16_t sequence) {
  next_ = std::max(next_, uint32_t{sequence} + 1);
  taken_types_ |= bit_of(type);
  messages_.erase(std::remove_if(messages_.begin(), messages_.end(),
                                 [this](const HandshakeMessage& message) {
                                   return was_taken(message.sequence()) ||
                                          comes_twice(message.type());
                                 }),
                  messages_.end());
}

}  // namespace dtls
