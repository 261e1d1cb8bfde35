#include "core/flights13/incoming.h"

#include <algorithm>

namespace dtls {

Incoming::Message* Incoming::find(uint32_t sequence) {
  const auto found = std::find_if(
      messages_.begin(), messages_.end(),
      [sequence](const Message& message) { return message.parts.sequence() == sequence; });
  return found == messages_.end() ? nullptr : &*found;
}

// The next message always has its place. One that is refused now comes again with its flight.
bool Incoming::has_place(const FragmentView& fragment) const {
  if (fragment.message_sequence == next_) return true;
  if (fragment.message_sequence > next_ + kMaxAhead) return false;
  size_t ahead = fragment.message_length;
  for (const Message& message : messages_) {
    const uint32_t sequence = message.parts.sequence();
    if (sequence != next_ && sequence != fragment.message_sequence) ahead += message.parts.size();
  }
  return ahead <= kMaxAheadBytes;
}

Incoming::Outcome Incoming::add(uint64_t epoch, const FragmentView& fragment) {
  if (fragment.body.size == 0 && fragment.message_length != 0) return Outcome::kRefused;
  if (was_taken(fragment.message_sequence)) return Outcome::kRepeated;
  if (level_of(epoch) < level_of(epoch_) || fragment.message_length > kMaxMessage) {
    return Outcome::kRefused;
  }
  // A flight has one message in clear.
  if (epoch == kClearEpoch && fragment.message_sequence != next_) return Outcome::kRefused;
  if (!has_place(fragment)) return Outcome::kRefused;
  if (Message* same = find(fragment.message_sequence)) {
    const Outcome outcome = add_to(*same, epoch, fragment);
    if (outcome == Outcome::kTaken) note_order(fragment);
    return outcome;
  }
  messages_.push_back({epoch, HandshakeMessage(kDtls12, fragment)});
  note_order(fragment);
  return Outcome::kTaken;
}

Incoming::Outcome Incoming::add_to(Message& message, uint64_t epoch, const FragmentView& fragment) {
  if (level_of(epoch) < level_of(message.epoch)) return Outcome::kRefused;
  if (level_of(epoch) == level_of(message.epoch)) {
    if (message.parts.add(fragment) == nullptr) return Outcome::kTaken;
    // All that has come of the message is let go of for one fragment: once for each datagram, which
    // has room for hundreds that contradict one another.
    if (epoch != kClearEpoch || begun_anew_) return Outcome::kRefused;
    begun_anew_ = true;
  }
  message = Message{epoch, HandshakeMessage(kDtls12, fragment)};
  return Outcome::kTaken;
}

void Incoming::note_order(const FragmentView& fragment) {
  out_of_order_ = fragment.message_sequence != expected_seq_ || fragment.offset != expected_offset_;
  if (out_of_order_) return;
  const uint32_t end = fragment.offset + static_cast<uint32_t>(fragment.body.size);
  const bool whole = end == fragment.message_length;
  expected_offset_ = whole ? 0 : end;
  if (whole) ++expected_seq_;
}

const HandshakeMessage* Incoming::peek() const {
  for (const Message& message : messages_) {
    if (message.parts.sequence() != next_) continue;
    return message.parts.complete() ? &message.parts : nullptr;
  }
  return nullptr;
}

void Incoming::drop_next() {
  Message* message = find(next_);
  if (message != nullptr) messages_.erase(messages_.begin() + (message - messages_.data()));
}

std::optional<IncomingMessage> Incoming::take_next() {
  Message* message = find(next_);
  if (message == nullptr || !message->parts.complete()) return std::nullopt;
  const Bytes body = message->parts.body();
  IncomingMessage taken;
  taken.epoch = message->epoch;
  taken.message_seq = message->parts.sequence();
  taken.bytes.resize(kMessageHeaderSize);
  taken.bytes[0] = static_cast<uint8_t>(message->parts.type());
  write_u24(&taken.bytes[1], static_cast<uint32_t>(body.size));
  taken.bytes.insert(taken.bytes.end(), body.data, body.data + body.size);
  messages_.erase(messages_.begin() + (message - messages_.data()));
  if (messages_.empty()) messages_ = {};  // sessions rest for hours, and there are many
  ++next_;
  if (expected_seq_ < next_) {
    expected_seq_ = next_;
    expected_offset_ = 0;
  }
  return taken;
}

void Incoming::set_epoch(uint64_t epoch) {
  epoch_ = epoch;
  messages_.erase(std::remove_if(messages_.begin(), messages_.end(),
                                 [epoch](const Message& message) {
                                   return level_of(message.epoch) < level_of(epoch);
                                 }),
                  messages_.end());
}

}  // namespace dtls
