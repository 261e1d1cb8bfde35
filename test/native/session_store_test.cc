// Protects: that a server's session is told before it is open, and waits until it is stored; that
// what comes meanwhile is not lost; that a stored session is asked for once, under the id that the
// client sent, while the peer costs no SSL; and that a session may go while either question is
// open.
#include <doctest/doctest.h>

#include "core/handshake/kept_session.h"
#include "harness.h"

namespace dtls::test {
namespace {

struct Stored : Link {
  Stored() { server_policy.hello_questions = kAskStoredSession | kTellNewSession; }

  // A first handshake, whose session the next connection of this client wants to resume.
  void keep() {
    REQUIRE(handshake());
    const SecretBytes packed = client().live()->facts()->pack("");
    client_policy.session = KeptSession::parse(packed.view());
    REQUIRE(client_policy.session.get() != nullptr);
    server.events.clear();
    add_client();
  }
  bool reused() {
    const auto reused = [](const Side& side) {
      return side.secure() && kSecureReused.in(side.last(RecordType::kSecure)->a);
    };
    return reused(client()) && reused(server);
  }
  LookupKind asked() { return static_cast<LookupKind>(server.last(RecordType::kLookup)->a); }
  void answer_stored(Bytes session, bool refused = false) {
    const SessionId id = server.session;
    server.endpoint.answer_session(id.slot, id.generation, session, refused, now());
    pump();
  }
  void answer_new() {
    const SessionId id = server.session;
    server.endpoint.answer_new_session(id.slot, id.generation, now());
    pump();
  }
};

TEST_CASE("session store: a stored session is resumed, and not told again") {
  Stored link;
  link.keep();
  CHECK(link.server.stored.size() == 1);
  link.connect();
  link.pump();
  CHECK(link.reused());
  CHECK(link.server.count(RecordType::kLookup) == 1);
  CHECK(link.asked() == LookupKind::kStoredSession);
  link.send(link.client(), view("again"));
  link.pump();
  CHECK(link.server.messages() == std::vector<std::string>{"again"});
}

TEST_CASE("session store: how old a kept session is OpenSSL's clock says, and not the core's") {
  Stored link;
  link.keep();
  // The core's clock never goes back; the system's was set back when the process ran already.
  constexpr double kStep = 1e12;
  Stored::skip(kStep);
  link.connect();
  link.pump();
  CHECK(link.reused());
  Stored::skip(-kStep);
}

TEST_CASE("session store: the question waits, is asked once, and costs no SSL meanwhile") {
  Stored link;
  SUBCASE("behind the cookie exchange") {}
  SUBCASE("without one") { link.listener.cookie_exchange = false; }
  link.keep();
  link.server.hold = true;
  link.connect();
  const uint64_t before = link.client().endpoint.traffic().retransmissions;
  CHECK(link.run_until(
      [&] { return link.client().endpoint.traffic().retransmissions >= before + 6; }));
  CHECK(link.server.count(RecordType::kLookup) == 1);
  REQUIRE(link.asked() == LookupKind::kStoredSession);
  CHECK(link.server.live()->ssl() == nullptr);
  const std::vector<uint8_t> id = link.server.last(RecordType::kLookup)->bytes;
  link.answer_stored(view(link.server.stored.at(id)));
  CHECK(link.run_until([&] { return link.reused(); }));
  // Too late and unasked: ignored.
  link.answer_stored({}, true);
  link.answer_new();
  CHECK(link.server.live()->state() == SessionState::kOpen);
}

TEST_CASE("session store: what is no answer makes the handshake a full one") {
  Stored link;
  link.keep();
  link.server.hold = true;
  link.connect();
  link.pump();
  std::vector<uint8_t> answer = link.server.stored.begin()->second;
  SUBCASE("nothing") { answer.clear(); }
  SUBCASE("cut short") { answer.pop_back(); }
  SUBCASE("longer") { answer.push_back(0); }
  SUBCASE("the session of another id") {
    const SslSessionPtr session(SSL_SESSION_dup(link.client_policy.session->get()));
    const uint8_t other[32] = {1};
    REQUIRE(SSL_SESSION_set1_id(session.get(), other, sizeof other) == 1);
    answer.resize(static_cast<size_t>(i2d_SSL_SESSION(session.get(), nullptr)));
    uint8_t* end = answer.data();
    i2d_SSL_SESSION(session.get(), &end);
  }
  link.server.hold = false;
  link.answer_stored(view(answer));
  CHECK(link.client().secure());
  CHECK(link.server.secure());
  CHECK_FALSE(link.reused());
  CHECK(link.server.stored.size() == 2);
}

TEST_CASE("session store: one that fails is told to the client") {
  Stored link;
  link.keep();
  link.server.hold = true;
  link.connect();
  link.pump();
  link.answer_stored({}, true);
  CHECK(link.server.close_kind() == FailureKind::kSessionRefused);
  CHECK(link.client().close_alert() == SSL_AD_INTERNAL_ERROR);
}

TEST_CASE("session store: a new session waits until it is stored, and messages wait with it") {
  Stored link;
  link.server.hold = true;
  CHECK_FALSE(link.handshake());
  REQUIRE(link.asked() == LookupKind::kNewSession);
  CHECK(link.client().secure());
  for (const char* message : {"a", "b"}) link.send(link.client(), view(std::string(message)));
  link.pump();
  CHECK(link.server.messages().empty());
  link.answer_new();
  CHECK(link.server.secure());
  CHECK(link.server.messages() == std::vector<std::string>{"a", "b"});
  link.answer_new();  // again: ignored
  CHECK(link.server.live()->state() == SessionState::kOpen);
}

TEST_CASE("session store: a last flight that was lost comes again while a new session is stored") {
  Stored link;
  link.server.hold = true;
  link.listen();
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    const bool last_flight = !packet.to_server && packet.bytes[0] == SSL3_RT_CHANGE_CIPHER_SPEC;
    if (!last_flight || link.server.secure()) arriving.push_back(std::move(packet));
  };
  link.connect();
  CHECK(link.run_until([&] { return link.server.count(RecordType::kLookup) != 0; }));
  const uint64_t before = link.client().endpoint.traffic().retransmissions;
  CHECK(link.run_until(
      [&] { return link.client().endpoint.traffic().retransmissions >= before + 6; }));
  CHECK_FALSE(link.client().secure());
  link.answer_new();
  CHECK(link.server.secure());
  CHECK(link.run_until([&] { return link.client().secure(); }));
  CHECK(link.server.count(RecordType::kLookup) == 1);
}

TEST_CASE("session store: nothing is asked without an id, nor told of nobody's interest") {
  Stored link;
  SUBCASE("a client that resumes nothing") {
    link.server_policy.hello_questions = kAskStoredSession;
    REQUIRE(link.handshake());
    CHECK(link.server.count(RecordType::kLookup) == 0);
  }
  SUBCASE("a server that nobody answers for") {
    link.keep();
    link.server_policy.hello_questions = 0;
    link.listen();
    link.connect();
    link.pump();
    CHECK(link.server.secure());
    CHECK(link.server.count(RecordType::kLookup) == 0);
    CHECK_FALSE(link.reused());
  }
}

TEST_CASE("session store: a question that nobody answers ends at the deadline") {
  Stored link;
  link.server_policy.handshake_timeout = 5000;
  link.server.hold = true;
  SUBCASE("about a stored session") {
    link.server.hold = false;
    link.keep();
    link.server.hold = true;
    link.connect();
    link.pump();
    CHECK(link.asked() == LookupKind::kStoredSession);
  }
  SUBCASE("about a new session") { CHECK_FALSE(link.handshake()); }
  link.network = [](Packet&, std::deque<Packet>&) {};
  link.skip(5001);
  link.advance();
  CHECK(link.server.close_kind() == FailureKind::kLookupTimeout);
  link.answer_stored({});
  link.answer_new();
}

TEST_CASE("session store: a session may go while its question is open") {
  Stored link;
  bool released = false;
  SUBCASE("closed") {}
  SUBCASE("released") { released = true; }
  const auto leave = [&] {
    const SessionId id = link.server.session;
    if (released) {
      link.server.endpoint.release(id.slot, id.generation);
    } else {
      link.server.endpoint.close(id.slot, id.generation);
    }
    link.answer_stored({});
    link.answer_new();
    CHECK(link.server.endpoint.session_count() == 0);
  };
  SUBCASE("about a new session") {
    link.server.hold = true;
    CHECK_FALSE(link.handshake());
    leave();
  }
  SUBCASE("about a stored one") {
    link.keep();
    link.server.hold = true;
    const SessionId first = link.server.session;
    link.server.endpoint.release(first.slot, first.generation);
    link.add_client(address(0x0a000005, 5));
    link.connect();
    link.pump();
    REQUIRE(link.server.count(RecordType::kLookup) == 1);
    leave();
  }
}

TEST_CASE("session store: the key of a stored session is asked for before it is taken up") {
  Stored link;
  link.use_psk("sensor", {1, 2, 3, 4});
  link.server_policy.hello_questions = kAskStoredSession | kTellNewSession;
  bool same = true;
  SUBCASE("it is the same still") {}
  SUBCASE("it is another") { same = false; }
  link.keep();
  if (!same) link.server.keys["sensor"] = {5, 6, 7, 8};
  link.client().psk_identity = "sensor";
  link.client().psk = link.server.keys["sensor"];
  link.connect();
  link.pump();
  CHECK(link.client().secure());
  CHECK(link.reused() == same);
  CHECK(text_of(view(*link.server.live()->psk_identity())) == "sensor");
  CHECK(text_of(view(*link.client().live()->psk_identity())) == "sensor");
}

}  // namespace
}  // namespace dtls::test
