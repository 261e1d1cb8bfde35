#include "core/wire/flight.h"

#include <algorithm>
#include <utility>

namespace dtls {

namespace {

// A message is not begun, or gone on with, in what is left of a datagram for so few bytes of it.
constexpr size_t kFewBytes = 32;
constexpr size_t kHeaders = kRecordHeaderSize + kHandshakeHeaderSize;

bool is_in_clear(const RecordView& record) { return record.epoch == 0; }

bool is_handshake(const RecordView& record) { return record.type == ContentType::kHandshake; }

RecordView view_of(const std::vector<uint8_t>& bytes) {
  Bytes rest{bytes.data(), bytes.size()};
  RecordView record;
  take_record(rest, record);
  return record;
}

// The datagrams of a flight while they fill up.
class Packer {
 public:
  Packer(const FlightLimits& limits, uint64_t& number) : limits_(limits), number_(number) {}

  void put(const HandshakeMessage& message) {
    size_t offset = 0;
    do {
      const size_t left = kHeaders + message.size() - offset;
      if (room() < std::min(left, kHeaders + kFewBytes)) datagrams_.emplace_back();
      const size_t most = std::max(std::min(room(), kRecordHeaderSize + limits_.max_fragment),
                                   kHeaders + kFewBytes);
      append(message.record(offset, number_++, most - kRecordHeaderSize));
    } while (offset < message.size());
  }

  void put(std::vector<uint8_t> record) {
    if (room() < record.size()) datagrams_.emplace_back();
    if (is_in_clear(view_of(record))) renumber(record.data(), number_++);
    append(record);
  }

  std::deque<std::vector<uint8_t>> take() { return std::move(datagrams_); }

 private:
  size_t room() const {
    if (datagrams_.empty() || datagrams_.back().size() >= limits_.mtu) return 0;
    return limits_.mtu - datagrams_.back().size();
  }

  void append(const std::vector<uint8_t>& record) {
    std::vector<uint8_t>& datagram = datagrams_.back();
    datagram.insert(datagram.end(), record.begin(), record.end());
  }

  const FlightLimits limits_;
  uint64_t& number_;
  std::deque<std::vector<uint8_t>> datagrams_;
};

}  // namespace

Flight::Flight(HandshakeMessage message) { items_.push_back({std::move(message), {}}); }

const HandshakeMessage* Flight::only_message() const {
  return items_.size() == 1 && items_[0].message && items_[0].message->complete()
             ? &*items_[0].message
             : nullptr;
}

void Flight::add(const RecordView& record) {
  if (!is_in_clear(record) || !is_handshake(record)) {
    items_.push_back({std::nullopt, {record.whole.data, record.whole.data + record.whole.size}});
    return;
  }
  Bytes rest = record.fragment;
  FragmentView fragment;
  while (take_fragment(rest, fragment)) {
    Item* last = items_.empty() ? nullptr : &items_.back();
    if (last != nullptr && last->message && !last->message->complete() &&
        last->message->add(fragment) == nullptr) {
      continue;
    }
    items_.push_back({HandshakeMessage(record.version, fragment), {}});
  }
}

void Flight::drop_protected() {
  const auto is_protected = [](const Item& item) {
    return !item.message && !is_in_clear(view_of(item.record));
  };
  items_.erase(std::remove_if(items_.begin(), items_.end(), is_protected), items_.end());
}

bool Flight::has(const RecordView& record) const {
  Bytes rest = record.fragment;
  FragmentView fragment;
  const bool message = is_in_clear(record) && is_handshake(record) && take_fragment(rest, fragment);
  return std::any_of(items_.begin(), items_.end(), [&](const Item& item) {
    if (message) {
      return item.message && item.message->complete() &&
             item.message->sequence() == fragment.message_sequence;
    }
    return !item.message && view_of(item.record).type == record.type &&
           view_of(item.record).epoch == record.epoch;
  });
}

bool Flight::Item::says_what(const Item& other) const {
  if (message || other.message) {
    return message && other.message && message->says_what(*other.message);
  }
  const RecordView ours = view_of(record);
  const RecordView theirs = view_of(other.record);
  return ours.type == theirs.type && ours.epoch == theirs.epoch &&
         ours.fragment.size == theirs.fragment.size;
}

std::vector<MessageName> Flight::messages_in_clear() const {
  std::vector<MessageName> names;
  for (const Item& item : items_) {
    if (item.message) {
      names.push_back({item.message->type(), static_cast<uint32_t>(item.message->size())});
    } else if (is_in_clear(view_of(item.record))) {
      names.push_back({kChangeCipherSpecMessage, 1});
    }
  }
  return names;
}

bool Flight::repeats(const Flight& other) const {
  return std::equal(items_.begin(), items_.end(), other.items_.begin(), other.items_.end(),
                    [](const Item& a, const Item& b) { return a.says_what(b); });
}

std::deque<std::vector<uint8_t>> Flight::datagrams(const FlightLimits& limits,
                                                   uint64_t& number) const {
  Packer packer(limits, number);
  for (const Item& item : items_) {
    if (item.message) {
      packer.put(*item.message);
    } else {
      packer.put(item.record);
    }
  }
  return packer.take();
}

std::optional<uint32_t> Flight::smaller_mtu(const FlightLimits& limits) const {
  // Room for a tunnel in IPv6's smallest MTU; IPv4's, 576 bytes; the smallest that is allowed.
  for (const uint32_t step : {1200U, 548U, 256U}) {
    if (step >= limits.mtu) continue;
    uint64_t unused = 0;
    const std::deque<std::vector<uint8_t>> now = datagrams(limits, unused);
    const bool helps = std::any_of(now.begin(), now.end(),
                                   [step](const auto& datagram) { return datagram.size() > step; });
    return helps ? std::optional(step) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace dtls
