// Protects open sessions of DTLS 1.3 at the limits of their keys: keys change before the limit, at
// once and whatever is lost, without an end and without a message that does not open; where they do
// not, forgeries end the session. And what may not follow a handshake does not.
#include <doctest/doctest.h>

#include "core/records/aead_suite.h"
#include "harness.h"
#include "records13_probe.h"
#include "session_probe.h"

namespace dtls::test {
namespace {

using Way = TrafficSecret::Direction;

constexpr uint64_t kEpoch = 3;

TrafficSecret secret(uint16_t id, Way way, uint8_t of) {
  const CipherSuite13* suite = cipher_suite13(id);
  const std::vector<uint8_t> bytes(suite->hash_size, of);
  return {suite, kEpoch, way, SecretBytes(view(bytes))};
}

// Two ends that have come to their session by DTLS 1.2, and go on by 1.3.
struct Pair {
  explicit Pair(uint16_t suite = 0x1301) {
    REQUIRE(link.handshake());
    Session& client = *link.client().live();
    Session& server = *link.server.live();
    const double now = Link::now();
    REQUIRE(SessionProbe::go_on_as_13(client, secret(suite, Way::kSeal, 1),
                                      secret(suite, Way::kOpen, 2), now));
    REQUIRE(SessionProbe::go_on_as_13(server, secret(suite, Way::kSeal, 2),
                                      secret(suite, Way::kOpen, 1), now));
  }

  Records13& client() { return SessionProbe::records13(*link.client().live()); }
  Records13& server() { return SessionProbe::records13(*link.server.live()); }
  void talk() {
    const size_t there = link.server.messages().size();
    const size_t back = link.client().messages().size();
    CHECK(link.send(link.client(), view("ping")) == SendOutcome::kSent);
    CHECK(link.send(link.server, view("pong")) == SendOutcome::kSent);
    link.pump();
    CHECK(link.server.messages().size() == there + 1);
    CHECK(link.client().messages().size() == back + 1);
  }
  // A record of nobody's, which the server has the keys for, it seems.
  void forge() {
    Datagram record(40, 0x5a);
    record[0] = static_cast<uint8_t>(0x2c | (server().opening_epoch() & 3));
    write_u16(&record[3], static_cast<uint32_t>(record.size() - 5));
    link.inject(link.server, view(record));
    link.pump();
  }

  Link link;
};

uint64_t blocks_before_advice(uint16_t suite) {
  return aead_suite(cipher_suite13(suite)->aead).confidentiality_limit / 4 * 3 - 1;
}

TEST_CASE("late handshake of 1.3: keys change before the limit of what they may seal") {
  for (const uint16_t suite : {0x1301, 0x1302, 0x1304}) {
    CAPTURE(suite);
    Pair pair(suite);
    for (uint64_t round = 1; round <= 6; ++round) {
      Records13Probe::set_sealed_blocks(pair.client(), blocks_before_advice(suite));
      pair.talk();
      // The message that came to the limit took the KeyUpdate along: no timer, no other message.
      CHECK(pair.client().sealing_epoch() == kEpoch + round);
      CHECK(pair.server().opening_epoch() == kEpoch + round);
      CHECK(pair.server().sealing_epoch() == kEpoch);  // the other direction has keys of its own
      pair.talk();
    }
    CHECK(pair.link.client().count(RecordType::kClose) == 0);
    CHECK(pair.link.client().count(RecordType::kKeyLimit) == 0);
  }
}

TEST_CASE("late handshake of 1.3: messages go on while a KeyUpdate, or its ACK, is lost") {
  for (const bool to_server : {true, false}) {
    CAPTURE(to_server);
    Pair pair;
    Records13Probe::set_sealed_blocks(pair.client(), blocks_before_advice(0x1301));
    CHECK(pair.link.send(pair.link.client(), view("at the limit")) == SendOutcome::kSent);
    bool lose = true;
    size_t seen = 0;
    pair.link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
      // To the server the message comes first, and then the KeyUpdate.
      const bool lost = lose && packet.to_server == to_server && seen++ == (to_server ? 1U : 0U);
      if (!lost) arriving.push_back(std::move(packet));
    };
    pair.link.pump();
    CHECK(pair.client().sealing_epoch() == kEpoch);
    lose = false;
    pair.talk();
    CHECK(pair.client().sealing_epoch() == kEpoch);
    CHECK(pair.link.run_until([&] { return pair.client().sealing_epoch() == kEpoch + 1; }, 20000));
    pair.talk();
    CHECK(pair.link.server.live()->stats().badRecords == 0);
  }
}

TEST_CASE("late handshake of 1.3: before forgeries are too many the peer is asked for other keys") {
  Pair pair;
  const uint64_t limit = aead_suite(Aead13::kAes128Gcm).integrity_limit;
  Records13Probe::set_forged(pair.server(), kEpoch, limit / 4 * 3 - 1);
  pair.forge();
  CHECK(pair.server().opening_epoch() == kEpoch + 1);
  CHECK(pair.client().sealing_epoch() == kEpoch + 1);
  pair.talk();
  CHECK(Records13Probe::forged(pair.server(), kEpoch + 1) == 0);
  CHECK(pair.link.server.count(RecordType::kClose) == 0);
}

TEST_CASE("late handshake of 1.3: an update that is under way does not keep the wish back") {
  Pair pair;
  pair.link.network = [](Packet&, std::deque<Packet>&) {};  // nothing arrives

  REQUIRE(pair.link.server.live()->update_keys(false, Link::now()) == KeyUpdateOutcome::kSent);
  const uint64_t limit = aead_suite(Aead13::kAes128Gcm).integrity_limit;
  Records13Probe::set_forged(pair.server(), kEpoch, limit / 4 * 3 - 1);
  pair.forge();
  CHECK(pair.server().opening_epoch() == kEpoch);
  pair.link.network = nullptr;
  CHECK(pair.link.run_until([&] { return pair.server().sealing_epoch() == kEpoch + 1; }, 20000));
  pair.forge();
  CHECK(pair.server().opening_epoch() == kEpoch + 1);
  pair.talk();
}

TEST_CASE("late handshake of 1.3: too many forgeries end the session") {
  Pair pair;
  const uint64_t limit = aead_suite(Aead13::kAes128Gcm).integrity_limit;
  Records13Probe::set_forged(pair.server(), kEpoch, limit);
  pair.forge();
  CHECK(pair.link.server.close_kind() == FailureKind::kIntegrityLimit);
  CHECK(pair.link.client().count(RecordType::kClose) == 1);
}

TEST_CASE(
    "late handshake of 1.3: a server takes no tickets, and nobody a message of the handshake") {
  constexpr uint8_t kFinished = 20;
  constexpr uint8_t kNewSessionTicket = 4;
  for (const uint8_t type : {kNewSessionTicket, kFinished}) {
    Pair pair;
    std::vector<uint8_t> message(kHandshakeHeaderSize + 8);
    FragmentHeader header;
    header.type = HandshakeType{type};
    header.message_length = header.length = 8;
    write_fragment_header(message.data(), header);
    Datagram record(pair.client().sealed_size(message.size()));
    record.resize(pair.client().seal(ContentType::kHandshake, view(message), record.data()));
    pair.link.inject(pair.link.server, view(record));
    pair.link.pump();
    CHECK(pair.link.server.close_kind() == FailureKind::kProtocolError);
    CHECK(pair.link.server.alerts(true, SSL_AD_UNEXPECTED_MESSAGE) == 1);
  }
}

}  // namespace
}  // namespace dtls::test
