// Protects: that sessions in CBC suites with encrypt-then-MAC (RFC 7366) are as hard to end as any
// other. OpenSSL takes one record with a wrong MAC as fatal; nobody without the keys can have it
// see one, neither in an open session nor in a handshake, in whatever order records come.
#include <doctest/doctest.h>

#include <algorithm>

#include "harness.h"

namespace dtls::test {
namespace {

struct Suite {
  const char* ciphers;
  int version = DTLS1_2_VERSION;
};

// Each MAC that CBC suites have, the PRF of before DTLS 1.2, and MACs without encryption.
const std::vector<Suite>& suites() {
  static const std::vector<Suite> all = {
      {"PSK-AES128-CBC-SHA256"},
      {"PSK-AES256-CBC-SHA384"},
      {"PSK-AES128-CBC-SHA"},
      {"ECDHE-PSK-AES128-CBC-SHA256"},
      {"PSK-AES128-CBC-SHA:@SECLEVEL=0", DTLS1_VERSION},
      {"PSK-AES256-CBC-SHA384:@SECLEVEL=0", DTLS1_VERSION},
      {"PSK-NULL-SHA256:@SECLEVEL=0"},
  };
  return all;
}

void use(Link& link, const Suite& suite) {
  link.use_psk("device", std::vector<uint8_t>(16, 7));
  link.server_context = psk_context(suite.ciphers);
  link.client_context = psk_context(suite.ciphers);
  for (const ContextPtr& context : {link.server_context, link.client_context}) {
    REQUIRE_FALSE(context->set_versions(suite.version, suite.version));
  }
}

bool encrypts_then_macs(Side& side) {
  const Event* secure = side.last(RecordType::kSecure);
  return secure != nullptr && kSecureEncryptThenMac.in(secure->a);
}

void converse(Link& link) {
  link.server.events.clear();
  link.client().events.clear();
  for (const char* text : {"a message", "another", "and a third"}) {
    CHECK(link.send(link.client(), view(std::string(text))) == SendOutcome::kSent);
    CHECK(link.send(link.server, view(std::string(text))) == SendOutcome::kSent);
  }
  link.pump();
  CHECK(link.server.messages().size() == 3);
  CHECK(link.client().messages().size() == 3);
}

// Protected records of a datagram, each with one bit of its MAC changed.
std::vector<Datagram> forgeries(const Datagram& datagram) {
  std::vector<Datagram> forged;
  Bytes rest = view(datagram);
  RecordView record;
  while (take_record(rest, record)) {
    if (record.epoch == 0) continue;
    forged.push_back(copy(record.whole));
    forged.back().back() ^= 1;
  }
  return forged;
}

TEST_CASE("encrypt-then-MAC: is used by every CBC suite, and data goes both ways") {
  for (const Suite& suite : suites()) {
    CAPTURE(suite.ciphers);
    Link link;
    use(link, suite);
    REQUIRE(link.handshake());
    CHECK(encrypts_then_macs(link.client()));
    CHECK(encrypts_then_macs(link.server));
    converse(link);
    CHECK(link.server.endpoint.traffic().badRecords == 0);
    CHECK(link.client().endpoint.traffic().badRecords == 0);
    CHECK(link.server.endpoint.traffic().retransmissions == 0);
  }
}

TEST_CASE("encrypt-then-MAC: a forgery is counted and dropped, whatever of it was changed") {
  for (const Suite& suite : suites()) {
    CAPTURE(suite.ciphers);
    Link link;
    use(link, suite);
    REQUIRE(link.handshake());
    for (const bool to_server : {true, false}) {
      Side& to = to_server ? link.server : link.client();
      Side& from = to_server ? link.client() : link.server;
      Datagram genuine;
      link.network = [&](Packet& packet, std::deque<Packet>&) { genuine = packet.bytes; };
      link.send(from, view("genuine"));
      link.pump();
      link.network = nullptr;
      uint64_t count = 0;
      for (size_t bit = 8 * kRecordHeaderSize; bit < 8 * genuine.size(); ++bit, ++count) {
        Datagram forged = genuine;
        forged[bit / 8] = static_cast<uint8_t>(forged[bit / 8] ^ 1 << bit % 8);
        link.inject(to, view(forged));
      }
      // Shorter and longer ones, down to nothing.
      for (size_t size = 0; size < genuine.size() - kRecordHeaderSize; ++size, ++count) {
        Datagram cut = genuine;
        cut.resize(kRecordHeaderSize + size);
        write_u16(&cut[11], static_cast<uint32_t>(size));
        link.inject(to, view(cut));
      }
      // Under another number, and as another type.
      Datagram renumbered = genuine;
      renumbered[10] ^= 0x40;
      link.inject(to, view(renumbered));
      for (const uint8_t type : {20, 21, 22}) {
        Datagram retyped = genuine;
        retyped[0] = type;
        link.inject(to, view(retyped));
      }
      link.pump();
      CHECK(to.endpoint.traffic().badRecords == count + 4);
      CHECK(to.messages().empty());
      CHECK(to.count(RecordType::kAlert) == 0);
      link.inject(to, view(genuine));
      link.inject(to, view(genuine));
      link.pump();
      CHECK(to.messages() == std::vector<std::string>{"genuine"});
      CHECK(to.endpoint.traffic().replays == 1);
    }
    converse(link);
  }
}

TEST_CASE("encrypt-then-MAC: forged Finished messages do not end a handshake") {
  for (const Suite& suite : suites()) {
    CAPTURE(suite.ciphers);
    Link link;
    use(link, suite);
    link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
      for (const Datagram& forged : forgeries(packet.bytes)) {
        Packet before = packet;
        before.bytes = forged;
        arriving.push_back(before);
        // Under numbers that the genuine one does not have.
        before.bytes[10] ^= 0x20;
        arriving.push_back(before);
      }
      arriving.push_back(packet);
    };
    REQUIRE(link.handshake());
    link.network = nullptr;
    CHECK(link.server.count(RecordType::kAlert) == 0);
    CHECK(link.client().count(RecordType::kAlert) == 0);
    converse(link);
  }
}

TEST_CASE("encrypt-then-MAC: protected records from nowhere do not end a handshake, at any time") {
  for (const Suite& suite : suites()) {
    CAPTURE(suite.ciphers);
    Link link;
    use(link, suite);
    uint64_t sequence = 0;
    link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
      for (const uint8_t type : {20, 21, 22, 23}) {
        Packet forged = packet;
        forged.bytes = plain_record(type, 1, sequence++, view(std::string(96, 'x')));
        write_u16(&forged.bytes[1], static_cast<uint32_t>(suite.version));
        arriving.push_back(forged);
        // Towards whoever sent this one, too.
        forged.to_server = !packet.to_server;
        arriving.push_back(forged);
      }
      arriving.push_back(packet);
    };
    // They leave no room for a Finished that comes early, so that one may have to be repeated.
    link.listen();
    link.connect();
    REQUIRE(link.run_until([&] { return link.server.secure() && link.client().secure(); }));
    link.network = nullptr;
    CHECK(link.client().count(RecordType::kClose) == 0);
    converse(link);
  }
}

TEST_CASE("encrypt-then-MAC: a Finished that overtakes what goes before it is not lost") {
  for (const Suite& suite : suites()) {
    CAPTURE(suite.ciphers);
    Link link;
    use(link, suite);
    // Each record a datagram of its own, and the protected ones before all others.
    std::deque<Packet> held;
    size_t overtaking = 0;
    link.network = [&](Packet& packet, std::deque<Packet>&) {
      Bytes rest = view(packet.bytes);
      RecordView record;
      while (take_record(rest, record)) {
        Packet single = packet;
        single.bytes = copy(record.whole);
        if (record.epoch == 0) {
          held.push_back(single);
        } else {
          held.push_front(single);
          ++overtaking;
        }
      }
    };
    link.listen();
    link.connect();
    for (int turn = 0; turn < 20; ++turn) {
      link.pump();
      if (held.empty()) break;
      link.arriving.insert(link.arriving.end(), held.begin(), held.end());
      held.clear();
    }
    CHECK(overtaking == 2);
    CHECK(link.server.secure());
    CHECK(link.client().secure());
    CHECK(link.server.endpoint.traffic().retransmissions == 0);
    CHECK(link.client().endpoint.traffic().retransmissions == 0);
  }
}

TEST_CASE("encrypt-then-MAC: different keys end by the deadline, as in other suites") {
  Link link;
  use(link, {"PSK-AES128-CBC-SHA256"});
  link.server.keys["device"] = std::vector<uint8_t>(16, 8);
  link.server_policy.handshake_timeout = link.client_policy.handshake_timeout = 500;
  link.listen();
  link.connect();
  REQUIRE(link.run_until([&] {
    return link.server.count(RecordType::kClose) != 0 &&
           link.client().count(RecordType::kClose) != 0;
  }));
  CHECK(link.server.close_kind() == FailureKind::kPskMismatch);
  CHECK(link.client().close_kind() == FailureKind::kPskMismatch);
}

TEST_CASE("encrypt-then-MAC: without it on one side a CBC session is as it was") {
  for (const bool server_lacks : {true, false}) {
    Link link;
    use(link, {"PSK-AES128-CBC-SHA256"});
    (server_lacks ? link.server_context : link.client_context)
        ->set_options(SSL_OP_NO_ENCRYPT_THEN_MAC);
    REQUIRE(link.handshake());
    CHECK_FALSE(encrypts_then_macs(link.client()));
    CHECK_FALSE(encrypts_then_macs(link.server));
    Datagram genuine;
    link.network = [&](Packet& packet, std::deque<Packet>&) { genuine = packet.bytes; };
    link.send(link.client(), view("genuine"));
    link.pump();
    link.network = nullptr;
    Datagram forged = genuine;
    forged.back() ^= 1;
    link.inject(link.server, view(forged));
    link.inject(link.server, view(genuine));
    link.pump();
    CHECK(link.server.messages() == std::vector<std::string>{"genuine"});
    CHECK(link.server.endpoint.traffic().badRecords == 1);
    converse(link);
  }
}

TEST_CASE("encrypt-then-MAC: AEAD suites know none") {
  Link link;
  REQUIRE(link.handshake());
  CHECK_FALSE(encrypts_then_macs(link.client()));
  CHECK_FALSE(encrypts_then_macs(link.server));
}

// ---- extended master secret ----

bool extends_master_secret(Side& side) {
  const Event* secure = side.last(RecordType::kSecure);
  return secure != nullptr && kSecureExtendedMasterSecret.in(secure->a);
}

constexpr uint32_t kHandshakeFailure = 40;

TEST_CASE("extended master secret: is used, and required where that is asked for") {
  for (const bool required : {false, true}) {
    Link link;
    link.client_policy.require_extended_master_secret = required;
    link.server_policy.require_extended_master_secret = required;
    REQUIRE(link.handshake());
    CHECK(extends_master_secret(link.client()));
    CHECK(extends_master_secret(link.server));
  }
}

TEST_CASE("extended master secret: without it on one side the session does without") {
  Link link;
  link.client_context->set_options(SSL_OP_NO_EXTENDED_MASTER_SECRET);
  REQUIRE(link.handshake());
  CHECK_FALSE(extends_master_secret(link.client()));
  CHECK_FALSE(extends_master_secret(link.server));
}

TEST_CASE("extended master secret: a server that requires it refuses a client without") {
  Link link;
  link.server_policy.require_extended_master_secret = true;
  link.client_context->set_options(SSL_OP_NO_EXTENDED_MASTER_SECRET);
  CHECK_FALSE(link.handshake());
  CHECK(link.server.close_kind() == FailureKind::kExtendedMasterSecretRequired);
  CHECK(link.server.close_alert() == kHandshakeFailure);
  CHECK(link.client().close_kind() == FailureKind::kAlertReceived);
  CHECK(link.client().close_alert() == kHandshakeFailure);
}

TEST_CASE("extended master secret: a client that requires it refuses a server without") {
  for (const bool psk : {false, true}) {
    Link link;
    if (psk) link.use_psk("device", std::vector<uint8_t>(16, 7));
    link.client_policy.require_extended_master_secret = true;
    link.server_context->set_options(SSL_OP_NO_EXTENDED_MASTER_SECRET);
    CHECK_FALSE(link.handshake());
    CHECK(link.client().close_kind() == FailureKind::kExtendedMasterSecretRequired);
    CHECK(link.client().close_alert() == kHandshakeFailure);
    CHECK(link.server.close_kind() == FailureKind::kAlertReceived);
    CHECK(link.server.close_alert() == kHandshakeFailure);
    CHECK(link.server.alerts(false, kHandshakeFailure) == 1);
    CHECK(link.client().alerts(true, kHandshakeFailure) == 1);
  }
}

}  // namespace
}  // namespace dtls::test
