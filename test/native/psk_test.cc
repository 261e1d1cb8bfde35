// Protects: that pre-shared keys are looked up for exactly the identity that was sent, before
// OpenSSL needs them, however the messages are cut into fragments, records and datagrams; that a
// message which such a handshake has not ends none; and that keys that differ are told apart from a
// peer that fell silent.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <optional>

#include "core/handshake/kept_session.h"
#include "core/handshake/psk_lookahead.h"
#include "harness.h"

namespace dtls::test {
namespace {

const std::vector<uint8_t> kKey = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

TEST_CASE("endpoint: handshake with a pre-shared key") {
  const char* ciphers = "PSK-AES128-GCM-SHA256";
  SUBCASE("plain") {}
  SUBCASE("with ECDHE") { ciphers = "ECDHE-PSK-AES128-CBC-SHA256"; }
  SUBCASE("with CCM-8") { ciphers = "PSK-AES128-CCM8:@SECLEVEL=0"; }
  Link link;
  link.use_psk("sensor 17", kKey);
  link.server_context = psk_context(ciphers);
  link.client_context = psk_context(ciphers);
  REQUIRE(link.handshake());
  CHECK(kSecurePsk.in(link.client().last(RecordType::kSecure)->a));
  CHECK(kSecurePsk.in(link.server.last(RecordType::kSecure)->a));
  CHECK_FALSE(kSecurePeerCertificate.in(link.client().last(RecordType::kSecure)->a));
  CHECK(text_of(view(link.server.last(RecordType::kLookup)->bytes)) == "sensor 17");
  CHECK(link.server.last(RecordType::kLookup)->a == static_cast<uint32_t>(LookupKind::kPskServer));
  CHECK(link.client().last(RecordType::kLookup)->a ==
        static_cast<uint32_t>(LookupKind::kPskClient));
  CHECK(link.server.count(RecordType::kLookup) == 1);
  CHECK(link.client().count(RecordType::kLookup) == 1);
  CHECK(text_of(view(*link.server.live()->psk_identity())) == "sensor 17");
  CHECK(text_of(view(*link.client().live()->psk_identity())) == "sensor 17");
  link.send(link.client(), view("21.5"));
  link.pump();
  CHECK(link.server.messages() == std::vector<std::string>{"21.5"});
}

TEST_CASE("endpoint: the client is asked with the server's hint") {
  Link link;
  link.use_psk("a", kKey);
  link.server_policy.psk_identity_hint = "which of you?";
  REQUIRE(link.handshake());
  CHECK(text_of(view(link.client().last(RecordType::kLookup)->bytes)) == "which of you?");
}

TEST_CASE("endpoint: answers may take their time on both sides") {
  Link link;
  link.use_psk("slow", kKey);
  link.server.hold = link.client().hold = true;
  CHECK_FALSE(link.handshake());
  const SessionId client = link.client().session;
  // The server repeats its flight meanwhile; that must not ask again.
  CHECK(link.run_until([&] { return link.server.endpoint.traffic().retransmissions >= 6; }));
  CHECK(link.client().count(RecordType::kLookup) == 1);
  link.client().endpoint.answer_psk(client.slot, client.generation, PskAnswer::kFound, view("slow"),
                                    view(kKey), link.now());
  CHECK(link.run_until([&] { return link.server.count(RecordType::kLookup) == 1; }));
  CHECK(link.run_until([&] { return link.client().endpoint.traffic().retransmissions >= 6; }));
  CHECK(link.server.count(RecordType::kLookup) == 1);
  const SessionId server = link.server.session;
  link.server.endpoint.answer_psk(server.slot, server.generation, PskAnswer::kFound, {}, view(kKey),
                                  link.now());
  CHECK(link.run_until([&] { return link.client().secure() && link.server.secure(); }));
  // Too late and unasked: ignored.
  link.server.endpoint.answer_psk(server.slot, server.generation, PskAnswer::kUnknown, {}, {},
                                  link.now());
  CHECK(link.server.live()->state() == SessionState::kOpen);
}

TEST_CASE("endpoint: an answer to another question is not taken") {
  Link link;
  link.use_psk("x", kKey);
  link.client().hold = true;
  CHECK_FALSE(link.handshake());
  const SessionId id = link.client().session;
  link.client().endpoint.answer_identity(id.slot, id.generation, true, link.now());
  link.pump();
  CHECK(link.client().count(RecordType::kClose) == 0);
  link.client().endpoint.answer_psk(id.slot, id.generation, PskAnswer::kFound, view("x"),
                                    view(kKey), link.now());
  link.pump();
  CHECK(link.client().secure());
}

TEST_CASE("endpoint: a PSK answer does not stand for a judgement of the certificate") {
  Link link;
  link.client_policy.ask_identity = true;
  link.client().hold = true;
  CHECK_FALSE(link.handshake());
  REQUIRE(link.client().count(RecordType::kLookup) == 1);
  const SessionId id = link.client().session;
  link.client().endpoint.answer_psk(id.slot, id.generation, PskAnswer::kFound, view("x"),
                                    view(kKey), link.now());
  link.pump();
  CHECK_FALSE(link.client().secure());
  CHECK(link.client().count(RecordType::kLookup) == 1);
  link.client().endpoint.answer_identity(id.slot, id.generation, true, link.now());
  link.pump();
  CHECK(link.client().secure());
}

TEST_CASE("endpoint: an identity that nobody knows") {
  Link link;
  link.use_psk("known", kKey);
  link.client().psk_identity = "unknown";
  CHECK_FALSE(link.handshake());
  CHECK(link.server.close_kind() == FailureKind::kPskIdentityUnknown);
  CHECK(link.server.close_alert() == SSL_AD_UNKNOWN_PSK_IDENTITY);
  CHECK(link.client().close_kind() == FailureKind::kAlertReceived);
  CHECK(link.client().close_alert() == SSL_AD_UNKNOWN_PSK_IDENTITY);
}

TEST_CASE("endpoint: a client that has no key to offer") {
  Link link;
  link.use_psk("x", kKey);
  link.client().psk.clear();
  CHECK_FALSE(link.handshake());
  CHECK(link.client().close_kind() == FailureKind::kPskRequired);
  CHECK(link.server.close_kind() == FailureKind::kAlertReceived);
}

TEST_CASE("endpoint: a key of no bytes is none, on either side") {
  Link link;
  link.use_psk("x", kKey);
  SUBCASE("the server's") {
    link.server.keys["x"].clear();
    CHECK_FALSE(link.handshake());
    CHECK(link.server.close_kind() == FailureKind::kPskIdentityUnknown);
    CHECK_FALSE(link.client().secure());
  }
  SUBCASE("the client's") {
    link.client().hold = true;
    CHECK_FALSE(link.handshake());
    const SessionId id = link.client().session;
    link.client().endpoint.answer_psk(id.slot, id.generation, PskAnswer::kFound, view("x"), {},
                                      link.now());
    link.pump();
    CHECK(link.client().close_kind() == FailureKind::kPskRequired);
  }
}

TEST_CASE("endpoint: a client's identity that OpenSSL would cut is refused") {
  Link link;
  const std::string longest(kMaxPskIdentity, 'i');
  link.use_psk(longest, kKey);
  SUBCASE("the longest") {
    REQUIRE(link.handshake());
    CHECK(text_of(view(*link.server.live()->psk_identity())) == longest);
  }
  SUBCASE("one more") {
    link.client().psk_identity += 'i';
    CHECK_FALSE(link.handshake());
    CHECK(link.client().close_kind() == FailureKind::kPskIdentityInvalid);
  }
  SUBCASE("with a NUL") {
    link.client().psk_identity = std::string("a\0b", 3);
    CHECK_FALSE(link.handshake());
    CHECK(link.client().close_kind() == FailureKind::kPskIdentityInvalid);
    CHECK(link.server.count(RecordType::kLookup) == 0);
  }
}

// Replaces bytes of the identity on its way, as a client of another make could send it.
void rewrite_identity(Link& link, const std::string& from, const std::string& to) {
  link.network = [from, to](Packet& packet, std::deque<Packet>& arriving) {
    const auto at = std::search(packet.bytes.begin(), packet.bytes.end(), from.begin(), from.end());
    if (packet.to_server && at != packet.bytes.end()) std::copy(to.begin(), to.end(), at);
    arriving.push_back(packet);
  };
}

TEST_CASE("endpoint: an identity with a NUL is refused, never looked up as something shorter") {
  Link link;
  link.use_psk("admin_guest", kKey);
  link.server.keys["admin"] = kKey;
  rewrite_identity(link, "admin_guest", std::string("admin\0guest", 11));
  CHECK_FALSE(link.handshake());
  CHECK(link.server.count(RecordType::kLookup) == 0);
  CHECK(link.server.close_kind() == FailureKind::kPskIdentityInvalid);
  CHECK(link.client().close_kind() == FailureKind::kAlertReceived);
}

TEST_CASE("endpoint: different keys show on both sides when the deadline passes") {
  Link link;
  link.use_psk("x", kKey);
  link.client().psk = {9, 9, 9, 9};
  CHECK_FALSE(link.handshake());
  CHECK(link.run_until([&] { return link.client().endpoint.traffic().retransmissions >= 3; }));
  CHECK(link.client().count(RecordType::kClose) == 0);
  CHECK(link.server.count(RecordType::kClose) == 0);
  link.skip(link.client_policy.handshake_timeout + 1);
  link.advance();
  CHECK(link.client().close_kind() == FailureKind::kPskMismatch);
  CHECK(link.server.close_kind() == FailureKind::kPskMismatch);
  CHECK(link.client().endpoint.stats().failures[static_cast<size_t>(FailureKind::kPskMismatch)] ==
        1);
  CHECK(link.server.endpoint.session_count() == 0);
}

TEST_CASE("endpoint: PSK, each datagram lost once, or the flights backwards") {
  for (size_t lost = 0; lost < 8; ++lost) {
    Link link;
    link.use_psk("lossy", kKey);
    size_t number = 0;
    link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
      if (number++ != lost) arriving.push_back(packet);
    };
    link.listen();
    link.connect();
    CAPTURE(lost);
    CHECK(link.run_until([&] { return link.client().secure() && link.server.secure(); }));
    CHECK(link.server.count(RecordType::kLookup) == 1);
    CHECK(link.client().count(RecordType::kLookup) == 1);
  }
}

// Cuts datagrams into their records and lets the last ones arrive first.
void records_backwards(Link& link, bool to_server) {
  link.network = [to_server](Packet& packet, std::deque<Packet>& arriving) {
    if (packet.to_server != to_server) {
      arriving.push_back(packet);
      return;
    }
    Bytes rest = view(packet.bytes);
    RecordView record;
    while (take_record(rest, record)) {
      Packet one = packet;
      one.bytes = copy(record.whole);
      arriving.push_front(one);
    }
  };
}

TEST_CASE("endpoint: PSK with the records of a flight in reverse order") {
  Link link;
  link.use_psk("reordered", kKey);
  SUBCASE("the server's: ServerHelloDone before ServerHello") { records_backwards(link, false); }
  SUBCASE("the server's, with a hint") {
    link.server_policy.psk_identity_hint = "a hint";
    records_backwards(link, false);
  }
  SUBCASE("the client's: Finished before ClientKeyExchange") { records_backwards(link, true); }
  link.listen();
  link.connect();
  CHECK(link.run_until([&] { return link.client().secure() && link.server.secure(); }));
  CHECK(link.client().count(RecordType::kClose) == 0);
  CHECK(link.client().count(RecordType::kLookup) == 1);
}

TEST_CASE("endpoint: PSK with a fragmented ClientKeyExchange") {
  for (const bool backwards : {false, true}) {
    Link link;
    const std::string identity(230, 'f');
    link.use_psk(identity, kKey);
    link.client_policy.mtu = 256;
    if (backwards) records_backwards(link, true);
    link.listen();
    link.connect();
    CAPTURE(backwards);
    CHECK(link.run_until([&] { return link.client().secure() && link.server.secure(); }));
    CHECK(text_of(view(link.server.last(RecordType::kLookup)->bytes)) == identity);
  }
}

TEST_CASE("endpoint: forged ServerHelloDones neither stop nor exhaust a client") {
  Link link;
  link.use_psk("target", kKey);
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    for (uint16_t message = 3; message < 20 && !packet.to_server; ++message) {
      Packet forged = packet;
      forged.bytes = handshake_record(14, message, {});
      // Within OpenSSL's replay window, which such records could also push beyond the genuine ones.
      write_u24(&forged.bytes[8], 40);
      arriving.push_back(forged);
    }
    arriving.push_back(packet);
  };
  link.listen();
  link.connect();
  CHECK(link.run_until([&] { return link.client().secure() && link.server.secure(); }));
}

TEST_CASE("endpoint: a client drops a Certificate that its suite, or its session, has not") {
  Link link;
  link.use_psk("target", kKey);
  bool resumes = false;
  bool ahead = true;
  SUBCASE("of a pre-shared key, ahead of the flight") {}
  SUBCASE("of a pre-shared key, behind the flight") { ahead = false; }
  SUBCASE("of a pre-shared key with ECDHE") {
    link.server_context = link.client_context = psk_context("ECDHE-PSK-AES128-CBC-SHA256");
  }
  SUBCASE("of an anonymous suite") {
    link.server_policy = link.client_policy = quick_policy();
    link.client_policy.reject_unauthorized = link.server_policy.reject_unauthorized = false;
    link.server_context = link.client_context = psk_context("AECDH-AES128-SHA:@SECLEVEL=0");
  }
  SUBCASE("of a session that is resumed") {
    link.server_policy = link.client_policy = quick_policy();
    link.server_context = certificate_context(&server_identity());
    link.client_context = certificate_context();
    link.server_policy.ticket_keys = std::make_shared<TicketKeys>(3.6e6);
    REQUIRE(link.handshake());
    const SecretBytes packed = link.client().live()->facts()->pack("");
    link.client_policy.session = KeptSession::parse(packed.view());
    REQUIRE(link.client_policy.session.get() != nullptr);
    link.server.events.clear();
    link.add_client();
    resumes = true;
  }
  // In the place of what comes behind the ServerHello.
  const std::vector<uint8_t> certificates(600, 0);
  Packet forged;
  forged.bytes = handshake_record(11, 2, view(certificates));
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    if (packet.to_server) {
      arriving.push_back(packet);
      return;
    }
    forged.to_server = false;
    forged.client = packet.client;
    if (ahead) arriving.push_back(forged);
    Bytes rest = view(packet.bytes);
    RecordView record;
    while (take_record(rest, record)) {
      Packet one = packet;
      one.bytes = copy(record.whole);
      arriving.push_back(one);
      if (!ahead) arriving.push_back(forged);
    }
  };
  if (!resumes) link.listen();
  link.connect();
  REQUIRE(link.run_until([&] { return link.client().secure() && link.server.secure(); }));
  CHECK(link.client().count(RecordType::kClose) == 0);
  if (resumes) CHECK(kSecureReused.in(link.client().last(RecordType::kSecure)->a));
}

TEST_CASE("endpoint: what waits for an answer is bounded") {
  Link link;
  link.use_psk("slow", kKey);
  link.server.hold = true;
  CHECK_FALSE(link.handshake());
  REQUIRE(link.server.count(RecordType::kLookup) == 1);
  const std::vector<uint8_t> large(16000);
  const size_t before = allocated_bytes();
  for (uint64_t i = 0; i < 1000; ++i) {
    link.inject(link.server, view(plain_record(22, 0, 100 + i, view(large))));
  }
  CHECK(allocated_bytes() < before + 100000);
  const SessionId id = link.server.session;
  link.server.endpoint.answer_psk(id.slot, id.generation, PskAnswer::kFound, {}, view(kKey),
                                  link.now());
  link.pump();
}

// ---- what is read ahead ----

std::vector<uint8_t> with_length(const std::string& text, size_t behind = 0) {
  std::vector<uint8_t> bytes = {static_cast<uint8_t>(text.size() >> 8),
                                static_cast<uint8_t>(text.size())};
  bytes.insert(bytes.end(), text.begin(), text.end());
  bytes.resize(bytes.size() + behind, 4);
  return bytes;
}

// What is read of a message's body; nothing when it is not to be asked about.
std::optional<std::string> name_in(const std::vector<uint8_t>& body) {
  Bytes name;
  if (!read_psk_name(view(body), name)) return std::nullopt;
  return text_of(name);
}

TEST_CASE("psk lookahead: identities and hints, and what is none") {
  CHECK(name_in(with_length("some identity")) == "some identity");
  // The empty identity, and an ECDHE share behind it.
  CHECK(name_in(with_length("", 33)) == "");
  const std::string longest(kMaxPskIdentity, 'x');
  CHECK(name_in(with_length(longest)) == longest);
  // Longer than OpenSSL takes; shorter than it says; nothing.
  CHECK_FALSE(name_in(with_length(longest + 'x')));
  CHECK_FALSE(name_in({0, 9, 'x'}));
  CHECK_FALSE(name_in({0}));
  CHECK_FALSE(name_in({}));
}

}  // namespace
}  // namespace dtls::test
