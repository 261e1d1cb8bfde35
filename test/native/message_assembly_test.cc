// Protects: that a handshake message is put together as the peer sent it, however the network
// delivers it; that messages are handed on once, whole and in order; that nobody can change what
// came first; and that what is kept is bounded.
#include "core/wire/message_assembly.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "core/records/held_records.h"
#include "harness.h"

namespace dtls::test {
namespace {

using Outcome = MessageAssembly::Outcome;
constexpr uint16_t kVersion = 0xfefd;

std::vector<uint8_t> numbers(size_t size) {
  std::vector<uint8_t> bytes(size);
  std::iota(bytes.begin(), bytes.end(), uint8_t{0});
  return bytes;
}

FragmentView piece(const std::vector<uint8_t>& body, size_t offset, size_t size,
                   uint16_t sequence = 1, HandshakeType type = HandshakeType::kClientHello) {
  FragmentView fragment;
  fragment.type = type;
  fragment.message_length = static_cast<uint32_t>(body.size());
  fragment.message_sequence = sequence;
  fragment.offset = static_cast<uint32_t>(offset);
  fragment.body = {body.data() + offset, size};
  return fragment;
}

// Each under a type of its own, as in a handshake.
HandshakeType type_of(uint16_t sequence) { return static_cast<HandshakeType>(11 + sequence); }

FragmentView whole(const std::vector<uint8_t>& body, uint16_t sequence) {
  return piece(body, 0, body.size(), sequence, type_of(sequence));
}

// Records of a message, taken apart again: they must be this message, under the numbers from 70 on.
void check_whole(const HandshakeMessage& message, const std::vector<uint8_t>& body) {
  REQUIRE(message.complete());
  CHECK(copy(message.body()) == body);
  std::vector<uint8_t> sent;
  size_t offset = 0;
  uint64_t number = 70;
  do {
    const std::vector<uint8_t> bytes = message.record(offset, number);
    Bytes rest = view(bytes);
    RecordView record;
    FragmentView fragment;
    REQUIRE(take_record(rest, record));
    CHECK(rest.size == 0);
    CHECK(record.sequence == number++);
    CHECK(record.version == kVersion);
    CHECK(record.fragment.size <= kMaxPlaintext);
    Bytes inside = record.fragment;
    REQUIRE(take_fragment(inside, fragment));
    CHECK(inside.size == 0);
    CHECK(fragment.message_sequence == message.sequence());
    CHECK(fragment.message_length == body.size());
    CHECK(fragment.offset == sent.size());
    sent.insert(sent.end(), fragment.body.data, fragment.body.data + fragment.body.size);
  } while (offset < body.size());
  CHECK(sent == body);
}

TEST_CASE("handshake message: whole at once, and of any length") {
  for (const size_t size : {0, 1, 100, 16372, 16373, 40000, 100 * 1024}) {
    const std::vector<uint8_t> body = numbers(size);
    check_whole(HandshakeMessage(kVersion, whole(body, 1)), body);
  }
}

TEST_CASE("handshake message: in any order, again, and overlapping") {
  const std::vector<uint8_t> body = numbers(200);
  std::mt19937 random(5);
  for (int round = 0; round < 50; ++round) {
    HandshakeMessage message(kVersion, piece(body, 0, 60));
    std::vector<std::pair<size_t, size_t>> pieces;
    for (size_t at = 60; at < 200; at += 20) {
      const size_t from = at - random() % 20;
      pieces.emplace_back(from, std::min<size_t>(200 - from, 40 + random() % 20));
      pieces.emplace_back(at, 20);
    }
    std::shuffle(pieces.begin(), pieces.end(), random);
    for (const auto& [at, size] : pieces) CHECK(message.add(piece(body, at, size)) == nullptr);
    check_whole(message, body);
    CHECK(message.add(piece(body, 0, 200)) == nullptr);  // more of the same changes nothing
    check_whole(message, body);
  }
}

TEST_CASE("handshake message: a missing byte is missed") {
  const std::vector<uint8_t> body = numbers(100);
  HandshakeMessage message(kVersion, piece(body, 0, 50));
  message.add(piece(body, 51, 49));
  CHECK_FALSE(message.complete());
  message.add(piece(body, 50, 0));  // an empty fragment brings nothing
  CHECK_FALSE(message.complete());
  message.add(piece(body, 50, 1));
  check_whole(message, body);
}

TEST_CASE("handshake message: what came first stays, and what contradicts it is not taken") {
  const std::vector<uint8_t> body = numbers(100);
  HandshakeMessage message(kVersion, piece(body, 0, 50));
  std::vector<uint8_t> forged = body;
  forged[49] = 0xff;
  CHECK(message.add(piece(forged, 40, 60)) != nullptr);
  CHECK(message.add(piece(body, 50, 50, 1, HandshakeType::kClientKeyExchange)) != nullptr);
  CHECK(message.add(piece(body, 50, 50, 0)) != nullptr);
  const std::vector<uint8_t> longer = numbers(1000);
  CHECK(message.add(piece(longer, 50, 900)) != nullptr);  // would be written behind the end
  CHECK_FALSE(message.complete());
  CHECK(message.add(piece(body, 50, 50)) == nullptr);
  check_whole(message, body);
}

TEST_CASE("message assembly: once, whole and in order") {
  const std::vector<std::vector<uint8_t>> bodies = {numbers(30), numbers(0), numbers(70)};
  MessageAssembly assembly;
  CHECK(assembly.add(kVersion, piece(bodies[2], 35, 35, 2, type_of(2))) == Outcome::kIncomplete);
  CHECK(assembly.add(kVersion, whole(bodies[1], 1)) == Outcome::kNew);
  CHECK(assembly.add(kVersion, whole(bodies[1], 1)) == Outcome::kIncomplete);
  CHECK(assembly.next() == nullptr);
  CHECK(assembly.add(kVersion, piece(bodies[2], 0, 40, 2, type_of(2))) == Outcome::kNew);
  CHECK(assembly.add(kVersion, whole(bodies[0], 0)) == Outcome::kNew);
  for (uint16_t sequence = 0; sequence < 3; ++sequence) {
    REQUIRE(assembly.next() != nullptr);
    const HandshakeMessage message = assembly.take();
    CHECK(message.sequence() == sequence);
    check_whole(message, bodies[sequence]);
    assembly.on_taken(message.type(), sequence);
    CHECK(assembly.add(kVersion, whole(bodies[sequence], sequence)) == Outcome::kRepeated);
  }
  CHECK(assembly.next() == nullptr);
  CHECK(assembly.complaint() == nullptr);
}

TEST_CASE("message assembly: a message that was not taken may come again") {
  const std::vector<uint8_t> body = numbers(30);
  MessageAssembly assembly;
  CHECK(assembly.add(kVersion, whole(body, 0)) == Outcome::kNew);
  assembly.take();
  CHECK(assembly.next() == nullptr);
  CHECK(assembly.add(kVersion, whole(body, 0)) == Outcome::kNew);
  CHECK(assembly.next() != nullptr);
}

TEST_CASE("message assembly: what no honest peer sends is refused by name, and ends nothing") {
  const std::vector<uint8_t> body = numbers(30);
  MessageAssembly assembly;
  CHECK(assembly.add(kVersion, piece(body, 0, 0, 0)) == Outcome::kRefused);
  CHECK(std::string(assembly.complaint()) == "a fragment of a message has no bytes");
  CHECK(assembly.add(kVersion, piece(body, 0, 10, 0)) == Outcome::kIncomplete);
  const std::vector<uint8_t> longer = numbers(31);
  CHECK(assembly.add(kVersion, piece(longer, 10, 10, 0)) == Outcome::kBegunAnew);
  CHECK(std::string(assembly.complaint()) ==
        "two fragments of one message name different types or lengths");
  assembly.begin_datagram();
  CHECK(assembly.add(kVersion, piece(body, 0, 10, 0)) == Outcome::kBegunAnew);
  const std::vector<uint8_t> other(30, 0xff);
  assembly.begin_datagram();
  CHECK(assembly.add(kVersion, piece(other, 9, 10, 0)) == Outcome::kBegunAnew);
  CHECK(std::string(assembly.complaint()) ==
        "two fragments of one message have different bytes for the same place");
  FragmentView huge = piece(body, 0, 10, 0);
  huge.message_length = MessageAssembly::kMaxMessage + 1;
  huge.message_sequence = 1;
  CHECK(assembly.add(kVersion, huge) == Outcome::kRefused);
  CHECK(std::string(assembly.complaint()) == "a message is longer than 102400 bytes");
  // The peer sends its message again.
  assembly.begin_datagram();
  CHECK(assembly.add(kVersion, piece(body, 0, 10, 0)) == Outcome::kBegunAnew);
  CHECK(assembly.add(kVersion, piece(body, 10, 20, 0)) == Outcome::kNew);
  check_whole(assembly.take(), body);
}

TEST_CASE("message assembly: what is forged ahead of a message keeps it out once at most") {
  const std::vector<uint8_t> body = numbers(30);
  const std::vector<uint8_t> other(30, 0xff);
  MessageAssembly assembly;
  // Also a whole one, as long as it has had no turn.
  CHECK(assembly.add(kVersion, whole(other, 1)) == Outcome::kNew);
  CHECK(assembly.add(kVersion, whole(body, 1)) == Outcome::kBegunAnew);
  // One that takes all the room there is ahead.
  FragmentView huge = piece(body, 0, 10, 2, type_of(2));
  huge.message_length = MessageAssembly::kMaxAheadBytes - 30;
  CHECK(assembly.add(kVersion, huge) == Outcome::kIncomplete);
  CHECK(assembly.add(kVersion, whole(body, 2)) == Outcome::kBegunAnew);
  huge.message_sequence = 1;
  huge.message_length = MessageAssembly::kMaxAheadBytes;
  CHECK(assembly.add(kVersion, huge) == Outcome::kRefused);
  CHECK(assembly.add(kVersion, whole(body, 0)) == Outcome::kNew);
  for (uint16_t sequence = 0; sequence < 3; ++sequence) {
    REQUIRE(assembly.next() != nullptr);
    check_whole(assembly.take(), body);
    assembly.on_taken(type_of(sequence), sequence);
  }
}

TEST_CASE("message assembly: fragments of one datagram begin a message anew once at most") {
  const std::vector<uint8_t> body = numbers(30);
  const std::vector<uint8_t> other(30, 0xff);
  MessageAssembly assembly;
  assembly.begin_datagram();
  CHECK(assembly.add(kVersion, piece(other, 0, 10, 0)) == Outcome::kIncomplete);
  CHECK(assembly.add(kVersion, piece(body, 0, 10, 0)) == Outcome::kBegunAnew);
  CHECK(assembly.add(kVersion, piece(other, 0, 10, 0)) == Outcome::kRefused);
  CHECK(std::string(assembly.complaint()) ==
        "two fragments of one message have different bytes for the same place");
  // Another message of the datagram has its own turn.
  CHECK(assembly.add(kVersion, piece(other, 0, 10, 1, type_of(1))) == Outcome::kIncomplete);
  CHECK(assembly.add(kVersion, piece(body, 0, 10, 1, type_of(1))) == Outcome::kBegunAnew);
  assembly.begin_datagram();
  CHECK(assembly.add(kVersion, piece(other, 0, 10, 0)) == Outcome::kBegunAnew);
  assembly.begin_datagram();
  CHECK(assembly.add(kVersion, whole(body, 1)) == Outcome::kNew);
}

TEST_CASE("message assembly: a second message of a type, which anybody can send, has no turn") {
  const std::vector<uint8_t> none;
  const auto done = [&](uint16_t sequence) {
    return piece(none, 0, 0, sequence, HandshakeType::kServerHelloDone);
  };
  MessageAssembly assembly;
  CHECK(assembly.add(kVersion, done(1)) == Outcome::kNew);
  CHECK(assembly.add(kVersion, done(0)) == Outcome::kNew);
  assembly.take();
  assembly.on_taken(HandshakeType::kServerHelloDone, 0);
  CHECK(assembly.next() == nullptr);
  CHECK(assembly.add(kVersion, done(1)) == Outcome::kRefused);
  CHECK(assembly.add(kVersion, done(0)) == Outcome::kRepeated);
}

TEST_CASE("message assembly: what is ahead is bounded, and the next message always has its place") {
  MessageAssembly assembly;
  const std::vector<uint8_t> large = numbers(MessageAssembly::kMaxMessage);
  const std::vector<uint8_t> half = numbers(MessageAssembly::kMaxAheadBytes / 2);
  const size_t before = allocated_bytes();
  const std::vector<uint8_t> small = numbers(1);
  CHECK(assembly.add(kVersion, whole(small, MessageAssembly::kMaxAhead + 1)) == Outcome::kRefused);
  CHECK(assembly.add(kVersion, whole(small, 65535)) == Outcome::kRefused);
  CHECK(assembly.add(kVersion, piece(half, 0, 1, 3)) == Outcome::kIncomplete);
  CHECK(assembly.add(kVersion, piece(half, 5, 1, 4)) == Outcome::kIncomplete);
  for (uint16_t sequence = 5; sequence < 12; ++sequence) {
    CHECK(assembly.add(kVersion, whole(small, sequence)) == Outcome::kRefused);
  }
  CHECK(assembly.add(kVersion, whole(large, 0)) == Outcome::kNew);
  CHECK(allocated_bytes() < before + 256 * 1024);
  CHECK(assembly.complaint() == nullptr);  // honest peers send such too
}

TEST_CASE("message assembly: room for a message grows with what has come of it") {
  const std::vector<uint8_t> large = numbers(MessageAssembly::kMaxMessage);
  const std::vector<uint8_t> ahead = numbers(MessageAssembly::kMaxAheadBytes);
  MessageAssembly assembly;
  const size_t before = allocated_bytes();
  CHECK(assembly.add(kVersion, piece(large, large.size() - 1, 1, 0)) == Outcome::kIncomplete);
  CHECK(assembly.add(kVersion, piece(ahead, 0, 1, 1, type_of(1))) == Outcome::kIncomplete);
  CHECK(allocated_bytes() < before + 1024);
  // Every other byte: the parts are bounded, and with them what each of them costs.
  for (size_t at = 0; at + 1 < large.size(); at += 2) {
    assembly.begin_datagram();
    assembly.add(kVersion, piece(large, at, 1, 0));
  }
  CHECK(allocated_bytes() < before + 128 * HandshakeMessage::kMaxParts);
  CHECK(assembly.complaint() != nullptr);
}

TEST_CASE("message assembly: one part too many is dropped alone, and what has come stays") {
  const std::vector<uint8_t> large = numbers(MessageAssembly::kMaxMessage);
  MessageAssembly assembly;
  const auto add = [&](size_t at, size_t size) {
    assembly.begin_datagram();
    return assembly.add(kVersion, piece(large, at, size, 0));
  };
  // As many parts as are kept, each of them with a gap of one byte behind it.
  for (size_t part = 0; part < HandshakeMessage::kMaxParts; ++part) {
    REQUIRE(add(2 * part, 1) == Outcome::kIncomplete);
  }
  const size_t behind = 2 * HandshakeMessage::kMaxParts;
  CHECK(add(behind + 10, 1) == Outcome::kRefused);
  CHECK(assembly.complaint() == HandshakeMessage::kTooManyParts);
  // The gaps, and what is behind them, are all that was missing.
  for (size_t part = 0; part < HandshakeMessage::kMaxParts; ++part) {
    CHECK(add(2 * part + 1, 1) == Outcome::kIncomplete);
  }
  CHECK(add(behind, large.size() - behind) == Outcome::kNew);
  check_whole(assembly.take(), large);
}

TEST_CASE("message assembly: forged parts that fill all the room do not keep the message out") {
  const std::vector<uint8_t> body = numbers(1000);
  const std::vector<uint8_t> other(1000, 0xff);
  MessageAssembly assembly;
  for (size_t part = 0; part < HandshakeMessage::kMaxParts; ++part) {
    assembly.add(kVersion, piece(other, 2 * part, 1, 0));
  }
  // A flight that is said twice, in four fragments, a datagram each.
  Outcome last = Outcome::kRefused;
  for (size_t round = 0; round < 2 && last != Outcome::kNew; ++round) {
    for (size_t at = 0; at < 1000 && last != Outcome::kNew; at += 250) {
      assembly.begin_datagram();
      last = assembly.add(kVersion, piece(body, at, 250, 0));
    }
  }
  REQUIRE(last == Outcome::kNew);
  check_whole(assembly.take(), body);
}

TEST_CASE("handshake message: the longest, in the shortest datagrams and any order") {
  const std::vector<uint8_t> body = numbers(MessageAssembly::kMaxMessage);
  constexpr size_t kShort = 215;
  std::vector<size_t> places;
  for (size_t at = 0; at < body.size(); at += kShort) places.push_back(at);
  std::mt19937 random(6);
  for (int round = 0; round < 20; ++round) {
    if (round == 0) std::reverse(places.begin(), places.end());
    if (round != 0) std::shuffle(places.begin(), places.end(), random);
    const auto part = [&](size_t at) {
      return piece(body, at, std::min(kShort, body.size() - at));
    };
    HandshakeMessage message(kVersion, part(places[0]));
    for (const size_t at : places) CHECK(message.add(part(at)) == nullptr);
    check_whole(message, body);
  }
}

// Takes the datagram's one record, and holds it.
bool hold(HeldRecords& held, const Datagram& datagram, Until until) {
  Bytes rest = view(datagram);
  RecordView record;
  REQUIRE(take_record(rest, record));
  return held.hold(record, until, 0);
}

std::vector<Datagram> bytes_of(const std::vector<HeldRecords::Held>& taken) {
  std::vector<Datagram> all;
  for (const HeldRecords::Held& held : taken) all.push_back(held.bytes);
  return all;
}

TEST_CASE("held records: in the order in which they came, each when it is due") {
  HeldRecords held;
  const Datagram finished = plain_record(22, 1, 0, view("finished"));
  const Datagram message = plain_record(23, 1, 1, view("message"));
  const Datagram change = plain_record(20, 0, 7, view("\1"));
  const Datagram behind = plain_record(23, 1, 2, view("behind it"));
  CHECK(hold(held, finished, Until::kKeys));
  CHECK(hold(held, message, Until::kOpen));
  CHECK(hold(held, change, Until::kAnswer));
  CHECK(hold(held, behind, Until::kAnswer));
  CHECK(held.take({}).empty());
  CHECK(bytes_of(held.take({true, false, false})) == std::vector<Datagram>{change, behind});
  CHECK(bytes_of(held.take({true, true, false})) == std::vector<Datagram>{finished});
  CHECK_FALSE(held.empty());
  CHECK(hold(held, behind, Until::kOpen));
  CHECK(bytes_of(held.take({true, true, true})) == std::vector<Datagram>{message, behind});
  CHECK(held.empty());
}

TEST_CASE("held records: bounded, and a repetition in clear only once") {
  HeldRecords held;
  const Datagram clear = plain_record(22, 0, 1, view("aaaa"));
  const Datagram sealed = plain_record(22, 1, 1, view("aaaa"));
  for (size_t i = 1; i < HeldRecords::kMaxRecords; ++i) CHECK(hold(held, sealed, Until::kKeys));
  CHECK(hold(held, clear, Until::kAnswer));
  CHECK(hold(held, plain_record(22, 0, 2, view("aaaa")), Until::kAnswer));  // the same again
  CHECK(held.take({true, false, false}).size() == 1);
  CHECK(hold(held, sealed, Until::kOpen));  // protected: nobody knows yet whether it is the same
  CHECK_FALSE(hold(held, sealed, Until::kOpen));
  CHECK_FALSE(hold(held, sealed, Until::kKeys));
  CHECK(hold(held, sealed, Until::kAnswer));  // those have room of their own
  CHECK(held.take({true, true, true}).size() == HeldRecords::kMaxRecords + 1);

  const std::string half(HeldRecords::kMaxBytes / 2 - kRecordHeaderSize, 'x');
  CHECK(hold(held, plain_record(22, 0, 3, view(half)), Until::kAnswer));
  CHECK_FALSE(hold(held, plain_record(22, 0, 4, view(half + "y")), Until::kAnswer));
  CHECK(hold(held, plain_record(22, 0, 4, view("y" + half.substr(1))), Until::kAnswer));
  CHECK_FALSE(hold(held, clear, Until::kAnswer));
}

}  // namespace
}  // namespace dtls::test
