// Looks for a way to have a handshake of DTLS 1.3 keep more than it says, send more than it may, or
// hand on a message that the peer did not send: the input is a list of calls, with records of an
// honest peer, of its network and of anybody, and with ACKs of anything.
#include <map>
#include <set>
#include <vector>

#include "core/flights13/ack.h"
#include "core/flights13/flights.h"
#include "input.h"

namespace dtls::test {
namespace {

std::vector<uint8_t> message(uint32_t n, size_t size) {
  std::vector<uint8_t> bytes(kMessageHeaderSize + size);
  bytes[0] = n % 4 == 3 ? static_cast<uint8_t>(HandshakeType::kKeyUpdate)
                        : static_cast<uint8_t>(32 + n % 32);
  write_u24(&bytes[1], static_cast<uint32_t>(size));
  for (size_t i = 0; i < size; ++i) bytes[4 + i] = static_cast<uint8_t>(n * 7 + i);
  return bytes;
}

// Message n of the honest peer.
std::vector<uint8_t> honest(uint32_t n) { return message(n, (n * 37) % 90); }

class Fuzzed {
 public:
  Fuzzed(const FlightsConfig& config, size_t mtu) : flights_(config), mtu_(mtu) {}

  void step(Input& input) {
    switch (input.byte() % 10) {
      case 0:
        return send(input);
      case 1:
        return take_honest(input);
      case 2:
        return take_anything(input);
      case 3:
        return take_ack(input);
      case 4:
        return advance(input);
      case 5:
        return flights_.set_write_epoch(epoch_ = std::max(epoch_, uint64_t{input.byte()} % 6));
      case 6:
        return read_higher(input);
      case 7:
        return flights_.on_unreadable(now_);
      case 8:
        return hear();
      default:
        return leave();
    }
  }

  // Whatever has happened, it comes to an end by itself.
  void end() {
    hear();
    if (flights_.key_update_under_way()) flights_.set_write_epoch(epoch_);
    for (int i = 0; flights_.due() != kNever; ++i) {
      insist(i < 20000, "an end of all repetitions");
      advance_to(std::max(now_, flights_.due()));
      leave();
    }
    insist(!flights_.flight_under_way(), "no flight is left over");
  }

 private:
  void send(Input& input) {
    const uint64_t epoch = input.byte() % 5;
    const uint32_t n = input.byte();
    flights_.send(epoch, view(message(n, n * (input.byte() % 8))));
  }

  void take_honest(Input& input) {
    const uint32_t n = flights_.next_in() + input.byte() % 4;
    if (n > Flights::kLastMessageSeq) return;
    const std::vector<uint8_t> whole = honest(n);
    const size_t size = whole.size() - kMessageHeaderSize;
    FragmentHeader header;
    header.type = static_cast<HandshakeType>(whole[0]);
    header.message_length = static_cast<uint32_t>(size);
    header.message_sequence = static_cast<uint16_t>(n);
    header.offset = static_cast<uint32_t>(input.byte() % (size + 1));
    header.length = static_cast<uint32_t>(input.byte() % (size - header.offset + 1));
    std::vector<uint8_t> record(kHandshakeHeaderSize);
    write_fragment_header(record.data(), header);
    const auto from = whole.begin() + static_cast<long>(kMessageHeaderSize + header.offset);
    record.insert(record.end(), from, from + header.length);
    take(read_epoch_, record);
  }

  void take_anything(Input& input) {
    const uint64_t epoch = input.byte() % 5;
    const Bytes bytes = input.take(input.byte());
    FragmentView fragment;
    Bytes rest = bytes;
    while (take_fragment(rest, fragment)) contradicted_.insert(fragment.message_sequence);
    take(epoch, {bytes.data, bytes.data + bytes.size});
  }

  void take(uint64_t epoch, const std::vector<uint8_t>& record) {
    const RecordNumber number{epoch, taken_++};
    flights_.begin_datagram();
    const Flights::TakeOutcome outcome = flights_.take(number, view(record), now_);
    const bool kept =
        outcome == Flights::TakeOutcome::kTaken || outcome == Flights::TakeOutcome::kRepeated;
    if (kept) received_.insert(number);
  }

  void take_ack(Input& input) {
    const uint64_t epoch = input.byte() % 5;
    std::vector<RecordNumber> numbers;
    for (int i = input.byte() % 8; i > 0; --i) {
      const uint64_t of = input.byte() % 6;
      numbers.push_back({of, input.byte()});
    }
    std::vector<uint8_t> body = write_ack(numbers);
    if (input.byte() % 8 == 0) body.resize(input.byte());
    const Flights::AckOutcome outcome = flights_.take_ack(epoch, view(body), now_);
    insist(!outcome.key_update || epoch >= 3, "only under its keys a KeyUpdate is acknowledged");
    insist(!outcome.last_flight || epoch != kClearEpoch, "nor a last flight in clear");
  }

  void advance(Input& input) { advance_to(now_ + input.byte() * 16.0); }
  void advance_to(double now) {
    now_ = now;
    const Flights::Advanced advanced = flights_.advance(now_);
    if (advanced.key_update) flights_.set_write_epoch(epoch_);
  }

  void read_higher(Input& input) {
    read_epoch_ = std::max(read_epoch_, uint64_t{input.byte()} % 5);
    flights_.set_read_epoch(read_epoch_);
  }

  void hear() {
    const uint32_t before = flights_.next_in();
    uint32_t expected = before;
    while (const std::optional<IncomingMessage> heard = flights_.next(now_)) {
      insist(heard->message_seq == expected++, "in order, each once");
      insist(is_whole_message(view(heard->bytes)), "whole");
      insist(heard->bytes.size() <= kMessageHeaderSize + Incoming::kMaxMessage, "bounded");
      if (contradicted_.count(heard->message_seq) == 0) {
        insist(heard->bytes == honest(heard->message_seq), "as the peer sent it");
      }
    }
    insist(flights_.next_in() == expected, "counted");
  }

  void leave() {
    constexpr RecordOverhead kOverhead{kRecordHeaderSize, 22, 30};
    size_t records = 0;
    for (const OutgoingDatagram& datagram : flights_.leave(now_, {mtu_, kOverhead})) {
      size_t size = 0;
      insist(!datagram.empty(), "no datagram without a record");
      for (const OutgoingRecord& record : datagram) {
        size += kOverhead.of(record.epoch) + record.plaintext.size();
        if (record.type == ContentType::kAck) {
          const std::optional<std::vector<RecordNumber>> numbers =
              parse_ack(view(record.plaintext));
          insist(numbers.has_value(), "an ACK is a list");
          for (const RecordNumber& number : *numbers) {
            insist(received_.count(number) != 0, "an ACK names what was taken");
          }
        } else {
          ++records;
          flights_.left(record, next_number_++, now_);
        }
      }
      insist(size <= mtu_, "within the MTU");
    }
    insist(records <= Flights::kBurst, "in bursts");
  }

  static Bytes view(const std::vector<uint8_t>& bytes) { return {bytes.data(), bytes.size()}; }

  Flights flights_;
  const size_t mtu_;
  double now_ = 0;
  uint64_t epoch_ = 0;
  uint64_t read_epoch_ = 0;
  uint64_t taken_ = 0;
  uint64_t next_number_ = 0;
  std::set<uint32_t> contradicted_;  // message_seq of what not the honest peer alone has sent
  std::set<RecordNumber> received_;
};

}  // namespace
}  // namespace dtls::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dtls;
  test::Input input(data, size);
  const uint8_t how = input.byte();
  FlightsConfig config;
  config.is_server = (how & 1) != 0;
  config.complete = (how & 2) != 0;
  if ((how & 4) != 0) config.next_in = config.next_out = 65534;
  test::Fuzzed fuzzed(config, 100 + size_t{input.byte()} * 5);
  while (!input.empty()) fuzzed.step(input);
  fuzzed.end();
  return 0;
}
