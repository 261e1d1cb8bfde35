// Protects: RFC 6347 sections 4.2.1 and 4.2.8. A client that begins from a port from which a
// handshake was begun before, and not finished, takes nothing of the flight that the server repeats
// for that one, wherever it comes in between.
#include <doctest/doctest.h>

#include "harness.h"

namespace dtls::test {
namespace {

constexpr double kRoundTrip = 100;

// One client begins and is heard of no more; the server has repeated its flight. Another one begins
// from its port.
struct SecondLife {
  explicit SecondLife(bool psk) {
    if (psk) link.use_psk("device", {1, 2, 3, 4});
    if (psk) link.server_context = link.client_context = psk_context("ECDHE-PSK-CHACHA20-POLY1305");
    link.server_policy.retransmit_initial = link.client_policy.retransmit_initial = 1000;
    link.network = [this](Packet& packet, std::deque<Packet>& arriving) {
      if (packet.client + 1 != link.clients.size()) return;  // the dead one's
      if (packet.to_server || !holds) {
        arriving.push_back(packet);
      } else {
        held.push_back(packet.bytes);
      }
    };
    link.listen();
    link.connect();
    link.pump();
    deliver(link.client());
    REQUIRE_FALSE(held.empty());
    held.clear();  // the server's flight, which is lost, and so is what the client says from now on
    Link::skip(1001);
    link.server.endpoint.advance(Link::now());
    link.pump();
    old = std::exchange(held, {});
    REQUIRE_FALSE(old.empty());

    const std::vector<uint8_t> key = link.client().psk;
    Side& second = link.add_client();
    second.psk = key;
    second.psk_identity = "device";
    link.connect();
    link.pump();  // the HelloVerifyRequest is on its way
    Link::skip(kRoundTrip);
  }

  // What waits arrives.
  void deliver(Side& to) {
    const std::vector<Datagram> now = std::exchange(held, {});
    for (const Datagram& datagram : now) link.inject(to, view(datagram));
    link.pump();
  }
  void say_again() {
    for (const Datagram& datagram : old) link.inject(link.client(), view(datagram));
    link.pump();
  }
  bool opens() {
    holds = false;
    for (const Datagram& datagram : std::exchange(held, {})) {
      link.inject(link.client(), view(datagram));
    }
    link.pump();
    return link.client().secure() && link.server.secure();
  }

  Link link;
  bool holds = true;
  std::vector<Datagram> held;  // on its way to the client
  std::vector<Datagram> old;   // the repetition
};

TEST_CASE("handshake: the flight of another handshake from the same port is not one's own") {
  // Whether it comes before the HelloVerifyRequest, and before the ServerHello.
  for (const int places : {1, 2, 3}) {
    for (const bool psk : {false, true}) {
      const bool first = (places & 1) != 0;
      const bool second = (places & 2) != 0;
      CAPTURE(first);
      CAPTURE(second);
      CAPTURE(psk);
      SecondLife test(psk);
      if (first) test.say_again();
      test.deliver(test.link.client());
      Link::skip(kRoundTrip / 2);
      if (second) test.say_again();
      Link::skip(kRoundTrip / 2);
      CHECK(test.opens());
    }
  }
}

TEST_CASE(
    "handshake: the flight of another handshake between the pieces of one's own is let go of") {
  SecondLife test(false);
  test.deliver(test.link.client());
  Link::skip(kRoundTrip);
  REQUIRE_FALSE(test.held.empty());
  // The ServerHello, and what stands behind it in its datagram, has come; then the other's.
  std::vector<Datagram> rest = std::exchange(test.held, {});
  Bytes whole = view(rest.front());
  RecordView first;
  REQUIRE(take_record(whole, first));
  test.link.inject(test.link.client(), first.whole);
  test.say_again();
  if (whole.size != 0) test.link.inject(test.link.client(), whole);
  test.held.assign(rest.begin() + 1, rest.end());
  CHECK(test.opens());
}

TEST_CASE("handshake: a repeated ServerHello is taken where the first one was lost") {
  SecondLife test(false);
  test.deliver(test.link.client());
  Link::skip(kRoundTrip);
  test.held.clear();
  CHECK(test.link.run_until([&] {
    if (test.held.empty()) return false;
    return test.opens();
  }));
}

}  // namespace
}  // namespace dtls::test
