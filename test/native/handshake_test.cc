// Protects: that two endpoints agree on a session and exchange messages, with certificates, and
// that what goes wrong with a certificate ends the handshake on both sides with the cause by name.
#include <doctest/doctest.h>
#include <openssl/x509_vfy.h>

#include <algorithm>

#include "harness.h"

namespace dtls::test {
namespace {

TEST_CASE("endpoint: handshake with a certificate") {
  Link link;
  REQUIRE(link.handshake());
  CHECK(link.server.endpoint.session_count() == 1);
  CHECK(link.server.endpoint.pending_count() == 0);
  CHECK(link.client().endpoint.pending_count() == 0);
  CHECK(
      link.client().last(RecordType::kSecure)->a ==
      (DTLS1_2_VERSION | kSecurePeerCertificate.put(true) | kSecureExtendedMasterSecret.put(true)));
  CHECK(link.server.last(RecordType::kSecure)->a ==
        (DTLS1_2_VERSION | kSecureExtendedMasterSecret.put(true)));
  CHECK(link.client().last(RecordType::kSecure)->b == X509_V_OK);
  CHECK(link.server.endpoint.stats().cookiesSent == 1);
  CHECK(link.server.endpoint.stats().cookiesAccepted == 1);
  CHECK(link.server.endpoint.stats().handshakesCompleted == 1);
  CHECK(link.server.endpoint.traffic().retransmissions == 0);

  CHECK(link.send(link.client(), view("ping")) == SendOutcome::kSent);
  link.pump();
  CHECK(link.send(link.server, view("pong")) == SendOutcome::kSent);
  link.pump();
  CHECK(link.server.messages() == std::vector<std::string>{"ping"});
  CHECK(link.client().messages() == std::vector<std::string>{"pong"});
  // Nothing is left to wait for: no retransmission, no deadline.
  CHECK(link.client().waits_for_nothing());
  CHECK(link.server.waits_for_nothing());
}

TEST_CASE("endpoint: handshake without cookie exchange") {
  Link link;
  link.listener.cookie_exchange = false;
  REQUIRE(link.handshake());
  CHECK(link.server.endpoint.stats().cookiesSent == 0);
}

TEST_CASE("endpoint: one endpoint takes many clients") {
  Link link;
  link.listen();
  link.connect();
  for (uint16_t port = 1; port < 30; ++port) {
    link.add_client(address(0x0a000003, port));
    link.connect();
  }
  link.pump();
  for (const auto& client : link.clients) {
    REQUIRE(client->secure());
    link.send(*client, view("from " + std::to_string(client->session.endpoint)));
  }
  link.pump();
  CHECK(link.server.messages().size() == 30);
  CHECK(link.server.endpoint.session_count() == 30);
}

TEST_CASE("endpoint: mutual certificates") {
  Link link;
  const Identity client = authority().issue({"client"});
  link.client_context = certificate_context(&client);
  link.server_policy.request_certificate = true;
  REQUIRE(link.handshake());
  CHECK(link.server.last(RecordType::kSecure)->b == X509_V_OK);
  CHECK(link.server.live()->facts()->peer_leaf() != nullptr);
}

TEST_CASE("endpoint: a client without a certificate, where one is required") {
  Link link;
  link.server_policy.request_certificate = true;
  CHECK_FALSE(link.handshake());
  CHECK(link.server.close_kind() == FailureKind::kPeerCertificateMissing);
  CHECK(link.client().close_kind() == FailureKind::kAlertReceived);
  CHECK(link.client().close_alert() == link.server.close_alert());
}

TEST_CASE("endpoint: a client without a certificate, where one is only asked for") {
  Link link;
  link.server_policy.request_certificate = true;
  link.server_policy.reject_unauthorized = false;
  CHECK(link.handshake());
}

TEST_CASE("endpoint: certificates that do not hold") {
  struct Case {
    Identity identity;
    int verify_result;
    uint32_t alert;
  };
  LeafOptions expired;
  expired.expired = true;
  const Authority stranger("another authority");
  const std::vector<Case> cases = {
      {authority().issue(expired), X509_V_ERR_CERT_HAS_EXPIRED, SSL_AD_CERTIFICATE_EXPIRED},
      {self_signed("localhost"), X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, SSL_AD_UNKNOWN_CA},
      {stranger.issue(), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, SSL_AD_UNKNOWN_CA}};
  for (const Case& example : cases) {
    CAPTURE(example.verify_result);
    {
      Link link;
      link.server_context = certificate_context(&example.identity);
      CHECK_FALSE(link.handshake());
      CHECK(link.client().close_kind() == FailureKind::kCertificateRejected);
      CHECK(static_cast<int>(kCloseVerifyResult.of(link.client().last(RecordType::kClose)->b)) ==
            example.verify_result);
      CHECK(link.server.close_kind() == FailureKind::kAlertReceived);
      CHECK(link.server.close_alert() == example.alert);
    }
    {
      // A tolerant client goes on and reports what it found.
      Link link;
      link.server_context = certificate_context(&example.identity);
      link.client_policy.reject_unauthorized = false;
      CHECK(link.handshake());
      CHECK(static_cast<int>(link.client().last(RecordType::kSecure)->b) == example.verify_result);
    }
    {
      Link link;
      link.client_context = certificate_context(&example.identity);
      link.server_policy.request_certificate = true;
      CHECK_FALSE(link.handshake());
      CHECK(link.server.close_kind() == FailureKind::kCertificateRejected);
      CHECK(link.client().close_kind() == FailureKind::kAlertReceived);
      CHECK(link.client().close_alert() == example.alert);
    }
  }
}

TEST_CASE("endpoint: the consumer judges the server's identity") {
  Link link;
  link.client_policy.ask_identity = true;
  SUBCASE("accepted at once") {
    CHECK(link.handshake());
    CHECK(link.client().count(RecordType::kLookup) == 1);
  }
  SUBCASE("accepted later, while the server repeats itself") {
    link.client().hold = true;
    CHECK_FALSE(link.handshake());
    CHECK(link.run_until([&] { return link.server.endpoint.traffic().retransmissions >= 8; }));
    CHECK(link.client().count(RecordType::kLookup) == 1);
    // What is to be judged: the leaf, and the authority that the server sends along.
    CHECK(link.client().live()->facts()->peer_chain(link.client().live()->trusted()).size() == 2);
    const SessionId id = link.client().session;
    link.client().endpoint.answer_identity(id.slot, id.generation, true, link.now());
    link.pump();
    CHECK(link.client().secure());
    CHECK(link.server.secure());
  }
  SUBCASE("rejected") {
    link.client().accept_identity = false;
    CHECK_FALSE(link.handshake());
    CHECK(link.client().close_kind() == FailureKind::kPeerIdentityRejected);
    CHECK(link.client().alerts(true, SSL_AD_BAD_CERTIFICATE) == 1);
    CHECK(link.server.alerts(false, SSL_AD_BAD_CERTIFICATE) == 1);
    CHECK(link.server.close_kind() == FailureKind::kAlertReceived);
    CHECK(link.server.close_alert() == SSL_AD_BAD_CERTIFICATE);
  }
  SUBCASE("rejected, by a client that tolerates it") {
    link.client().accept_identity = false;
    link.client_policy.reject_unauthorized = false;
    CHECK(link.handshake());
    CHECK(link.client().last(RecordType::kSecure)->b == X509_V_ERR_HOSTNAME_MISMATCH);
  }
  SUBCASE("not asked when the chain does not hold") {
    const Identity other = self_signed("localhost");
    link.server_context = certificate_context(&other);
    CHECK_FALSE(link.handshake());
    CHECK(link.client().count(RecordType::kLookup) == 0);
    CHECK(link.client().close_kind() == FailureKind::kCertificateRejected);
  }
}

TEST_CASE("endpoint: nothing in common") {
  Link link;
  SUBCASE("cipher suites") {
    REQUIRE_FALSE(link.client_context->set_ciphers("ECDHE-RSA-AES128-GCM-SHA256"));
    CHECK_FALSE(link.handshake());
    CHECK(link.server.close_kind() == FailureKind::kNoSharedCipher);
    CHECK(text_of(view(link.server.last(RecordType::kClose)->bytes))
              .find("ECDHE-RSA-AES128-GCM-SHA256 would need a certificate with an RSA key;") !=
          std::string::npos);
  }
  SUBCASE("groups") {
    REQUIRE_FALSE(link.client_context->set_groups("X25519"));
    REQUIRE_FALSE(link.server_context->set_groups("P-256"));
    CHECK_FALSE(link.handshake());
    const FailureKind kind = link.server.close_kind();
    CHECK((kind == FailureKind::kNoSharedParameters || kind == FailureKind::kNoSharedCipher));
  }
  SUBCASE("versions") {
    REQUIRE_FALSE(link.server_context->set_ciphers("DEFAULT@SECLEVEL=0"));
    REQUIRE_FALSE(link.server_context->set_versions(DTLS1_2_VERSION, DTLS1_2_VERSION));
    REQUIRE_FALSE(link.client_context->set_ciphers("DEFAULT@SECLEVEL=0"));
    REQUIRE_FALSE(link.client_context->set_versions(DTLS1_VERSION, DTLS1_VERSION));
    CHECK_FALSE(link.handshake());
    CHECK(link.server.close_kind() == FailureKind::kVersionMismatch);
  }
  CHECK(link.client().close_kind() == FailureKind::kAlertReceived);
}

TEST_CASE("endpoint: messages of every kind of size keep their boundaries") {
  Link link;
  REQUIRE(link.handshake());
  std::vector<std::string> sent;
  for (const size_t size : {1, 2, 255, 256, 1199, 1200, 1201, 1500, 4096, 16383, 16384}) {
    std::string message(size, '\0');
    for (size_t i = 0; i < size; ++i) message[i] = static_cast<char>(i * 31 + size);
    REQUIRE(link.send(link.client(), view(message)) == SendOutcome::kSent);
    REQUIRE(link.send(link.server, view(message)) == SendOutcome::kSent);
    sent.push_back(std::move(message));
  }
  link.pump();
  CHECK(link.server.messages() == sent);
  CHECK(link.client().messages() == sent);
  const std::vector<uint8_t> too_big(kMaxPlaintext + 1);
  CHECK(link.send(link.client(), view(too_big)) == SendOutcome::kTooBig);
  CHECK(link.client().live()->state() == SessionState::kOpen);
}

TEST_CASE("endpoint: an empty message") {
  Link link;
  REQUIRE(link.handshake());
  SUBCASE("sent: OpenSSL cannot, and the session goes on") {
    CHECK(link.send(link.client(), {}) == SendOutcome::kEmpty);
    link.pump();
    CHECK(link.client().count(RecordType::kClose) == 0);
  }
  SUBCASE("received: a message like any other") {
    REQUIRE_FALSE(link.client_context->set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256"));
    link.add_client(address(0x0a000004, 1));
    link.connect();
    link.pump();
    REQUIRE(link.client().secure());
    const Datagram empty = seal_record(link.client().live(), 23, 7, {});
    link.inject(link.server, view(empty));
    link.pump();
    CHECK(link.server.messages() == std::vector<std::string>{""});
    CHECK(link.server.count(RecordType::kClose) == 0);
    const Datagram full = seal_record(link.client().live(), 23, 8, view("after"));
    link.inject(link.server, view(full));
    link.pump();
    CHECK(link.server.messages() == std::vector<std::string>{"", "after"});
  }
  // And the session goes on.
  CHECK(link.send(link.client(), view("next")) == SendOutcome::kSent);
}

TEST_CASE("endpoint: certificate flights of 20 KB through an MTU of 256") {
  LeafOptions big;
  big.padding = 6000;
  big.intermediates = 2;
  const Identity server = authority().issue(big);
  const Identity client = authority().issue(big);
  REQUIRE(server.chain.size() > 20000);
  Link link;
  link.server_context = certificate_context(&server);
  link.client_context = certificate_context(&client);
  link.server_policy.request_certificate = true;
  link.server_policy.mtu = link.client_policy.mtu = 256;
  size_t largest = 0;
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    largest = std::max(largest, packet.bytes.size());
    arriving.push_back(packet);
  };
  link.listen();
  link.connect();
  // Such a flight leaves in bursts; nothing is repeated before a timer of 20 ms fires.
  CHECK(link.run_until([&] { return link.client().secure() && link.server.secure(); }, 19));
  CHECK(largest <= 256);
  CHECK(link.server.endpoint.traffic().datagramsSent > 80);
}

// A hello that does not fit one datagram: OpenSSL's own listener refuses it.
void enlarge_hello(Link& link) {
  std::vector<uint8_t> protocols;
  for (int i = 0; i < 40; ++i) {
    protocols.push_back(25);
    protocols.insert(protocols.end(), 25, static_cast<uint8_t>('a' + i % 26));
  }
  REQUIRE(SSL_CTX_set_alpn_protos(link.client_context->get(), protocols.data(),
                                  static_cast<unsigned>(protocols.size())) == 0);
  link.client_policy.mtu = 256;
}

TEST_CASE("endpoint: a fragmented ClientHello gets through") {
  Link link;
  enlarge_hello(link);
  link.client_policy.server_name = "a-rather-long-name.example";
  size_t hello_datagrams = 0;
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    if (packet.to_server && link.server.count(RecordType::kBegin) == 0) ++hello_datagrams;
    arriving.push_back(packet);
  };
  SUBCASE("in order") {
    CHECK(link.handshake());
    CHECK(hello_datagrams >= 8);
    CHECK(link.server.endpoint.traffic().retransmissions == 0);
  }
  SUBCASE("each datagram twice") {
    link.network = [](Packet& packet, std::deque<Packet>& arriving) {
      arriving.push_back(packet);
      arriving.push_back(packet);
    };
    CHECK(link.handshake());
    CHECK(link.server.count(RecordType::kBegin) == 1);
  }
  SUBCASE("backwards: the front comes last, and the client's repetition helps") {
    link.network = [](Packet& packet, std::deque<Packet>& arriving) {
      if (packet.to_server) {
        arriving.push_front(packet);
      } else {
        arriving.push_back(packet);
      }
    };
    link.listen();
    link.connect();
    CHECK(link.run_until([&] { return link.client().secure() && link.server.secure(); }));
  }
  CHECK(link.server.endpoint.session_count() == 1);
}

TEST_CASE("endpoint: a fragmented ClientHello, each of its datagrams lost once") {
  for (size_t lost = 0; lost < 14; ++lost) {
    Link link;
    enlarge_hello(link);
    size_t number = 0;
    link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
      if (!packet.to_server || number++ != lost) arriving.push_back(packet);
    };
    link.listen();
    link.connect();
    CAPTURE(lost);
    CHECK(link.run_until([&] { return link.client().secure() && link.server.secure(); }));
    CHECK(link.server.count(RecordType::kBegin) == 1);
  }
}

}  // namespace
}  // namespace dtls::test
