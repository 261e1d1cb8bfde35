// Protects: that two engines of DTLS 1.3 come to the same secrets by messages that are those of
// RFC 9147 on the wire, in every way that a handshake may go; that their transcript is what was on
// the wire, by a derivation of our own; and that what a peer says wrongly ends in the alert for it.
// Runs where OpenSSL has the calls that the engine needs: in Node (test/engine13).
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <thread>

#include "engine13_pair.h"

namespace dtls::test13 {
namespace {

using Direction = TrafficSecret::Direction;

// Elsewhere than in such a Node there is nothing to be tested.
#define NEEDS_ENGINE                   \
  if (!engine_support()) {             \
    MESSAGE(engine_support().missing); \
    return;                            \
  }                                    \
  static_assert(true)

constexpr uint16_t kX25519 = 29;
constexpr uint16_t kP256 = 23;
constexpr uint16_t kX25519MlKem768 = 4588;

void insist_open(const Pair& pair) {
  CHECK(pair.client.reason == "");
  CHECK(pair.server.reason == "");
  REQUIRE(pair.complete());
  CHECK(pair.agree());
  CHECK(pair.finished_by_the_wire());
  for (const Pair::Passed& one : pair.passed) {
    // What is an engine's own affair stays in the process.
    if (one.message[0] == 1 || one.message[0] == 8) {
      CHECK(extension_in(one.message, 57).data == nullptr);
    }
    const auto type = static_cast<HandshakeType>(one.message[0]);
    const bool hello = type == HandshakeType::kClientHello || type == HandshakeType::kServerHello;
    const bool ticket = type == HandshakeType::kNewSessionTicket;
    CHECK(one.epoch == (hello ? 0 : ticket ? 3 : 2));
  }
}

TEST_CASE("engine13: the OpenSSL at hand has an engine, or the reason says what it lacks") {
  const EngineSupport& support = engine_support();
  CHECK(support.name.empty() == !support.missing.empty());
  const bool later =
      OPENSSL_version_major() > 3 || (OPENSSL_version_major() == 3 && OPENSSL_version_minor() >= 5);
  if (!later) CHECK(support.missing.find("lacks SSL_set_quic_tls_cbs") != std::string::npos);
}

TEST_CASE("engine13: a handshake by certificates, with each suite") {
  NEEDS_ENGINE;
  for (const uint16_t suite : {0x1301, 0x1302, 0x1303, 0x1304, 0x1305}) {
    Pair pair;
    pair.configure_client = [suite](SSL* ssl) {
      SSL_set_security_level(ssl, 0);
      REQUIRE(SSL_set_ciphersuites(ssl, cipher_suite13(suite)->name) == 1);
    };
    pair.configure_server = pair.configure_client;
    pair.run();
    insist_open(pair);
    CHECK(pair.client.wishes.verified);
    CHECK(pair.client.engine->suite()->id == suite);
    CHECK(pair.server.engine->suite()->id == suite);
    CHECK(pair.client.engine->group() == kX25519);
    CHECK_FALSE(pair.client.engine->retried());
    CHECK(pair.passed.size() == 7);
  }
}

TEST_CASE("engine13: hellos have the shape of RFC 9147") {
  NEEDS_ENGINE;
  Pair pair;
  pair.run();
  insist_open(pair);
  const Run& hello = *pair.message(HandshakeType::kClientHello, true);
  CHECK(to_hex(view(hello).from(4).first(2)) == "fefd");
  CHECK(hello[4 + 34] == 0);  // legacy_session_id
  CHECK(hello[4 + 35] == 0);  // legacy_cookie
  CHECK(to_hex(extension_in(hello, 43)) == "02fefc");
  // One share, the small one: the hello goes into one datagram.
  CHECK(read_u16(extension_in(hello, 51).data) == 2 + 2 + 32);
  CHECK(hello.size() < 400);
  const Run& answer = *pair.message(HandshakeType::kServerHello, false);
  CHECK(to_hex(view(answer).from(4).first(2)) == "fefd");
  CHECK(answer[4 + 34] == 0);
  CHECK(to_hex(extension_in(answer, 43)) == "fefc");
}

TEST_CASE("engine13: a HelloRetryRequest that nothing was kept for is part of the transcript") {
  NEEDS_ENGINE;
  for (const uint16_t suite : {0x1301, 0x1302}) {
    for (const uint16_t group : {uint16_t{0}, kP256, kX25519MlKem768}) {
      Pair pair;
      pair.begin();
      pair.retry_statelessly(suite, group);
      pair.exchange();
      insist_open(pair);
      CHECK(pair.client.engine->retried());
      CHECK(pair.client.engine->suite()->id == suite);
      CHECK(pair.client.engine->group() == (group == 0 ? kX25519 : group));
      CHECK(pair.server.engine->group() == pair.client.engine->group());
      const Run& hello = *pair.message(HandshakeType::kClientHello, true);
      // The cookie is the first extension.
      CHECK(extension_in(hello, 44).data != nullptr);
      CHECK(extension_in(hello, 44).data < extension_in(hello, 51).data);
      CHECK(extension_in(hello, 44).data < extension_in(hello, 10).data);
    }
  }
}

TEST_CASE("engine13: OpenSSL's own HelloRetryRequest is part of the transcript, too") {
  NEEDS_ENGINE;
  Pair pair;
  pair.server_context = context_of(&issued(), "P-256");
  pair.run();
  insist_open(pair);
  CHECK(pair.client.engine->retried());
  CHECK(pair.client.engine->group() == kP256);
  CHECK(pair.passed.size() == 9);
}

TEST_CASE("engine13: a server does not come to another group or suite than it has promised") {
  NEEDS_ENGINE;
  Pair pair;
  pair.server.config.suite = 0x1303;
  pair.server.config.group = kP256;
  pair.run();
  insist_open(pair);
  CHECK(pair.client.engine->suite()->id == 0x1303);
  CHECK(pair.client.engine->group() == kP256);
  // After a HelloRetryRequest of this side's there is no second one.
  Pair twice;
  twice.begin();
  twice.retry_statelessly(0x1301, 0);
  twice.server.config.group = kP256;
  twice.exchange();
  CHECK(twice.server.outcome == EngineOutcome::kFailed);
}

TEST_CASE("engine13: a client shows its certificate, or is told that it must") {
  NEEDS_ENGINE;
  for (const bool has : {true, false}) {
    Pair pair;
    pair.client_context = context_of(has ? &issued() : nullptr);
    pair.configure_server = [](SSL* ssl) {
      SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    };
    pair.run();
    CHECK(pair.client.outcome == EngineOutcome::kComplete);
    if (has) {
      insist_open(pair);
      CHECK(pair.server.wishes.verified);
    } else {
      CHECK(pair.server.outcome == EngineOutcome::kFailed);
      CHECK(pair.server.engine->alert() == SSL_AD_CERTIFICATE_REQUIRED);
      CHECK(pair.server.reason == "peer did not return a certificate");
    }
  }
}

TEST_CASE("engine13: a ticket is resumed, with and without a HelloRetryRequest") {
  NEEDS_ENGINE;
  for (const bool retry : {false, true}) {
    const auto server_context = context_of(&issued());
    SslSessionPtr session;
    {
      Pair first;
      first.server_context = server_context;
      first.configure_server = [](SSL* ssl) { SSL_set_num_tickets(ssl, 2); };
      first.run();
      insist_open(first);
      session = std::move(first.client.wishes.session);
      REQUIRE(session.get() != nullptr);
      CHECK(SSL_SESSION_is_resumable(session.get()) == 1);
    }
    Pair second;
    second.server_context = server_context;
    second.configure_client = [&session](SSL* ssl) {
      REQUIRE(SSL_set_session(ssl, session.get()) == 1);
    };
    second.begin();
    if (retry) second.retry_statelessly(0x1302, kP256);
    second.exchange();
    insist_open(second);
    CHECK(SSL_session_reused(second.client.engine->ssl()) == 1);
    CHECK(SSL_session_reused(second.server.engine->ssl()) == 1);
    CHECK(second.message(HandshakeType::kCertificate, false) == nullptr);
  }
}

TEST_CASE("engine13: tickets come only where they are asked for") {
  NEEDS_ENGINE;
  Pair pair;
  pair.run();
  insist_open(pair);
  CHECK(pair.message(HandshakeType::kNewSessionTicket, false) == nullptr);
}

TEST_CASE("engine13: a pre-shared key stands for a certificate") {
  NEEDS_ENGINE;
  for (const uint16_t retry_suite : {0, 0x1301, 0x1303}) {
    Pair pair;
    pair.server_context = context_of(nullptr);
    for (End* end : {&pair.client, &pair.server}) {
      end->wishes.psk_identity = "sensor";
      end->wishes.psk = Run(32, 9);
    }
    // Its hash is SHA-256: a suite of the other one would not do.
    pair.server.config.suite = 0x1301;
    pair.begin();
    if (retry_suite != 0) pair.retry_statelessly(retry_suite, 0);
    pair.exchange();
    insist_open(pair);
    CHECK(SSL_session_reused(pair.server.engine->ssl()) == 1);
    CHECK(pair.message(HandshakeType::kCertificate, false) == nullptr);
  }
  Pair other;
  other.server_context = context_of(nullptr);
  other.client.wishes.psk_identity = other.server.wishes.psk_identity = "sensor";
  other.client.wishes.psk = Run(32, 9);
  other.server.wishes.psk = Run(32, 8);
  other.server.config.suite = 0x1301;
  other.run();
  CHECK(other.server.outcome == EngineOutcome::kFailed);
  CHECK(other.server.engine->alert() == SSL_AD_DECRYPT_ERROR);
}

TEST_CASE("engine13: SRTP profiles are agreed on in the server's order") {
  NEEDS_ENGINE;
  Pair pair;
  pair.client.config.srtp_profiles = {7, 1, 2};
  pair.server.config.srtp_profiles = {8, 1, 7};
  pair.run();
  insist_open(pair);
  CHECK(pair.client.engine->srtp_profile() == 1);
  CHECK(pair.server.engine->srtp_profile() == 1);
  CHECK(to_hex(extension_in(*pair.message(HandshakeType::kClientHello, true), 14)) ==
        "000600070001000200");
  CHECK(to_hex(extension_in(*pair.message(HandshakeType::kEncryptedExtensions, false), 14)) ==
        "0002000100");
  Pair none;
  none.client.config.srtp_profiles = {2};
  none.server.config.srtp_profiles = {8};
  none.run();
  insist_open(none);
  CHECK(none.client.engine->srtp_profile() == 0);
  CHECK(none.server.engine->srtp_profile() == 0);
}

// Puts an extension behind those of an EncryptedExtensions.
void add_extension(Run& message, const Run& extension) {
  message.insert(message.end(), extension.begin(), extension.end());
  write_u24(message.data() + 1, static_cast<uint32_t>(message.size() - 4));
  write_u16(message.data() + 4, static_cast<uint32_t>(message.size() - 6));
}

TEST_CASE("engine13: a server's answer to use_srtp must be one that was asked for") {
  NEEDS_ENGINE;
  const struct {
    bool asks;
    const char* answer;
    uint8_t alert;
  } kCases[] = {
      {false, "000e00050002000100", SSL_AD_UNSUPPORTED_EXTENSION},
      {true, "000e00050002000800", SSL_AD_ILLEGAL_PARAMETER},      // not offered
      {true, "000e000700040001000200", SSL_AD_ILLEGAL_PARAMETER},  // two
      {true, "000e0006000200010155", SSL_AD_ILLEGAL_PARAMETER},    // an MKI
      {true, "000e000300000000", SSL_AD_DECODE_ERROR},             // none, and a byte too many
      {true, "000e0000", SSL_AD_DECODE_ERROR},
      {true, "000e00050002000100000e00050002000100", SSL_AD_ILLEGAL_PARAMETER},  // twice
      {true, "00390000", SSL_AD_UNSUPPORTED_EXTENSION},
  };
  for (const auto& one : kCases) {
    Pair pair;
    if (one.asks) pair.client.config.srtp_profiles = {1, 2};
    pair.on_message = [&one](Pair::Passed& message) {
      if (message.message[0] == 8) add_extension(message.message, from_hex(one.answer));
      return true;
    };
    pair.run();
    INFO(std::string(one.answer));
    CHECK(pair.client.outcome == EngineOutcome::kFailed);
    CHECK(static_cast<int>(pair.client.engine->alert()) == one.alert);
    CHECK(pair.client.reason != "");
  }
}

TEST_CASE("engine13: connection IDs are exchanged when both want them") {
  NEEDS_ENGINE;
  Pair pair;
  pair.client.config.connection_id = Run{};
  pair.server.config.connection_id = Run{1, 2, 3};
  pair.run();
  insist_open(pair);
  REQUIRE(pair.client.engine->peer_connection_id().has_value());
  CHECK(*pair.client.engine->peer_connection_id() == Run{1, 2, 3});
  REQUIRE(pair.server.engine->peer_connection_id().has_value());
  CHECK(pair.server.engine->peer_connection_id()->empty());
  CHECK(to_hex(extension_in(*pair.message(HandshakeType::kServerHello, false), 54)) == "03010203");
  Pair alone;
  alone.client.config.connection_id = Run{7};
  alone.run();
  insist_open(alone);
  CHECK_FALSE(alone.client.engine->peer_connection_id().has_value());
  CHECK_FALSE(alone.server.engine->peer_connection_id().has_value());
}

TEST_CASE("engine13: what a client adds for DTLS 1.2 is on the wire and in the transcript") {
  NEEDS_ENGINE;
  for (const bool retry : {false, true}) {
    for (const bool psk : {false, true}) {
      Pair pair;
      pair.client.config.additions = {from_hex("fefd"), from_hex("c02bc02f00ff"),
                                      from_hex("abcd000107")};
      if (psk) {
        pair.client.wishes.psk_identity = pair.server.wishes.psk_identity = "sensor";
        pair.client.wishes.psk = pair.server.wishes.psk = Run(32, 9);
        pair.server.config.suite = 0x1301;
      }
      pair.begin();
      if (retry) pair.retry_statelessly(0x1301, 0);
      pair.exchange();
      insist_open(pair);
      CHECK(SSL_session_reused(pair.client.engine->ssl()) == (psk ? 1 : 0));
      for (const Pair::Passed& one : pair.passed) {
        if (one.message[0] != 1) continue;
        CHECK(to_hex(extension_in(one.message, 43)) == "04fefcfefd");
        CHECK(to_hex(extension_in(one.message, 0xabcd)) == "07");
        const Bytes suites = view(one.message).from(4 + 36);
        CHECK(to_hex(suites.from(read_u16(suites.data) - 4).first(6)) == "c02bc02f00ff");
      }
    }
  }
}

TEST_CASE("engine13: ALPN is agreed on, and none in common ends the handshake") {
  NEEDS_ENGINE;
  for (const bool shared : {true, false}) {
    Pair pair;
    pair.server.wishes.protocols = {4, 'c', 'o', 'a', 'p'};
    const Run offered = shared ? Run{1, 'x', 4, 'c', 'o', 'a', 'p'} : Run{1, 'x'};
    pair.configure_client = [offered](SSL* ssl) {
      SSL_set_alpn_protos(ssl, offered.data(), static_cast<unsigned>(offered.size()));
    };
    pair.run();
    if (shared) {
      insist_open(pair);
      continue;
    }
    CHECK(pair.server.outcome == EngineOutcome::kFailed);
    CHECK(pair.server.engine->alert() == SSL_AD_NO_APPLICATION_PROTOCOL);
    CHECK(pair.server.reason == "no application protocol");
  }
}

TEST_CASE("engine13: callbacks may ask for time, and messages wait meanwhile") {
  NEEDS_ENGINE;
  Pair pair;
  pair.client.wishes.pause_verification = true;
  pair.server.wishes.pause_certificate = true;
  pair.begin();
  pair.exchange();
  CHECK(pair.server.outcome == EngineOutcome::kPaused);
  CHECK(pair.server.engine->want() == SSL_ERROR_WANT_X509_LOOKUP);
  CHECK(pair.server.sent.empty());
  pair.server.outcome = pair.server.engine->resume();
  pair.server.collect();
  CHECK(pair.server.outcome == EngineOutcome::kGoesOn);
  pair.exchange();
  // The rest of the server's flight has been handed over, and waits.
  CHECK(pair.client.outcome == EngineOutcome::kPaused);
  CHECK(pair.client.engine->want() == SSL_ERROR_WANT_RETRY_VERIFY);
  pair.client.outcome = pair.client.engine->resume();
  pair.client.collect();
  pair.exchange();
  insist_open(pair);
}

TEST_CASE("engine13: exporters are those of RFC 8446 with the labels of DTLS") {
  NEEDS_ENGINE;
  Pair pair;
  pair.run();
  insist_open(pair);
  const CipherSuite13& suite = *pair.client.engine->suite();
  const SecretBytes client = pair.client.engine->take_exporter_secret();
  const SecretBytes server = pair.server.engine->take_exporter_secret();
  REQUIRE(client.size() == suite.hash_size);
  CHECK(pair.client.engine->take_exporter_secret().empty());
  SecretBytes ours(60);
  SecretBytes theirs(60);
  CHECK(export_keys(suite, client.view(), "EXTRACTOR-dtls_srtp", {}, ours));
  CHECK(export_keys(suite, server.view(), "EXTRACTOR-dtls_srtp", {}, theirs));
  CHECK(to_hex(ours.view()) == to_hex(theirs.view()));
  // OpenSSL's own, by the provider's labels.
  Run openssl(60);
  const std::string label = "EXTRACTOR-dtls_srtp";
  CHECK(SSL_export_keying_material(pair.client.engine->ssl(), openssl.data(), openssl.size(),
                                   label.data(), label.size(), nullptr, 0, 0) == 1);
  CHECK(to_hex(view(openssl)) == to_hex(ours.view()));
  const Run context = {1, 2};
  CHECK(export_keys(suite, client.view(), "EXPERIMENTAL", view(context), ours));
  CHECK(SSL_export_keying_material(pair.server.engine->ssl(), openssl.data(), openssl.size(),
                                   "EXPERIMENTAL", 12, context.data(), context.size(), 1) == 1);
  CHECK(to_hex(view(openssl)) == to_hex(ours.view()));
  CHECK_FALSE(export_keys(suite, client.view(), std::string("a\0b", 3), {}, ours));
  CHECK_FALSE(export_keys(suite, client.view(), std::string(300, 'a'), {}, ours));
}

TEST_CASE("engine13: the key log has the secrets under NSS's labels") {
  NEEDS_ENGINE;
  Pair pair;
  pair.run();
  insist_open(pair);
  const struct {
    const char* label;
    uint64_t epoch;
    bool client;
  } kLines[] = {{"CLIENT_HANDSHAKE_TRAFFIC_SECRET", 2, true},
                {"SERVER_HANDSHAKE_TRAFFIC_SECRET", 2, false},
                {"CLIENT_TRAFFIC_SECRET_0", 3, true},
                {"SERVER_TRAFFIC_SECRET_0", 3, false}};
  for (const End* end : {&pair.client, &pair.server}) {
    for (const auto& line : kLines) {
      const Run secret = end->secret(
          line.epoch, (end == &pair.client) == line.client ? Direction::kSeal : Direction::kOpen);
      const std::string random =
          to_hex(view(*pair.message(HandshakeType::kClientHello, true)).from(6).first(32));
      const std::string expected =
          std::string(line.label) + " " + random + " " + to_hex(view(secret));
      const auto& log = end->wishes.keylog;
      CHECK(std::count(log.begin(), log.end(), expected) == 1);
    }
  }
}

TEST_CASE(
    "engine13: a message of another epoch, a KeyUpdate and malformed ones end the handshake") {
  NEEDS_ENGINE;
  const struct {
    uint64_t epoch;
    const char* message;
    uint8_t alert;
  } kCases[] = {
      {2, "0800000200 00", SSL_AD_UNEXPECTED_MESSAGE},
      {3, "0800000200 00", SSL_AD_UNEXPECTED_MESSAGE},
      {0, "1800000100", SSL_AD_UNEXPECTED_MESSAGE},
      {0, "05000000", SSL_AD_UNEXPECTED_MESSAGE},
      {0, "08000002 0000", SSL_AD_UNEXPECTED_MESSAGE},  // before the ServerHello
      {0, "02000003 0000", SSL_AD_DECODE_ERROR},
      {0, "020000", SSL_AD_DECODE_ERROR},
      {0, "02000002 fefd", SSL_AD_DECODE_ERROR},
      {0, "", SSL_AD_DECODE_ERROR},
  };
  for (const auto& one : kCases) {
    std::string digits = one.message;
    digits.erase(std::remove(digits.begin(), digits.end(), ' '), digits.end());
    End client;
    client.begin(context_of(nullptr));
    client.outcome = client.engine->receive(one.epoch, view(from_hex(digits)));
    client.collect();
    INFO(std::string(digits));
    CHECK(client.outcome == EngineOutcome::kFailed);
    CHECK(static_cast<int>(client.engine->alert()) == one.alert);
    CHECK(client.reason != "");
    // It is not driven any more.
    CHECK(client.engine->receive(0, view(from_hex("02000000"))) == EngineOutcome::kFailed);
    CHECK(client.engine->resume() == EngineOutcome::kFailed);
  }
}

TEST_CASE("engine13: each message must come under the epoch that the handshake has come to") {
  NEEDS_ENGINE;
  for (size_t index = 0; index < 7; ++index) {
    for (const uint64_t epoch : {0, 1, 2, 3}) {
      Pair pair;
      size_t count = 0;
      bool changed = false;
      pair.on_message = [&](Pair::Passed& one) {
        if (count++ != index) return true;
        changed = one.epoch != epoch;
        one.epoch = epoch;
        return true;
      };
      pair.run();
      if (!changed) {
        CHECK(pair.complete());
        continue;
      }
      const bool of_client = index == 0 || index == 6;
      End& judge = of_client ? pair.server : pair.client;
      CHECK(judge.outcome == EngineOutcome::kFailed);
      CHECK(static_cast<int>(judge.engine->alert()) == SSL_AD_UNEXPECTED_MESSAGE);
    }
  }
}

TEST_CASE("engine13: a hello that breaks RFC 9147 is refused with the alert for it") {
  NEEDS_ENGINE;
  Pair made;
  made.begin();
  const Run hello = made.client.sent.at(0).message;
  const auto alert_of = [](const Run& changed) -> int {
    End server;
    server.config.server = true;
    server.begin(context_of(&issued()));
    server.outcome = server.engine->receive(0, view(changed));
    server.collect();
    return server.outcome == EngineOutcome::kFailed ? server.engine->alert() : -1;
  };
  CHECK(alert_of(hello) == -1);
  Run changed = hello;
  changed[5] = 0xff;  // legacy_version of DTLS 1.0
  CHECK(alert_of(changed) == SSL_AD_ILLEGAL_PARAMETER);
  changed = hello;
  changed[4 + 35] = 1;  // a legacy_cookie
  changed.insert(changed.begin() + 4 + 36, 7);
  write_u24(changed.data() + 1, static_cast<uint32_t>(changed.size() - 4));
  CHECK(alert_of(changed) == SSL_AD_ILLEGAL_PARAMETER);
  changed = hello;
  changed[static_cast<size_t>(extension_in(hello, 43).data - hello.data()) + 2] = 0xfd;
  CHECK(alert_of(changed) == SSL_AD_PROTOCOL_VERSION);
  // A session id is no error, and not echoed.
  changed = hello;
  changed[4 + 34] = 2;
  changed.insert(changed.begin() + 4 + 35, {8, 8});
  write_u24(changed.data() + 1, static_cast<uint32_t>(changed.size() - 4));
  End server;
  server.config.server = true;
  server.begin(context_of(&issued()));
  server.outcome = server.engine->receive(0, view(changed));
  server.collect();
  REQUIRE(server.outcome == EngineOutcome::kGoesOn);
  CHECK(server.sent.at(0).message[4 + 34] == 0);
}

TEST_CASE("engine13: no cut and no flipped byte of a message does more than end the handshake") {
  NEEDS_ENGINE;
  Pair whole;
  whole.configure_server = [](SSL* ssl) { SSL_set_num_tickets(ssl, 1); };
  whole.run();
  insist_open(whole);
  size_t ended = 0;
  size_t tried = 0;
  for (size_t index = 0; index < whole.passed.size(); ++index) {
    const size_t size = whole.passed[index].message.size();
    // Long messages are gone through in strides: each position takes a handshake.
    const size_t stride = std::max<size_t>(1, size / 40);
    for (size_t at = 0; at < size; at += stride) {
      for (const bool cut : {true, false}) {
        size_t count = 0;
        bool changed = false;  // signatures differ in length
        Pair pair;
        pair.configure_server = whole.configure_server;
        pair.on_message = [&](Pair::Passed& one) {
          if (count++ != index) return true;
          if (at >= one.message.size()) return true;
          changed = true;
          if (cut) {
            one.message.resize(at);
          } else {
            one.message[at] ^= static_cast<uint8_t>(1 + at % 255);
          }
          return true;
        };
        pair.run();
        ++tried;
        if (pair.client.outcome == EngineOutcome::kFailed ||
            pair.server.outcome == EngineOutcome::kFailed) {
          ++ended;
          CHECK(pair.client.reason + pair.server.reason != "");
        } else if (changed && pair.complete() && index + 1 < whole.passed.size()) {
          // Nothing of the handshake is outside of what Finished covers.
          CHECK_MESSAGE(false, "message " << index << " at " << at << " cut " << cut);
        }
      }
    }
  }
  CHECK(ended > tried / 2);
}

TEST_CASE("engine13: random changes of messages do no more than end the handshake") {
  NEEDS_ENGINE;
  std::mt19937 random(20261130);
  const auto below = [&random](size_t bound) {
    return std::uniform_int_distribution<size_t>(0, bound - 1)(random);
  };
  size_t ended = 0;
  constexpr size_t kTries = 600;
  for (size_t attempt = 0; attempt < kTries; ++attempt) {
    const size_t index = below(8);
    size_t count = 0;
    Run before;
    Run after;
    Pair pair;
    pair.client.config.srtp_profiles = {1, 7};
    pair.server.config.srtp_profiles = {7};
    pair.client.config.connection_id = Run{1};
    pair.server.config.connection_id = Run{};
    pair.configure_server = [](SSL* ssl) { SSL_set_num_tickets(ssl, 1); };
    pair.on_message = [&](Pair::Passed& one) {
      if (count++ != index) return true;
      before = one.message;
      Run& bytes = one.message;
      for (size_t changes = 1 + below(3); changes > 0 && bytes.size() > 4; --changes) {
        const auto at = static_cast<std::ptrdiff_t>(4 + below(bytes.size() - 4));
        const auto value = static_cast<uint8_t>(below(256));
        switch (below(4)) {
          case 0:
            bytes[static_cast<size_t>(at)] = value;
            break;
          case 1:
            bytes.insert(bytes.begin() + at, 1 + below(40), value);
            break;
          case 2:
            bytes.erase(
                bytes.begin() + at,
                bytes.begin() + at +
                    static_cast<std::ptrdiff_t>(below(bytes.size() - static_cast<size_t>(at)) + 1));
            break;
          default: {
            // A piece of it once more.
            const Run piece(bytes.begin() + at, bytes.end());
            bytes.insert(bytes.begin() + at, piece.begin(),
                         piece.begin() + static_cast<std::ptrdiff_t>(1 + below(piece.size())));
          }
        }
      }
      // Its header says the truth: what is behind it gets looked at.
      if (bytes.size() >= 4) {
        write_u24(bytes.data() + 1, static_cast<uint32_t>(bytes.size() - 4));
      }
      after = bytes;
      return true;
    };
    pair.run();
    const bool failed = pair.client.outcome == EngineOutcome::kFailed ||
                        pair.server.outcome == EngineOutcome::kFailed;
    if (failed) {
      ++ended;
      CHECK(pair.client.reason + pair.server.reason != "");
    } else if (before != after && pair.complete()) {
      CHECK(before[0] == static_cast<uint8_t>(HandshakeType::kNewSessionTicket));
    }
  }
  CHECK(ended > kTries / 2);
}

// The ticket is the server's choice, and OpenSSL's client hashes it by the very digest that
// rewrites transcripts.
TEST_CASE("engine13: a ticket that looks like a hello is a ticket") {
  NEEDS_ENGINE;
  Pair first;
  first.run();
  insist_open(first);
  Run crafted = *first.message(HandshakeType::kClientHello, true);
  // In OpenSSL's shape: without the cookie's byte, and with the versions of TLS.
  crafted.erase(crafted.begin() + 4 + 35);
  crafted[4] = crafted[5] = 3;
  write_u24(crafted.data() + 1, static_cast<uint32_t>(crafted.size() - 4));
  Run ticket = from_hex(
      "04000000"
      "00001c20"
      "01020304"
      "0100");
  ticket.resize(ticket.size() + 2);
  write_u16(ticket.data() + ticket.size() - 2, static_cast<uint32_t>(crafted.size()));
  ticket.insert(ticket.end(), crafted.begin(), crafted.end());
  ticket.insert(ticket.end(), {0, 0});
  write_u24(ticket.data() + 1, static_cast<uint32_t>(ticket.size() - 4));
  first.client.outcome = first.client.engine->receive(3, view(ticket));
  first.client.collect();
  CHECK(first.client.outcome == EngineOutcome::kComplete);
  REQUIRE(first.client.wishes.session.get() != nullptr);
  unsigned size = 0;
  const unsigned char* id = SSL_SESSION_get_id(first.client.wishes.session.get(), &size);
  // OpenSSL takes the ticket's hash for the session's id.
  CHECK(to_hex({id, size}) == to_hex(view(hash(*cipher_suite13(0x1301), view(crafted)))));
}

TEST_CASE("engine13: a server asks nothing of what comes after the handshake") {
  NEEDS_ENGINE;
  for (const char* message : {"1800000100", "0100000100", "04000000", "0d000003000000"}) {
    Pair pair;
    pair.run();
    insist_open(pair);
    pair.server.outcome = pair.server.engine->receive(3, view(from_hex(message)));
    pair.server.collect();
    CHECK(pair.server.outcome == EngineOutcome::kFailed);
  }
}

TEST_CASE("engine13: a context says what its hellos say") {
  NEEDS_ENGINE;
  Failure failure;
  const auto plain = context_of(nullptr);
  const auto twin = EngineContext::of(*plain, install, failure);
  REQUIRE(twin.get() != nullptr);
  const bool same = twin == EngineContext::of(*plain, install, failure);
  CHECK(same);
  CHECK(twin->suites() == std::vector<uint16_t>{0x1302, 0x1303, 0x1301});
  REQUIRE(twin->groups().size() > 3);
  CHECK(twin->groups()[0] == kX25519MlKem768);
  CHECK(twin->groups()[1] == kX25519);
  CHECK_FALSE(twin->signature_algorithms().empty());
  const auto chosen = EngineContext::of(*context_of(nullptr, "P-384:P-256"), install, failure);
  REQUIRE(chosen.get() != nullptr);
  CHECK(chosen->groups() == std::vector<uint16_t>{24, 23});
}

TEST_CASE("engine13: threads make handshakes beside one another") {
  NEEDS_ENGINE;
  std::vector<std::thread> threads;
  std::vector<int> good(4);
  issued();
  for (int& count : good) {
    threads.emplace_back([&count] {
      for (int i = 0; i < 5; ++i) {
        Pair pair;
        pair.run();
        if (pair.complete() && pair.agree() && pair.finished_by_the_wire()) ++count;
      }
      OPENSSL_thread_stop();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int count : good) CHECK(count == 5);
}

}  // namespace
}  // namespace dtls::test13
