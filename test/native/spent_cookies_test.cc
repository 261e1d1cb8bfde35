// Protects: that a cookie begins a handshake once, and again only after growing waits, whoever ends
// its handshakes; and that what is kept of it is bounded.
#include "core/handshake/spent_cookies.h"

#include <doctest/doctest.h>

#include "harness.h"

namespace dtls::test {
namespace {

constexpr double kLifetime = 30'000;

CookieJar::Cookie cookie_of(uint32_t number) {
  CookieJar::Cookie cookie{};
  write_u24(cookie.data() + cookie.size() - 3, number);
  return cookie;
}

TEST_CASE("spent cookies: again after the timer's wait, each time after twice as long") {
  SpentCookies spent(kLifetime);
  const CookieJar::Cookie cookie = cookie_of(1);
  double now = 1e12;
  for (double wait = 1000; wait < kLifetime; wait *= 2) {
    CHECK(spent.may_begin(cookie, now));
    spent.on_begun(cookie, now, 1000);
    CHECK_FALSE(spent.may_begin(cookie, now + wait - 1));
    CHECK(spent.may_begin(cookie_of(2), now));
    now += wait;
  }
  CHECK(spent.size() == 1);
}

TEST_CASE("spent cookies: no more than so many are kept, and none for longer than it is good") {
  SpentCookies spent(kLifetime);
  for (uint32_t i = 0; i < 3 * SpentCookies::kMost; ++i) spent.on_begun(cookie_of(i), 1e12, 1000);
  CHECK(spent.size() == SpentCookies::kMost);
  CHECK(spent.may_begin(cookie_of(0), 1e12));
  CHECK_FALSE(spent.may_begin(cookie_of(3 * SpentCookies::kMost - 1), 1e12));
  spent.on_begun(cookie_of(0), 1e12 + kLifetime, 1000);
  CHECK(spent.size() == 1);
}

TEST_CASE("endpoint: a hello is replayed and its handshakes are ended, for one flight in a wait") {
  Link link;
  link.server_policy.retransmit_initial = 1000;
  link.client_policy.retransmit_initial = 60'000;
  Datagram hello;
  size_t flights = 0;
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    if (packet.to_server) {
      hello = packet.bytes;
    } else if (packet.bytes[13] == static_cast<uint8_t>(HandshakeType::kServerHello)) {
      ++flights;
    }
    const bool answer = packet.to_server || packet.bytes[13] == DTLS1_MT_HELLO_VERIFY_REQUEST;
    if (answer) arriving.push_back(packet);
  };
  link.listen();
  link.connect();
  link.pump();
  REQUIRE(flights == 1);
  const auto end = [&] {
    link.inject(link.server, view(plain_record(21, 0, 99, view(std::string("\2\50")))));
  };
  end();
  for (int millisecond = 0; millisecond < 14'000; ++millisecond) {
    link.inject(link.server, view(hello));
    end();
    link.pump();
    Link::skip(1);
  }
  CHECK(flights == 4);  // after 0, 1, 3 and 7 seconds
  CHECK(link.server.endpoint.session_count() == 0);
  CHECK(link.server.endpoint.stats().handshakesStarted == flights);
}

}  // namespace
}  // namespace dtls::test
