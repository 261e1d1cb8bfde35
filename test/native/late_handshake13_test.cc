// Protects open sessions of DTLS 1.3 at the limits of their keys: keys change before the limit, at
// once and whatever is lost, without an end and without a message that does not open; where they do
// not, forgeries end the session. What may not follow a handshake does not. And an idle session
// gives back what it can have again, a client's engine first of all, and goes on as if it had not.
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

// A client's engine when its handshake is over: it takes tickets, and says when it is no more.
class TicketEngine final : public HandshakeEngine {
 public:
  struct Seen {
    int tickets = 0;
    bool gone = false;
  };

  explicit TicketEngine(Seen& seen)
      : seen_(seen), ctx_(SSL_CTX_new(TLS_method())), ssl_(SSL_new(ctx_.get())) {}
  ~TicketEngine() override { seen_.gone = true; }
  TicketEngine(const TicketEngine&) = delete;
  TicketEngine& operator=(const TicketEngine&) = delete;

  SSL* ssl() const override { return ssl_.get(); }
  EngineOutcome start() override { return EngineOutcome::kFailed; }
  EngineOutcome receive(uint64_t /*epoch*/, Bytes /*message*/) override {
    ++seen_.tickets;
    return EngineOutcome::kComplete;
  }
  EngineOutcome resume() override { return EngineOutcome::kFailed; }
  bool take(EngineOutput& /*output*/) override { return false; }
  int want() const override { return 0; }
  uint8_t alert() const override { return 0; }
  const CipherSuite13* suite() const override { return cipher_suite13(0x1301); }
  uint16_t group() const override { return 0; }
  uint16_t srtp_profile() const override { return 0; }
  const std::optional<std::vector<uint8_t>>& peer_connection_id() const override { return none_; }
  bool retried() const override { return false; }
  SecretBytes take_exporter_secret() override { return {}; }

 private:
  Seen& seen_;
  SslCtxPtr ctx_;
  SslPtr ssl_;
  std::optional<std::vector<uint8_t>> none_;
};

constexpr uint8_t kNewSessionTicket = 4;

// Two ends that have come to their session by DTLS 1.2, and go on by 1.3.
struct Pair {
  explicit Pair(uint16_t suite = 0x1301) {
    REQUIRE(link.handshake());
    Session& client = *link.client().live();
    Session& server = *link.server.live();
    const double now = Link::now();
    REQUIRE(SessionProbe::go_on_as_13(client, secret(suite, Way::kSeal, 1),
                                      secret(suite, Way::kOpen, 2), now,
                                      std::make_unique<TicketEngine>(engine)));
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
  // A message of the handshake from one end to the other.
  void say(Records13& from, Side& to, uint8_t type, uint16_t sequence) {
    say_piece(from, to, HandshakeType{type}, 8, sequence);
  }
  // Its first bytes, eight at most.
  void say_piece(Records13& from, Side& to, HandshakeType type, uint32_t length,
                 uint16_t sequence = 0) {
    FragmentHeader header;
    header.type = type;
    header.message_length = length;
    header.length = std::min(length, 8U);
    header.message_sequence = sequence;
    std::vector<uint8_t> message(kHandshakeHeaderSize + header.length);
    write_fragment_header(message.data(), header);
    Datagram record(from.sealed_size(message.size()));
    record.resize(from.seal(ContentType::kHandshake, view(message), record.data()));
    link.inject(to, view(record));
    link.pump();
  }
  void pass(double time) {
    Link::skip(time);
    link.advance();
    link.pump();
  }
  bool rest() {
    pass(Session::kRestAfter);
    return link.server.live()->rests() && link.client().live()->rests();
  }
  // A record of nobody's, which the server has the keys for, it seems.
  void forge() {
    Datagram record(40, 0x5a);
    record[0] = static_cast<uint8_t>(0x2c | (server().opening_epoch() & 3));
    write_u16(&record[3], static_cast<uint32_t>(record.size() - 5));
    link.inject(link.server, view(record));
    link.pump();
  }

  TicketEngine::Seen engine;
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

TEST_CASE(
    "late handshake of 1.3: a KeyUpdate that a message brought along is repeated in its time") {
  Pair pair;
  pair.link.network = [](Packet&, std::deque<Packet>&) {};  // nothing arrives
  Records13Probe::set_sealed_blocks(pair.client(), blocks_before_advice(0x1301));
  CHECK(pair.link.send(pair.link.client(), view("at the limit")) == SendOutcome::kSent);
  const double initial = pair.link.client_policy.retransmit_initial;
  CHECK(pair.link.client().endpoint.deadline() <= Link::now() + initial);
  pair.link.pump();
  pair.link.network = nullptr;
  CHECK(pair.link.run_until([&] { return pair.client().sealing_epoch() == kEpoch + 1; },
                            2 * initial));
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
  for (const uint8_t type : {kNewSessionTicket, kFinished}) {
    Pair pair;
    pair.say(pair.client(), pair.link.server, type, 0);
    CHECK(pair.link.server.close_kind() == FailureKind::kProtocolError);
    CHECK(pair.link.server.alerts(true, SSL_AD_UNEXPECTED_MESSAGE) == 1);
  }
}

TEST_CASE("late handshake of 1.3: nothing is kept of messages that may not come") {
  struct Piece {
    HandshakeType type;
    uint32_t length;
    bool to_server;
  };
  for (const Piece piece : {Piece{HandshakeType::kCertificate, 100'000, true},
                            Piece{HandshakeType::kCertificate, 100'000, false},
                            Piece{HandshakeType::kKeyUpdate, 2, true},
                            Piece{HandshakeType::kNewSessionTicket, 100, true},
                            Piece{HandshakeType::kNewSessionTicket, 0x10000, false}}) {
    Pair pair;
    Side& hears = piece.to_server ? pair.link.server : pair.link.client();
    pair.say_piece(piece.to_server ? pair.client() : pair.server(), hears, piece.type,
                   piece.length);
    CHECK(hears.close_kind() == FailureKind::kProtocolError);
    CHECK(hears.alerts(true, SSL_AD_UNEXPECTED_MESSAGE) == 1);
  }
}

TEST_CASE("late handshake of 1.3: a client has its engine for tickets that come together") {
  Pair pair;
  Side& client = pair.link.client();
  pair.say(pair.server(), client, kNewSessionTicket, 0);
  CHECK(pair.engine.tickets == 1);
  pair.pass(1000);
  pair.say(pair.server(), client, kNewSessionTicket, 1);
  CHECK(pair.engine.tickets == 2);
  CHECK_FALSE(pair.engine.gone);
  pair.pass(500);
  CHECK(pair.engine.gone);
  // One that comes later is acknowledged, and of no use.
  pair.say(pair.server(), client, kNewSessionTicket, 2);
  pair.talk();
  CHECK(client.count(RecordType::kClose) == 0);
}

TEST_CASE("late handshake of 1.3: a client that rests waits for tickets no more") {
  Pair pair;
  // While there is traffic a ticket may be on its way.
  for (int i = 0; i < 3; ++i) {
    pair.pass(Session::kRestAfter - 1);
    pair.talk();
  }
  CHECK_FALSE(pair.engine.gone);
  REQUIRE(pair.rest());
  CHECK(pair.engine.gone);
  CHECK(pair.link.client().endpoint.deadline() == kNever);
}

TEST_CASE("late handshake of 1.3: messages and updates of keys go on after a rest") {
  Pair pair;
  Side& client = pair.link.client();
  uint64_t epoch = kEpoch;
  for (int turn = 0; turn < 3; ++turn) {
    REQUIRE(pair.rest());
    CHECK(client.live()->update_keys(true, Link::now()) == KeyUpdateOutcome::kSent);
    CHECK_FALSE(client.live()->rests());
    pair.link.pump();
    ++epoch;
    CHECK(pair.client().sealing_epoch() == epoch);
    CHECK(pair.server().sealing_epoch() == epoch);
    pair.talk();
    REQUIRE(pair.rest());
    pair.talk();
  }
  CHECK(pair.link.server.live()->stats().badRecords == 0);
  CHECK(client.live()->stats().badRecords == 0);
  CHECK(client.count(RecordType::kClose) == 0);
}

TEST_CASE("late handshake of 1.3: a session with something on its way does not rest") {
  Pair pair;
  pair.link.network = [](Packet&, std::deque<Packet>&) {};  // nothing arrives
  Session& client = *pair.link.client().live();
  REQUIRE(client.update_keys(false, Link::now()) == KeyUpdateOutcome::kSent);
  pair.pass(Session::kRestAfter);
  CHECK_FALSE(client.rests());
  pair.link.network = nullptr;
  CHECK(pair.link.run_until([&] { return client.rests(); }, 3 * Session::kRestAfter));
  CHECK(pair.client().sealing_epoch() == kEpoch + 1);
  pair.talk();
}

TEST_CASE("late handshake of 1.3: rest gives memory back") {
  Pair pair;
  pair.talk();
  pair.link.server.events.clear();
  pair.link.client().events.clear();
  const size_t before = allocated_bytes();
  REQUIRE(pair.rest());
  // The client's SSL, and contexts of OpenSSL's for two directions at two ends.
  constexpr size_t kSsl = 4096;
  CHECK(allocated_bytes() + kSsl + size_t{4} * 2 * 256 < before);
}

TEST_CASE("late handshake of 1.3: what flights need is there while something is under way") {
  Pair pair;
  Session& client = *pair.link.client().live();
  Session& server = *pair.link.server.live();
  pair.talk();
  CHECK_FALSE(SessionProbe::has_flights(client));
  CHECK_FALSE(SessionProbe::has_flights(server));
  std::optional<Packet> ack;
  pair.link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    if (packet.to_server) {
      arriving.push_back(std::move(packet));
    } else {
      ack = std::move(packet);
    }
  };
  REQUIRE(client.update_keys(false, Link::now()) == KeyUpdateOutcome::kSent);
  pair.link.pump();
  CHECK(SessionProbe::has_flights(client));
  REQUIRE(ack);
  pair.link.network = nullptr;
  pair.link.inject(pair.link.client(), view(ack->bytes));
  CHECK_FALSE(SessionProbe::has_flights(client));
  CHECK_FALSE(SessionProbe::has_flights(server));
  CHECK(pair.client().sealing_epoch() == kEpoch + 1);
  // And numbers of messages go on where they were.
  pair.talk();
  REQUIRE(client.update_keys(true, Link::now()) == KeyUpdateOutcome::kSent);
  pair.link.pump();
  CHECK(pair.client().sealing_epoch() == kEpoch + 2);
  CHECK(pair.server().sealing_epoch() == kEpoch + 1);
  CHECK_FALSE(SessionProbe::has_flights(client));
  CHECK_FALSE(SessionProbe::has_flights(server));
}

}  // namespace
}  // namespace dtls::test
