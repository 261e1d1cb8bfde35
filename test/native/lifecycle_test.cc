// Protects: how sessions end, and what the endpoint's books say afterwards: each session has
// exactly one CLOSE record, the last, with the cause; a slot that was released is somebody else's.
#include <doctest/doctest.h>
#include <openssl/err.h>
#include <openssl/ui.h>

#include <algorithm>

#include "harness.h"

namespace dtls::test {
namespace {

void close(Link& link, Side& side) {
  side.endpoint.close(side.session.slot, side.session.generation);
  link.pump();
}

TEST_CASE("endpoint: close_notify ends both sides in order") {
  for (const bool client_first : {true, false}) {
    Link link;
    REQUIRE(link.handshake());
    Side& first = client_first ? link.client() : link.server;
    Side& second = client_first ? link.server : link.client();
    link.send(first, view("last words"));
    close(link, first);
    CHECK(second.messages() == std::vector<std::string>{"last words"});
    CHECK(first.alerts(true, SSL_AD_CLOSE_NOTIFY) == 1);
    CHECK(second.alerts(false, SSL_AD_CLOSE_NOTIFY) == 1);
    CHECK(second.alerts(true, SSL_AD_CLOSE_NOTIFY) == 1);  // the answer
    for (Side* side : {&first, &second}) {
      CHECK(side->count(RecordType::kClose) == 1);
      CHECK(side->events.back().type == RecordType::kClose);
      CHECK(side->close_kind() == FailureKind::kNone);
      CHECK((side->last(RecordType::kClose)->b >> 31) == 1);
      CHECK(side->endpoint.session_count() == 0);
      CHECK(side->endpoint.deadline() == kNever);
    }
    CHECK(link.send(first, view("too late")) == SendOutcome::kNotOpen);
    close(link, first);
    CHECK(first.count(RecordType::kClose) == 1);
  }
}

TEST_CASE("endpoint: a fatal alert leaves before the CLOSE record is written") {
  Link link;
  REQUIRE_FALSE(link.client_context->set_ciphers("ECDHE-RSA-AES128-GCM-SHA256"));
  CHECK_FALSE(link.handshake());
  const std::vector<Event>& events = link.server.events;
  REQUIRE(events.size() >= 2);
  CHECK(events.back().type == RecordType::kClose);
  const auto transmit = std::find_if(events.rbegin(), events.rend(), [](const Event& e) {
    return e.type == RecordType::kTransmit;
  });
  REQUIRE(transmit != events.rend());
  CHECK(transmit->bytes[0] == 21);
  CHECK(link.server.close_alert() == SSL_AD_HANDSHAKE_FAILURE);
  CHECK(link.server.alerts(true, SSL_AD_HANDSHAKE_FAILURE) == 1);
  CHECK(link.client().close_alert() == SSL_AD_HANDSHAKE_FAILURE);
}

TEST_CASE("endpoint: a fatal alert under protection ends an open session") {
  Link link;
  REQUIRE_FALSE(link.client_context->set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256"));
  REQUIRE(link.handshake());
  const std::string alert = {2, SSL_AD_INTERNAL_ERROR};
  link.inject(link.server, view(seal_record(link.client().live(), 21, 50, view(alert))));
  link.pump();
  CHECK(link.server.close_kind() == FailureKind::kAlertReceived);
  CHECK(link.server.close_alert() == SSL_AD_INTERNAL_ERROR);
  CHECK((link.server.last(RecordType::kClose)->b >> 31) == 1);
}

TEST_CASE("endpoint: calls with a stale generation do nothing") {
  Link link;
  REQUIRE(link.handshake());
  Endpoint& server = link.server.endpoint;
  const SessionId old = link.server.session;
  server.release(old.slot, old.generation);
  link.pump();
  link.add_client(address(0x0a000009, 1));
  link.connect();
  link.pump();
  REQUIRE(link.client().secure());
  const SessionId now = link.server.session;
  REQUIRE(now.slot == old.slot);
  REQUIRE(now.generation != old.generation);

  CHECK(server.find(old.slot, old.generation) == nullptr);
  CHECK(server.send(old.slot, old.generation, view("x"), 0, link.now()) == SendOutcome::kNotOpen);
  server.close(old.slot, old.generation);
  server.answer_psk(old.slot, old.generation, PskAnswer::kUnknown, {}, {}, link.now());
  server.answer_identity(old.slot, old.generation, false, link.now());
  server.release(old.slot, old.generation);
  for (const uint32_t slot : {1U, 1000U, kNoSlot}) {
    CHECK(server.find(slot, 0) == nullptr);
    server.release(slot, 0);
    server.close(slot, 0);
  }
  link.send(link.client(), view("alive"));
  link.pump();
  CHECK(link.server.messages() == std::vector<std::string>{"alive"});
}

TEST_CASE("endpoint: release in any state") {
  Link link;
  link.use_psk("x", {1, 2, 3});
  const auto check_gone = [&](Side& side) {
    side.endpoint.release(side.session.slot, side.session.generation);
    link.pump();
    CHECK(side.live() == nullptr);
    CHECK(side.endpoint.session_count() == 0);
    CHECK(side.endpoint.pending_count() == 0);
    CHECK(side.endpoint.deadline() == kNever);
    CHECK(side.count(RecordType::kClose) == 1);
  };
  SUBCASE("a hello that is not whole yet") {
    std::vector<uint8_t> protocols(900, 29);
    REQUIRE(SSL_CTX_set_alpn_protos(link.client_context->get(), protocols.data(), 900) == 0);
    link.client_policy.mtu = 256;
    link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
      if (link.server.count(RecordType::kBegin) == 0) arriving.push_back(packet);
    };
    link.listen();
    link.connect();
    while (link.server.endpoint.session_count() == 0) {
      link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
        // Only fronts of hellos arrive.
        if (!packet.to_server || read_u24(&packet.bytes[19]) == 0) arriving.push_back(packet);
      };
      link.pump();
      if (link.server.endpoint.session_count() == 0) link.advance();
    }
    CHECK(link.server.live()->ssl() == nullptr);
  }
  SUBCASE("in mid-handshake") {
    link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
      if (packet.to_server || packet.bytes.size() == 60) arriving.push_back(packet);
    };
    link.handshake();
  }
  SUBCASE("with an open question") {
    link.server.hold = true;
    link.handshake();
  }
  SUBCASE("open") { REQUIRE(link.handshake()); }
  SUBCASE("closed") {
    REQUIRE(link.handshake());
    close(link, link.client());
  }
  check_gone(link.server);
  CHECK_NOTHROW(link.pump());
}

TEST_CASE("endpoint: limits") {
  Link link;
  const auto newcomer = [&](uint32_t host, uint16_t port) {
    link.add_client(address(host, port));
    link.connect();
    link.pump();
    return link.client().secure();
  };
  SUBCASE("sessions") {
    link.listener.limits.sessions = 2;
    REQUIRE(link.handshake());
    CHECK(newcomer(1, 1));
    CHECK_FALSE(newcomer(2, 1));
    CHECK(link.server.endpoint.stats().sessionsRefused == 1);
    // Room again, and the refused one is let in when it repeats itself.
    const SessionId id = link.server.session;
    link.server.endpoint.close(id.slot, id.generation);
    CHECK(link.run_until([&] { return link.client().secure(); }));
  }
  SUBCASE("sessions of one host, whatever the port") {
    link.listener.limits.sessions_per_host = 2;
    link.listen();
    CHECK(newcomer(7, 1));
    CHECK(newcomer(7, 2));
    CHECK_FALSE(newcomer(7, 3));
    CHECK(newcomer(8, 3));
  }
  SUBCASE("handshakes") {
    link.listener.limits.pending_handshakes = 2;
    link.use_psk("x", {1, 2, 3});
    link.server.hold = true;
    link.listen();
    for (uint16_t port = 1; port <= 3; ++port) {
      link.add_client(address(7, port)).psk_identity = "x";
      link.client().psk = {1, 2, 3};
      link.connect();
      link.pump();
    }
    CHECK(link.server.endpoint.pending_count() == 2);
    CHECK(link.server.endpoint.stats().sessionsRefused == 1);
  }
  SUBCASE("0 means none") {
    link.listener.limits.sessions = 0;
    link.listener.limits.pending_handshakes = 0;
    link.listener.limits.sessions_per_host = 0;
    CHECK(link.handshake());
  }
}

TEST_CASE("endpoint: a server that stops listening keeps its sessions and takes no new ones") {
  Link link;
  REQUIRE(link.handshake());
  link.server.endpoint.stop_listening();
  Side& old = link.client();
  link.add_client(address(77, 1));
  link.connect();
  link.pump();
  CHECK_FALSE(link.client().secure());
  link.send(old, view("alive"));
  link.pump();
  CHECK(link.server.messages() == std::vector<std::string>{"alive"});
}

TEST_CASE("endpoint: what a passed handshake deadline is called") {
  Link link;
  SUBCASE("nothing ever came back") {
    link.connect();
    link.skip(link.client_policy.handshake_timeout + 1);
    link.advance();
    CHECK(link.client().close_kind() == FailureKind::kNoResponse);
  }
  SUBCASE("the peer fell silent") {
    link.network = [](Packet& packet, std::deque<Packet>& arriving) {
      if (packet.to_server || packet.bytes.size() == 60) arriving.push_back(packet);
    };
    CHECK_FALSE(link.handshake());
    link.skip(link.client_policy.handshake_timeout - 1000);
    link.advance();
    CHECK(link.client().count(RecordType::kClose) == 0);
    link.skip(1000);
    link.advance();
    CHECK(link.client().close_kind() == FailureKind::kHandshakeTimeout);
    CHECK(link.server.close_kind() == FailureKind::kHandshakeTimeout);
  }
  SUBCASE("an open question counts, too") {
    link.client_policy.ask_identity = true;
    link.client().hold = true;
    CHECK_FALSE(link.handshake());
    link.skip(link.client_policy.handshake_timeout + 1);
    link.advance();
    CHECK(link.client().close_kind() == FailureKind::kLookupTimeout);
  }
  CHECK(link.client().endpoint.pending_count() == 0);
  CHECK(link.server.endpoint.pending_count() == 0);
}

TEST_CASE("endpoint: idle timeout") {
  Link link;
  link.server_policy.idle_timeout = 60000;
  REQUIRE(link.handshake());
  for (int i = 0; i < 3; ++i) {  // traffic in either direction keeps it open
    link.skip(40000);
    if (i % 2 == 0) {
      link.send(link.client(), view("x"));
    } else {
      link.send(link.server, view("x"));
    }
    link.advance();
    CHECK(link.server.count(RecordType::kClose) == 0);
  }
  link.skip(40000);
  link.inject(link.server,
              view(plain_record(23, 1, 999, view("what nobody signed is no traffic"))));
  link.skip(20001);
  link.advance();
  CHECK(link.server.close_kind() == FailureKind::kIdleTimeout);
  CHECK(link.client().close_kind() == FailureKind::kNone);  // it was told
  CHECK(link.client().count(RecordType::kClose) == 1);
}

// As after a careless call of Node's own crypto on this thread.
void fill_error_queue() {
  for (int i = 0; i < 20; ++i) ERR_raise(ERR_LIB_SSL, SSL_R_BAD_SIGNATURE);
}

TEST_CASE("endpoint: OpenSSL's error queue is clean after every call, and never misleads one") {
  Link link;
  const auto clean = [](const auto& call) {
    fill_error_queue();
    call();
    CHECK(ERR_peek_error() == 0);
  };
  clean([&] { link.listen(); });
  clean([&] { link.connect(); });
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    fill_error_queue();
    arriving.push_back(packet);
  };
  link.pump();
  REQUIRE(link.client().secure());
  REQUIRE(link.server.secure());
  Endpoint& client = link.client().endpoint;
  const SessionId id = link.client().session;
  fill_error_queue();
  CHECK(link.send(link.client(), view("x")) == SendOutcome::kSent);
  clean([&] { client.advance(link.now()); });
  clean([&] { client.answer_psk(id.slot, id.generation, PskAnswer::kFound, {}, {}, link.now()); });
  clean([&] { client.answer_identity(id.slot, id.generation, true, link.now()); });
  clean([&] { link.inject(link.client(), view(std::string("rubbish"))); });
  clean([&] { link.inject(link.client(), view(plain_record(23, 1, 99, view("rubbish")))); });
  clean([&] { link.inject(link.client(), view(plain_record(22, 0, 99, view("rubbish")))); });
  link.pump();
  CHECK(link.server.messages() == std::vector<std::string>{"x"});
  CHECK(link.client().count(RecordType::kClose) == 0);
  clean([&] { client.close(id.slot, id.generation); });
  clean([&] { client.release(id.slot, id.generation); });
  clean([&] { client.release(id.slot, id.generation); });
  clean([&] { link.server.endpoint.set_context(link.server_context); });
  clean([&] { link.server.endpoint.stop_listening(); });
}

std::vector<unsigned long> take_error_queue() {
  std::vector<unsigned long> errors;
  while (const unsigned long error = ERR_get_error()) errors.push_back(error);
  return errors;
}

TEST_CASE(
    "endpoint: to send a message takes nothing from OpenSSL's error queue where no SSL does") {
  fill_error_queue();
  const std::vector<unsigned long> stale = take_error_queue();
  REQUIRE_FALSE(stale.empty());
  for (const char* suite : {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305",
                            "ECDHE-ECDSA-AES128-CCM", "ECDHE-ECDSA-AES128-SHA256"}) {
    CAPTURE(std::string(suite));
    Link link;
    REQUIRE_FALSE(link.client_context->set_ciphers(suite));
    REQUIRE_FALSE(link.server_context->set_ciphers(suite));
    REQUIRE(link.handshake());
    const bool by_ssl = link.client().live()->ssl() != nullptr;
    // The second one comes after a rest: what it is sealed with is made anew.
    for (int i = 0; i < 2; ++i) {
      fill_error_queue();
      CHECK(link.send(link.client(), view("x")) == SendOutcome::kSent);
      CHECK(take_error_queue() == (by_ssl ? std::vector<unsigned long>{} : stale));
      link.pump();
      Link::skip(Session::kRestAfter);
      link.advance();
      REQUIRE(link.client().live()->rests());
    }
    CHECK(link.server.messages() == std::vector<std::string>{"x", "x"});
    CHECK(link.client().count(RecordType::kClose) == 0);
  }
}

// Who asks at the terminal.
struct Asked {
  static inline int times = 0;
  UI_METHOD* const method = UI_create_method("counts");
  const UI_METHOD* const before = UI_get_default_method();

  Asked() {
    times = 0;
    UI_method_set_opener(method, [](UI* /*ui*/) {
      ++times;
      return 0;
    });
    UI_set_default_method(method);
  }
  ~Asked() {
    UI_set_default_method(before);
    UI_destroy_method(method);
  }
  Asked(const Asked&) = delete;
  Asked& operator=(const Asked&) = delete;
};

TEST_CASE("secure context: what is encrypted and has no passphrase has nobody asked for one") {
  const Asked asked;
  SecureContext context{Handshake::install_callbacks};
  REQUIRE(context.valid());
  const auto encrypted = [](const std::string& what) {
    return "-----BEGIN " + what + "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC," +
           std::string(32, 'A') + "\n\nAAAAAAAAAAAAAAAAAAAAAA==\n-----END " + what + "-----\n";
  };
  CHECK(context.add_ca(view(encrypted("CERTIFICATE")), true).kind == FailureKind::kInvalidCa);
  CHECK(context.add_crl(view(encrypted("X509 CRL"))).kind == FailureKind::kInvalidCrl);
  CHECK(context.add_certificate(view(encrypted("CERTIFICATE"))).kind ==
        FailureKind::kInvalidCertificate);
  CHECK(context.add_key(view(encrypted("EC PRIVATE KEY")), {}).kind == FailureKind::kPassphrase);
  CHECK(context.set_dhparam(view(encrypted("DH PARAMETERS"))).kind == FailureKind::kInvalidDhparam);
  CHECK(Asked::times == 0);
}

TEST_CASE("secure context: what is wrong is named, and nothing stays in the error queue") {
  SecureContext context{Handshake::install_callbacks};
  REQUIRE(context.valid());
  const Identity one = authority().issue();
  const Identity other = authority().issue();
  const std::string rubbish = "rubbish";
  const auto kind = [](const Failure& failure) {
    CHECK(ERR_peek_error() == 0);
    return failure.kind;
  };
  CHECK(kind(context.add_certificate(view(rubbish))) == FailureKind::kInvalidCertificate);
  CHECK(kind(context.add_certificate({})) == FailureKind::kInvalidCertificate);
  CHECK(kind(context.add_certificate(view(one.chain))) == FailureKind::kNone);
  CHECK(kind(context.check_identities()) == FailureKind::kKeyMismatch);
  CHECK(kind(context.add_key(view(rubbish), {})) == FailureKind::kInvalidKey);
  CHECK(kind(context.add_key(view(other.key), {})) == FailureKind::kKeyMismatch);
  CHECK(kind(context.add_key(view(one.key), {})) == FailureKind::kNone);
  CHECK(kind(context.check_identities()) == FailureKind::kNone);
  CHECK(kind(context.add_certificate(view(other.chain))) == FailureKind::kInvalidCertificate);
  CHECK(kind(context.add_pfx(view(rubbish), {}, true)) == FailureKind::kInvalidPfx);
  CHECK(context.own_certificates().size() == 1);
  CHECK(kind(context.add_ca(view(rubbish), true)) == FailureKind::kInvalidCa);
  CHECK(kind(context.add_ca({}, true)) == FailureKind::kInvalidCa);
  CHECK(kind(context.add_ca(view(authority().pem()), true)) == FailureKind::kNone);
  CHECK(kind(context.add_crl(view(rubbish))) == FailureKind::kInvalidCrl);
  CHECK(kind(context.set_ciphers("NO-SUCH-SUITE")) == FailureKind::kInvalidCiphers);
  CHECK(kind(context.set_groups("no-such-group")) == FailureKind::kInvalidCurves);
  CHECK(kind(context.set_sigalgs("no-such-algorithm")) == FailureKind::kInvalidSigalgs);
  CHECK(kind(context.set_dhparam(view(rubbish))) == FailureKind::kInvalidDhparam);
  CHECK(kind(context.set_versions(0x1234, 0x1234)) == FailureKind::kInvalidVersion);
  CHECK(kind(context.set_session_id_context(view(std::string(33, 'x')))) ==
        FailureKind::kInvalidSessionIdContext);
}

TEST_CASE("endpoint: who closes in mid-handshake says so") {
  constexpr uint32_t kCloseNotify = 0;
  for (const bool client_closes : {true, false}) {
    CAPTURE(client_closes);
    Link link;
    link.use_psk("device", std::vector<uint8_t>(16, 7));
    link.listen();
    link.connect();
    // The question for the key is open on one side.
    (client_closes ? link.client() : link.server).hold = true;
    link.pump();
    Side& closing = client_closes ? link.client() : link.server;
    Side& told = client_closes ? link.server : link.client();
    REQUIRE_FALSE(closing.secure());
    close(link, closing);
    link.pump();
    CHECK(closing.alerts(true, kCloseNotify) == 1);
    CHECK(closing.close_kind() == FailureKind::kNone);
    CHECK(told.alerts(false, kCloseNotify) == 1);
    CHECK(told.close_kind() == FailureKind::kAlertReceived);
    CHECK(told.close_alert() == kCloseNotify);
    CHECK(link.server.endpoint.pending_count() == 0);
  }
}

TEST_CASE("endpoint: who leaves without a word sends none, open or in mid-handshake") {
  for (const bool open : {true, false}) {
    CAPTURE(open);
    Link link;
    link.use_psk("device", std::vector<uint8_t>(16, 7));
    link.listen();
    link.connect();
    link.client().hold = !open;
    link.pump();
    Side& leaving = link.client();
    REQUIRE(leaving.secure() == open);
    size_t sent = 0;
    link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
      sent += 1;
      arriving.push_back(packet);
    };
    leaving.endpoint.close(leaving.session.slot, leaving.session.generation, false);
    link.pump();
    CHECK(sent == 0);
    CHECK(leaving.close_kind() == FailureKind::kNone);
    CHECK(link.server.count(RecordType::kClose) == 0);
  }
}

TEST_CASE("endpoint: warnings in clear do not end a handshake") {
  for (const bool psk : {false, true}) {
    Link link;
    if (psk) link.use_psk("device", std::vector<uint8_t>(16, 7));
    uint64_t number = 20;
    link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
      for (const uint8_t description : {90, 100, 112}) {
        const std::array<uint8_t, 2> warning = {1, description};
        Packet forged = packet;
        forged.bytes = plain_record(SSL3_RT_ALERT, 0, number++, {warning.data(), warning.size()});
        arriving.push_back(forged);
      }
      arriving.push_back(packet);
    };
    REQUIRE(link.handshake());
    CHECK(link.client().alerts(false, 112) > 0);
    CHECK(link.server.alerts(false, 112) > 0);
  }
}

TEST_CASE("endpoint: an authentic warning does not end a session") {
  Link link;
  REQUIRE_FALSE(link.client_context->set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256"));
  REQUIRE(link.handshake());
  uint64_t number = 100;
  for (const uint8_t description : {90, 100, 112, 41}) {
    const std::array<uint8_t, 2> warning = {1, description};
    const Datagram record = seal_record(link.client().live(), SSL3_RT_ALERT, number++,
                                        {warning.data(), warning.size()});
    link.inject(link.server, view(record));
    link.inject(link.server, view(record));  // a replay
    CHECK(link.server.alerts(false, description) == 0);
    link.pump();
    CHECK(link.server.alerts(false, description) == 1);
  }
  CHECK(link.server.endpoint.traffic().replays == 4);
  link.send(link.server, view("alive"));
  link.pump();
  CHECK(link.client().messages() == std::vector<std::string>{"alive"});
  // The others end it as ever.
  const std::array<uint8_t, 2> fatal = {2, 40};
  link.inject(link.server, view(seal_record(link.client().live(), SSL3_RT_ALERT, number,
                                            {fatal.data(), fatal.size()})));
  link.pump();
  CHECK(link.server.close_kind() == FailureKind::kAlertReceived);
  CHECK(link.server.close_alert() == 40);
}

}  // namespace
}  // namespace dtls::test
