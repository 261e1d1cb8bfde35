// Protects: what gives way when a limit is reached. Whoever has not finished a handshake has proved
// nothing, whatever it has said; but each has its time, and real progress renews that.
#include <doctest/doctest.h>

#include <algorithm>

#include "harness.h"

namespace dtls::test {
namespace {

constexpr uint8_t kClientKeyExchange = 16;

// A server at which clients begin handshakes and do not go on.
struct Crowd {
  // The client's datagrams get through until the server's flight has been answered; the answer is
  // kept.
  Crowd() {
    link.server_policy.retransmit_initial = kTime;
    link.client_policy.retransmit_initial = 60'000;
    link.network = [this](Packet& packet, std::deque<Packet>& arriving) {
      const bool answers = packet.to_server && packet.bytes[0] == 22 && packet.bytes[13] != 1;
      if (stalled && answers) {
        answer = packet.bytes;
      } else {
        arriving.push_back(packet);
      }
    };
  }

  // Of the session that it got; without a slot where it was refused.
  SessionId begin(uint32_t host, uint16_t port) {
    link.server.session = SessionId{0, kNoSlot, 0};
    link.add_client(address(host, port));
    link.connect();
    link.pump();
    return link.server.session;
  }
  // As anybody can make it up: 32 random bytes are a point of X25519, and P-256's are refused.
  void exchange_keys(SessionId id) {
    std::vector<uint8_t> body(1 + 32, 7);
    body[0] = 32;
    say(id, handshake_record(kClientKeyExchange, 2, view(body)));
  }
  void say(SessionId id, const Datagram& datagram) {
    link.server.endpoint.receive(view(datagram), find(id)->peer(), 0, Link::now());
    link.pump();
  }
  Session* find(SessionId id) { return link.server.endpoint.find(id.slot, id.generation); }
  bool lives(SessionId id) {
    const Session* session = find(id);
    return session != nullptr && session->state() != SessionState::kClosed;
  }
  const EndpointStats& stats() const { return link.server.endpoint.stats(); }

  static constexpr double kTime = 1000;
  Link link;
  bool stalled = true;
  Datagram answer;
};

TEST_CASE("admission: a ClientKeyExchange proves nothing") {
  Crowd crowd;
  crowd.link.listener.limits.pending_handshakes = 2;
  crowd.link.listen();
  const SessionId first = crowd.begin(1, 1);
  const SessionId second = crowd.begin(2, 1);
  for (const SessionId id : {first, second}) {
    const uint32_t handshakes =
        static_cast<uint32_t>(crowd.link.server.count(RecordType::kHandshake));
    crowd.exchange_keys(id);
    REQUIRE(crowd.link.server.count(RecordType::kHandshake) == handshakes + 1);  // it was taken
    REQUIRE(crowd.lives(id));
  }
  Link::skip(Crowd::kTime);
  crowd.stalled = false;
  CHECK(crowd.begin(3, 1).slot != kNoSlot);
  CHECK(crowd.link.client().secure());
  CHECK_FALSE(crowd.lives(first));
  CHECK(crowd.lives(second));
  CHECK(crowd.stats().handshakesDisplaced == 1);
}

TEST_CASE("admission: real progress renews the time, which garbage and repetitions do not") {
  Crowd crowd;
  crowd.link.listener.limits.pending_handshakes = 2;
  crowd.link.listen();
  const SessionId first = crowd.begin(1, 1);
  const SessionId second = crowd.begin(2, 1);
  Link::skip(Crowd::kTime - 1);
  bool progress = false;
  SUBCASE("progress") {
    crowd.exchange_keys(first);
    crowd.exchange_keys(second);
    progress = true;
  }
  SUBCASE("garbage") {
    for (const SessionId id : {first, second}) {
      crowd.say(id, plain_record(22, 0, 90, view(std::string(30, '\7'))));
      crowd.say(id, plain_record(22, 1, 91, view(std::string(60, '\7'))));
      crowd.say(id, plain_record(21, 0, 92, view(std::string("\1\132"))));
    }
  }
  SUBCASE("an unfinished message") {
    Datagram part = handshake_record(kClientKeyExchange, 2, view(std::string(33, '\7')));
    part[13 + 3] = 99;  // the message is longer than its fragment
    for (const SessionId id : {first, second}) crowd.say(id, part);
  }
  Link::skip(1);
  CHECK((crowd.begin(3, 1).slot == kNoSlot) == progress);
  if (!progress) return;
  CHECK(crowd.stats().sessionsRefused == 1);
  // Each message counts once.
  Link::skip(Crowd::kTime - 2);
  crowd.exchange_keys(first);
  Link::skip(1);
  CHECK(crowd.begin(4, 1).slot != kNoSlot);
  CHECK_FALSE(crowd.lives(first));
}

TEST_CASE("admission: an honest client on a slow path completes while strangers press in") {
  Crowd crowd;
  crowd.link.listener.limits.pending_handshakes = 8;
  crowd.link.listener.limits.pending_handshakes_per_host = 2;
  crowd.link.listen();
  for (uint32_t host = 1; host <= 3; ++host) {
    for (uint16_t port = 1; port <= 2; ++port) crowd.begin(host, port);
  }
  Link::skip(Crowd::kTime);
  const SessionId honest = crowd.begin(9, 1);
  Side& client = crowd.link.client();
  const Datagram answer = crowd.answer;
  for (uint16_t round = 1; round <= 9; ++round) {
    Link::skip(Crowd::kTime / 10);
    for (uint32_t host = 1; host <= 8; ++host) {
      crowd.begin(host, static_cast<uint16_t>(100 * round + host));
    }
  }
  REQUIRE(crowd.lives(honest));
  CHECK(crowd.stats().handshakesDisplaced != 0);
  crowd.say(honest, answer);
  CHECK(crowd.find(honest)->state() == SessionState::kOpen);
  CHECK_FALSE(client.events.empty());
}

TEST_CASE("admission: the host that has most gives way first") {
  Crowd crowd;
  crowd.link.listener.limits.pending_handshakes = 4;
  crowd.link.listen();
  const SessionId alone = crowd.begin(1, 1);
  const SessionId first = crowd.begin(2, 1);
  const SessionId second = crowd.begin(2, 2);
  const SessionId other = crowd.begin(3, 1);
  Link::skip(Crowd::kTime);
  CHECK(crowd.begin(4, 1).slot != kNoSlot);
  CHECK_FALSE(crowd.lives(first));
  CHECK(crowd.begin(5, 1).slot != kNoSlot);
  CHECK_FALSE(crowd.lives(alone));
  CHECK(crowd.lives(second));
  CHECK(crowd.lives(other));
}

TEST_CASE("admission: in a host that is full its own oldest gives way, and nobody else's") {
  Crowd crowd;
  SUBCASE("of handshakes") { crowd.link.listener.limits.pending_handshakes_per_host = 2; }
  SUBCASE("of sessions") { crowd.link.listener.limits.sessions_per_host = 2; }
  SUBCASE("of all as well") {
    crowd.link.listener.limits.pending_handshakes_per_host = 2;
    crowd.link.listener.limits.pending_handshakes = 3;
  }
  crowd.link.listen();
  const SessionId other = crowd.begin(1, 1);
  const SessionId first = crowd.begin(2, 1);
  const SessionId second = crowd.begin(2, 2);
  CHECK(crowd.begin(2, 3).slot == kNoSlot);
  Link::skip(Crowd::kTime);
  CHECK(crowd.begin(2, 4).slot != kNoSlot);
  CHECK_FALSE(crowd.lives(first));
  CHECK(crowd.lives(second));
  CHECK(crowd.lives(other));
  CHECK(crowd.stats().handshakesDisplaced == 1);
}

TEST_CASE("admission: a host that may have one gives way to itself") {
  Crowd crowd;
  crowd.link.listener.limits.sessions_per_host = 1;
  crowd.link.listen();
  const SessionId first = crowd.begin(2, 1);
  Link::skip(Crowd::kTime);
  CHECK(crowd.begin(2, 2).slot != kNoSlot);
  CHECK_FALSE(crowd.lives(first));
  CHECK(crowd.link.server.endpoint.session_count() == 1);
}

TEST_CASE("admission: what waits for an answer of ours, or is open, does not give way") {
  Crowd crowd;
  Link& link = crowd.link;
  crowd.stalled = false;
  link.use_psk("x", {1, 2, 3});
  link.listener.limits.sessions_per_host = 1;
  SUBCASE("a question") { link.server.hold = true; }
  SUBCASE("an open session") {}
  link.listen();
  link.add_client(address(2, 1)).psk_identity = "x";
  link.client().psk = {1, 2, 3};
  link.connect();
  link.pump();
  const SessionId first = link.server.session;
  Link::skip(2 * Crowd::kTime);
  CHECK(crowd.begin(2, 2).slot == kNoSlot);
  CHECK(crowd.lives(first));
  CHECK(crowd.stats().sessionsRefused == 1);
}

TEST_CASE("admission: hellos in turn from one port begin one handshake for each wait") {
  Crowd crowd;
  crowd.link.listen();
  std::vector<Datagram> hellos;
  const auto network = crowd.link.network;
  crowd.link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    const bool second = packet.to_server && packet.bytes[0] == 22 && packet.bytes[13] == 1 &&
                        packet.bytes[13 + 5] == 1;
    if (second) {
      hellos.push_back(packet.bytes);
    } else {
      network(packet, arriving);
    }
  };
  for (int i = 0; i < 3; ++i) {
    crowd.link.add_client(address(2, 1));
    crowd.link.connect();
    crowd.link.pump();
  }
  REQUIRE(hellos.size() == 3);
  for (int round = 1; round <= 3; ++round) {
    for (int i = 0; i < 300; ++i) {
      crowd.link.server.endpoint.receive(view(hellos[static_cast<size_t>(i % 3)]), address(2, 1), 0,
                                         Link::now());
    }
    // One for the port, and one beside it.
    CHECK(crowd.stats().handshakesStarted == 1U + static_cast<unsigned>(round));
    Link::skip(Crowd::kTime);
  }
  CHECK(crowd.link.server.endpoint.session_count() == 2);
  CHECK(crowd.stats().sessionsRefused >= 3 * 99);
}

}  // namespace
}  // namespace dtls::test
