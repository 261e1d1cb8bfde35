// Protects: that a cookie proves one peer's address for one ClientHello for a bounded time, and
// that nothing has to be kept for it (RFC 6347 section 4.2.1).
#include "core/handshake/cookie.h"

#include <doctest/doctest.h>

#include "harness.h"

namespace dtls::test {
namespace {

constexpr double kLifetime = 30000;
const PeerAddress kPeer = address(0x01020304, 5);
const std::vector<uint8_t> kRandom(kRandomSize, 1);

CookieJar::Cookie bake(CookieJar& jar, double now) {
  CookieJar::Cookie cookie{};
  REQUIRE(jar.make(kPeer, view(kRandom), now, cookie));
  return cookie;
}

Bytes bytes(const CookieJar::Cookie& cookie) { return {cookie.data(), cookie.size()}; }

TEST_CASE("cookie: good for at least half its lifetime and never for all of it and more") {
  CookieJar jar(kLifetime, {});
  // From every part of a window; also around the change of a secret, 128 windows of half a
  // lifetime.
  const double base = 128 * 15000.0 * 1000;
  for (double offset = -40000; offset <= 40000; offset += 777) {
    const double baked = base + offset;
    const CookieJar::Cookie cookie = bake(jar, baked);
    CHECK(jar.verify(kPeer, view(kRandom), bytes(cookie), baked));
    CHECK(jar.verify(kPeer, view(kRandom), bytes(cookie), baked + kLifetime / 2));
    CHECK_FALSE(jar.verify(kPeer, view(kRandom), bytes(cookie), baked + kLifetime));
  }
}

TEST_CASE("cookie: not good again when its window's low byte comes round") {
  const std::string secret = "shared by a fleet";
  CookieJar own(kLifetime, {});
  CookieJar shared(kLifetime, view(secret));
  const double now = 1.7e12;
  for (CookieJar* jar : {&own, &shared}) {
    const CookieJar::Cookie cookie = bake(*jar, now);
    for (const double windows : {128, 255, 256, 257, 512, 65536}) {
      const double later = now + windows * kLifetime / 2;
      bake(*jar, later);  // so that the secret in force is made
      CHECK_FALSE(jar->verify(kPeer, view(kRandom), bytes(cookie), later));
    }
  }
}

TEST_CASE("cookie: bound to the peer's host and port and to the hello's random") {
  CookieJar jar(kLifetime, {});
  const CookieJar::Cookie cookie = bake(jar, 1e12);
  const auto good_for = [&](const PeerAddress& peer, const std::vector<uint8_t>& random) {
    return jar.verify(peer, view(random), bytes(cookie), 1e12);
  };
  CHECK(good_for(kPeer, kRandom));
  CHECK_FALSE(good_for(address(0x01020305, 5), kRandom));
  CHECK_FALSE(good_for(address(0x01020304, 6), kRandom));
  CHECK_FALSE(good_for(kPeer, std::vector<uint8_t>(kRandomSize, 2)));
  // A shorter address with a longer random must not spell the same input.
  PeerAddress shorter;
  const Bytes whole = kPeer.bytes();
  REQUIRE(shorter.assign({whole.data, 3}, static_cast<uint16_t>(whole.data[3] << 8)));
  std::vector<uint8_t> longer = {whole.data[5]};
  longer.insert(longer.end(), kRandom.begin(), kRandom.end());
  CHECK_FALSE(good_for(shorter, longer));
}

TEST_CASE("cookie: every changed bit and every other size is refused") {
  CookieJar jar(kLifetime, {});
  const CookieJar::Cookie cookie = bake(jar, 1e12);
  for (size_t bit = 0; bit < 8 * cookie.size(); ++bit) {
    CookieJar::Cookie changed = cookie;
    changed[bit / 8] = static_cast<uint8_t>(changed[bit / 8] ^ 1 << bit % 8);
    CHECK_FALSE(jar.verify(kPeer, view(kRandom), bytes(changed), 1e12));
  }
  std::vector<uint8_t> longer(cookie.begin(), cookie.end());
  longer.push_back(0);
  CHECK_FALSE(jar.verify(kPeer, view(kRandom), view(longer), 1e12));
  for (size_t size = 0; size < cookie.size(); ++size) {
    CHECK_FALSE(jar.verify(kPeer, view(kRandom), bytes(cookie).first(size), 1e12));
  }
}

TEST_CASE("cookie: a jar that never made one verifies none") {
  CookieJar jar(kLifetime, {});
  const std::vector<uint8_t> zeros(CookieJar::kSize);
  CHECK_FALSE(jar.verify(kPeer, view(kRandom), view(zeros), 0));
  CHECK_FALSE(jar.verify(kPeer, view(kRandom), view(zeros), 1.7e12));
}

TEST_CASE("cookie: secrets rotate across many windows without a gap") {
  CookieJar jar(kLifetime, {});
  double now = 1.7e12;
  for (int i = 0; i < 1000; ++i) {
    const CookieJar::Cookie cookie = bake(jar, now);
    now += kLifetime / 2;
    REQUIRE(jar.verify(kPeer, view(kRandom), bytes(cookie), now));
  }
  // A server without clients for a long time starts again with a fresh secret.
  const CookieJar::Cookie before = bake(jar, now);
  now += 1e9;
  CHECK_FALSE(jar.verify(kPeer, view(kRandom), bytes(before), now));
  CHECK(jar.verify(kPeer, view(kRandom), bytes(bake(jar, now)), now));
}

TEST_CASE("cookie: a fleet with one secret accepts each other's, others do not") {
  const std::string secret = "shared by a fleet";
  const std::string other = "another fleet";
  CookieJar first(kLifetime, view(secret));
  CookieJar second(kLifetime, view(secret));
  CookieJar stranger(kLifetime, view(other));
  CookieJar loner(kLifetime, {});
  const CookieJar::Cookie cookie = bake(first, 1.7e12);
  bake(loner, 1.7e12);
  CHECK(second.verify(kPeer, view(kRandom), bytes(cookie), 1.7e12 + 10000));
  CHECK_FALSE(second.verify(kPeer, view(kRandom), bytes(cookie), 1.7e12 + kLifetime));
  CHECK_FALSE(stranger.verify(kPeer, view(kRandom), bytes(cookie), 1.7e12));
  CHECK_FALSE(loner.verify(kPeer, view(kRandom), bytes(cookie), 1.7e12));
}

TEST_CASE("cookie: a front is good as a whole cookie is, and no other part of it") {
  CookieJar jar(kLifetime, {});
  const CookieJar::Cookie cookie = bake(jar, 1e12);
  for (size_t size = 0; size <= cookie.size(); ++size) {
    CookieJar::Cookie whole{};
    const bool good =
        jar.verify_front(kPeer, view(kRandom), bytes(cookie).first(size), 1e12, whole);
    CHECK(good == (size == CookieJar::kFrontSize));
    if (good) CHECK(whole == cookie);
    CHECK(jar.verify(kPeer, view(kRandom), bytes(cookie).first(size), 1e12) ==
          (size == CookieJar::kSize));
  }
  CookieJar::Cookie whole{};
  const Bytes front = bytes(cookie).first(CookieJar::kFrontSize);
  CHECK_FALSE(jar.verify_front(kPeer, view(kRandom), front, 1e12 + kLifetime, whole));
  CHECK_FALSE(jar.verify_front(address(0x01020305, 5), view(kRandom), front, 1e12, whole));
}

}  // namespace
}  // namespace dtls::test
