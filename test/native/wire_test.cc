// Protects: what the core reads of a datagram before OpenSSL does. Every length comes from a
// stranger.
#include <doctest/doctest.h>

#include "harness.h"

namespace dtls::test {
namespace {

TEST_CASE("wire: a record's header is read field by field") {
  const Datagram bytes = plain_record(22, 0x0102, 0x030405060708, view("abc"));
  Bytes rest = view(bytes);
  RecordView record;
  REQUIRE(take_record(rest, record));
  CHECK(record.type == ContentType::kHandshake);
  CHECK(record.version == DTLS1_2_VERSION);
  CHECK(record.epoch == 0x0102);
  CHECK(record.sequence == 0x030405060708);
  CHECK(text_of(record.fragment) == "abc");
  CHECK(record.whole.size == kRecordHeaderSize + 3);
  CHECK(rest.size == 0);
}

TEST_CASE("wire: records of one datagram come off its front one by one") {
  Datagram bytes = plain_record(20, 0, 1, view("a"));
  const Datagram second = plain_record(23, 1, 2, view("bc"));
  bytes.insert(bytes.end(), second.begin(), second.end());
  bytes.push_back(22);  // a rest that is no record
  Bytes rest = view(bytes);
  RecordView record;
  REQUIRE(take_record(rest, record));
  CHECK(text_of(record.fragment) == "a");
  REQUIRE(take_record(rest, record));
  CHECK(text_of(record.fragment) == "bc");
  CHECK_FALSE(take_record(rest, record));
  CHECK(rest.size == 1);
}

TEST_CASE("wire: no truncation of a record passes for one") {
  const Datagram bytes = plain_record(22, 0, 0, view("abcdef"));
  for (size_t size = 0; size < bytes.size(); ++size) {
    // A copy of exactly this size, so that the sanitizer sees a read behind it.
    const Datagram cut(bytes.begin(), bytes.begin() + static_cast<long>(size));
    Bytes rest = view(cut);
    RecordView record;
    CHECK_FALSE(take_record(rest, record));
    CHECK(rest.size == size);
  }
}

TEST_CASE("wire: another major version is no DTLS record") {
  Datagram bytes = plain_record(22, 0, 0, view("abc"));
  bytes[1] = 3;
  Bytes rest = view(bytes);
  RecordView record;
  CHECK_FALSE(take_record(rest, record));
}

TEST_CASE("wire: a handshake fragment must lie inside its record and its message") {
  const Datagram bytes = handshake_record(1, 5, view("hello"));
  const std::vector<uint8_t> good(bytes.begin() + kRecordHeaderSize, bytes.end());
  FragmentView fragment;
  Bytes rest = view(good);
  REQUIRE(take_fragment(rest, fragment));
  CHECK(fragment.type == HandshakeType::kClientHello);
  CHECK(fragment.message_sequence == 5);
  CHECK(fragment.message_length == 5);
  CHECK(fragment.offset == 0);
  CHECK(text_of(fragment.body) == "hello");
  CHECK(rest.size == 0);

  for (size_t size = 0; size < good.size(); ++size) {
    const std::vector<uint8_t> cut(good.begin(), good.begin() + static_cast<long>(size));
    rest = view(cut);
    CHECK_FALSE(take_fragment(rest, fragment));
  }
  std::vector<uint8_t> beyond = good;
  write_u24(&beyond[6], 1);  // offset 1 + 5 bytes > 5
  rest = view(beyond);
  CHECK_FALSE(take_fragment(rest, fragment));
  write_u24(&beyond[6], 0xffffff);  // must not wrap around
  rest = view(beyond);
  CHECK_FALSE(take_fragment(rest, fragment));
}

TEST_CASE("wire: the front of a ClientHello") {
  const std::vector<uint8_t> cookie(20, 9);
  const std::vector<uint8_t> body = hello_body(3, 32, view(cookie), 0);
  ClientHelloFront hello;
  REQUIRE(parse_client_hello_front(view(body), hello));
  CHECK(copy(hello.random) == std::vector<uint8_t>(kRandomSize, 3));
  CHECK(copy(hello.cookie) == cookie);

  for (size_t size = 0; size < body.size(); ++size) {
    const std::vector<uint8_t> cut(body.begin(), body.begin() + static_cast<long>(size));
    CHECK_FALSE(parse_client_hello_front(view(cut), hello));
  }
  CHECK(parse_client_hello_front(view(hello_body(3, 0, {}, 0)), hello));
  CHECK(hello.cookie.size == 0);
  CHECK_FALSE(
      parse_client_hello_front(view(hello_body(3, 33, {}, 40)), hello));  // RFC 5246: <0..32>
  for (const uint8_t major : {0x03, 0xfd, 0xff}) {
    std::vector<uint8_t> other = body;
    other[0] = major;  // is for OpenSSL to judge
    CHECK(parse_client_hello_front(view(other), hello));
  }
}

TEST_CASE("wire: the first byte tells DTLS from what shares the port (RFC 7983)") {
  CHECK_FALSE(is_dtls({}));
  for (unsigned first = 0; first < 256; ++first) {
    const uint8_t byte = static_cast<uint8_t>(first);
    CHECK(is_dtls({&byte, 1}) == (first >= 20 && first <= 63));
  }
}

}  // namespace
}  // namespace dtls::test
