// Protects: RFC 6347 section 4.2.8. A client that starts anew from an address that has a session
// gets one too, but the old one lives until the new one has proved itself; nobody ends it from
// outside.
#include <doctest/doctest.h>

#include <algorithm>

#include "harness.h"

namespace dtls::test {
namespace {

struct Restart {
  Restart() {
    REQUIRE(link.handshake());
    old_client = &link.client();
    old_session = link.server.session;
  }
  bool old_lives() {
    const Session* session = link.server.endpoint.find(old_session.slot, old_session.generation);
    return session != nullptr && session->state() == SessionState::kOpen;
  }
  // A message on the old session from the server: whose client is found by address, so only with no
  // newer client. From the old client it always works.
  bool old_hears(const std::string& text) {
    link.send(*old_client, view(text));
    link.pump();
    const std::vector<std::string> all = link.server.messages();
    return !all.empty() && all.back() == text;
  }
  Link link;
  Side* old_client = nullptr;
  SessionId old_session{};
};

TEST_CASE("endpoint: a restarted client replaces its old session when it has proved itself") {
  Restart test;
  Link& link = test.link;
  link.add_client();
  link.connect();
  link.pump();
  REQUIRE(link.client().secure());
  CHECK_FALSE(test.old_lives());
  CHECK(link.server.close_kind() == FailureKind::kReplaced);
  CHECK(link.server.last(RecordType::kClose)->id.slot == test.old_session.slot);
  CHECK(link.server.endpoint.session_count() == 1);
  link.send(link.client(), view("anew"));
  link.pump();
  CHECK(link.server.messages() == std::vector<std::string>{"anew"});
  // SECURE of the new one comes before CLOSE of the old one.
  const auto position = [&](RecordType type) {
    const auto& events = link.server.events;
    return std::find_if(events.rbegin(), events.rend(),
                        [type](const Event& e) { return e.type == type; }) -
           events.rbegin();
  };
  CHECK(position(RecordType::kSecure) > position(RecordType::kClose));
}

TEST_CASE("endpoint: the old session works while the new client is in mid-handshake") {
  Restart test;
  Link& link = test.link;
  link.add_client();
  // The server's flight never arrives.
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    if (packet.to_server || packet.bytes.size() == 60) arriving.push_back(packet);
  };
  link.connect();
  link.pump();
  CHECK(link.server.endpoint.session_count() == 2);
  CHECK(test.old_lives());
  CHECK(test.old_hears("still here"));
  SUBCASE("the candidate times out and leaves the old one intact") {
    link.skip(link.server_policy.handshake_timeout + 1);
    link.advance();
    CHECK(link.server.endpoint.session_count() == 1);
    CHECK(link.server.close_kind() == FailureKind::kHandshakeTimeout);
  }
  SUBCASE("the candidate fails and leaves the old one intact") {
    link.inject(link.server, view(plain_record(21, 0, 50, view(std::string("\2\50")))));
    link.pump();
    CHECK(link.server.endpoint.session_count() == 1);
    CHECK(link.server.close_kind() == FailureKind::kAlertReceived);
  }
  SUBCASE("a third client is kept out while the candidate has its time") {
    link.network = nullptr;
    link.add_client();
    link.connect();
    link.pump();
    CHECK_FALSE(link.client().secure());
    CHECK(link.server.endpoint.stats().sessionsRefused == 1);
    CHECK(link.server.endpoint.stats().handshakesStarted == 2);
    CHECK(link.server.count(RecordType::kClose) == 0);
    CHECK(test.old_hears("meanwhile"));
    // Its hello comes again, and the candidate has had its time.
    CHECK(link.run_until([&] { return link.client().secure(); }));
    CHECK(link.server.endpoint.session_count() == 1);
    return;
  }
  SUBCASE("a third client takes the candidate's place when that has had its time") {
    link.network = nullptr;
    link.skip(link.server_policy.retransmit_initial);
    link.add_client();
    link.connect();
    link.pump();
    CHECK(link.client().secure());
    CHECK(link.server.endpoint.session_count() == 1);
    CHECK(link.server.count(RecordType::kClose) == 2);
    return;
  }
  CHECK(test.old_lives());
  CHECK(test.old_hears("and still"));
}

TEST_CASE("endpoint: a hello without a valid cookie does nothing to the old session") {
  Restart test;
  Link& link = test.link;
  link.add_client();
  link.network = [](Packet& packet, std::deque<Packet>& arriving) {
    if (packet.to_server) arriving.push_back(packet);  // the HelloVerifyRequest is lost
  };
  link.connect();
  link.pump();
  CHECK(link.server.endpoint.session_count() == 1);
  CHECK(test.old_lives());
  CHECK(test.old_hears("undisturbed"));
}

TEST_CASE("endpoint: the session's own ClientHellos, late and again, make no new session") {
  Link link;
  std::vector<Datagram> hellos;
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    if (packet.to_server && packet.bytes[0] == 22 && packet.bytes[13] == 1) {
      hellos.push_back(packet.bytes);
    }
    arriving.push_back(packet);
  };
  REQUIRE(link.handshake());
  REQUIRE(hellos.size() == 2);
  const uint64_t sent = link.server.endpoint.traffic().datagramsSent;
  for (int i = 0; i < 3; ++i) {
    for (const Datagram& hello : hellos) link.inject(link.server, view(hello));
  }
  link.pump();
  CHECK(link.server.count(RecordType::kBegin) == 1);
  CHECK(link.server.endpoint.session_count() == 1);
  CHECK(link.server.endpoint.traffic().datagramsSent == sent);
  link.send(link.client(), view("alive"));
  link.pump();
  CHECK(link.server.messages() == std::vector<std::string>{"alive"});
}

TEST_CASE("endpoint: a client's own second session to one server replaces the first") {
  Link link;
  REQUIRE(link.handshake());
  const SessionId first = link.client().session;
  link.connect();
  link.pump();
  CHECK(link.client().count(RecordType::kSecure) == 2);
  CHECK(link.client().close_kind() == FailureKind::kReplaced);
  CHECK(link.client().last(RecordType::kClose)->id.slot == first.slot);
  CHECK(link.server.endpoint.session_count() == 1);
  CHECK(link.client().endpoint.session_count() == 1);
}

}  // namespace
}  // namespace dtls::test
