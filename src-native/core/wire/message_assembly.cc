#include "core/wire/message_assembly.h"

#include <algorithm>
#include <utility>

namespace dtls {

const char* const HandshakeMessage::kTooManyParts =
    "a message comes in too many parts, with gaps between them";
const char* const MessageAssembly::kEmptyFragment = "a fragment of a message has no bytes";
const char* const MessageAssembly::kLongCertificate =
    "a Certificate message is longer than 102400 bytes";

HandshakeMessage::HandshakeMessage(uint16_t version, const FragmentView& fragment)
    : type_(fragment.type),
      sequence_(fragment.message_sequence),
      version_(version),
      size_(fragment.message_length) {
  add(fragment);
}

const char* HandshakeMessage::add(const FragmentView& fragment) {
  if (fragment.type != type() || fragment.message_length != size() ||
      fragment.message_sequence != sequence()) {
    return "two fragments of one message name different types or lengths";
  }
  if (const char* complaint = compare(fragment)) return complaint;
  if (complete()) return nullptr;
  if (!fits(fragment)) return kTooManyParts;
  // Most messages come in one piece.
  if (fragment.body.size == size()) {
    put_together(fragment.body);
    return nullptr;
  }
  take(fragment.offset, fragment.body);
  if (parts_.size() == 1 && parts_[0].bytes.size() == size()) {
    put_together({parts_[0].bytes.data(), size()});
  }
  return nullptr;
}

size_t HandshakeMessage::bytes() const {
  if (complete()) return size();
  size_t sum = 0;
  for (const Part& part : parts_) sum += part.bytes.size();
  return sum;
}

// What is wrong with bytes for places that have some.
const char* HandshakeMessage::compare(const FragmentView& fragment) const {
  const size_t begin = fragment.offset;
  const size_t end = begin + fragment.body.size;
  const auto differs = [&](size_t offset, const uint8_t* bytes, size_t size) {
    const size_t from = std::max(begin, offset);
    const size_t to = std::min(end, offset + size);
    return from < to && !std::equal(bytes + (from - offset), bytes + (to - offset),
                                    fragment.body.data + (from - begin));
  };
  const bool differ = complete()
                          ? differs(0, body().data, size())
                          : std::any_of(parts_.begin(), parts_.end(), [&](const Part& part) {
                              return differs(part.offset, part.bytes.data(), part.bytes.size());
                            });
  return differ ? "two fragments of one message have different bytes for the same place" : nullptr;
}

// Each part costs memory of its own: who sends every other byte is not to have much of it.
bool HandshakeMessage::fits(const FragmentView& fragment) const {
  const size_t begin = fragment.offset;
  const size_t end = begin + fragment.body.size;
  return parts_.size() < kMaxParts ||
         std::any_of(parts_.begin(), parts_.end(),
                     [&](const Part& part) { return begin <= part.end() && end >= part.offset; });
}

// The parts that the bytes touch become one with them. What is there is the same as what comes.
void HandshakeMessage::take(size_t offset, Bytes bytes) {
  if (bytes.size == 0) return;
  const size_t end = offset + bytes.size;
  auto part = std::lower_bound(parts_.begin(), parts_.end(), offset,
                               [](const Part& one, size_t place) { return one.end() < place; });
  if (part == parts_.end() || part->offset > offset) {
    part = parts_.insert(part, Part{offset, {}});
  }
  const auto add_to_part = [&](Bytes more) {
    part->bytes.insert(part->bytes.end(), more.data, more.data + more.size);
  };
  if (end > part->end()) add_to_part(bytes.from(part->end() - offset));
  auto next = part + 1;
  for (; next != parts_.end() && next->offset <= part->end(); ++next) {
    const Bytes theirs{next->bytes.data(), next->bytes.size()};
    if (next->end() > part->end()) add_to_part(theirs.from(part->end() - next->offset));
  }
  parts_.erase(part + 1, next);
}

void HandshakeMessage::put_together(Bytes body) {
  whole_.resize(kHandshakeHeaderSize + size());
  FragmentHeader header;
  header.type = type();
  header.message_length = header.length = static_cast<uint32_t>(size());
  header.message_sequence = sequence();
  write_fragment_header(whole_.data(), header);
  std::copy_n(body.data, body.size, whole_.begin() + kHandshakeHeaderSize);
  parts_ = {};
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
    // Nothing contradicts what is there. The rest of its flight, said again, closes the gaps.
    if (complaint == HandshakeMessage::kTooManyParts) return Outcome::kRefused;
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
