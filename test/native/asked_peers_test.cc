// Protects: that what is kept of peers about whom a server asks is bounded, however many say hello;
// that an answer counts for its peer alone and for its time; and that the endpoint answers nobody,
// and begins nothing, before the consumer has said by which rules.
#include "core/endpoint/asked_peers.h"

#include <doctest/doctest.h>

#include "harness.h"

namespace dtls::test {
namespace {

constexpr AskedPeers::Room kAnyRoom{0, 0};
constexpr double kTimeout = 30'000;

struct LastQuestion {
  uint32_t number = 0;
};
struct OneServers : LastQuestion, AskedPeers {
  OneServers() : AskedPeers(kTimeout, number) {}
};

PeerAddress peer_of(uint32_t index) { return address(0x0a000000 + (index << 8), 1); }

TEST_CASE("asked peers: those that are not proved are asked about seldom, and few at a time") {
  OneServers asked;
  uint32_t count = 0;
  for (uint32_t i = 0; i < 10'000; ++i) {
    if (asked.ask(peer_of(i), false, kAnyRoom, 1000) != nullptr) ++count;
  }
  CHECK(count == static_cast<uint32_t>(AskedPeers::kUnprovenPerSecond));
  for (uint32_t second = 1; second < 20; ++second) {
    for (uint32_t i = 0; i < 1000; ++i) {
      const PeerAddress peer = peer_of(10'000 * second + i);
      if (asked.ask(peer, false, kAnyRoom, 1000 + 1000.0 * second) != nullptr) ++count;
    }
  }
  CHECK(count == AskedPeers::kUnproven);
  CHECK(asked.size() == AskedPeers::kUnproven);
  // Those are forgotten in their time, and others have their places.
  CHECK(asked.ask(peer_of(1 << 15), false, kAnyRoom, 1000 + kTimeout) != nullptr);
  CHECK(asked.size() < AskedPeers::kUnproven);
}

TEST_CASE(
    "asked peers: of one host few that are not proved wait, and proved ones as the server's limits "
    "say") {
  OneServers asked;
  size_t unproven = 0;
  size_t proven = 0;
  for (uint16_t port = 1; port <= 300; ++port) {
    if (asked.ask(address(7, port), false, kAnyRoom, 1000) != nullptr) ++unproven;
    if (asked.ask(address(8, port), true, {10, 4}, 1000) != nullptr) ++proven;
    if (asked.ask(address(9 + port * 256U, port), true, {10, 4}, 1000) != nullptr) ++proven;
  }
  CHECK(unproven == AskedPeers::kUnprovenOfHost);
  CHECK(proven == 10);
}

TEST_CASE("asked peers: proved ones have a limit where the server has none") {
  OneServers asked;
  for (uint32_t i = 0; i < 10'000; ++i) asked.ask(peer_of(i), true, kAnyRoom, 1000);
  CHECK(asked.size() == AskedPeers::kProven);
}

TEST_CASE("asked peers: of each kind of answer a bounded number is remembered, for its time") {
  for (const bool admitted : {true, false}) {
    OneServers asked;
    for (uint32_t i = 0; i < 10'000; ++i) {
      AskedPeers::Asked* one = asked.ask(peer_of(i), true, kAnyRoom, 1000);
      REQUIRE(one != nullptr);
      if (admitted) {
        asked.admit(*one, {}, 1000);
      } else {
        asked.refuse(*one, 1000);
      }
    }
    CHECK(asked.size() == AskedPeers::kAnswers);
    CHECK(asked.find(peer_of(0), 1000) == nullptr);
    CHECK(asked.find(peer_of(9'999), 1000) != nullptr);
    const double lifetime = admitted ? AskedPeers::kAdmittedFor : AskedPeers::kRefusedFor;
    CHECK(asked.find(peer_of(9'999), 1000 + lifetime - 1) != nullptr);
    CHECK(asked.find(peer_of(9'999), 1000 + lifetime) == nullptr);
    CHECK(asked.size() == 0);
  }
}

TEST_CASE("asked peers: an answer is used once, and is of its question") {
  OneServers asked;
  const PeerAddress peer = peer_of(1);
  AskedPeers::Asked* first = asked.ask(peer, true, kAnyRoom, 1000);
  const uint32_t question = first->question;
  CHECK(asked.waiting(question + 1, 1000) == nullptr);
  REQUIRE(asked.waiting(question, 1000) == first);
  asked.admit(*first, {}, 1000);
  CHECK(asked.waiting(question, 1000) == nullptr);
  CHECK(asked.rules_for(peer, 1000) != nullptr);
  CHECK(asked.use(peer).question == question);
  CHECK(asked.rules_for(peer, 1000) == nullptr);
  CHECK(asked.forget(peer, question, 1000) == 0);
  const uint32_t next = asked.ask(peer, true, kAnyRoom, 1000)->question;
  CHECK(next != question);
  CHECK(asked.forget(peer, question, 1000) == 0);  // it has yet to be put
  CHECK(asked.forget(peer, next, 1000) == next);
  CHECK(asked.size() == 0);
}

TEST_CASE("asked peers: what is too old is not there to be forgotten") {
  const PeerAddress peer = peer_of(1);
  for (const double age : {-1.0, 0.0}) {
    CAPTURE(age);
    const auto forget_after = [&](AskedPeers& asked, uint32_t question, double lifetime) {
      return asked.forget(peer, question, 1000 + lifetime + age) == (age < 0 ? question : 0);
    };
    OneServers waits;
    CHECK(forget_after(waits, waits.ask(peer, true, kAnyRoom, 1000)->question, kTimeout));
    OneServers admits;
    AskedPeers::Asked* one = admits.ask(peer, true, kAnyRoom, 1000);
    admits.admit(*one, {}, 1000);
    CHECK(forget_after(admits, one->question, AskedPeers::kAdmittedFor));
    OneServers refuses;
    one = refuses.ask(peer, true, kAnyRoom, 1000);
    refuses.refuse(*one, 1000);
    CHECK(forget_after(refuses, one->question, AskedPeers::kRefusedFor));
  }
}

TEST_CASE("asked peers: what waits of a hello is bounded, and each piece of it once") {
  OneServers asked;
  AskedPeers::Asked& one = *asked.ask(peer_of(1), true, kAnyRoom, 1000);
  const std::vector<uint8_t> datagram(1000, 7);
  CHECK(AskedPeers::hold(one, view(datagram), 0, 0));
  CHECK_FALSE(AskedPeers::hold(one, view(datagram), 0, 0));
  CHECK(AskedPeers::hold(one, view(datagram), 0, 900));
  CHECK(AskedPeers::hold(one, view(datagram), 1, 0));
  CHECK(AskedPeers::hold(one, view(datagram), 2, 0));
  CHECK_FALSE(AskedPeers::hold(one, view(datagram), 3, 0));  // of kHeldBytes
  AskedPeers::Asked& small = *asked.ask(peer_of(2), true, kAnyRoom, 1000);
  for (uint32_t offset = 0; offset < AskedPeers::kHeldDatagrams; ++offset) {
    CHECK(AskedPeers::hold(small, view(datagram).first(100), 0, offset));
  }
  CHECK_FALSE(AskedPeers::hold(small, view(datagram).first(100), 0, 100));
}

// A server that asks, and a client at it.
struct Asking {
  explicit Asking(bool cookies) {
    link.listener.cookie_exchange = cookies;
    link.listen();
    link.server.endpoint.ask_peers(kTimeout);
    link.connect();
    link.pump();
  }
  const EndpointStats& stats() const { return link.server.endpoint.stats(); }
  uint32_t question() const { return link.server.last(RecordType::kPeerQuestion)->b; }
  PeerRules rules() const {
    return {link.server_context, std::make_shared<SessionPolicy>(link.server_policy), {}};
  }
  bool answer(PeerRules rules) {
    const bool waited =
        link.server.endpoint.answer_peer(question(), std::move(rules), 0, Link::now());
    link.pump();
    return waited;
  }
  Link link;
};

TEST_CASE("asked peers: a server asks before it answers, and goes on with what has waited") {
  for (const bool cookies : {true, false}) {
    Asking asking(cookies);
    CHECK(asking.link.server.count(RecordType::kPeerQuestion) == 1);
    CHECK(asking.link.server.count(RecordType::kTransmit) == 0);
    CHECK(asking.link.server.count(RecordType::kBegin) == 0);
    CHECK(asking.answer(asking.rules()));
    CHECK(asking.link.server.secure());
    CHECK(asking.link.client().secure());
    CHECK(asking.link.server.last(RecordType::kBegin)->b == asking.question());
    CHECK(asking.stats().peersAsked == 1);
    CHECK(asking.stats().cookiesAccepted == (cookies ? 1 : 0));
    CHECK(asking.link.client().count(RecordType::kTransmit) ==
          (cookies ? 3 : 2));                    // nothing had to be said again
    CHECK_FALSE(asking.answer(asking.rules()));  // it has been answered
  }
}

TEST_CASE("asked peers: who is refused hears nothing, and nothing is kept but that") {
  for (const bool cookies : {true, false}) {
    Asking asking(cookies);
    CHECK(asking.answer({}));
    CHECK(asking.stats().peersRefused == 1);
    CHECK(asking.link.server.count(RecordType::kTransmit) == 0);
    CHECK(asking.link.server.endpoint.session_count() == 0);
    const auto forget = [&] {
      return asking.link.server.endpoint.forget_peer(asking.link.addresses[0], asking.question(),
                                                     Link::now());
    };
    CHECK(forget() == asking.question());
    CHECK(forget() == 0);
  }
}

TEST_CASE("asked peers: what is answered to a closed server is no answer to the next one") {
  Asking asking(true);
  const uint32_t of_closed = asking.question();
  Endpoint& endpoint = asking.link.server.endpoint;
  endpoint.stop_listening();
  asking.link.listen();
  endpoint.ask_peers(kTimeout);
  asking.link.add_client(address(0x0a000003, 5000));
  asking.link.connect();
  asking.link.pump();
  CHECK(asking.link.server.count(RecordType::kPeerQuestion) == 2);
  CHECK(asking.question() != of_closed);
  CHECK_FALSE(endpoint.answer_peer(of_closed, asking.rules(), 0, Link::now()));
  // Nothing of this server's has been put to anybody, whatever numbers others had.
  CHECK(endpoint.forget_peer(asking.link.addresses.back(), 0, Link::now()) == 0);
  CHECK(endpoint.answer_peer(asking.question(), asking.rules(), 1, Link::now()));
  asking.link.pump();
  CHECK(asking.link.client().secure());
}

TEST_CASE("asked peers: numbers that begin anew pass over 0, and over questions that are open") {
  OneServers asked;
  const uint32_t open = asked.ask(peer_of(1), true, kAnyRoom, 1000)->question;
  asked.number = UINT32_MAX;
  const uint32_t next = asked.ask(peer_of(2), true, kAnyRoom, 1000)->question;
  CHECK(next != 0);
  CHECK(next != open);
  CHECK(asked.waiting(open, 1000)->peer == peer_of(1));
}

TEST_CASE("asked peers: an answer when nobody listens any more does nothing") {
  Asking asking(true);
  asking.link.server.endpoint.stop_listening();
  CHECK_FALSE(asking.answer(asking.rules()));
  CHECK(asking.link.server.count(RecordType::kTransmit) == 0);
}

}  // namespace
}  // namespace dtls::test
