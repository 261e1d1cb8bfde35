// Protects: that an idle session gives back what OpenSSL needs for records, and that nobody
// notices: whatever ends the rest, from either side, goes as it does without one.
#include <doctest/doctest.h>

#include "harness.h"

namespace dtls::test {
namespace {

constexpr const char* kSuites[] = {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305",
                                   "ECDHE-ECDSA-AES128-SHA256"};

bool rest(Link& link) {
  Link::skip(Session::kRestAfter);
  link.advance();
  link.pump();
  return link.server.live()->rests() && link.client().live()->rests();
}

TEST_CASE("rest: messages of both sides end it, again and again, whatever the suite") {
  for (const char* suite : kSuites) {
    CAPTURE(suite);
    Link link;
    REQUIRE_FALSE(link.client_context->set_ciphers(suite));
    REQUIRE(link.handshake());
    for (int turn = 0; turn < 3; ++turn) {
      REQUIRE(rest(link));
      CHECK(link.client().endpoint.deadline() == kNever);
      CHECK(link.send(link.client(), view("ping")) == SendOutcome::kSent);
      CHECK_FALSE(link.client().live()->rests());
      CHECK(link.client().endpoint.deadline() == Link::now() + Session::kRestAfter);
      link.pump();
      CHECK(link.send(link.server, view("pong")) == SendOutcome::kSent);
      link.pump();
    }
    CHECK(link.server.messages() == std::vector<std::string>{"ping", "ping", "ping"});
    CHECK(link.client().messages() == std::vector<std::string>{"pong", "pong", "pong"});
    CHECK(link.server.live()->stats().badRecords == 0);
  }
}

TEST_CASE("rest: gives memory back") {
  for (const char* suite : kSuites) {
    CAPTURE(suite);
    Link link;
    REQUIRE_FALSE(link.client_context->set_ciphers(suite));
    REQUIRE(link.handshake());
    link.send(link.client(), view("ping"));
    link.pump();
    link.send(link.server, view("pong"));
    link.pump();
    link.server.events.clear();
    link.client().events.clear();
    const bool keeps_ssl = link.server.live()->ssl() != nullptr;
    const size_t before = allocated_bytes();
    REQUIRE(rest(link));
    // Two sessions: buffers of an SSL, or OpenSSL's contexts of two directions.
    CHECK(allocated_bytes() + size_t{2} * (keeps_ssl ? 8 * 1024 : 2 * 256) < before);
  }
}

TEST_CASE("rest: begins when nothing has come or gone for a while, not before") {
  Link link;
  REQUIRE(link.handshake());
  Link::skip(Session::kRestAfter - 1);
  link.send(link.client(), view("still here"));
  link.pump();
  Link::skip(2);
  link.advance();
  CHECK_FALSE(link.server.live()->rests());
  CHECK_FALSE(link.client().live()->rests());
  Link::skip(Session::kRestAfter);
  link.advance();
  CHECK(link.server.live()->rests());
  CHECK(link.client().live()->rests());
}

TEST_CASE("rest: rubbish that ends it is dropped, and rest comes again") {
  Link link;
  REQUIRE(link.handshake());
  REQUIRE(rest(link));
  link.inject(link.server, view(plain_record(23, 1, 77, view(std::string(64, 'x')))));
  CHECK(link.server.live()->stats().badRecords == 1);
  Link::skip(Session::kRestAfter);
  link.advance();
  CHECK(link.server.live()->rests());
  link.send(link.client(), view("ping"));
  link.pump();
  CHECK(link.server.messages() == std::vector<std::string>{"ping"});
}

TEST_CASE("rest: close_notify leaves a resting session, and reaches one") {
  Link link;
  REQUIRE(link.handshake());
  REQUIRE(rest(link));
  link.client().endpoint.close(link.client().session.slot, link.client().session.generation);
  link.pump();
  CHECK(link.client().alerts(true, SSL_AD_CLOSE_NOTIFY) == 1);
  CHECK(link.server.alerts(false, SSL_AD_CLOSE_NOTIFY) == 1);
  CHECK(link.server.alerts(true, SSL_AD_CLOSE_NOTIFY) == 1);
  CHECK(link.server.close_kind() == FailureKind::kNone);
}

TEST_CASE("rest: a fatal alert reaches a resting session") {
  Link link;
  REQUIRE_FALSE(link.client_context->set_ciphers(kSuites[0]));
  REQUIRE(link.handshake());
  REQUIRE(rest(link));
  const std::string alert = {2, SSL_AD_INTERNAL_ERROR};
  link.inject(link.server, view(seal_record(link.client().live(), 21, 50, view(alert))));
  link.pump();
  CHECK(link.server.close_kind() == FailureKind::kAlertReceived);
}

TEST_CASE("rest: the idle time-out of a resting session says close_notify") {
  Link link;
  link.server_policy.idle_timeout = 3 * Session::kRestAfter;
  REQUIRE(link.handshake());
  REQUIRE(rest(link));
  Link::skip(2 * Session::kRestAfter);
  link.advance();
  link.pump();
  CHECK(link.server.close_kind() == FailureKind::kIdleTimeout);
  CHECK(link.server.alerts(true, SSL_AD_CLOSE_NOTIFY) == 1);
  CHECK(link.client().alerts(false, SSL_AD_CLOSE_NOTIFY) == 1);
}

TEST_CASE("rest: heartbeats go to and from a resting session, and none rests that waits for one") {
  Link link;
  link.server_policy.heartbeat = link.client_policy.heartbeat = HeartbeatMode::kPeerAllowedToSend;
  REQUIRE(link.handshake());
  REQUIRE(rest(link));
  Side& client = link.client();
  const auto ping = [&] {
    return client.endpoint.heartbeat(client.session.slot, client.session.generation,
                                     view("payload"), 16, 4 * Session::kRestAfter, 1, Link::now());
  };
  CHECK(ping() == HeartbeatOutcome::kSent);
  link.pump();
  CHECK(client.live()->stats().heartbeatsReceived == 1);
  REQUIRE(rest(link));
  link.network = [](Packet&, std::deque<Packet>&) {};
  CHECK(ping() == HeartbeatOutcome::kSent);
  link.pump();
  Link::skip(2 * Session::kRestAfter);
  link.advance();
  CHECK_FALSE(client.live()->rests());
}

TEST_CASE("rest: a session that closes and is released in its rest leaves nothing behind") {
  Link link;
  REQUIRE(link.handshake());
  REQUIRE(rest(link));
  for (Side* side : {&link.server, &link.client()}) {
    side->endpoint.release(side->session.slot, side->session.generation);
    CHECK(side->endpoint.deadline() == kNever);
  }
}

}  // namespace
}  // namespace dtls::test
