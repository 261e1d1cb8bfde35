// Protects: the rules of RFC 9147 sections 5 and 7 one by one: how messages are cut and repeated,
// when an ACK leaves and what it names, what an ACK is believed, when keys change; and that what
// anybody may send in clear delays a handshake by a repetition, not more.
#include "core/flights13/flights.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "core/flights13/ack.h"

namespace dtls::test {
namespace {

using QueueOutcome = Flights::QueueOutcome;
using TakeOutcome = Flights::TakeOutcome;
using Numbers = std::vector<RecordNumber>;

constexpr RecordOverhead kOverhead{kRecordHeaderSize, 22, 22};

Bytes view_of(const std::vector<uint8_t>& bytes) { return {bytes.data(), bytes.size()}; }

std::vector<uint8_t> message_of(HandshakeType type, size_t size, uint8_t first = 1) {
  std::vector<uint8_t> bytes(kMessageHeaderSize + size);
  bytes[0] = static_cast<uint8_t>(type);
  write_u24(&bytes[1], static_cast<uint32_t>(size));
  for (size_t i = 0; i < size; ++i) bytes[kMessageHeaderSize + i] = static_cast<uint8_t>(first + i);
  return bytes;
}

// A record's plaintext with one fragment of a message.
std::vector<uint8_t> fragment_of(const std::vector<uint8_t>& message, uint16_t sequence,
                                 size_t offset = 0, size_t length = SIZE_MAX) {
  const size_t size = message.size() - kMessageHeaderSize;
  length = std::min(length, size - offset);
  FragmentHeader header;
  header.type = message_type(view_of(message));
  header.message_length = static_cast<uint32_t>(size);
  header.message_sequence = sequence;
  header.offset = static_cast<uint32_t>(offset);
  header.length = static_cast<uint32_t>(length);
  std::vector<uint8_t> bytes(kHandshakeHeaderSize);
  write_fragment_header(bytes.data(), header);
  const auto from = message.begin() + static_cast<long>(kMessageHeaderSize + offset);
  bytes.insert(bytes.end(), from, from + static_cast<long>(length));
  return bytes;
}

struct Left {
  RecordNumber number;
  OutgoingRecord record;
};

// One side, and what left it.
struct Side13 {
  explicit Side13(const FlightsConfig& config) : flights(config) {}

  static Side13 client() { return Side13(FlightsConfig{}); }
  static Side13 server() {
    FlightsConfig config;
    config.is_server = true;
    return Side13(config);
  }
  static Side13 open(bool is_server) {
    FlightsConfig config;
    config.is_server = is_server;
    config.complete = true;
    return Side13(config);
  }

  QueueOutcome send(uint64_t epoch, HandshakeType type, size_t size = 40) {
    return flights.send(epoch, view_of(message_of(type, size)));
  }

  // What leaves now, one datagram after the other.
  std::vector<Left> leave(double now, size_t mtu = 1200) {
    std::vector<Left> records;
    datagrams = 0;
    for (const OutgoingDatagram& datagram : flights.leave(now, {mtu, kOverhead})) {
      ++datagrams;
      size_t size = 0;
      for (const OutgoingRecord& record : datagram) {
        size += kOverhead.of(record.epoch) + record.plaintext.size();
        const RecordNumber number{record.epoch, next_number++};
        flights.left(record, number.number, now);
        records.push_back({number, record});
      }
      CHECK(size <= mtu);
      longest = std::max(longest, size);
    }
    return records;
  }
  // The numbers in the one ACK that leaves now; nothing where none does.
  std::optional<Numbers> ack(double now) {
    flights.advance(now);
    const std::vector<Left> left = leave(now);
    if (left.empty()) return std::nullopt;
    CHECK(left.size() == 1);
    CHECK(left[0].record.type == ContentType::kAck);
    ack_epoch = left[0].record.epoch;
    return parse_ack(view_of(left[0].record.plaintext));
  }

  TakeOutcome take(RecordNumber number, const std::vector<uint8_t>& plaintext, double now) {
    flights.begin_datagram();
    return flights.take(number, view_of(plaintext), now);
  }
  TakeOutcome take(RecordNumber number, HandshakeType type, uint16_t sequence, double now,
                   size_t size = 40) {
    return take(number, fragment_of(message_of(type, size), sequence), now);
  }
  Flights::AckOutcome take_ack(uint64_t epoch, const Numbers& numbers, double now) {
    return flights.take_ack(epoch, view_of(write_ack(numbers)), now);
  }
  size_t hear(double now) {
    size_t messages = 0;
    while (flights.next(now)) ++messages;
    return messages;
  }

  // A client that waits for the server's flight behind the ServerHello, message 0.
  static Side13 client_with_keys() {
    Side13 side = client();
    side.send(0, HandshakeType::kClientHello);
    side.leave(0);
    side.take({0, 0}, HandshakeType::kServerHello, 0, 0);
    side.hear(0);
    side.flights.set_read_epoch(2);
    side.flights.set_write_epoch(2);
    return side;
  }
  // A server that has answered the hello with a flight of a message in clear and three others.
  static Side13 server_with_flight(size_t certificate = 40) {
    Side13 side = server();
    side.take({0, 0}, HandshakeType::kClientHello, 0, 0);
    side.hear(0);
    side.send(0, HandshakeType::kServerHello);
    side.flights.set_write_epoch(2);
    side.send(2, HandshakeType::kEncryptedExtensions);
    side.send(2, HandshakeType::kCertificate, certificate);
    side.send(2, HandshakeType::kFinished);
    side.flights.set_read_epoch(2);
    side.flights.set_write_epoch(3);
    return side;
  }

  Flights flights;
  uint64_t next_number = 0;
  uint64_t ack_epoch = 99;
  size_t datagrams = 0;
  size_t longest = 0;
};

Numbers numbers_of(const std::vector<Left>& records) {
  Numbers numbers;
  for (const Left& left : records) numbers.push_back(left.number);
  return numbers;
}

bool same_piece(const Left& a, const Left& b) {
  return a.record.plaintext == b.record.plaintext && a.record.epoch == b.record.epoch;
}

// ---- what an ACK is on the wire ----

TEST_CASE("flights13: an ACK is a list of numbers in increasing order") {
  const Numbers numbers{{3, 1}, {0, 7}, {uint64_t{1} << 50, uint64_t{1} << 63}, {0, 2}};
  const std::vector<uint8_t> bytes = write_ack(numbers);
  CHECK(bytes.size() == 2 + 4 * 16);
  CHECK(read_u16(bytes.data()) == 64);
  CHECK(parse_ack(view_of(bytes)) ==
        Numbers{{0, 2}, {0, 7}, {3, 1}, {uint64_t{1} << 50, uint64_t{1} << 63}});
  CHECK(parse_ack(view_of(write_ack({}))) == Numbers{});
}

TEST_CASE("flights13: what is no whole list is no ACK") {
  std::vector<uint8_t> bytes = write_ack({{0, 1}, {0, 2}});
  for (size_t size = 0; size < bytes.size(); ++size) CHECK(!parse_ack({bytes.data(), size}));
  bytes.push_back(0);
  CHECK(!parse_ack(view_of(bytes)));
  bytes = write_ack({{0, 1}});
  bytes[1] = 15;
  bytes.pop_back();
  CHECK(!parse_ack(view_of(bytes)));
  Side13 side = Side13::client();
  CHECK(side.flights.take_ack(0, view_of(bytes), 0).malformed);
  CHECK_FALSE(side.flights.take_ack(0, view_of(write_ack({})), 0).malformed);
}

// ---- messages out ----

TEST_CASE("flights13: what is not one whole message is not sent") {
  Side13 side = Side13::client();
  std::vector<uint8_t> message = message_of(HandshakeType::kClientHello, 10);
  CHECK(side.flights.send(0, {message.data(), 3}) == QueueOutcome::kMalformed);
  CHECK(side.flights.send(0, {message.data(), message.size() - 1}) == QueueOutcome::kMalformed);
  message.push_back(0);
  CHECK(side.flights.send(0, view_of(message)) == QueueOutcome::kMalformed);
  CHECK(side.flights.next_out() == 0);
  CHECK(side.leave(0).empty());
  CHECK(side.flights.due() == kNever);
}

TEST_CASE("flights13: what waits to be sent is bounded, and message_seq does not wrap") {
  Side13 side = Side13::open(true);
  for (size_t i = 0; i < Flights::kMaxQueued; ++i) {
    CHECK(side.send(3, HandshakeType::kNewSessionTicket) == QueueOutcome::kQueued);
  }
  CHECK(side.send(3, HandshakeType::kNewSessionTicket) == QueueOutcome::kFull);
  FlightsConfig config;
  config.complete = true;
  config.next_out = 65535;
  Side13 last(config);
  CHECK(last.send(3, HandshakeType::kNewSessionTicket) == QueueOutcome::kQueued);
  CHECK(last.send(3, HandshakeType::kNewSessionTicket) == QueueOutcome::kUsedUp);
  CHECK(last.flights.next_out() == 65536);
  const std::vector<Left> left = last.leave(0);
  REQUIRE(left.size() == 1);
  CHECK(left[0].record.piece.message_seq == 65535);
  // And so it is with the peer's.
  config.next_in = 65535;
  Side13 other(config);
  CHECK(other.take({3, 0}, HandshakeType::kNewSessionTicket, 65535, 0) == TakeOutcome::kTaken);
  CHECK(other.hear(0) == 1);
  CHECK(other.flights.next_in() == 65536);
  CHECK(other.take({3, 1}, HandshakeType::kNewSessionTicket, 0, 0) == TakeOutcome::kRepeated);
  CHECK(other.hear(0) == 0);
}

TEST_CASE("flights13: a message without a body leaves, and is acknowledged") {
  Side13 side = Side13::open(true);
  side.send(3, HandshakeType::kNewSessionTicket, 0);
  const std::vector<Left> left = side.leave(0);
  REQUIRE(left.size() == 1);
  CHECK(left[0].record.plaintext.size() == kHandshakeHeaderSize);
  side.take_ack(3, numbers_of(left), 10);
  CHECK(side.flights.at_rest());
}

TEST_CASE("flights13: a repetition has the cuts of the first time, in longer and longer pauses") {
  Side13 side = Side13::server_with_flight(3000);
  const std::vector<Left> first = side.leave(0);
  CHECK(first.size() == 6);
  double at = 0;
  for (const double pause : {1000.0, 2000.0}) {
    CHECK(side.flights.due() == at + pause);
    side.flights.advance(at + pause - 1);
    CHECK(side.leave(at + pause - 1).empty());
    at += pause;
    side.flights.advance(at);
    const std::vector<Left> again = side.leave(at);
    REQUIRE(again.size() == first.size());
    CHECK(std::equal(again.begin(), again.end(), first.begin(), same_piece));
  }
  CHECK(side.flights.stats().repetitions == 2);
  CHECK(side.flights.stats().repeated_records == 12);
}

TEST_CASE("flights13: what was repeated in vain is cut smaller, and what has arrived is not sent") {
  Side13 side = Side13::server_with_flight(3000);
  const std::vector<Left> first = side.leave(0, 1400);
  side.take_ack(2, {first[0].number, first[1].number, first[2].number}, 10);
  CHECK(side.flights.stats().repetitions == 1);
  CHECK(side.leave(10, 1400).size() == first.size() - 3);
  const auto repeat = [&] {
    const double at = side.flights.due();
    side.flights.advance(at);
    side.longest = 0;
    return side.leave(at, 1400);
  };
  CHECK(repeat().size() == first.size() - 3);
  CHECK(repeat().size() == first.size() - 3);
  CHECK(side.flights.path_mtu() == 1400);
  CHECK(repeat().size() > first.size() - 3);
  CHECK(side.flights.path_mtu() == 1200);
  CHECK(side.longest <= 1200);
  repeat();
  repeat();
  const std::vector<Left> small = repeat();
  CHECK(side.flights.path_mtu() == 548);
  CHECK(side.longest <= 548);
  for (const Left& left : small) CHECK(left.record.piece.message_seq >= 2);
  // All of the rest, without a gap.
  uint32_t from = first[2].record.piece.length;
  for (const Left& left : small) {
    if (left.record.piece.message_seq != 2) continue;
    CHECK(left.record.piece.offset == from);
    from += left.record.piece.length;
  }
  CHECK(from == 3000);
  // An ACK of an old record says as much of the pieces that it became.
  side.take_ack(2, numbers_of(first), side.flights.due() - 1);
  CHECK_FALSE(side.flights.flight_under_way());
}

TEST_CASE("flights13: short flights say nothing about the path") {
  Side13 side = Side13::client();
  side.send(0, HandshakeType::kClientHello, 300);
  side.leave(0);
  for (int i = 0; i < 6; ++i) {
    const double at = side.flights.due();
    side.flights.advance(at);
    CHECK(side.leave(at).size() == 1);
  }
  CHECK(side.flights.path_mtu() == 1200);
}

TEST_CASE("flights13: a long flight leaves in bursts, and its timer runs from the last one") {
  Side13 side = Side13::server_with_flight(20000);
  double now = 0;
  size_t records = 0;
  int bursts = 0;
  while (side.flights.due() < 100) {
    now = std::max(now, side.flights.due());
    side.flights.advance(now);
    const size_t left = side.leave(now).size();
    CHECK(left <= Flights::kBurst);
    records += left;
    ++bursts;
  }
  CHECK(records > 17);
  CHECK(bursts == 3);
  CHECK(now == 2);
  CHECK(side.flights.due() == 1002);
}

TEST_CASE("flights13: a record that nobody could seal is repeated by the timer") {
  Side13 side = Side13::open(true);
  side.send(3, HandshakeType::kNewSessionTicket);
  CHECK(side.flights.leave(0, {1200, kOverhead}).size() == 1);
  CHECK(side.leave(0).empty());
  side.flights.advance(1000);
  CHECK(side.leave(1000).size() == 1);
}

TEST_CASE("flights13: repetitions come to an end") {
  Side13 hello = Side13::client();
  hello.send(0, HandshakeType::kClientHello);
  hello.leave(0);
  uint32_t repeated = 0;
  while (hello.flights.due() != kNever) {
    const double at = hello.flights.due();
    const bool lost = hello.flights.advance(at).flight_lost;
    CHECK(lost == (repeated == Flights::kOften));
    repeated += static_cast<uint32_t>(hello.leave(at).size());
  }
  CHECK(repeated == Flights::kOften);
  CHECK_FALSE(hello.flights.flight_under_way());

  Side13 ticket = Side13::open(true);
  ticket.send(3, HandshakeType::kNewSessionTicket);
  ticket.send(3, HandshakeType::kKeyUpdate, 1);
  const std::vector<Left> left = ticket.leave(0);
  ticket.take_ack(3, {left[1].number}, 10);
  // Lost or not, the ticket holds the new keys up for so long only.
  bool switched = false;
  while (ticket.flights.due() != kNever) {
    const double at = ticket.flights.due();
    const Flights::Advanced advanced = ticket.flights.advance(at);
    CHECK_FALSE(advanced.flight_lost);
    CHECK_FALSE(advanced.key_update_lost);
    switched |= advanced.key_update;
    ticket.leave(at);
  }
  CHECK(switched);
  CHECK(ticket.flights.stats().repetitions == Flights::kMessageOften);

  Side13 update = Side13::open(true);
  update.send(3, HandshakeType::kKeyUpdate, 1);
  update.leave(0);
  bool lost = false;
  while (update.flights.due() != kNever) {
    const double at = update.flights.due();
    lost |= update.flights.advance(at).key_update_lost;
    update.leave(at);
  }
  CHECK(lost);
}

// ---- what is believed ----

TEST_CASE("flights13: only a whole answer ends the repetition of a hello") {
  Side13 side = Side13::client();
  side.send(0, HandshakeType::kClientHello);
  side.leave(0);
  const std::vector<uint8_t> answer = message_of(HandshakeType::kServerHello, 100);
  side.take({0, 0}, fragment_of(answer, 0, 0, 50), 10);
  CHECK(side.hear(10) == 0);
  CHECK(side.flights.flight_under_way());
  side.take({0, 1}, fragment_of(answer, 0, 50), 20);
  CHECK(side.flights.flight_under_way());
  CHECK(side.hear(20) == 1);
  CHECK_FALSE(side.flights.flight_under_way());
}

TEST_CASE("flights13: an ACK in clear of a hello is believed until the next repetition") {
  Side13 side = Side13::client();
  side.send(0, HandshakeType::kClientHello, 2000);
  const std::vector<Left> left = side.leave(0);
  REQUIRE(left.size() == 2);
  side.take_ack(0, {left[0].number}, 10);
  // The rest is lost, as it seems.
  const std::vector<Left> rest = side.leave(10);
  REQUIRE(rest.size() == 1);
  CHECK(same_piece(rest[0], left[1]));
  side.take_ack(0, numbers_of(left), 20);
  CHECK(side.leave(20).empty());
  side.flights.advance(1010);
  CHECK(side.leave(1010).empty());
  const double at = side.flights.due();
  CHECK(at == 3010);
  side.flights.advance(at);
  CHECK(side.leave(at).size() == 2);
}

TEST_CASE("flights13: in clear nobody acknowledges what is under keys") {
  Side13 side = Side13::server_with_flight();
  const std::vector<Left> left = side.leave(0);
  side.take_ack(0, numbers_of(left), 10);
  side.leave(10);
  side.flights.advance(3010);
  // The ServerHello, which left in clear, is believed once.
  CHECK(side.leave(3010).size() == 3);
  side.take_ack(2, numbers_of(left), 3020);
  CHECK_FALSE(side.flights.flight_under_way());
  CHECK(side.flights.due() == kNever);
}

TEST_CASE("flights13: an ACK in clear has nothing repeated at once that is under keys") {
  Side13 side = Side13::server_with_flight();
  const std::vector<Left> left = side.leave(0);
  REQUIRE(left[0].record.epoch == 0);
  side.take_ack(0, {left[0].number}, 10);
  CHECK(side.leave(10).empty());
  CHECK(side.flights.due() == 1000);
}

TEST_CASE("flights13: what follows the handshake waits for its keys") {
  Side13 side = Side13::server();
  side.send(3, HandshakeType::kNewSessionTicket);
  side.send(3, HandshakeType::kKeyUpdate, 1);
  CHECK(side.leave(0).empty());
  CHECK(side.flights.due() == kNever);
  side.flights.set_write_epoch(3);
  const std::vector<Left> left = side.leave(0);
  REQUIRE(left.size() == 2);
  CHECK(left[0].record.epoch == 3);
}

TEST_CASE("flights13: numbers of records that never left say nothing") {
  Side13 side = Side13::server_with_flight();
  const std::vector<Left> left = side.leave(0);
  Numbers numbers;
  for (uint64_t number = 0; number < 1000; ++number) numbers.push_back({2, 50 + number});
  numbers.push_back({uint64_t{1} << 48, left[1].number.number});
  numbers.push_back({0, left[1].number.number});
  side.take_ack(2, numbers, 10);
  CHECK(side.leave(10).empty());
  CHECK(side.flights.due() == 1000);
  side.flights.advance(1000);
  CHECK(side.leave(1000).size() == left.size());
}

TEST_CASE("flights13: an ACK of a part has the rest repeated at once, and once") {
  Side13 side = Side13::server_with_flight();
  const std::vector<Left> left = side.leave(0);
  side.take_ack(2, {left[1].number}, 100);
  CHECK(side.leave(100).size() == left.size() - 1);
  side.take_ack(2, {left[1].number}, 101);
  CHECK(side.leave(101).empty());
  CHECK(side.flights.due() == 1100);
}

TEST_CASE("flights13: what has just left is not repeated for an older record's ACK") {
  Side13 side = Side13::server_with_flight();
  const std::vector<Left> left = side.leave(0);
  side.flights.advance(1000);
  side.leave(1000);
  side.take_ack(2, {left[0].number, left[1].number}, 1010);
  CHECK(side.leave(1010).empty());
}

TEST_CASE("flights13: an empty ACK asks for the flight, and is answered more and more seldom") {
  Side13 side = Side13::server_with_flight();
  const size_t records = side.leave(0).size();
  double left_at = 0;
  for (const double wait : {40.0, 80.0, 160.0, 320.0}) {
    for (int i = 0; i < 50; ++i) side.take_ack(2, {}, left_at + 1);
    CHECK(side.flights.due() == left_at + wait);
    left_at += wait;
    side.flights.advance(left_at);
    CHECK(side.leave(left_at).size() == records);
  }
}

TEST_CASE("flights13: an empty ACK in clear asks for what leaves in clear") {
  Side13 side = Side13::server_with_flight(2000);
  const std::vector<Left> left = side.leave(0);
  side.take_ack(0, {}, 1);
  side.flights.advance(40);
  const std::vector<Left> again = side.leave(40);
  REQUIRE(again.size() == 1);
  CHECK(same_piece(again[0], left[0]));
  CHECK(again[0].record.epoch == 0);
}

TEST_CASE("flights13: a peer that repeats its flight gets ours again") {
  Side13 side = Side13::server_with_flight();
  const std::vector<Left> left = side.leave(0);
  for (uint64_t number = 1; number < 20; ++number) {
    CHECK(side.take({0, number}, HandshakeType::kClientHello, 0, 60) == TakeOutcome::kRepeated);
  }
  CHECK(side.hear(60) == 0);
  side.flights.advance(60);
  CHECK(side.leave(60).size() == left.size());
  CHECK(side.leave(60).empty());
  // Who has a part of it has sent its own flight for the last time.
  side.take_ack(2, {left[1].number}, 70);
  side.leave(70);
  side.take({0, 20}, HandshakeType::kClientHello, 0, 500);
  CHECK(side.flights.due() > 500 + 500);
}

TEST_CASE("flights13: what has arrived shows that the path is there: pauses are short again") {
  Side13 side = Side13::server_with_flight();
  const std::vector<Left> left = side.leave(0);
  side.flights.advance(1000);
  side.leave(1000);
  CHECK(side.flights.due() == 3000);
  side.take_ack(2, {left[0].number}, 1500);
  side.leave(1500);
  CHECK(side.flights.due() == 2500);
}

TEST_CASE("flights13: who asks while the flight leaves gets it once") {
  Side13 side = Side13::server_with_flight(20000);
  side.leave(0);
  side.take_ack(0, {}, 0.5);
  double now = 0;
  size_t records = 0;
  while (side.flights.due() < 500) {
    now = side.flights.due();
    side.flights.advance(now);
    records += side.leave(now).size();
  }
  CHECK(records < 20);
  CHECK(side.flights.stats().repeated_records == 0);
}

TEST_CASE("flights13: a repetition by the timer is an answer, too") {
  Side13 side = Side13::server_with_flight();
  side.leave(0);
  double at = 0;
  for (int i = 0; i < 5; ++i) {
    side.take_ack(0, {}, at);
    at = side.flights.due();
    side.flights.advance(at);
    side.leave(at);
  }
  CHECK(at == 1240);
  side.take_ack(0, {}, at);
  side.flights.advance(2240);
  CHECK(side.leave(2240).size() == 4);
  CHECK(side.flights.due() == 4240);
}

// ---- ACKs of ours ----

TEST_CASE("flights13: a flight that is answered is not acknowledged") {
  Side13 side = Side13::client_with_keys();
  side.take({2, 0}, HandshakeType::kEncryptedExtensions, 1, 0);
  side.take({2, 1}, HandshakeType::kFinished, 2, 0);
  CHECK(side.hear(0) == 2);
  side.send(2, HandshakeType::kFinished);
  CHECK(side.leave(0).size() == 1);
  CHECK(side.flights.stats().acks_sent == 0);
  CHECK(side.flights.due() == 1000);
}

TEST_CASE("flights13: a part of a flight is acknowledged after a fourth of the timer") {
  Side13 side = Side13::client_with_keys();
  side.take({2, 0}, HandshakeType::kEncryptedExtensions, 1, 10);
  side.hear(10);
  side.take({2, 1}, HandshakeType::kCertificate, 2, 200);
  side.hear(200);
  // From the first record on, the ServerHello, which came at 0.
  CHECK(side.flights.due() == 250);
  CHECK_FALSE(side.ack(249));
  CHECK(side.ack(250) == Numbers{{0, 0}, {2, 0}, {2, 1}});
  CHECK(side.ack_epoch == 2);
  CHECK(side.flights.due() == kNever);
  // The next one has what is new, and what the one before had, which may be lost.
  side.take({2, 2}, HandshakeType::kCertificateVerify, 3, 300);
  CHECK(side.ack(550) == Numbers{{0, 0}, {2, 0}, {2, 1}, {2, 2}});
}

TEST_CASE("flights13: what comes out of order is acknowledged sooner") {
  Side13 side = Side13::client_with_keys();
  side.take({2, 5}, HandshakeType::kFinished, 3, 100);
  CHECK(side.hear(100) == 0);
  CHECK(side.flights.due() == 162.5);
  CHECK(side.ack(162.5) == Numbers{{0, 0}, {2, 5}});
}

TEST_CASE("flights13: a record of which something is not kept is not acknowledged") {
  Side13 side = Side13::client_with_keys();
  CHECK(side.ack(250));
  std::vector<uint8_t> both = fragment_of(message_of(HandshakeType::kCertificate, 40), 1);
  const std::vector<uint8_t> far = fragment_of(message_of(HandshakeType::kFinished, 40), 40);
  both.insert(both.end(), far.begin(), far.end());
  CHECK(side.take({2, 0}, both, 300) == TakeOutcome::kRefused);
  CHECK_FALSE(side.ack(5000));
  CHECK(side.flights.stats().refused == 1);
}

TEST_CASE("flights13: the client's last flight is acknowledged at once, and each time again") {
  Side13 side = Side13::server_with_flight();
  side.leave(0);
  side.take({2, 7}, HandshakeType::kFinished, 1, 20);
  CHECK(side.hear(20) == 1);
  CHECK_FALSE(side.flights.flight_under_way());
  CHECK(side.ack(20) == Numbers{{2, 7}});
  CHECK(side.ack_epoch == 3);
  CHECK(side.flights.at_rest());
  CHECK(side.take({2, 9}, HandshakeType::kFinished, 1, 90000) == TakeOutcome::kRepeated);
  CHECK(side.ack(90000) == Numbers{{2, 9}});
  // Also by one that was made when the first had nothing to do.
  FlightsConfig config;
  config.is_server = true;
  config.next_in = side.flights.next_in();
  config.next_out = side.flights.next_out();
  config.complete = true;
  Side13 later(config);
  CHECK(later.take({2, 11}, HandshakeType::kFinished, 1, 99000) == TakeOutcome::kRepeated);
  CHECK(later.ack(99000) == Numbers{{2, 11}});
  CHECK(later.flights.at_rest());
}

TEST_CASE("flights13: while the engine waits for an answer, the client's last flight is kept") {
  Side13 side = Side13::server_with_flight();
  side.leave(0);
  side.take({2, 7}, HandshakeType::kFinished, 1, 20);
  CHECK(side.ack(270) == Numbers{{2, 7}});
  CHECK(side.flights.flight_under_way());
  CHECK(side.hear(800) == 1);
  CHECK_FALSE(side.flights.flight_under_way());
}

TEST_CASE("flights13: the last flight ends by its ACK, and by nothing else") {
  Side13 side = Side13::client_with_keys();
  side.take({2, 0}, HandshakeType::kFinished, 1, 0);
  side.hear(0);
  side.send(2, HandshakeType::kCertificate);
  side.send(2, HandshakeType::kFinished);
  side.flights.set_read_epoch(3);
  side.flights.set_write_epoch(3);
  const std::vector<Left> left = side.leave(0);
  REQUIRE(left.size() == 2);
  side.take({3, 0}, HandshakeType::kNewSessionTicket, 2, 10);
  CHECK(side.hear(10) == 1);
  CHECK(side.ack(10) == Numbers{{3, 0}});
  CHECK(side.flights.flight_under_way());
  CHECK_FALSE(side.take_ack(3, {left[1].number}, 20).last_flight);
  CHECK(side.take_ack(3, {left[0].number}, 30).last_flight);
  CHECK(side.flights.at_rest());
}

TEST_CASE("flights13: a ticket is acknowledged at once, and each time again") {
  Side13 side = Side13::open(false);
  side.take({3, 0}, HandshakeType::kNewSessionTicket, 0, 10);
  CHECK(side.hear(10) == 1);
  CHECK(side.ack(10) == Numbers{{3, 0}});
  CHECK(side.flights.at_rest());
  CHECK(side.take({3, 4}, HandshakeType::kNewSessionTicket, 0, 1010) == TakeOutcome::kRepeated);
  CHECK(side.hear(1010) == 0);
  CHECK(side.ack(1010) == Numbers{{3, 4}});
  CHECK(side.flights.at_rest());
}

TEST_CASE("flights13: a long flight has more records than an ACK has room for") {
  Side13 side = Side13::client_with_keys();
  const std::vector<uint8_t> certificate = message_of(HandshakeType::kCertificate, 30000);
  for (uint64_t i = 0; i < 200; ++i) {
    side.take({2, i}, fragment_of(certificate, 1, i * 100, 100), 10);
  }
  std::vector<Left> acks = side.leave(260);
  Numbers named;
  CHECK(acks.size() == 3);
  for (const Left& left : acks) {
    const Numbers more = *parse_ack(view_of(left.record.plaintext));
    CHECK(std::is_sorted(more.begin(), more.end()));
    named.insert(named.end(), more.begin(), more.end());
  }
  for (uint64_t i = 0; i < 200; ++i) {
    const RecordNumber number{2, i};
    CHECK(std::count(named.begin(), named.end(), number) >= 1);
  }
}

TEST_CASE("flights13: what is remembered to be acknowledged is bounded") {
  Receipts receipts;
  for (uint64_t i = 0; i < 10000; ++i) receipts.add({2, i}, 0);
  CHECK(receipts.name(20000, 0).size() == Receipts::kMost);
  CHECK_FALSE(receipts.has_new(0));
  receipts.add({2, 10001}, 5);
  CHECK_FALSE(receipts.has_new(4));
  CHECK(receipts.has_new(5));
  CHECK(receipts.name(1, 5) == Numbers{{2, 10001}});
  receipts.forget_named();
  CHECK(receipts.empty());
}

TEST_CASE("flights13: records without keys have what is missing asked for, more and more seldom") {
  Side13 side = Side13::client();
  side.send(0, HandshakeType::kClientHello);
  side.leave(0);
  double now = 10;
  for (const double wait : {62.5, 125.0, 250.0}) {
    for (int i = 0; i < 5; ++i) side.flights.on_unreadable(now);
    now += wait;
    CHECK(side.flights.due() == now);
    CHECK(side.ack(now) == Numbers{});
    CHECK(side.ack_epoch == 0);
  }
  // The ServerHello was late only: nothing is asked for.
  side.flights.on_unreadable(now);
  side.take({0, 0}, HandshakeType::kServerHello, 0, now);
  CHECK(side.hear(now) == 1);
  side.flights.set_read_epoch(2);
  side.flights.set_write_epoch(2);
  CHECK(side.ack(now + 1000) == Numbers{{0, 0}});
  // Nor is it after the handshake.
  Side13 open = Side13::open(false);
  open.flights.on_unreadable(0);
  CHECK(open.flights.due() == kNever);
}

TEST_CASE("flights13: half a hello in clear is asked for, and not acknowledged") {
  Side13 side = Side13::client();
  side.send(0, HandshakeType::kClientHello);
  side.leave(0);
  const std::vector<uint8_t> hello = message_of(HandshakeType::kServerHello, 100);
  side.take({0, 0}, fragment_of(hello, 0, 0, 50), 10);
  CHECK(side.ack(260) == Numbers{});
}

// ---- KeyUpdate ----

TEST_CASE("flights13: one KeyUpdate at a time") {
  Side13 side = Side13::open(true);
  CHECK(side.send(3, HandshakeType::kKeyUpdate, 1) == QueueOutcome::kQueued);
  CHECK(side.send(3, HandshakeType::kKeyUpdate, 1) == QueueOutcome::kKeyUpdateUnderWay);
  const std::vector<Left> left = side.leave(0);
  CHECK(side.flights.key_update_under_way());
  CHECK(side.take_ack(3, numbers_of(left), 10).key_update);
  CHECK(side.send(3, HandshakeType::kKeyUpdate, 1) == QueueOutcome::kKeyUpdateUnderWay);
  side.flights.set_write_epoch(4);
  CHECK_FALSE(side.flights.key_update_under_way());
  CHECK(side.send(4, HandshakeType::kKeyUpdate, 1) == QueueOutcome::kQueued);
}

TEST_CASE("flights13: keys change when all before the KeyUpdate has arrived, too") {
  Side13 side = Side13::open(true);
  side.send(3, HandshakeType::kNewSessionTicket);
  side.send(3, HandshakeType::kKeyUpdate, 1);
  side.send(3, HandshakeType::kNewSessionTicket);
  const std::vector<Left> left = side.leave(0);
  // The second ticket waits.
  REQUIRE(left.size() == 2);
  CHECK_FALSE(side.take_ack(3, {left[1].number}, 10).key_update);
  CHECK(side.leave(10).empty());
  CHECK(side.take_ack(3, {left[0].number}, 20).key_update);
  CHECK(side.leave(20).empty());
  side.flights.set_write_epoch(4);
  const std::vector<Left> later = side.leave(20);
  REQUIRE(later.size() == 1);
  CHECK(later[0].number.epoch == 4);
  CHECK(later[0].record.piece.message_seq == 2);
}

TEST_CASE("flights13: a KeyUpdate is acknowledged when it was processed") {
  Side13 side = Side13::open(false);
  side.take({3, 1}, HandshakeType::kKeyUpdate, 1, 10, 1);
  CHECK(side.hear(10) == 0);
  CHECK_FALSE(side.ack(10));
  side.take({3, 2}, HandshakeType::kNewSessionTicket, 0, 500);
  CHECK(side.hear(500) == 2);
  CHECK(side.ack(500) == Numbers{{3, 1}, {3, 2}});
  // Its ACK was lost, and our reading keys are new.
  side.flights.set_read_epoch(4);
  CHECK(side.take({3, 3}, HandshakeType::kKeyUpdate, 1, 900, 1) == TakeOutcome::kRepeated);
  CHECK(side.ack(900) == Numbers{{3, 3}});
}

// ---- messages in ----

TEST_CASE("flights13: messages come in any order, cut and overlapping, and go on in theirs") {
  Side13 side = Side13::client_with_keys();
  const std::vector<uint8_t> first = message_of(HandshakeType::kEncryptedExtensions, 100, 9);
  const std::vector<uint8_t> second = message_of(HandshakeType::kCertificate, 50, 77);
  CHECK(side.take({2, 0}, fragment_of(second, 2, 20), 0) == TakeOutcome::kTaken);
  CHECK(side.take({2, 1}, fragment_of(first, 1, 60), 0) == TakeOutcome::kTaken);
  CHECK(side.take({2, 2}, fragment_of(second, 2, 0, 30), 0) == TakeOutcome::kTaken);
  CHECK(side.hear(0) == 0);
  CHECK(side.take({2, 3}, fragment_of(first, 1, 0, 70), 0) == TakeOutcome::kTaken);
  const std::optional<IncomingMessage> one = side.flights.next(0);
  REQUIRE(one);
  CHECK(one->bytes == first);
  CHECK(one->message_seq == 1);
  CHECK(one->epoch == 2);
  const std::optional<IncomingMessage> two = side.flights.next(0);
  REQUIRE(two);
  CHECK(two->bytes == second);
  CHECK_FALSE(side.flights.next(0));
}

TEST_CASE("flights13: what is no fragment is malformed, and nothing of its record is taken") {
  Side13 side = Side13::client_with_keys();
  CHECK(side.take({2, 0}, {}, 0) == TakeOutcome::kMalformed);
  std::vector<uint8_t> bytes = fragment_of(message_of(HandshakeType::kFinished, 40), 1);
  bytes.pop_back();
  CHECK(side.take({2, 1}, bytes, 0) == TakeOutcome::kMalformed);
  bytes = fragment_of(message_of(HandshakeType::kFinished, 40), 1);
  bytes.push_back(0);
  CHECK(side.take({2, 2}, bytes, 0) == TakeOutcome::kMalformed);
  CHECK(side.hear(0) == 0);
  std::vector<uint8_t> empty = fragment_of(message_of(HandshakeType::kFinished, 40), 1, 40);
  CHECK(side.take({2, 3}, empty, 0) == TakeOutcome::kRefused);
}

TEST_CASE("flights13: nothing goes on in a record behind a change of keys") {
  for (const HandshakeType type : {HandshakeType::kFinished, HandshakeType::kKeyUpdate}) {
    Side13 side = Side13::client_with_keys();
    const std::vector<uint8_t> change = fragment_of(message_of(type, 40), 2);
    const auto with = [&](uint16_t sequence) {
      return fragment_of(message_of(HandshakeType::kCertificate, 40), sequence, 0, 20);
    };
    std::vector<uint8_t> bytes = change;
    const std::vector<uint8_t> behind = with(3);
    bytes.insert(bytes.end(), behind.begin(), behind.end());
    CHECK(side.take({2, 0}, bytes, 0) == TakeOutcome::kPastKeys);
    bytes = behind;
    bytes.insert(bytes.end(), change.begin(), change.end());
    CHECK(side.take({2, 1}, bytes, 0) == TakeOutcome::kPastKeys);
    CHECK(side.hear(0) == 0);
    bytes = with(1);
    bytes.insert(bytes.end(), change.begin(), change.end());
    CHECK(side.take({2, 2}, bytes, 0) == TakeOutcome::kTaken);
  }
}

TEST_CASE("flights13: a forged fragment in clear costs a repetition of the message, not more") {
  Side13 side = Side13::client();
  side.send(0, HandshakeType::kClientHello);
  side.leave(0);
  const std::vector<uint8_t> genuine = message_of(HandshakeType::kServerHello, 100);
  const std::vector<uint8_t> forged = message_of(HandshakeType::kServerHello, 100, 200);
  side.take({0, 0}, fragment_of(genuine, 0, 0, 50), 0);
  side.take({0, 1}, fragment_of(forged, 0, 0, 20), 0);
  side.take({0, 2}, fragment_of(genuine, 0, 50), 0);
  CHECK(side.hear(0) == 0);
  side.take({0, 3}, fragment_of(genuine, 0, 0, 50), 0);
  // A second one in one datagram begins nothing anew.
  side.flights.begin_datagram();
  CHECK(side.flights.take({0, 4}, view_of(fragment_of(forged, 0, 0, 9)), 0) == TakeOutcome::kTaken);
  CHECK(side.flights.take({0, 5}, view_of(fragment_of(genuine, 0, 0, 50)), 0) ==
        TakeOutcome::kRefused);
  side.take({0, 6}, fragment_of(genuine, 0, 0, 50), 0);
  side.take({0, 7}, fragment_of(genuine, 0, 50), 0);
  const std::optional<IncomingMessage> message = side.flights.next(0);
  REQUIRE(message);
  CHECK(message->bytes == genuine);
  // Only the next message is taken in clear.
  CHECK(side.take({0, 8}, fragment_of(forged, 2), 0) == TakeOutcome::kRefused);
}

TEST_CASE("flights13: under keys what came first stays, and what came in clear does not") {
  Side13 side = Side13::client_with_keys();
  const std::vector<uint8_t> genuine = message_of(HandshakeType::kEncryptedExtensions, 100);
  const std::vector<uint8_t> other = message_of(HandshakeType::kEncryptedExtensions, 100, 50);
  CHECK(side.take({0, 9}, fragment_of(other, 1), 0) == TakeOutcome::kRefused);
  side.take({2, 0}, fragment_of(genuine, 1, 0, 50), 0);
  CHECK(side.take({2, 1}, fragment_of(other, 1, 40), 0) == TakeOutcome::kRefused);
  side.take({2, 2}, fragment_of(genuine, 1, 50), 0);
  const std::optional<IncomingMessage> message = side.flights.next(0);
  REQUIRE(message);
  CHECK(message->bytes == genuine);

  // Before the keys are there, a message in clear may stand where one under keys belongs.
  Side13 server = Side13::server();
  server.take({0, 0}, fragment_of(other, 0, 0, 50), 0);
  CHECK(server.take({2, 0}, fragment_of(genuine, 0), 0) == TakeOutcome::kTaken);
  const std::optional<IncomingMessage> stands = server.flights.next(0);
  REQUIRE(stands);
  CHECK(stands->bytes == genuine);
  CHECK(stands->epoch == 2);
}

TEST_CASE("flights13: what a lower epoch left behind is forgotten with it") {
  Side13 side = Side13::client_with_keys();
  side.take({2, 0}, HandshakeType::kEncryptedExtensions, 1, 0);
  side.take({2, 1}, HandshakeType::kCertificate, 3, 0);
  CHECK(side.hear(0) == 1);
  side.flights.set_read_epoch(3);
  CHECK(side.take({2, 2}, HandshakeType::kCertificateRequest, 2, 0) == TakeOutcome::kRefused);
  CHECK(side.take({3, 0}, HandshakeType::kNewSessionTicket, 2, 0) == TakeOutcome::kTaken);
  CHECK(side.hear(0) == 1);
  CHECK(side.hear(0) == 0);
}

TEST_CASE("flights13: what is kept of messages ahead is bounded") {
  Side13 side = Side13::client_with_keys();
  CHECK(side.take({2, 0}, HandshakeType::kFinished, 1 + Incoming::kMaxAhead, 0) ==
        TakeOutcome::kTaken);
  CHECK(side.take({2, 1}, HandshakeType::kFinished, 2 + Incoming::kMaxAhead, 0) ==
        TakeOutcome::kRefused);
  const std::vector<uint8_t> large = message_of(HandshakeType::kCertificate, 60000);
  CHECK(side.take({2, 2}, fragment_of(large, 2, 0, 10), 0) == TakeOutcome::kTaken);
  CHECK(side.take({2, 3}, fragment_of(large, 3, 0, 10), 0) == TakeOutcome::kRefused);
  // The next message has its place.
  CHECK(side.take({2, 4}, fragment_of(large, 1, 0, 10), 0) == TakeOutcome::kTaken);
  const std::vector<uint8_t> too_large = message_of(HandshakeType::kCertificate, 102401);
  CHECK(Side13::client().take({0, 0}, fragment_of(too_large, 0, 0, 10), 0) ==
        TakeOutcome::kRefused);
}

}  // namespace
}  // namespace dtls::test
