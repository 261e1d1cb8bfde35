// Protects: that a fragmented ClientHello is put together as the client sent it, however the
// network delivers it, and that nobody can change what came with the cookie.
#include "core/hello_assembly.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "harness.h"

namespace dtls::test {
namespace {

std::vector<uint8_t> numbers(size_t size) {
  std::vector<uint8_t> bytes(size);
  std::iota(bytes.begin(), bytes.end(), uint8_t{0});
  return bytes;
}

FragmentView piece(const std::vector<uint8_t>& body, size_t offset, size_t size) {
  FragmentView fragment;
  fragment.type = static_cast<uint8_t>(HandshakeType::kClientHello);
  fragment.message_length = static_cast<uint32_t>(body.size());
  fragment.message_sequence = 1;
  fragment.offset = static_cast<uint32_t>(offset);
  fragment.body = {body.data() + offset, size};
  return fragment;
}

const Datagram kRecord = plain_record(22, 0, 0x0102030405, view("only the header matters"));

RecordView first_record() {
  RecordView record;
  Bytes rest = view(kRecord);
  REQUIRE(take_record(rest, record));
  return record;
}

// The assembled record must be one unfragmented message under the first record's number.
void check_whole(const HelloAssembly& hello, const std::vector<uint8_t>& body) {
  REQUIRE(hello.complete());
  Bytes rest = hello.record();
  RecordView record;
  FragmentView message;
  REQUIRE(take_record(rest, record));
  CHECK(rest.size == 0);
  CHECK(record.sequence == 0x0102030405);
  Bytes inside = record.fragment;
  REQUIRE(take_fragment(inside, message));
  CHECK(inside.size == 0);
  CHECK(message.message_sequence == 1);
  CHECK(message.offset == 0);
  CHECK(message.message_length == body.size());
  CHECK(copy(message.body) == body);
}

TEST_CASE("hello assembly: a whole hello is complete at once") {
  const std::vector<uint8_t> body = numbers(100);
  check_whole(HelloAssembly(first_record(), piece(body, 0, 100)), body);
}

TEST_CASE("hello assembly: in any order, again, and overlapping") {
  const std::vector<uint8_t> body = numbers(200);
  std::mt19937 random(5);
  for (int round = 0; round < 50; ++round) {
    HelloAssembly hello(first_record(), piece(body, 0, 60));
    std::vector<std::pair<size_t, size_t>> pieces;
    for (size_t at = 60; at < 200; at += 20) {
      const size_t from = at - random() % 20;
      pieces.emplace_back(from, std::min<size_t>(200 - from, 40 + random() % 20));
      pieces.emplace_back(at, 20);
    }
    std::shuffle(pieces.begin(), pieces.end(), random);
    for (const auto& [at, size] : pieces) hello.add(piece(body, at, size));
    check_whole(hello, body);
    hello.add(piece(body, 0, 200));  // more of the same changes nothing
    check_whole(hello, body);
  }
}

TEST_CASE("hello assembly: a missing byte is missed") {
  const std::vector<uint8_t> body = numbers(100);
  HelloAssembly hello(first_record(), piece(body, 0, 50));
  hello.add(piece(body, 51, 49));
  CHECK_FALSE(hello.complete());
  hello.add(piece(body, 50, 0));  // an empty fragment brings nothing
  CHECK_FALSE(hello.complete());
  hello.add(piece(body, 50, 1));
  check_whole(hello, body);
}

TEST_CASE("hello assembly: the first copy of a byte stays") {
  const std::vector<uint8_t> body = numbers(100);
  const std::vector<uint8_t> forged(100, 0xff);
  HelloAssembly hello(first_record(), piece(body, 0, 50));
  hello.add(piece(forged, 0, 50));
  hello.add(piece(body, 50, 50));
  check_whole(hello, body);
}

TEST_CASE("hello assembly: fragments of another message are not taken") {
  const std::vector<uint8_t> body = numbers(100);
  HelloAssembly hello(first_record(), piece(body, 0, 50));
  FragmentView other = piece(body, 50, 50);
  other.type = static_cast<uint8_t>(HandshakeType::kClientKeyExchange);
  hello.add(other);
  other = piece(body, 50, 50);
  other.message_sequence = 0;  // the hello before the cookie
  hello.add(other);
  const std::vector<uint8_t> longer = numbers(1000);
  hello.add(piece(longer, 50, 900));  // another length: would be written behind the end
  CHECK_FALSE(hello.complete());
}

TEST_CASE("hello assembly: the largest hello fills one record") {
  const std::vector<uint8_t> body = numbers(HelloAssembly::kMaxMessage);
  HelloAssembly hello(first_record(), piece(body, 0, 300));
  for (size_t at = 300; at < body.size(); at += 200) {
    hello.add(piece(body, at, std::min<size_t>(200, body.size() - at)));
  }
  check_whole(hello, body);
  CHECK(hello.record().size == kRecordHeaderSize + kMaxPlaintext);
}

}  // namespace
}  // namespace dtls::test
