// Protects: that a ClientHello is read as OpenSSL reads it; that it is asked about once, and only
// when somebody wants to answer; that a peer costs nothing but its hello meanwhile; and that
// context, rules and protocol of the answer are those of the handshake.
#include <doctest/doctest.h>

#include <algorithm>

#include "core/wire/client_hello.h"
#include "harness.h"

namespace dtls::test {
namespace {

std::vector<uint8_t> protocols(std::initializer_list<const char*> names) {
  std::vector<uint8_t> wire;
  for (const std::string name : names) {
    wire.push_back(static_cast<uint8_t>(name.size()));
    wire.insert(wire.end(), name.begin(), name.end());
  }
  return wire;
}

// The body of a hello with these extensions, each already behind its type and length.
std::vector<uint8_t> hello_with(const std::vector<std::vector<uint8_t>>& extensions,
                                size_t cut = 0) {
  std::vector<uint8_t> body = {0xfe, 0xfd};
  body.insert(body.end(), kRandomSize, 7);
  body.insert(body.end(), {2, 0xaa, 0xbb, 0, 0, 2, 0xc0, 0x2b, 1, 0});
  size_t size = 0;
  for (const auto& extension : extensions) size += extension.size();
  body.push_back(static_cast<uint8_t>(size >> 8));
  body.push_back(static_cast<uint8_t>(size));
  for (const auto& extension : extensions) {
    body.insert(body.end(), extension.begin(), extension.end());
  }
  body.resize(body.size() - cut);
  return body;
}

bool parses(const std::vector<uint8_t>& body) {
  ClientHelloView hello;
  return parse_client_hello(view(body), hello);
}

TEST_CASE("client hello: what is read") {
  const std::vector<uint8_t> name = {0, 0, 0, 6, 0, 4, 0, 0, 1, 'a'};
  const std::vector<uint8_t> alpn = {0, 16, 0, 7, 0, 5, 1, 'x', 2, 'y', 'z'};
  const std::vector<uint8_t> ticket = {0, 35, 0, 1, 9};
  const std::vector<uint8_t> body = hello_with({name, alpn, ticket});
  ClientHelloView hello;
  REQUIRE(parse_client_hello(view(body), hello));
  CHECK(text_of(hello.server_name) == "a");
  CHECK(text_of(hello.protocols) == "\x01x\x02yz");
  CHECK(hello.session_id.size == 2);
  CHECK(hello.ticket.size != 0);
  CHECK(pack_client_hello(hello) ==
        std::vector<uint8_t>{2, 0xaa, 0xbb, 0, 1, 'a', 1, 'x', 2, 'y', 'z'});
  for (size_t cut = 1; cut < body.size(); ++cut) {
    // Without any extension a hello may end early: RFC 5246 section 7.4.1.2.
    const std::vector<uint8_t> shorter(body.begin(), body.end() - static_cast<long>(cut));
    CHECK(parses(shorter) == (shorter.size() == 2 + kRandomSize + 10));
  }
}

TEST_CASE("client hello: an empty ticket extension only says that tickets are understood") {
  const std::vector<uint8_t> body = hello_with({{0, 35, 0, 0}});
  ClientHelloView hello;
  REQUIRE(parse_client_hello(view(body), hello));
  CHECK(hello.ticket.size == 0);
}

TEST_CASE("client hello: what OpenSSL would refuse is not asked about") {
  CHECK_FALSE(parses(hello_with({{0, 0, 0, 6, 0, 4, 1, 0, 1, 'a'}})));       // no host_name
  CHECK_FALSE(parses(hello_with({{0, 0, 0, 6, 0, 4, 0, 0, 1, 0}})));         // a NUL in it
  CHECK_FALSE(parses(hello_with({{0, 0, 0, 6, 0, 4, 0, 0, 2, 'a'}})));       // cut short
  CHECK_FALSE(parses(hello_with({{0, 0, 0, 7, 0, 4, 0, 0, 1, 'a', 'b'}})));  // more behind it
  CHECK_FALSE(parses(
      hello_with({{0, 0, 0, 6, 0, 4, 0, 0, 1, 'a'}, {0, 0, 0, 6, 0, 4, 0, 0, 1, 'b'}})));  // twice
  CHECK_FALSE(parses(hello_with({{0, 16, 0, 2, 0, 0}})));          // an empty list
  CHECK_FALSE(parses(hello_with({{0, 16, 0, 3, 0, 1, 0}})));       // an empty protocol
  CHECK_FALSE(parses(hello_with({{0, 16, 0, 4, 0, 2, 2, 'x'}})));  // cut short
  std::vector<uint8_t> long_name = {0, 0, 1, 5, 1, 3, 0, 1, 0};
  long_name.insert(long_name.end(), 256, 'a');
  CHECK_FALSE(parses(hello_with({long_name})));
}

struct Named : Link {
  Named() {
    server_policy.hello_questions = kAskServerName | kAskProtocols;
    client_policy.server_name = "b.example.org";
    server.hold = true;
    other = certificate_context(&identity);
  }

  Identity identity = authority().issue({"b.example.org"});
  ContextPtr other;
  HelloAnswer answer;

  void respond() {
    const SessionId id = server.session;
    server.endpoint.answer_hello(id.slot, id.generation, answer, now());
    pump();
  }
  std::string subject_seen() {
    const X509Ptr leaf = client().live()->facts()->peer_leaf();
    char name[64] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(leaf.get()), NID_commonName, name, sizeof name);
    return name;
  }
};

TEST_CASE("endpoint: a hello waits for its answer, and costs no SSL meanwhile") {
  Named link;
  SUBCASE("behind the cookie exchange") {}
  SUBCASE("without one") { link.listener.cookie_exchange = false; }
  SUBCASE("in fragments") { link.client_policy.mtu = 256; }
  SUBCASE("in fragments, without cookie exchange") {
    link.client_policy.mtu = 256;
    link.listener.cookie_exchange = false;
  }
  CHECK_FALSE(link.handshake());
  REQUIRE(link.server.count(RecordType::kLookup) == 1);
  const Event* lookup = link.server.last(RecordType::kLookup);
  CHECK(lookup->a == static_cast<uint32_t>(LookupKind::kClientHello));
  CHECK(text_of(view(lookup->bytes)).find("b.example.org") != std::string::npos);
  CHECK(link.server.live()->ssl() == nullptr);
  // The client repeats itself; that asks nothing, and nothing of it is kept.
  const size_t before = allocated_bytes();
  CHECK(link.run_until([&] { return link.client().endpoint.traffic().retransmissions >= 6; }));
  CHECK(link.server.count(RecordType::kLookup) == 1);
  CHECK(allocated_bytes() < before + 32768);
  link.answer.context = link.other;
  link.respond();
  CHECK(link.run_until([&] { return link.client().secure() && link.server.secure(); }));
  CHECK(link.subject_seen() == "b.example.org");
  // Too late: ignored.
  link.answer.refusal = FailureKind::kServerNameRefused;
  link.respond();
  CHECK(link.server.live()->state() == SessionState::kOpen);
}

TEST_CASE("endpoint: nothing is asked where nobody answers, or about nothing") {
  Named link;
  SUBCASE("no questions") { link.server_policy.hello_questions = 0; }
  SUBCASE("no name") { link.client_policy.server_name.clear(); }
  SUBCASE("only about protocols") { link.server_policy.hello_questions = kAskProtocols; }
  REQUIRE(link.handshake());
  CHECK(link.server.count(RecordType::kLookup) == 0);
}

TEST_CASE("endpoint: an answer without context or rules keeps those of the listener") {
  Named link;
  CHECK_FALSE(link.handshake());
  link.respond();
  CHECK(link.client().secure());
  CHECK(link.subject_seen() != "b.example.org");
}

TEST_CASE("endpoint: all that a context says counts for its sessions, and the heartbeat, too") {
  Named link;
  link.server_policy.heartbeat = link.client_policy.heartbeat = HeartbeatMode::kPeerAllowedToSend;
  auto chacha = std::make_shared<SecureContext>(Handshake::install_callbacks);
  REQUIRE(!chacha->set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305"));
  REQUIRE(!chacha->add_certificate(view(link.identity.chain)));
  REQUIRE(!chacha->add_key(view(link.identity.key), {}));
  CHECK_FALSE(link.handshake());
  link.answer.context = chacha;
  link.respond();
  REQUIRE(link.client().secure());
  CHECK(link.server.live()->facts()->cipher_info().name == "ECDHE-ECDSA-CHACHA20-POLY1305");
  CHECK(link.server.live()->heartbeat(view("ping"), 16, 1000, 0, link.now()) ==
        HeartbeatOutcome::kSent);
  link.pump();
  const Event* heartbeat = link.server.last(RecordType::kHeartbeat);
  REQUIRE(heartbeat != nullptr);
  CHECK_FALSE(kOut.in(heartbeat->a));  // the response came in
}

TEST_CASE("endpoint: the rules of an answer replace the listener's") {
  Named link;
  SUBCASE("a certificate is asked for") {
    CHECK_FALSE(link.handshake());
    auto strict = std::make_shared<SessionPolicy>(link.server_policy);
    strict->request_certificate = true;
    link.answer.policy = strict;
    link.respond();
    CHECK(link.server.close_kind() == FailureKind::kPeerCertificateMissing);
  }
  SUBCASE("a pre-shared key is asked for") {
    link.client_context = psk_context();
    link.client_policy.ask_psk = true;
    link.client().psk_identity = "x";
    link.client().psk = {1, 2, 3};
    link.server.keys["x"] = {1, 2, 3};
    CHECK_FALSE(link.handshake());
    auto psk = std::make_shared<SessionPolicy>(link.server_policy);
    psk->ask_psk = true;
    link.answer.policy = psk;
    link.answer.context = psk_context();
    link.server.hold = false;
    link.respond();
    CHECK(link.client().secure());
    CHECK(link.server.secure());
  }
}

std::string protocol_of(const Side& side) {
  return text_of(view(side.last(RecordType::kSecure)->bytes));
}

TEST_CASE("endpoint: application protocols without a question") {
  Named link;
  link.server_policy.hello_questions = 0;
  link.server_policy.protocols = protocols({"coap", "x"});
  SUBCASE("the server's order counts") {
    link.client_policy.protocols = protocols({"x", "coap"});
    REQUIRE(link.handshake());
    CHECK(protocol_of(link.client()) == "coap");
    CHECK(protocol_of(link.server) == "coap");
  }
  SUBCASE("a client that offers none") {
    REQUIRE(link.handshake());
    CHECK(protocol_of(link.client()).empty());
  }
  SUBCASE("a server that has none") {
    link.server_policy.protocols.clear();
    link.client_policy.protocols = protocols({"x"});
    REQUIRE(link.handshake());
    CHECK(protocol_of(link.client()).empty());
    CHECK(protocol_of(link.server).empty());
  }
  SUBCASE("none in common") {
    link.client_policy.protocols = protocols({"y", "\x01z"});
    CHECK_FALSE(link.handshake());
    CHECK(link.server.close_kind() == FailureKind::kNoApplicationProtocol);
    CHECK(link.server.close_alert() == SSL_AD_NO_APPLICATION_PROTOCOL);
    CHECK(link.client().close_alert() == SSL_AD_NO_APPLICATION_PROTOCOL);
    const std::string text = text_of(view(link.server.last(RecordType::kClose)->bytes));
    CHECK(text.find("the client offers y, ?z; this side has coap, x") != std::string::npos);
  }
}

TEST_CASE("endpoint: application protocols by answer") {
  Named link;
  link.client_policy.server_name.clear();
  link.client_policy.protocols = protocols({"x", "coap"});
  CHECK_FALSE(link.handshake());
  REQUIRE(link.server.count(RecordType::kLookup) == 1);
  SUBCASE("one is chosen") {
    link.answer.protocols = protocols({"x"});
    link.respond();
    CHECK(protocol_of(link.client()) == "x");
    CHECK(protocol_of(link.server) == "x");
  }
  SUBCASE("none will do") {
    link.answer.protocols.emplace();
    link.respond();
    CHECK(link.server.close_kind() == FailureKind::kNoApplicationProtocol);
    CHECK(link.client().close_alert() == SSL_AD_NO_APPLICATION_PROTOCOL);
  }
  SUBCASE("one that was not offered") {
    link.answer.protocols = protocols({"other"});
    link.respond();
    CHECK(link.server.close_kind() == FailureKind::kNoApplicationProtocol);
  }
}

TEST_CASE("endpoint: a refused hello is told so") {
  Named link;
  SUBCASE("behind the cookie exchange") {}
  SUBCASE("without one") { link.listener.cookie_exchange = false; }
  CHECK_FALSE(link.handshake());
  uint32_t alert = SSL_AD_UNRECOGNIZED_NAME;
  link.answer.refusal = FailureKind::kServerNameRefused;
  SUBCASE("for its protocols") {
    link.answer.refusal = FailureKind::kProtocolsRefused;
    alert = SSL_AD_NO_APPLICATION_PROTOCOL;
  }
  link.respond();
  CHECK(link.server.close_kind() == link.answer.refusal);
  CHECK(link.server.close_alert() == alert);
  CHECK(link.client().close_kind() == FailureKind::kAlertReceived);
  CHECK(link.client().close_alert() == alert);
}

TEST_CASE("endpoint: a question that nobody answers ends at the deadline") {
  Named link;
  link.server_policy.handshake_timeout = 5000;
  CHECK_FALSE(link.handshake());
  // The client would begin again with its next repetition.
  link.network = [](Packet&, std::deque<Packet>&) {};
  link.skip(5001);
  link.advance();
  CHECK(link.server.close_kind() == FailureKind::kLookupTimeout);
  CHECK(link.server.endpoint.pending_count() == 0);
}

TEST_CASE("endpoint: a session may go while its hello waits") {
  Named link;
  CHECK_FALSE(link.handshake());
  const SessionId id = link.server.session;
  SUBCASE("closed") { link.server.endpoint.close(id.slot, id.generation); }
  SUBCASE("released") { link.server.endpoint.release(id.slot, id.generation); }
  link.answer.context = link.other;
  link.respond();
  CHECK_FALSE(link.server.secure());
  CHECK(link.server.endpoint.session_count() == 0);
}

TEST_CASE("endpoint: an answer to another question is no answer to the hello") {
  Named link;
  CHECK_FALSE(link.handshake());
  const SessionId id = link.server.session;
  link.server.endpoint.answer_psk(id.slot, id.generation, PskAnswer::kFound, view("x"), view("y"),
                                  link.now());
  link.server.endpoint.answer_identity(id.slot, id.generation, true, link.now());
  link.pump();
  CHECK(link.server.live()->ssl() == nullptr);
  link.respond();
  CHECK(link.client().secure());
}

}  // namespace
}  // namespace dtls::test
