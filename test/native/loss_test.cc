// Protects: that a handshake gets over the loss, the duplication and the disorder of any of its
// datagrams, and that nothing is sent again for ever.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "harness.h"

namespace dtls::test {
namespace {

bool both_secure(Link& link) { return link.client().secure() && link.server.secure(); }

// Certificates on both sides and a small MTU, so that each flight has several datagrams.
void prepare(Link& link) {
  static const Identity client = authority().issue({"client"});
  link.client_context = certificate_context(&client);
  link.server_policy.request_certificate = true;
  link.server_policy.mtu = link.client_policy.mtu = 400;
}

TEST_CASE("endpoint: each datagram of a handshake lost once") {
  size_t total = 0;
  {
    Link link;
    prepare(link);
    REQUIRE(link.handshake());
    total = link.client().count(RecordType::kTransmit) + link.server.count(RecordType::kTransmit);
  }
  REQUIRE(total >= 10);
  for (size_t lost = 0; lost < total; ++lost) {
    Link link;
    prepare(link);
    size_t number = 0;
    link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
      if (number++ != lost) arriving.push_back(packet);
    };
    link.listen();
    link.connect();
    CAPTURE(lost);
    REQUIRE(link.run_until([&] { return both_secure(link); }));
    CHECK(link.server.count(RecordType::kBegin) == 1);
    CHECK(link.client().endpoint.traffic().retransmissions +
              link.server.endpoint.traffic().retransmissions >
          0);
    // Both sides work, and both are quiet.
    link.send(link.client(), view("a"));
    link.send(link.server, view("b"));
    link.pump();
    CHECK(link.server.messages() == std::vector<std::string>{"a"});
    CHECK(link.client().messages() == std::vector<std::string>{"b"});
    CHECK(link.client().waits_for_nothing());
    CHECK(link.server.waits_for_nothing());
  }
}

TEST_CASE("endpoint: the server's last flight lost several times") {
  Link link;
  int losses = 6;
  bool was_lost = false;
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    // The server has finished once it sends a ChangeCipherSpec.
    if (!packet.to_server && losses > 0) {
      Bytes rest = view(packet.bytes);
      RecordView record;
      while (take_record(rest, record)) {
        if (record.type == ContentType::kChangeCipherSpec || record.epoch == 1) {
          was_lost = true;
          --losses;
          return;
        }
      }
    }
    arriving.push_back(packet);
  };
  link.listen();
  link.connect();
  CHECK(link.run_until([&] { return both_secure(link); }));
  CHECK(was_lost);
  CHECK(link.server.count(RecordType::kSecure) == 1);
  CHECK(link.server.endpoint.traffic().retransmissions >= 2);
  link.send(link.server, view("after"));
  link.pump();
  CHECK(link.client().messages() == std::vector<std::string>{"after"});
}

TEST_CASE("endpoint: messages that overtake the server's last flight are not lost") {
  Link link;
  std::vector<Packet> late;
  bool holding = true;
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    Bytes rest = view(packet.bytes);
    RecordView record;
    const bool finishing = !packet.to_server && take_record(rest, record) &&
                           (record.type == ContentType::kChangeCipherSpec || record.epoch == 1) &&
                           record.type != ContentType::kApplicationData;
    if (finishing && holding) {
      late.push_back(packet);
    } else {
      arriving.push_back(packet);
    }
  };
  CHECK_FALSE(link.handshake());
  REQUIRE(link.server.secure());
  link.send(link.server, view("early"));
  link.pump();
  CHECK(link.client().messages().empty());
  holding = false;
  for (Packet& packet : late) link.arriving.push_back(packet);
  link.pump();
  REQUIRE(link.client().secure());
  CHECK(link.client().messages() == std::vector<std::string>{"early"});
}

TEST_CASE("endpoint: every datagram twice") {
  Link link;
  prepare(link);
  link.network = [](Packet& packet, std::deque<Packet>& arriving) {
    arriving.push_back(packet);
    arriving.push_back(packet);
  };
  REQUIRE(link.handshake());
  CHECK(link.server.count(RecordType::kBegin) == 1);
  CHECK(link.server.endpoint.session_count() == 1);
  link.send(link.client(), view("once"));
  link.pump();
  CHECK(link.server.messages() == std::vector<std::string>{"once"});
}

TEST_CASE("endpoint: loss, duplication and disorder at random") {
  for (unsigned seed = 0; seed < 25; ++seed) {
    std::mt19937 random(seed);
    Link link;
    prepare(link);
    if (seed % 3 == 0) link.use_psk("noisy", {1, 2, 3, 4});
    link.client_policy.retransmit_max = link.server_policy.retransmit_max = 40;
    link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
      if (random() % 100 < 15) return;
      arriving.insert(arriving.begin() + static_cast<long>(random() % (arriving.size() + 1)),
                      packet);
      if (random() % 100 < 15) arriving.push_back(packet);
    };
    link.listen();
    link.connect();
    CAPTURE(seed);
    CHECK(link.run_until([&] { return both_secure(link); }, 8000));
    CHECK(link.server.count(RecordType::kBegin) == 1);
    CHECK(link.client().count(RecordType::kClose) == 0);
  }
}

TEST_CASE("endpoint: half of everything is lost, and every handshake completes") {
  constexpr uint64_t kSecondAttempt = uint64_t{1} << 32;
  unsigned begun_anew = 0;
  for (unsigned seed = 0; seed < 400; ++seed) {
    std::mt19937 random(seed);
    Link link;
    prepare(link);
    if (seed % 3 == 0) link.use_psk("noisy", {1, 2, 3, 4});
    // OpenSSL has repeated itself twelve times after four seconds; the deadline is later.
    link.client_policy.retransmit_max = link.server_policy.retransmit_max = 400;
    bool anew = false;
    link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
      Bytes rest = view(packet.bytes);
      RecordView record;
      REQUIRE(take_record(rest, record));
      anew = anew || (record.epoch == 0 && record.sequence >= kSecondAttempt);
      if (random() % 2 == 0) arriving.push_back(packet);
    };
    link.listen();
    link.connect();
    CAPTURE(seed);
    CHECK(link.run_until([&] { return link.client().secure(); }, 29000));
    begun_anew += anew ? 1 : 0;
    CHECK(link.client().count(RecordType::kClose) == 0);
    // Both sides agree, whatever became of earlier attempts.
    link.network = nullptr;
    link.run_until([] { return false; }, 500);
    link.send(link.client(), view("a"));
    link.send(link.server, view("b"));
    link.pump();
    CHECK(link.server.messages() == std::vector<std::string>{"a"});
    CHECK(link.client().messages() == std::vector<std::string>{"b"});
  }
  CHECK(begun_anew > 0);
}

TEST_CASE("endpoint: what is left of an earlier attempt does not reach the next one") {
  Link link;
  prepare(link);
  bool answers = false;
  std::vector<Packet> earlier;
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    if (packet.to_server || answers || earlier.empty()) {
      arriving.push_back(packet);
    }
    if (!packet.to_server && !answers) earlier.push_back(packet);
  };
  link.listen();
  link.connect();
  const auto hellos = [&] {
    size_t begun = 0;
    for (const Event& event : link.client().events) {
      if (event.type == RecordType::kHandshake && event.a == (1U | 1U << 8)) ++begun;
    }
    return begun;
  };
  // The HelloVerifyRequest came, then nothing: hello and hello with cookie, again and again.
  REQUIRE(link.run_until([&] { return hellos() == 3; }, 29000));
  REQUIRE(earlier.size() > 5);
  answers = true;
  for (const Packet& packet : earlier) link.inject(link.client(), view(packet.bytes));
  CHECK(link.run_until([&] { return both_secure(link); }));
  CHECK(link.client().count(RecordType::kClose) == 0);
}

TEST_CASE("endpoint: retransmissions follow the policy and end") {
  Link link;
  SUBCASE("with the handshake timeout") {
    link.client_policy.retransmit_initial = 50;
    link.client_policy.retransmit_max = 1e12;  // no limit to speak of
    link.client_policy.handshake_timeout = 400;
  }
  SUBCASE("before it, when OpenSSL has repeated itself twelve times") {
    link.client_policy.retransmit_backoff = 1;
    link.client_policy.handshake_timeout = 0;
  }
  link.connect();  // nobody listens
  CHECK(link.run_until([&] { return link.client().count(RecordType::kClose) != 0; }));
  CHECK(link.client().close_kind() == FailureKind::kNoResponse);
  CHECK(link.client().endpoint.traffic().retransmissions >= 3);
  CHECK(link.client().endpoint.deadline() == kNever);
  CHECK(link.client().endpoint.stats().handshakesFailed == 1);
}

// A repetition of such a flight takes longer than the timer.
TEST_CASE("endpoint: a long flight with a short timer is repeated as often as OpenSSL allows") {
  LeafOptions longest;
  longest.padding = 6000;
  longest.intermediates = 8;
  static const Identity identity = authority().issue(longest);
  Link link;
  link.server_context = certificate_context(&identity);
  link.server_policy.mtu = link.client_policy.mtu = 256;
  link.server_policy.retransmit_initial = 20;
  link.server_policy.retransmit_backoff = 1;
  // It has no part in it.
  link.client_policy.retransmit_initial = link.client_policy.retransmit_max = 25000;
  int lost = 0;
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    Bytes rest = view(packet.bytes);
    RecordView record;
    FragmentView fragment;
    bool done = false;
    while (!packet.to_server && take_record(rest, record)) {
      Bytes inside = record.fragment;
      done = done || (record.epoch == 0 && take_fragment(inside, fragment) &&
                      fragment.type == HandshakeType::kServerHelloDone);
    }
    if (done && lost < 10) {
      ++lost;
    } else {
      arriving.push_back(packet);
    }
  };
  link.listen();
  link.connect();
  CHECK(link.run_until([&] { return both_secure(link); }, 20000));
  CHECK(lost == 10);
  CHECK(link.server.count(RecordType::kClose) == 0);
}

}  // namespace
}  // namespace dtls::test
