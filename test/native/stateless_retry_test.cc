// Protects: that a server of DTLS 1.3 proves an address without keeping anything of it (RFC 9147
// section 5.1): what its cookie is bound to, that the transcript can be had from it, and that no
// answer is longer than the question.
#include "core/hello13/stateless_retry.h"

#include <doctest/doctest.h>
#include <openssl/sha.h>

#include "hellos13.h"

namespace dtls::test {
namespace {

constexpr double kLifetime = 30000;
constexpr double kNow = 1.7e12;
const PeerAddress kPeer = address(0x01020304, 5);

struct Stage {
  CookieJar jar{kLifetime, {}};
  StatelessRetry retry{jar};
  ServerOffer server;

  Stage() {
    server.dtls13 = true;
    server.suites = {kAes256, kChaCha, kAes128};
    server.groups = {{kX25519, kP256}};
  }

  StatelessRetry::Answer answer(const HelloMaker& maker, double now = kNow) {
    const Blob message = maker.message();
    ClientOffer offer;
    REQUIRE(read_client_offer(view(message).from(4), offer));
    REQUIRE(offer.fault == 0);
    return retry.answer(view(message), offer, server, kPeer, now);
  }
  StatelessRetry::Verified check(const HelloMaker& maker, const PeerAddress& peer = kPeer,
                                 double now = kNow) {
    const Blob body = maker.body();
    ClientOffer offer;
    REQUIRE(read_client_offer(view(body), offer));
    REQUIRE(offer.fault == 0);
    return retry.check(offer, server, peer, now);
  }
};

// What a client reads of a HelloRetryRequest, without any of the code that wrote it.
struct Retry {
  uint16_t suite = 0;
  uint16_t version = 0;
  uint16_t group = 0;
  Blob cookie;
};

Retry read_retry(const Blob& message) {
  Retry retry;
  REQUIRE(message.size() > 44);
  CHECK(message[0] == 2);
  CHECK(read_u24(&message[1]) == message.size() - 4);
  CHECK(read_u16(&message[4]) == kDtls12);
  const std::string word = "HelloRetryRequest";
  Blob digest(32);
  SHA256(reinterpret_cast<const uint8_t*>(word.data()), word.size(), digest.data());
  CHECK(Blob(message.begin() + 6, message.begin() + 38) == digest);
  CHECK(message[38] == 0);
  retry.suite = static_cast<uint16_t>(read_u16(&message[39]));
  CHECK(message[41] == 0);
  CHECK(read_u16(&message[42]) == message.size() - 44);
  for (size_t at = 44; at < message.size();) {
    const uint32_t type = read_u16(&message[at]);
    const uint32_t size = read_u16(&message[at + 2]);
    const uint8_t* data = &message[at + 4];
    REQUIRE(at + 4 + size <= message.size());
    if (type == 43) retry.version = static_cast<uint16_t>(read_u16(data));
    if (type == 51) {
      CHECK(size == 2);
      retry.group = static_cast<uint16_t>(read_u16(data));
    }
    if (type == 44) {
      CHECK(read_u16(data) == size - 2);
      retry.cookie = Blob(data + 2, data + size);
    }
    at += 4 + size;
  }
  return retry;
}

// The second hello of a client that was asked so.
HelloMaker second(HelloMaker hello, const Retry& retry) {
  if (retry.group != 0) hello.set(Extension::kKeyShare, behind_u16(share(retry.group, 65, 8)));
  hello.extensions.insert(hello.extensions.begin(), {Extension::kCookie, behind_u16(retry.cookie)});
  return hello;
}

TEST_CASE("stateless retry: the second hello brings back what the transcript begins with") {
  for (const bool own_order : {false, true}) {
    for (const bool with_share : {false, true}) {
      Stage stage;
      stage.server.own_order = own_order;
      HelloMaker first;
      first.set(Extension::kServerName, Blob(60, 1));
      if (!with_share) first.set(Extension::kKeyShare, behind_u16({}));
      const StatelessRetry::Answer answer = stage.answer(first);
      REQUIRE(answer.outcome == StatelessRetry::Outcome::kAnswer);
      const Retry retry = read_retry(answer.message);
      CHECK(retry.version == kDtls13);
      CHECK(retry.suite == (own_order ? kAes256 : kAes128));
      CHECK(retry.group == (with_share ? 0 : kX25519));

      const StatelessRetry::Verified verified = stage.check(second(first, retry));
      CHECK(verified.alert == 0);
      CHECK(verified.suite == retry.suite);
      CHECK(verified.group == kX25519);
      CHECK(verified.retry == answer.message);
      const Blob message = first.message();
      Blob hash(own_order ? 48 : 32);
      if (own_order) {
        SHA384(message.data(), message.size(), hash.data());
      } else {
        SHA256(message.data(), message.size(), hash.data());
      }
      CHECK(verified.first_hello_hash == hash);
      // SpentCookies looks at its end.
      CHECK(Blob(verified.cookie.end() - 8, verified.cookie.end()) != Blob(8, 0));
    }
  }
}

TEST_CASE("stateless retry: a cookie is bound to the peer and to its time") {
  Stage stage;
  const HelloMaker first;
  const HelloMaker hello = second(first, read_retry(stage.answer(first).message));
  CHECK(stage.check(hello).alert == 0);
  CHECK(stage.check(hello, kPeer, kNow + kLifetime / 2).alert == 0);
  CHECK(stage.check(hello, kPeer, kNow + kLifetime).alert == SSL_AD_ILLEGAL_PARAMETER);
  CHECK(stage.check(hello, address(0x01020305, 5)).alert == SSL_AD_ILLEGAL_PARAMETER);
  CHECK(stage.check(hello, address(0x01020304, 6)).alert == SSL_AD_ILLEGAL_PARAMETER);
  Stage another;
  CHECK(another.check(hello).alert == SSL_AD_ILLEGAL_PARAMETER);
}

TEST_CASE("stateless retry: each bit of a cookie counts, and each byte of its size") {
  Stage stage;
  const HelloMaker first;
  const Retry retry = read_retry(stage.answer(first).message);
  for (size_t bit = 0; bit < 8 * retry.cookie.size(); ++bit) {
    Retry changed = retry;
    changed.cookie[bit / 8] = static_cast<uint8_t>(changed.cookie[bit / 8] ^ 1 << bit % 8);
    HelloMaker hello = second(first, retry);
    hello.set(Extension::kCookie, behind_u16(changed.cookie));
    CHECK(stage.check(hello).alert == SSL_AD_ILLEGAL_PARAMETER);
  }
  for (size_t size = 1; size < 2 * retry.cookie.size(); ++size) {
    if (size == retry.cookie.size()) continue;
    HelloMaker hello = second(first, retry);
    Blob cookie = retry.cookie;
    cookie.resize(size);
    hello.set(Extension::kCookie, behind_u16(cookie));
    CHECK(stage.check(hello).alert == SSL_AD_ILLEGAL_PARAMETER);
  }
}

TEST_CASE("stateless retry: the second hello is the first one but for what was asked for") {
  Stage stage;
  HelloMaker first;
  first.set(Extension::kKeyShare, behind_u16(join({share(kX25519), share(kP256, 65)})));
  first.set(Extension::kConnectionId, {0});
  first.psk({32, 48});
  const Retry retry = read_retry(stage.answer(first).message);
  const HelloMaker good = second(first, retry);
  REQUIRE(stage.check(good).alert == 0);
  const auto refused = [&stage](const HelloMaker& maker) {
    return stage.check(maker).alert == SSL_AD_ILLEGAL_PARAMETER;
  };
  HelloMaker changed = good;
  changed.random[31] ^= 1;
  CHECK(refused(changed));
  changed = good;
  changed.session_id = Blob(1, 0);
  CHECK(refused(changed));
  changed = good;
  changed.suites = numbers({kAes128, kAes256});
  CHECK(refused(changed));
  const std::pair<Extension, Blob> others[] = {
      {Extension::kSupportedVersions, behind_u8(numbers({kDtls13, kDtls12}))},
      {Extension::kSignatureAlgorithms, behind_u16(numbers({0x0403}))},
      {Extension::kSupportedGroups, behind_u16(numbers({kX25519, kP256, kP384}))},
      {Extension::kServerName, {}},
      {Extension::kApplicationProtocols, {}},
      {Extension::kUseSrtp, {}},
      {Extension::kConnectionId, {1, 5}},
      {Extension::kPskKeyExchangeModes, behind_u8({1, 0})},
  };
  for (const auto& [type, data] : others) {
    changed = good;
    changed.extensions.pop_back();  // pre_shared_key, which is the last
    const Blob psk = good.extensions.back().second;
    changed.set(type, data);
    changed.extensions.emplace_back(Extension::kPreSharedKey, psk);
    CHECK(refused(changed));
  }
  // What may change: pre-shared keys, that of which the hash does not fit; padding; the order.
  changed = good;
  changed.psk({32});
  CHECK_FALSE(refused(changed));
  changed = good;
  changed.remove(Extension::kPreSharedKey);
  changed.extensions.emplace_back(Extension{21}, Blob(100));
  std::swap(changed.extensions[1], changed.extensions[2]);
  CHECK_FALSE(refused(changed));
  // RFC 8446 section 4.2.10.
  changed.extensions.emplace_back(Extension::kEarlyData, Blob{});
  CHECK(refused(changed));
}

TEST_CASE("stateless retry: the group that was asked for has the only share") {
  Stage stage;
  stage.server.groups = {{kP256}};
  HelloMaker first;
  const Retry retry = read_retry(stage.answer(first).message);
  REQUIRE(retry.group == kP256);
  HelloMaker hello = second(first, retry);
  CHECK(stage.check(hello).group == kP256);
  for (const Blob& shares : {Blob{}, share(kX25519), join({share(kP256, 65), share(kX25519)}),
                             join({share(kX25519), share(kP256, 65)})}) {
    hello.set(Extension::kKeyShare, behind_u16(shares));
    CHECK(stage.check(hello).alert == SSL_AD_ILLEGAL_PARAMETER);
  }
  hello.remove(Extension::kKeyShare);
  CHECK(stage.check(hello).alert == SSL_AD_ILLEGAL_PARAMETER);
  // A cookie that names another group is not the one that was given.
  Retry other = retry;
  write_u16(other.cookie.data() + 1, kX25519);
  hello.set(Extension::kCookie, behind_u16(other.cookie));
  hello.set(Extension::kKeyShare, behind_u16(share(kX25519)));
  stage.server.groups = {{kP256, kX25519}};
  CHECK(stage.check(hello).alert == SSL_AD_ILLEGAL_PARAMETER);
}

TEST_CASE("stateless retry: what was promised and cannot be kept is refused") {
  Stage stage;
  const HelloMaker first;
  const HelloMaker hello = second(first, read_retry(stage.answer(first).message));
  REQUIRE(stage.check(hello).suite == kAes128);
  stage.server.suites = {kAes256};
  CHECK(stage.check(hello).alert == SSL_AD_ILLEGAL_PARAMETER);
  stage.server.suites = {kAes256, kAes128};
  stage.server.own_order = true;  // it would choose another one now
  CHECK(stage.check(hello).suite == kAes128);
  stage.server.groups = {{kP256}};
  CHECK(stage.check(hello).alert == SSL_AD_ILLEGAL_PARAMETER);
  // Without a group in the HelloRetryRequest the shares stay, and so does the choice.
  HelloMaker other_share = hello;
  other_share.set(Extension::kKeyShare, behind_u16({}));
  stage.server.groups = {{kX25519}};
  CHECK(stage.check(other_share).alert == SSL_AD_ILLEGAL_PARAMETER);
}

TEST_CASE("stateless retry: no answer is longer than its question") {
  Stage stage;
  size_t answered = 0;
  size_t silent = 0;
  for (const bool own_order : {false, true}) {
    stage.server.own_order = own_order;
    for (const bool with_share : {false, true}) {
      for (size_t padding = 0; padding < 120; ++padding) {
        HelloMaker hello;
        hello.suites = numbers({kAes128, kAes256});
        if (!with_share) hello.set(Extension::kKeyShare, behind_u16({}));
        if (padding >= 4) hello.extensions.emplace_back(Extension{21}, Blob(padding - 4));
        const StatelessRetry::Answer answer = stage.answer(hello);
        if (answer.outcome == StatelessRetry::Outcome::kSilent) {
          ++silent;
          continue;
        }
        REQUIRE(answer.outcome == StatelessRetry::Outcome::kAnswer);
        ++answered;
        CHECK(answer.message.size() <= hello.message().size());
      }
    }
  }
  CHECK(answered > 0);
  CHECK(silent > 0);
  // The shortest that a client with a share has to say is long enough.
  HelloMaker shortest;
  shortest.suites = numbers({kAes128});
  shortest.set(Extension::kSupportedGroups, behind_u16(numbers({kX25519})));
  shortest.set(Extension::kSignatureAlgorithms, behind_u16(numbers({0x0403})));
  CHECK(shortest.message().size() == 113);
  CHECK(stage.answer(shortest).outcome == StatelessRetry::Outcome::kAnswer);
}

TEST_CASE("stateless retry: no cookie of one version is good for the other") {
  Stage stage;
  const HelloMaker first;
  const Retry retry = read_retry(stage.answer(first).message);
  CHECK_FALSE(stage.jar.verify(kPeer, view(first.random), view(retry.cookie), kNow));
  CookieJar::Cookie cookie{};
  REQUIRE(stage.jar.make(kPeer, view(first.random), kNow, cookie));
  HelloMaker hello = second(first, retry);
  Blob mixed = retry.cookie;
  std::copy_n(cookie.begin(), CookieJar::kFrontSize,
              mixed.end() - static_cast<std::ptrdiff_t>(CookieJar::kFrontSize));
  hello.set(Extension::kCookie, behind_u16(mixed));
  CHECK(stage.check(hello).alert == SSL_AD_ILLEGAL_PARAMETER);
}

TEST_CASE("stateless retry: browsers are answered, and what they have no share of is asked for") {
  for (const char* name : {"chromium-156", "firefox-153", "firefox-153-dtls13-only"}) {
    Stage stage;
    const Blob hello = whole_hello(recorded_hello(name));
    ClientOffer offer;
    REQUIRE(read_client_offer(view(hello).from(4), offer));
    StatelessRetry::Answer answer =
        stage.retry.answer(view(hello), offer, stage.server, kPeer, kNow);
    CHECK(read_retry(answer.message).group == 0);
    stage.server.groups = {{kP256}};
    answer = stage.retry.answer(view(hello), offer, stage.server, kPeer, kNow);
    CHECK(read_retry(answer.message).group == kP256);
    stage.server.groups = {{kP384}};
    answer = stage.retry.answer(view(hello), offer, stage.server, kPeer, kNow);
    CHECK(read_retry(answer.message).group == kP384);
  }
}

}  // namespace
}  // namespace dtls::test
