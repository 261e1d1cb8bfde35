// Protects: what a server with DTLS 1.3 does with each ClientHello before there is a handshake:
// which go to 1.2, which are asked for a cookie, and that with a good one a handshake begins,
// without anything having been kept but fragments.
#include "core/hello13/hello_stage.h"

#include <doctest/doctest.h>

#include "hellos13.h"

namespace dtls::test {
namespace {

using Verdict = HelloStage::Verdict;
using Why = HelloStage::Why;
constexpr double kNow = 1.7e12;
const PeerAddress kPeer = address(0x01020304, 5);

ServerOffer server_of(bool dtls12) {
  ServerOffer server;
  server.dtls12 = dtls12;
  server.dtls13 = true;
  server.suites = {kAes256, kChaCha, kAes128};
  server.groups = {{kX25519, kP256}};
  return server;
}

struct Server {
  CookieJar jar{30000, {}};
  HelloStage stage;
  explicit Server(bool dtls12 = false, bool cookies = true)
      : stage(cookies ? &jar : nullptr, server_of(dtls12)) {}

  HelloStage::Result take(const Blob& datagram, const PeerAddress& peer = kPeer,
                          double now = kNow) {
    return stage.take(view(datagram), peer, now);
  }
};

// A message in datagrams of so much of its body each, in records numbered from `number` on.
std::vector<Blob> datagrams(const Blob& message, uint16_t sequence, uint64_t number,
                            size_t most = 16000) {
  std::vector<Blob> all;
  const Bytes body = view(message).from(4);
  for (size_t at = 0; at < body.size; at += most) {
    const Bytes piece = body.from(at).first(most);
    Blob datagram(kRecordHeaderSize + kHandshakeHeaderSize);
    write_clear_header(datagram.data(), ContentType::kHandshake, kDtls12, number++,
                       kHandshakeHeaderSize + piece.size);
    FragmentHeader header;
    header.type = HandshakeType::kClientHello;
    header.message_length = static_cast<uint32_t>(body.size);
    header.message_sequence = sequence;
    header.offset = static_cast<uint32_t>(at);
    header.length = static_cast<uint32_t>(piece.size);
    write_fragment_header(datagram.data() + kRecordHeaderSize, header);
    datagram.insert(datagram.end(), piece.data, piece.data + piece.size);
    all.push_back(datagram);
  }
  return all;
}

Blob cookie_of(const Blob& datagram) {
  // The last extension of the HelloRetryRequest.
  const std::string start("\x00\x2c", 2);
  const std::string text = text_of(view(datagram));
  const size_t at = text.find(start, 25 + 40);
  REQUIRE(at != std::string::npos);
  return {datagram.begin() + static_cast<std::ptrdiff_t>(at) + 6, datagram.end()};
}

void check_alert(const HelloStage::Result& result, uint8_t alert, Why why, uint64_t number = 0) {
  CHECK(result.verdict == Verdict::kAlert);
  CHECK(result.alert == alert);
  CHECK(result.why == why);
  Bytes rest = view(result.datagram);
  RecordView record;
  REQUIRE(take_record(rest, record));
  CHECK(rest.size == 0);
  CHECK(record.type == ContentType::kAlert);
  CHECK(record.epoch == 0);
  CHECK(record.sequence == number);
  CHECK(copy(record.fragment) == Blob{2, alert});
}

TEST_CASE("hello stage: two hellos make a handshake") {
  for (const bool dtls12 : {false, true}) {
    Server server(dtls12);
    HelloMaker maker;
    const HelloStage::Result asked = server.take(datagrams(maker.message(), 0, 7).front());
    REQUIRE(asked.verdict == Verdict::kAnswer);
    Bytes rest = view(asked.datagram);
    RecordView record;
    FragmentView fragment;
    REQUIRE(take_record(rest, record));
    CHECK(rest.size == 0);
    CHECK(record.sequence == 7);
    CHECK(record.version == kDtls12);
    REQUIRE(take_fragment(record.fragment, fragment));
    CHECK(fragment.type == HandshakeType::kServerHello);
    CHECK(fragment.message_sequence == 0);
    CHECK(fragment.body.size == fragment.message_length);

    const Blob first = maker.message();
    maker.set(Extension::kCookie, behind_u16(cookie_of(asked.datagram)));
    const Blob second = maker.message();
    const HelloStage::Result begun = server.take(datagrams(second, 1, 9).front());
    REQUIRE(begun.verdict == Verdict::kBegin);
    CHECK(begun.hello == second);
    CHECK(begun.message_sequence == 1);
    CHECK(begun.record_number == 9);
    CHECK(begun.suite == kAes128);
    CHECK(begun.group == kX25519);
    CHECK(begun.first_hello_hash.size() == 32);
    CHECK(begun.has_cookie);
    // With the header of a message that has no fragments.
    CHECK(view(begun.retry).from(4).size == fragment.body.size);
    CHECK(copy(view(begun.retry).from(4)) == copy(fragment.body));
    CHECK(server.stage.held() == 0);
  }
}

TEST_CASE("hello stage: a browser's hello in two datagrams, in either order") {
  for (const char* name : {"chromium-156", "firefox-153", "firefox-153-dtls13-only"}) {
    const std::vector<Blob> parts = recorded_hello(name);
    REQUIRE(parts.size() == 2);
    for (const bool dtls12 : {false, true}) {
      for (const bool reversed : {false, true}) {
        Server server(dtls12);
        CHECK(server.take(parts[reversed ? 1 : 0]).verdict == Verdict::kHeld);
        CHECK(server.stage.held() == 1);
        const HelloStage::Result asked = server.take(parts[reversed ? 0 : 1]);
        CHECK(asked.verdict == Verdict::kAnswer);
        CHECK(asked.datagram.size() < parts[0].size() + parts[1].size());
        // It may be asked about again, by a fragment that is as long as the answer.
        CHECK(server.stage.held() == 1);
        for (const Blob& part : parts) {
          const HelloStage::Result again = server.take(part);
          const bool long_enough = part.size() >= asked.datagram.size();
          CHECK(again.verdict == (long_enough ? Verdict::kAnswer : Verdict::kHeld));
          CHECK(again.datagram.size() == (long_enough ? asked.datagram.size() : 0));
        }
      }
    }
  }
}

TEST_CASE("hello stage: a second hello in fragments, with its cookie in any of them") {
  HelloMaker maker;
  maker.set(Extension{0xfe0d}, Blob(1500, 3));
  Server server;
  const std::vector<Blob> first = datagrams(maker.message(), 0, 0, 700);
  HelloStage::Result result;
  for (const Blob& datagram : first) result = server.take(datagram);
  REQUIRE(result.verdict == Verdict::kAnswer);
  maker.set(Extension::kCookie, behind_u16(cookie_of(result.datagram)));
  for (const Blob& datagram : datagrams(maker.message(), 1, 3, 700)) result = server.take(datagram);
  REQUIRE(result.verdict == Verdict::kBegin);
  CHECK(result.record_number == 5);
  CHECK(result.hello == maker.message());
}

TEST_CASE("hello stage: hellos of 1.2 go to 1.2, those in fragments in one record") {
  Server server(true);
  HelloMaker maker;
  maker.set(Extension::kSupportedVersions, behind_u8(numbers({kDtls12})));
  HelloStage::Result result = server.take(datagrams(maker.message(), 0, 0).front());
  CHECK(result.verdict == Verdict::kVersion12);
  CHECK(result.datagram.empty());
  maker.remove(Extension::kSupportedVersions);
  maker.set(Extension{0xfe0d}, Blob(1500, 3));
  for (const Blob& datagram : datagrams(maker.message(), 0, 4, 600)) result = server.take(datagram);
  CHECK(result.verdict == Verdict::kVersion12);
  CHECK(result.datagram == datagrams(maker.message(), 0, 6).front());
  // What nobody understands is 1.2's to judge.
  Blob malformed = maker.message();
  malformed.resize(60);
  malformed[2] = 0;
  malformed[3] = 56;
  CHECK(server.take(datagrams(malformed, 0, 0).front()).verdict == Verdict::kVersion12);
}

TEST_CASE("hello stage: of a hello with a cookie of 1.2 the front is enough, and nothing is kept") {
  Server server(true);
  HelloMaker maker;
  maker.set(Extension::kSupportedVersions, behind_u8(numbers({kDtls13, kDtls12})));
  maker.set(Extension{0xfe0d}, Blob(1500, 3));
  maker.legacy_cookie = Blob(32, 4);
  const std::vector<Blob> parts = datagrams(maker.message(), 1, 1, 600);
  const HelloStage::Result result = server.take(parts[0]);
  CHECK(result.verdict == Verdict::kVersion12);
  CHECK(result.datagram.empty());
  CHECK(server.stage.held() == 0);
  // A server without 1.2 has none of that.
  Server only13;
  HelloStage::Result last;
  for (const Blob& part : parts) last = only13.take(part);
  check_alert(last, SSL_AD_ILLEGAL_PARAMETER, Why::kMalformed, 3);
}

TEST_CASE("hello stage: without a version, suite or group in common there is an alert") {
  Server server;
  HelloMaker maker;
  maker.remove(Extension::kSupportedVersions);
  check_alert(server.take(datagrams(maker.message(), 0, 0).front()), SSL_AD_PROTOCOL_VERSION,
              Why::kNothingShared);
  maker = {};
  maker.suites = numbers({0xc02b});
  check_alert(server.take(datagrams(maker.message(), 0, 3).front()), SSL_AD_HANDSHAKE_FAILURE,
              Why::kNothingShared, 3);
  maker = {};
  maker.set(Extension::kSupportedGroups, behind_u16(numbers({kP384})));
  maker.set(Extension::kKeyShare, behind_u16(share(kP384, 97)));
  check_alert(server.take(datagrams(maker.message(), 0, 0).front()), SSL_AD_HANDSHAKE_FAILURE,
              Why::kNothingShared);
  maker.remove(Extension::kKeyShare);
  check_alert(server.take(datagrams(maker.message(), 0, 0).front()), SSL_AD_MISSING_EXTENSION,
              Why::kNothingShared);
}

TEST_CASE(
    "hello stage: behind a HelloRetryRequest there is no older version, and no cookie any more") {
  Server server(true);
  HelloMaker maker;
  maker.set(Extension::kSupportedVersions, behind_u8(numbers({kDtls13, kDtls12})));
  const HelloStage::Result asked = server.take(datagrams(maker.message(), 0, 0).front());
  REQUIRE(asked.verdict == Verdict::kAnswer);
  maker.set(Extension::kCookie, behind_u16(cookie_of(asked.datagram)));
  const Blob second = datagrams(maker.message(), 1, 4).front();
  ServerOffer older;
  older.dtls12 = true;
  const HelloStage::Result begun = server.take(second);
  REQUIRE(begun.verdict == Verdict::kBegin);
  CHECK(HelloStage::reconsider(begun, server_of(false)).verdict == Verdict::kBegin);
  check_alert(HelloStage::reconsider(begun, older), SSL_AD_ILLEGAL_PARAMETER, Why::kCookie, 4);
  check_alert(server.stage.take(view(second), kPeer, kNow, &older), SSL_AD_ILLEGAL_PARAMETER,
              Why::kCookie, 4);
  maker.remove(Extension::kCookie);
  const Blob anew = datagrams(maker.message(), 0, 5).front();
  CHECK(server.stage.take(view(anew), kPeer, kNow, &older).verdict == Verdict::kVersion12);
}

TEST_CASE("hello stage: what is wrong with a hello of 1.3 has its alert, with 1.2 and without") {
  for (const bool dtls12 : {false, true}) {
    Server server(dtls12);
    HelloMaker maker;
    maker.set(Extension::kSupportedGroups, {});
    check_alert(server.take(datagrams(maker.message(), 0, 0).front()), SSL_AD_DECODE_ERROR,
                Why::kMalformed);
    maker = {};
    maker.compressions = {1, 0};
    check_alert(server.take(datagrams(maker.message(), 0, 0).front()), SSL_AD_ILLEGAL_PARAMETER,
                Why::kMalformed);
    maker = {};
    maker.set(Extension::kCookie, behind_u16(Blob(52, 1)));
    check_alert(server.take(datagrams(maker.message(), 1, 0).front()), SSL_AD_ILLEGAL_PARAMETER,
                Why::kCookie);
  }
}

TEST_CASE("hello stage: numbers that no hello of a client has are dropped") {
  Server server;
  HelloMaker maker;
  for (const uint16_t sequence : {1, 2, 9}) {
    const HelloStage::Result result = server.take(datagrams(maker.message(), sequence, 0).front());
    CHECK(result.verdict == Verdict::kDrop);
    CHECK(result.why == Why::kMalformed);
  }
  maker.set(Extension::kCookie, behind_u16(Blob(52, 1)));
  for (const uint16_t sequence : {0, 2}) {
    CHECK(server.take(datagrams(maker.message(), sequence, 0).front()).verdict == Verdict::kDrop);
  }
  const Blob late = datagrams(HelloMaker().message(), 0, kMaxHelloRecordNumber + 1).front();
  CHECK(server.take(late).verdict == Verdict::kDrop);
  Blob empty(kRecordHeaderSize + kHandshakeHeaderSize);
  write_clear_header(empty.data(), ContentType::kHandshake, kDtls12, 0, kHandshakeHeaderSize);
  empty[kRecordHeaderSize] = 1;
  CHECK(server.take(empty).verdict == Verdict::kDrop);
}

TEST_CASE("hello stage: a hello that is shorter than its answer has none") {
  Server server;
  HelloMaker maker;
  maker.suites = numbers({kAes128});
  maker.set(Extension::kKeyShare, behind_u16({}));
  const HelloStage::Result result = server.take(datagrams(maker.message(), 0, 0).front());
  CHECK(result.verdict == Verdict::kDrop);
  CHECK(result.why == Why::kTooShort);
}

TEST_CASE("hello stage: without cookies a first hello begins a handshake") {
  Server server(true, false);
  HelloMaker maker;
  HelloStage::Result result = server.take(datagrams(maker.message(), 0, 2).front());
  REQUIRE(result.verdict == Verdict::kBegin);
  CHECK(result.hello == maker.message());
  CHECK(result.retry.empty());
  CHECK(result.first_hello_hash.empty());
  CHECK(result.message_sequence == 0);
  CHECK(result.record_number == 2);
  CHECK(result.suite == kAes128);
  CHECK(result.group == kX25519);
  CHECK_FALSE(result.has_cookie);
  // The engine asks for a share by itself.
  maker.set(Extension::kKeyShare, behind_u16({}));
  CHECK(server.take(datagrams(maker.message(), 0, 2).front()).verdict == Verdict::kBegin);
  maker.set(Extension::kCookie, behind_u16(Blob(52, 1)));
  check_alert(server.take(datagrams(maker.message(), 1, 0).front()), SSL_AD_ILLEGAL_PARAMETER,
              Why::kCookie);
}

TEST_CASE("hello stage: a datagram has one answer, whatever is in it") {
  Server server;
  HelloMaker maker;
  maker.set(Extension{0xfe0d}, Blob(700, 3));
  Blob all;
  for (const Blob& datagram : datagrams(maker.message(), 0, 0, 300)) all = join({all, datagram});
  CHECK(server.take(all).verdict == Verdict::kAnswer);
  CHECK(server.stage.held() == 1);
  // One hello after the other, and half of a third one.
  const Blob whole = datagrams(maker.message(), 0, 5).front();
  const Blob half = datagrams(maker.message(), 0, 6, 400).front();
  const HelloStage::Result result = server.take(join({whole, whole, half}));
  CHECK(result.verdict == Verdict::kAnswer);
  CHECK(result.datagram.size() < whole.size());
  CHECK(server.stage.held() == 0);
  // Something else behind a fragment ends it.
  Blob other = half;
  other[kRecordHeaderSize] = 2;
  CHECK(server.take(join({half, other})).verdict == Verdict::kHeld);
  CHECK(server.take(other).verdict == Verdict::kDrop);
}

TEST_CASE("hello stage: ten thousand spoofed hellos leave nothing") {
  Server server;
  const Blob datagram = datagrams(HelloMaker().message(), 0, 0).front();
  server.take(datagram, address(1, 1));  // what is fetched once, is
  const size_t before = allocated_bytes();
  for (uint32_t host = 0; host < 10000; ++host) {
    CHECK(server.take(datagram, address(host, 9)).verdict == Verdict::kAnswer);
  }
  CHECK(allocated_bytes() == before);
}

}  // namespace
}  // namespace dtls::test
