// Protects: two endpoints that both serve and that dial each other at the same moment, from and to
// the same ports, end up with one session, and with the same one; hellos that anybody can forge
// decide nothing; a peer that only ever dials is served although its hello should have given way.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "harness.h"

namespace dtls::test {
namespace {

constexpr size_t kHelloRandom = kRecordHeaderSize + kHandshakeHeaderSize + 2;

bool is_hello(const Datagram& datagram) {
  return datagram[0] == 22 && read_u16(&datagram[3]) == 0 && datagram[kRecordHeaderSize] == 1;
}

// Two equal ends and what is between them.
class Crossing {
 public:
  Crossing() {
    for (Side* side : {&a, &b}) {
      side->keys["device"] = key;
      side->psk_identity = "device";
      side->psk = key;
    }
  }

  void serve(Side& side) {
    ListenerConfig config;
    config.context = context;
    config.policy = std::make_shared<SessionPolicy>(policy);
    side.endpoint.listen(std::move(config));
  }
  void serve_both() {
    serve(a);
    serve(b);
  }

  // Sends the ClientHello and returns its random.
  std::vector<uint8_t> dial(Side& side) {
    side.session = side.endpoint
                       .connect(address_of(other(side)), context,
                                std::make_shared<SessionPolicy>(policy), now())
                       .id();
    collect(side);
    const Datagram& hello = wire.back().bytes;
    REQUIRE(is_hello(hello));
    return {hello.begin() + kHelloRandom, hello.begin() + kHelloRandom + kRandomSize};
  }

  // Delivers everything, in order.
  void pump() {
    for (int round = 0; round < 1000; ++round) {
      collect(a);
      collect(b);
      if (wire.empty()) return;
      const Packet packet = std::move(wire.front());
      wire.pop_front();
      deliver(packet);
    }
    FAIL("the two ends talk in circles");
  }

  bool run_until(const std::function<bool()>& done, int milliseconds = 3000) {
    const double end = now() + milliseconds;
    for (pump(); !done(); pump()) {
      if (now() > end) return false;
      const double next = std::min(a.endpoint.deadline(), b.endpoint.deadline());
      Link::skip(std::min(std::max(next - now(), 1.0), 1000.0));
      a.endpoint.advance(now());
      b.endpoint.advance(now());
    }
    return true;
  }

  struct Packet {
    Side* to;
    Datagram bytes;
  };
  void deliver(const Packet& packet) {
    packet.to->endpoint.receive(view(packet.bytes), address_of(other(*packet.to)), 0, now());
  }

  // One session at each end, and they understand each other.
  void check_settled() {
    REQUIRE(run_until([&] {
      return a.endpoint.session_count() == 1 && b.endpoint.session_count() == 1 && open(a) &&
             open(b);
    }));
    CHECK(open(a)->role() != open(b)->role());
    for (Side* from : {&a, &b}) {
      Side& to = other(*from);
      const size_t before = to.messages().size();
      const Session* session = open(*from);
      CHECK(from->endpoint.send(session->id().slot, session->id().generation,
                                view(std::string("hello")), 0, now()) == SendOutcome::kSent);
      pump();
      CHECK(to.messages().size() == before + 1);
    }
  }

  Session* open(Side& side) {
    Session* found = nullptr;
    for (const Event& event : side.events) {
      if (event.type != RecordType::kSecure) continue;
      Session* session = side.endpoint.find(event.id.slot, event.id.generation);
      if (session != nullptr && session->state() == SessionState::kOpen) found = session;
    }
    return found;
  }

  Side& other(const Side& side) { return &side == &a ? b : a; }
  PeerAddress address_of(const Side& side) const {
    return address(&side == &a ? 0x0a000001 : 0x0a000002, 5684);
  }
  static double now() { return Link::now(); }

  void collect(Side& side) {
    for (Event& event : side.drain()) {
      if (event.type == RecordType::kTransmit) {
        Packet packet{&other(side), event.bytes};
        if (!lose || !lose(packet)) wire.push_back(std::move(packet));
      }
      if (event.type == RecordType::kLookup) {
        const bool server = static_cast<LookupKind>(event.a) == LookupKind::kPskServer;
        side.endpoint.answer_psk(event.id.slot, event.id.generation, PskAnswer::kFound,
                                 server ? Bytes{} : view(side.psk_identity), view(side.psk), now());
      }
      side.events.push_back(std::move(event));
    }
  }

  Side a{1};
  Side b{2};
  std::deque<Packet> wire;
  std::function<bool(const Packet&)> lose;
  SessionPolicy policy = psk_policy();
  ContextPtr context = psk_context();
  const std::vector<uint8_t> key = std::vector<uint8_t>(16, 7);
};

TEST_CASE("simultaneous: hellos that cross settle on the session of the greater random") {
  for (int repeat = 0; repeat < 8; ++repeat) {
    Crossing test;
    test.serve_both();
    const std::vector<uint8_t> from_a = test.dial(test.a);
    const std::vector<uint8_t> from_b = test.dial(test.b);
    test.check_settled();
    Side& winner = from_a > from_b ? test.a : test.b;
    CHECK(test.open(winner)->role() == Role::kClient);
    CHECK(winner.close_kind() == FailureKind::kNone);
    CHECK(test.other(winner).close_kind() == FailureKind::kReplaced);
  }
}

TEST_CASE("simultaneous: whichever datagram of the first ones is lost, they settle") {
  for (size_t lost = 0; lost < 12; ++lost) {
    CAPTURE(lost);
    Crossing test;
    test.serve_both();
    size_t seen = 0;
    test.lose = [&](const Crossing::Packet& packet) {
      return packet.bytes[0] != 23 && seen++ == lost;  // of the handshake, not of what follows it
    };
    test.a.session = test.a.endpoint
                         .connect(test.address_of(test.b), test.context,
                                  std::make_shared<SessionPolicy>(test.policy), test.now())
                         .id();
    test.b.session = test.b.endpoint
                         .connect(test.address_of(test.a), test.context,
                                  std::make_shared<SessionPolicy>(test.policy), test.now())
                         .id();
    test.check_settled();
  }
}

TEST_CASE("simultaneous: one had asked for a cookie before it dialled itself") {
  for (int repeat = 0; repeat < 8; ++repeat) {
    Crossing test;
    test.serve_both();
    test.dial(test.b);
    // The hello arrives, and is answered without keeping anything; only then A dials.
    test.deliver(test.wire.front());
    test.wire.pop_front();
    test.dial(test.a);
    test.check_settled();
  }
}

TEST_CASE("simultaneous: repetitions that come late start nothing") {
  Crossing test;
  test.serve_both();
  std::vector<Crossing::Packet> hellos;
  test.lose = [&](const Crossing::Packet& packet) {
    if (is_hello(packet.bytes)) hellos.push_back(packet);
    return false;
  };
  test.dial(test.a);
  test.dial(test.b);
  test.check_settled();
  REQUIRE(hellos.size() >= 3);
  const size_t opens = test.a.count(RecordType::kBegin) + test.b.count(RecordType::kBegin);
  for (const Crossing::Packet& hello : hellos) test.deliver(hello);
  test.pump();
  CHECK(test.a.count(RecordType::kBegin) + test.b.count(RecordType::kBegin) == opens);
  test.check_settled();
}

TEST_CASE("simultaneous: a forged hello with the greatest random takes nothing over") {
  Crossing test;
  test.serve(test.a);
  test.serve(test.b);
  test.dial(test.a);
  const Datagram forged = handshake_record(1, 0, view(hello_body(0xff, 0, {}, 40)));
  for (int i = 0; i < 10; ++i) test.deliver({&test.a, forged});
  CHECK(test.a.endpoint.session_count() == 1);
  CHECK(test.a.count(RecordType::kBegin) == 0);
  test.check_settled();
  CHECK(test.open(test.a)->role() == Role::kClient);
}

TEST_CASE("simultaneous: our own hello, sent back, is no peer's") {
  Crossing test;
  test.serve(test.a);
  test.dial(test.a);
  Datagram echoed = test.wire.front().bytes;
  test.wire.clear();
  for (int i = 0; i < 10; ++i) test.deliver({&test.a, echoed});
  test.collect(test.a);
  CHECK(test.wire.empty());
  CHECK(test.a.endpoint.session_count() == 1);
}

TEST_CASE("simultaneous: a peer that dials and does not serve is served, whatever the randoms") {
  for (int repeat = 0; repeat < 6; ++repeat) {
    Crossing test;
    test.serve(test.b);
    test.dial(test.a);
    test.dial(test.b);
    test.check_settled();
    CHECK(test.open(test.b)->role() == Role::kServer);
  }
}

TEST_CASE("simultaneous: a peer that starts again with a lesser random is a new one") {
  Crossing test;
  test.serve_both();
  const std::vector<uint8_t> first = test.dial(test.a);
  test.check_settled();
  // B knows nothing of it any more: as after a restart. Some of these randoms are below A's.
  size_t below = 0;
  for (int repeat = 0; repeat < 6; ++repeat) {
    below += test.dial(test.b) < first ? 1 : 0;
    test.check_settled();
    CHECK(test.open(test.a)->role() == Role::kServer);
  }
  CAPTURE(below);
}

}  // namespace
}  // namespace dtls::test
