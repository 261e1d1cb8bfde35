// Protects RFC 6520 heartbeats: what is negotiated, what is answered and what is not, that nothing
// a peer or a stranger sends as a heartbeat ends the session or gets a byte out of it (the shape of
// Heartbleed, CVE-2014-0160), and that no nonce is ever used twice on the wire.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "core/session/heartbeat.h"
#include "harness.h"
#include "session_probe.h"

namespace dtls::test {
namespace {

constexpr auto kHeartbeatRecord = static_cast<uint8_t>(ContentType::kHeartbeat);
constexpr auto kOff = HeartbeatMode::kOff;
constexpr auto kAllowed = HeartbeatMode::kPeerAllowedToSend;
constexpr auto kNotAllowed = HeartbeatMode::kPeerNotAllowedToSend;
constexpr uint32_t kIllegalParameter = 47;

struct Seen {
  bool out;
  uint8_t type;  // 0: a request went unanswered
  uint32_t length;
  double rtt;
};

// Two sides with a pre-shared key and these modes.
class Pair : public Link {
 public:
  explicit Pair(HeartbeatMode client_mode = kAllowed, HeartbeatMode server_mode = kAllowed) {
    use_psk("device", std::vector<uint8_t>(16, 7));
    client_policy.heartbeat = client_mode;
    server_policy.heartbeat = server_mode;
  }

  void open() { REQUIRE(handshake()); }

  Side& other(Side& side) { return &side == &server ? client() : server; }

  HeartbeatOutcome ping(Side& side, Bytes payload, size_t padding = kMinHeartbeatPadding,
                        double timeout = 1000, uint32_t retries = 3) {
    return side.endpoint.heartbeat(side.session.slot, side.session.generation, payload, padding,
                                   timeout, retries, now());
  }

  // An authentic record from the peer of `to`, which its peer knows nothing of. It has the number
  // of a message that the peer sent and that was lost.
  Datagram forged(Side& to, Bytes plaintext, uint8_t type = kHeartbeatRecord) {
    return forged(to, next_sequence(to), plaintext, type);
  }
  Datagram forged(Side& to, uint64_t sequence, Bytes plaintext, uint8_t type = kHeartbeatRecord) {
    return seal_record(other(to).live(), type, sequence, plaintext);
  }
  uint64_t next_sequence(Side& to) {
    uint64_t sequence = 0;
    const auto before = network;
    network = [&](Packet& packet, std::deque<Packet>&) {
      Bytes bytes = view(packet.bytes);
      RecordView record;
      REQUIRE(take_record(bytes, record));
      sequence = record.sequence;
    };
    REQUIRE(send(other(to), view("lost")) == SendOutcome::kSent);
    pump();
    network = before;
    return sequence;
  }

  // Whether messages still go both ways.
  bool alive() {
    const size_t at_client = client().messages().size();
    const size_t at_server = server.messages().size();
    const bool sent = send(client(), view("alive?")) == SendOutcome::kSent &&
                      send(server, view("alive!")) == SendOutcome::kSent;
    pump();
    return sent && client().messages().size() == at_client + 1 &&
           server.messages().size() == at_server + 1 && client().count(RecordType::kClose) == 0 &&
           server.count(RecordType::kClose) == 0;
  }
};

std::vector<Seen> heartbeats(const Side& side) {
  std::vector<Seen> all;
  for (const Event& event : side.events) {
    if (event.type != RecordType::kHeartbeat) continue;
    double rtt = 0;
    if (event.bytes.size() == sizeof rtt) std::memcpy(&rtt, event.bytes.data(), sizeof rtt);
    all.push_back(
        {kOut.in(event.a), static_cast<uint8_t>(kHeartbeatType.of(event.a)), event.b, rtt});
  }
  return all;
}

// "out 1" and so on.
std::vector<std::string> words(const Side& side) {
  std::vector<std::string> all;
  for (const Seen& seen : heartbeats(side)) {
    all.push_back(std::string(seen.out ? "out " : "in ") + std::to_string(seen.type));
  }
  return all;
}

std::vector<Datagram> sent_by(const Side& side) {
  std::vector<Datagram> all;
  for (const Event& event : side.events) {
    if (event.type == RecordType::kTransmit) all.push_back(event.bytes);
  }
  return all;
}

std::vector<uint8_t> message(uint8_t type, size_t payload_length, size_t rest) {
  std::vector<uint8_t> bytes(kHeartbeatHeader + rest, 0x61);
  bytes[0] = type;
  write_u16(&bytes[1], static_cast<uint32_t>(payload_length));
  return bytes;
}

// `datagram` reaches `to`: nothing leaves, nothing is told, and the session goes on.
void check_refused(Pair& pair, Side& to, const Datagram& datagram) {
  const size_t before = to.events.size();
  pair.inject(to, view(datagram));
  pair.pump();
  CHECK(to.events.size() == before);
  CHECK(pair.alive());
}

// The same for an authentic record of that plaintext, in both directions.
void check_refused_sealed(Pair& pair, Bytes plaintext) {
  for (Side* to : {&pair.server, &pair.client()}) {
    const uint64_t before = to->live()->stats().heartbeatsDiscarded;
    check_refused(pair, *to, pair.forged(*to, plaintext));
    CHECK(to->live()->stats().heartbeatsDiscarded == before + 1);
    CHECK(to->live()->stats().heartbeatsReceived == 0);
  }
}

// ---- messages ----

TEST_CASE("heartbeat: limits of a message") {
  for (size_t size = 0; size < 19; ++size) {
    CHECK_FALSE(parse_heartbeat(view(std::vector<uint8_t>(size, 1))));
  }
  for (const size_t rest : {16, 17, 100, 65535 + 16}) {
    for (const size_t payload : {0, 1, 84, 85, 65535}) {
      const std::vector<uint8_t> bytes = message(1, payload, rest);
      const auto parsed = parse_heartbeat(view(bytes));
      CAPTURE(rest);
      CAPTURE(payload);
      CHECK(parsed.has_value() == (payload + kMinHeartbeatPadding <= rest));
      if (parsed) {
        CHECK(parsed->payload.size == payload);
        CHECK(parsed->payload.data == bytes.data() + 3);
      }
    }
  }
  for (int type = 0; type < 256; ++type) {
    const auto parsed = parse_heartbeat(view(message(static_cast<uint8_t>(type), 4, 20)));
    CHECK(parsed.has_value() == (type == 1 || type == 2));
    if (parsed) CHECK(static_cast<int>(parsed->type) == type);
  }
}

TEST_CASE("heartbeat: what is made parses, and its padding is random") {
  for (const size_t size : {0, 1, 16, 16365}) {
    const std::vector<uint8_t> payload(size, 0x5a);
    const auto first = make_heartbeat(HeartbeatType::kResponse, view(payload), 16);
    const auto second = make_heartbeat(HeartbeatType::kResponse, view(payload), 16);
    CHECK(first.size() == 19 + size);
    CHECK(first != second);
    const auto parsed = parse_heartbeat(view(first));
    REQUIRE(parsed);
    CHECK(parsed->type == HeartbeatType::kResponse);
    CHECK(copy(parsed->payload) == payload);
  }
}

// ---- negotiation ----

TEST_CASE("heartbeat: who may send after which negotiation") {
  for (const HeartbeatMode client_mode : {kOff, kAllowed, kNotAllowed}) {
    for (const HeartbeatMode server_mode : {kOff, kAllowed, kNotAllowed}) {
      CAPTURE(static_cast<int>(client_mode));
      CAPTURE(static_cast<int>(server_mode));
      Pair pair(client_mode, server_mode);
      pair.open();
      const auto expected = [&](HeartbeatMode peer) {
        if (client_mode == kOff || server_mode == kOff) return HeartbeatOutcome::kNotNegotiated;
        return peer == kAllowed ? HeartbeatOutcome::kSent : HeartbeatOutcome::kNotAllowed;
      };
      CHECK(pair.ping(pair.client(), view("ping")) == expected(server_mode));
      pair.pump();
      CHECK(pair.ping(pair.server, view("ping")) == expected(client_mode));
      pair.pump();
      const size_t answers = (expected(server_mode) == HeartbeatOutcome::kSent ? 1U : 0U) +
                             (expected(client_mode) == HeartbeatOutcome::kSent ? 1U : 0U);
      CHECK(heartbeats(pair.client()).size() == 2 * answers);
      CHECK(heartbeats(pair.server).size() == 2 * answers);
      CHECK(pair.alive());
    }
  }
}

TEST_CASE("heartbeat: a mode that does not exist is an illegal_parameter") {
  // RFC 6520 section 2. As it stands in a ClientHello and in a ServerHello.
  for (const bool to_server : {true, false}) {
    for (const uint8_t mode : {0, 3, 255}) {
      CAPTURE(to_server);
      CAPTURE(static_cast<int>(mode));
      Pair pair;
      size_t changed = 0;
      pair.network = [&](Packet& packet, std::deque<Packet>& arriving) {
        static const std::vector<uint8_t> kExtension = {0, 15, 0, 1, 1};
        const auto at = std::search(packet.bytes.begin(), packet.bytes.end(), kExtension.begin(),
                                    kExtension.end());
        if (packet.to_server == to_server && at != packet.bytes.end()) {
          at[4] = mode;
          ++changed;
        }
        arriving.push_back(packet);
      };
      CHECK_FALSE(pair.handshake());
      CHECK(changed != 0);
      Side& refuses = to_server ? pair.server : pair.client();
      CHECK(refuses.alerts(true, kIllegalParameter) == 1);
      CHECK(refuses.count(RecordType::kClose) == 1);
      CHECK_FALSE(refuses.secure());
    }
  }
}

TEST_CASE("heartbeat: a ServerHello has the extension only when the ClientHello had") {
  Pair pair(kOff, kAllowed);
  pair.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    static const std::vector<uint8_t> kExtension = {0, 15, 0, 1};
    CHECK(std::search(packet.bytes.begin(), packet.bytes.end(), kExtension.begin(),
                      kExtension.end()) == packet.bytes.end());
    arriving.push_back(packet);
  };
  pair.open();
}

// ---- request and response ----

TEST_CASE("heartbeat: a request is answered with its payload, in both directions") {
  Pair pair;
  pair.open();
  for (const size_t size : {0, 1, 16, 1000, 16365}) {
    CAPTURE(size);
    const std::vector<uint8_t> payload(size, 0x7e);
    for (Side* side : {&pair.client(), &pair.server}) {
      Side& peer = pair.other(*side);
      side->events.clear();
      peer.events.clear();
      REQUIRE(pair.ping(*side, view(payload)) == HeartbeatOutcome::kSent);
      CHECK(pair.ping(*side, view(payload)) == HeartbeatOutcome::kBusy);
      pair.pump();
      CHECK(words(*side) == std::vector<std::string>{"out 1", "in 2"});
      CHECK(words(peer) == std::vector<std::string>{"in 1", "out 2"});
      for (const Seen& seen : heartbeats(*side)) CHECK(seen.length == 19 + size);
      CHECK(heartbeats(*side).back().rtt >= 0);
      CHECK(heartbeats(*side).back().rtt < 1000);
    }
  }
  for (Side* side : {&pair.client(), &pair.server}) {
    CHECK(side->live()->stats().heartbeatsSent == 10);
    CHECK(side->live()->stats().heartbeatsReceived == 10);
    CHECK(side->live()->stats().heartbeatsDiscarded == 0);
    CHECK(side->endpoint.traffic().heartbeatsReceived == 10);
  }
  CHECK(pair.alive());
}

TEST_CASE("heartbeat: in every AEAD suite") {
  for (const char* ciphers :
       {"PSK-AES128-GCM-SHA256", "PSK-AES256-GCM-SHA384", "PSK-CHACHA20-POLY1305", "PSK-AES128-CCM",
        "PSK-AES256-CCM", "PSK-AES128-CCM8:@SECLEVEL=0", "PSK-AES256-CCM8:@SECLEVEL=0"}) {
    CAPTURE(ciphers);
    Pair pair;
    pair.server_context = psk_context(ciphers);
    pair.client_context = psk_context(ciphers);
    pair.open();
    for (int i = 0; i < 5; ++i) {
      CHECK(pair.ping(pair.client(), view("from the client")) == HeartbeatOutcome::kSent);
      CHECK(pair.ping(pair.server, view("from the server")) == HeartbeatOutcome::kSent);
      pair.pump();
      CHECK(pair.alive());
    }
    CHECK(pair.server.live()->stats().heartbeatsReceived == 10);
    CHECK(pair.client().live()->stats().heartbeatsReceived == 10);
  }
}

TEST_CASE("heartbeat: refused where there is nothing to send it with") {
  Pair closed;
  closed.listen();
  closed.connect();
  CHECK(closed.ping(closed.client(), view("early")) == HeartbeatOutcome::kNotOpen);
  closed.pump();
  REQUIRE(closed.client().secure());
  CHECK(closed.ping(closed.client(), view("x"), 15) == HeartbeatOutcome::kTooBig);
  const std::vector<uint8_t> large(16366);
  CHECK(closed.ping(closed.client(), view(large)) == HeartbeatOutcome::kTooBig);
  closed.client().endpoint.close(closed.client().session.slot, closed.client().session.generation);
  closed.pump();
  CHECK(closed.ping(closed.client(), view("late")) == HeartbeatOutcome::kNotOpen);

  Pair cbc;
  cbc.server_context = psk_context("PSK-AES128-CBC-SHA256");
  cbc.client_context = psk_context("PSK-AES128-CBC-SHA256");
  cbc.client_policy.heartbeat_interval = 1000;
  cbc.open();
  CHECK(cbc.ping(cbc.client(), view("x")) == HeartbeatOutcome::kUnsupportedCipher);
  CHECK(cbc.ping(cbc.server, view("x")) == HeartbeatOutcome::kUnsupportedCipher);
  const Datagram record = plain_record(kHeartbeatRecord, 1, 50, view(std::string(80, 'x')));
  check_refused(cbc, cbc.server, record);
  CHECK(cbc.server.live()->stats().heartbeatsDiscarded == 1);
  // Keep-alive does nothing, once for each interval.
  cbc.skip(1001);
  const size_t before = sent_by(cbc.client()).size();
  cbc.advance();
  CHECK(sent_by(cbc.client()).size() == before);
  CHECK(cbc.client().endpoint.deadline() > cbc.now() + 900);
  CHECK(cbc.alive());
}

// ---- what leaves ----

TEST_CASE("heartbeat: leaves as a heartbeat only, and under a nonce of its own") {
  Pair pair;
  pair.client_policy.retransmit_max = 60000;
  pair.open();
  bool losing = false;
  pair.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    if (!losing) arriving.push_back(packet);
  };
  const size_t client_before = pair.client().events.size();
  const size_t server_before = pair.server.events.size();
  for (int i = 0; i < 20; ++i) {
    losing = i % 4 == 3;
    CHECK(pair.ping(pair.client(), view("payload"), 16 + static_cast<size_t>(i), 5, 3) ==
          HeartbeatOutcome::kSent);
    pair.pump();
    if (losing) {
      for (int again = 0; again < 5; ++again) {
        pair.skip(100);
        pair.advance();
      }
    }
  }
  const auto all_heartbeats = [](const Side& side, size_t from) {
    size_t count = 0;
    for (size_t i = from; i < side.events.size(); ++i) {
      if (side.events[i].type != RecordType::kTransmit) continue;
      ++count;
      CHECK(side.events[i].bytes[0] == kHeartbeatRecord);
      Bytes bytes = view(side.events[i].bytes);
      RecordView record;
      CHECK(take_record(bytes, record));
      CHECK(bytes.size == 0);
    }
    return count;
  };
  CHECK(all_heartbeats(pair.client(), client_before) == 15 + 5 * 4);
  CHECK(all_heartbeats(pair.server, server_before) == 15);
  losing = false;
  for (int i = 0; i < 10; ++i) {
    CHECK(pair.alive());
    CHECK(pair.ping(pair.client(), view("between")) == HeartbeatOutcome::kSent);
    CHECK(pair.ping(pair.server, view("between")) == HeartbeatOutcome::kSent);
  }
  for (const Side* side : {&pair.client(), &pair.server}) {
    std::set<std::vector<uint8_t>> nonces;
    std::set<uint64_t> sequences;
    size_t records = 0;
    for (const Datagram& datagram : sent_by(*side)) {
      Bytes bytes = view(datagram);
      RecordView record;
      while (take_record(bytes, record)) {
        if (record.epoch == 0) continue;
        ++records;
        nonces.insert(copy(record.fragment.first(8)));
        sequences.insert(record.sequence);
      }
    }
    CHECK(records > 30);
    CHECK(nonces.size() == records);
    CHECK(sequences.size() == records);
  }
}

TEST_CASE("heartbeat: a response holds the payload and fresh padding, and is never longer") {
  Pair pair;
  pair.open();
  AeadProtection& servers = SessionProbe::incoming(*pair.client().live());
  REQUIRE(servers.wake());
  for (const size_t payload : {0, 1, 5, 300, 1000}) {
    for (const size_t padding : {16, 17, 400, 12000}) {
      CAPTURE(payload);
      CAPTURE(padding);
      // 'a' everywhere: payload and padding.
      const std::vector<uint8_t> request = message(1, payload, payload + padding);
      const Datagram datagram = pair.forged(pair.server, view(request));
      pair.server.events.clear();
      pair.inject(pair.server, view(datagram));
      pair.pump();
      const std::vector<Datagram> sent = sent_by(pair.server);
      REQUIRE(sent.size() == 1);
      CHECK(sent[0].size() <= datagram.size());
      Bytes bytes = view(sent[0]);
      RecordView record;
      REQUIRE(take_record(bytes, record));
      CHECK(record.type == ContentType::kHeartbeat);
      std::vector<uint8_t> plaintext(record.fragment.size);
      size_t size = 0;
      REQUIRE(servers.open(record, plaintext.data(), size));
      plaintext.resize(size);
      CHECK(size == 3 + payload + kMinHeartbeatPadding);
      const auto response = parse_heartbeat(view(plaintext));
      REQUIRE(response);
      CHECK(response->type == HeartbeatType::kResponse);
      CHECK(copy(response->payload) == std::vector<uint8_t>(payload, 0x61));
      CHECK(copy(view(plaintext).from(3 + payload)) != std::vector<uint8_t>(16, 0x61));
    }
  }
  // To the client they answered nothing.
  CHECK(pair.client().live()->stats().heartbeatsDiscarded == 20);
  CHECK(pair.alive());
}

// ---- what is refused ----

TEST_CASE("heartbeat: refused when none were negotiated") {
  for (const auto& modes : std::vector<std::pair<HeartbeatMode, HeartbeatMode>>{
           {kOff, kOff}, {kAllowed, kOff}, {kOff, kAllowed}}) {
    Pair pair(modes.first, modes.second);
    pair.open();
    for (Side* to : {&pair.server, &pair.client()}) {
      check_refused(pair, *to, pair.forged(*to, view(message(1, 4, 20))));
      CHECK(to->live()->stats().discardedRecords == 1);
      CHECK(to->live()->stats().heartbeatsReceived == 0);
    }
  }
}

TEST_CASE("heartbeat: refused when this side said that the peer may send none") {
  for (const bool at_server : {true, false}) {
    Pair pair(at_server ? kAllowed : kNotAllowed, at_server ? kNotAllowed : kAllowed);
    pair.open();
    Side& to = at_server ? pair.server : pair.client();
    check_refused(pair, to, pair.forged(to, view(message(1, 4, 20))));
    CHECK(to.live()->stats().heartbeatsDiscarded == 1);
    // It may still ask, and is answered.
    CHECK(pair.ping(to, view("ping")) == HeartbeatOutcome::kSent);
    pair.pump();
    CHECK(words(to) == std::vector<std::string>{"out 1", "in 2"});
  }
}

TEST_CASE("heartbeat: a payload_length beyond the message is refused") {
  Pair pair;
  pair.open();
  for (const size_t rest : {16, 17, 32, 200}) {
    for (const size_t length : {rest - 15, rest, rest + 1, size_t{0x4000}, size_t{0xffff}}) {
      for (const uint8_t type : {1, 2})
        check_refused_sealed(pair, view(message(type, length, rest)));
    }
  }
}

TEST_CASE("heartbeat: messages that are too short, or have too little padding, are refused") {
  Pair pair;
  pair.open();
  for (size_t size = 0; size <= 18; ++size) {
    CAPTURE(size);
    for (const uint8_t fill : {0, 1, 2}) {
      check_refused_sealed(pair, view(std::vector<uint8_t>(size, fill)));
    }
    // Whole, but for the padding.
    if (size < 16) check_refused_sealed(pair, view(message(1, 40, 40 + size)));
  }
}

TEST_CASE("heartbeat: unknown types are refused") {
  Pair pair;
  pair.open();
  for (const uint8_t type : {0, 3, 4, 23, 128, 255}) {
    check_refused_sealed(pair, view(message(type, 4, 20)));
  }
}

TEST_CASE("heartbeat: more plaintext than a record may have is refused") {
  Pair pair;
  pair.open();
  for (Side* to : {&pair.server, &pair.client()}) {
    check_refused(pair, *to, pair.forged(*to, view(message(1, 16382, 16382 + 16))));
    CHECK(to->live()->stats().badRecords == 1);
  }
}

TEST_CASE("heartbeat: a response that nobody asked for is refused") {
  Pair pair;
  pair.open();
  check_refused_sealed(pair, view(message(2, 4, 20)));
}

TEST_CASE("heartbeat: a response with another payload is refused, the right one is taken") {
  Pair pair;
  pair.open();
  pair.network = [](Packet& packet, std::deque<Packet>& arriving) {
    if (packet.bytes[0] != kHeartbeatRecord) arriving.push_back(packet);
  };
  for (Side* side : {&pair.client(), &pair.server}) {
    REQUIRE(pair.ping(*side, view("aaaa")) == HeartbeatOutcome::kSent);
    pair.pump();
    std::vector<uint8_t> wrong = message(2, 4, 20);
    wrong[6] = 'b';
    check_refused(pair, *side, pair.forged(*side, view(wrong)));
    check_refused(pair, *side, pair.forged(*side, view(message(2, 3, 20))));
    check_refused(pair, *side, pair.forged(*side, view(message(2, 5, 21))));
    check_refused(pair, *side, pair.forged(*side, view(message(2, 0, 20))));
    CHECK(side->live()->stats().heartbeatsDiscarded == 4);
    const Datagram right = pair.forged(*side, view(message(2, 4, 20)));
    pair.inject(*side, view(right));
    pair.pump();
    CHECK(words(*side) == std::vector<std::string>{"out 1", "in 2"});
    // Once.
    check_refused(pair, *side, right);
    check_refused(pair, *side, pair.forged(*side, view(message(2, 4, 20))));
    CHECK(side->live()->stats().heartbeatsReceived == 1);
  }
}

TEST_CASE("heartbeat: a replayed request is answered once") {
  Pair pair;
  pair.open();
  for (Side* to : {&pair.server, &pair.client()}) {
    const Datagram request = pair.forged(*to, view(message(1, 4, 20)));
    pair.inject(*to, view(request));
    pair.pump();
    CHECK(words(*to) == std::vector<std::string>{"in 1", "out 2"});
    for (int i = 0; i < 5; ++i) check_refused(pair, *to, request);
    CHECK(to->live()->stats().replays == 5);
    CHECK(to->live()->stats().heartbeatsReceived == 1);
    CHECK(to->live()->stats().badRecords == 0);
  }
}

TEST_CASE("heartbeat: one replay window for heartbeats and messages") {
  Pair pair;
  pair.open();
  const auto data = static_cast<uint8_t>(ContentType::kApplicationData);
  const std::vector<uint8_t> request = message(1, 4, 20);
  Side& to = pair.server;
  const uint64_t first = pair.next_sequence(to);
  pair.inject(to, view(pair.forged(to, first, view("message"), data)));
  pair.pump();
  CHECK(to.messages().size() == 1);
  check_refused(pair, to, pair.forged(to, first, view(request)));
  const uint64_t second = pair.next_sequence(to);
  pair.inject(to, view(pair.forged(to, second, view(request))));
  pair.pump();
  CHECK(words(to) == std::vector<std::string>{"in 1", "out 2"});
  check_refused(pair, to, pair.forged(to, second, view("message"), data));
  CHECK(to.live()->stats().replays == 2);
}

TEST_CASE("heartbeat: a tampered record is refused, and the genuine one is answered") {
  Pair pair;
  pair.open();
  for (Side* to : {&pair.server, &pair.client()}) {
    const Datagram request = pair.forged(*to, view(message(1, 4, 20)));
    uint64_t tampered = 0;
    for (size_t bit = 8 * kRecordHeaderSize; bit < 8 * request.size(); bit += 3, ++tampered) {
      Datagram wrong = request;
      wrong[bit / 8] = static_cast<uint8_t>(wrong[bit / 8] ^ 1 << bit % 8);
      pair.inject(*to, view(wrong));
    }
    // And records too short to be one.
    for (size_t size = 0; size < 24; ++size, ++tampered) {
      pair.inject(*to, view(plain_record(kHeartbeatRecord, 1, 2000 + size,
                                         view(std::vector<uint8_t>(size, 9)))));
    }
    pair.pump();
    CHECK(words(*to).empty());
    CHECK(to->live()->stats().badRecords == tampered);
    CHECK(pair.alive());
    pair.inject(*to, view(request));
    pair.pump();
    CHECK(words(*to) == std::vector<std::string>{"in 1", "out 2"});
  }
}

TEST_CASE(
    "heartbeat: application data that claims to be a heartbeat, and the reverse, is refused") {
  Pair pair;
  pair.open();
  Datagram data = pair.forged(pair.server, view(message(1, 4, 20)),
                              static_cast<uint8_t>(ContentType::kApplicationData));
  data[0] = kHeartbeatRecord;
  check_refused(pair, pair.server, data);
  Datagram heartbeat = pair.forged(pair.server, view(message(1, 4, 20)));
  heartbeat[0] = static_cast<uint8_t>(ContentType::kApplicationData);
  check_refused(pair, pair.server, heartbeat);
  CHECK(pair.server.live()->stats().badRecords == 2);
}

TEST_CASE("heartbeat: during a handshake none is answered, in clear or sealed") {
  // RFC 6520 section 3: heartbeats and handshakes do not overlap.
  Pair pair;
  uint64_t sequence = 3000;
  pair.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    const std::vector<uint8_t> request = message(1, 4, 20);
    Side& from = packet.to_server ? pair.client() : pair.server;
    Side& to = packet.to_server ? pair.server : pair.client();
    for (const uint16_t epoch : {0, 1}) {
      Packet forged = packet;
      forged.bytes = plain_record(kHeartbeatRecord, epoch, sequence++, view(request));
      arriving.push_back(forged);
    }
    Session* session = from.live();
    if (!to.secure() && session != nullptr && session->ssl() != nullptr &&
        SSL_get_session(session->ssl()) != nullptr &&
        SSL_SESSION_get_master_key(SSL_get_session(session->ssl()), nullptr, 0) != 0) {
      Packet forged = packet;
      forged.bytes = seal_record(session, kHeartbeatRecord, sequence++, view(request));
      arriving.push_back(forged);
    }
    arriving.push_back(packet);
  };
  pair.open();
  pair.network = nullptr;
  CHECK(sequence > 3010);
  CHECK(words(pair.client()).empty());
  CHECK(words(pair.server).empty());
  CHECK(pair.alive());
  CHECK(pair.ping(pair.client(), view("now")) == HeartbeatOutcome::kSent);
  pair.pump();
  CHECK(words(pair.client()) == std::vector<std::string>{"out 1", "in 2"});
}

TEST_CASE("heartbeat: in clear after the handshake it is refused") {
  Pair pair;
  pair.open();
  for (Side* to : {&pair.server, &pair.client()}) {
    for (const uint16_t epoch : {0, 1, 2, 65535}) {
      check_refused(pair, *to,
                    plain_record(kHeartbeatRecord, epoch, 4000, view(message(1, 4, 40))));
    }
  }
}

// ---- time ----

TEST_CASE("heartbeat: a request is sent again after doubling waits, and then given up") {
  Pair pair;
  pair.client_policy.retransmit_max = 60000;
  pair.open();
  pair.network = [](Packet&, std::deque<Packet>&) {};
  Side& side = pair.client();
  Endpoint& endpoint = side.endpoint;
  side.events.clear();
  double at = pair.now();
  CHECK(endpoint.heartbeat(side.session.slot, side.session.generation, view("payload"), 16, 100, 3,
                           at) == HeartbeatOutcome::kSent);
  for (const double wait : {100, 200, 400, 800}) {
    CAPTURE(wait);
    CHECK(endpoint.deadline() == doctest::Approx(at + wait).epsilon(1e-15));
    endpoint.advance(at + wait - 1);
    endpoint.advance(at + wait);
    at += wait;
  }
  CHECK(side.waits_for_nothing());
  pair.pump();
  CHECK(words(side) == std::vector<std::string>{"out 1", "out 1", "out 1", "out 1", "in 0"});
  CHECK(sent_by(side).size() == 4);
  pair.network = nullptr;
  CHECK(pair.alive());
  // The next one may follow.
  CHECK(pair.ping(side, view("payload")) == HeartbeatOutcome::kSent);
  pair.pump();
  CHECK(words(side).back() == "in 2");
}

TEST_CASE("heartbeat: without retries a request is given up at once") {
  Pair pair;
  pair.open();
  pair.network = [](Packet&, std::deque<Packet>&) {};
  CHECK(pair.ping(pair.server, view("payload"), 16, 50, 0) == HeartbeatOutcome::kSent);
  pair.skip(51);
  pair.advance();
  CHECK(words(pair.server) == std::vector<std::string>{"out 1", "in 0"});
}

TEST_CASE("heartbeat: the answer to any of the repetitions counts") {
  Pair pair;
  pair.open();
  std::vector<Packet> kept;
  pair.network = [&](Packet& packet, std::deque<Packet>&) { kept.push_back(packet); };
  CHECK(pair.ping(pair.client(), view("payload"), 16, 100, 3) == HeartbeatOutcome::kSent);
  pair.pump();
  pair.skip(101);
  pair.advance();
  REQUIRE(kept.size() == 2);
  pair.network = nullptr;
  // Both arrive, late: two answers, of which one is asked for.
  for (const Packet& packet : kept) pair.arriving.push_back(packet);
  pair.pump();
  CHECK(words(pair.client()) == std::vector<std::string>{"out 1", "out 1", "in 2"});
  CHECK(pair.client().live()->stats().heartbeatsDiscarded == 1);
  CHECK(pair.alive());
}

TEST_CASE("heartbeat: keep-alive asks after each interval of silence") {
  Pair pair;
  pair.client_policy.heartbeat_interval = 500;
  pair.open();
  Side& side = pair.client();
  for (int i = 0; i < 4; ++i) {
    pair.skip(400);
    pair.advance();
    CHECK(words(side).size() == 2 * static_cast<size_t>(i));
    pair.skip(101);
    pair.advance();
    CHECK(words(side).size() == 2 * static_cast<size_t>(i + 1));
  }
  CHECK(words(side).back() == "in 2");
  // What the peer says is a sign of life too; what this side says is not.
  pair.skip(400);
  pair.send(pair.server, view("here"));
  pair.pump();
  pair.skip(400);
  pair.advance();
  CHECK(words(side).size() == 8);
  pair.send(side, view("still there?"));
  pair.pump();
  pair.skip(101);
  pair.advance();
  CHECK(words(side).size() == 10);
  CHECK(pair.alive());
}

TEST_CASE("heartbeat: keep-alive ends the session of a peer that has gone") {
  for (const bool at_server : {false, true}) {
    CAPTURE(at_server);
    Pair pair;
    SessionPolicy& policy = at_server ? pair.server_policy : pair.client_policy;
    policy.heartbeat_interval = 500;
    policy.heartbeat_timeout = 100;
    policy.heartbeat_retries = 2;
    policy.retransmit_max = 60000;
    pair.open();
    Side& side = at_server ? pair.server : pair.client();
    pair.network = [](Packet&, std::deque<Packet>&) {};
    pair.skip(501);
    for (const double wait : {101, 201, 401}) {
      pair.advance();
      CHECK(side.count(RecordType::kClose) == 0);
      pair.skip(wait);
    }
    pair.advance();
    CHECK(words(side) == std::vector<std::string>{"out 1", "out 1", "out 1", "in 0"});
    CHECK(side.count(RecordType::kClose) == 1);
    CHECK(side.close_kind() == FailureKind::kHeartbeatTimeout);
    CHECK(side.endpoint.deadline() == kNever);
  }
}

TEST_CASE("heartbeat: keep-alive without the peer's leave does nothing") {
  Pair pair(kAllowed, kNotAllowed);
  pair.client_policy.heartbeat_interval = 500;
  pair.open();
  CHECK(pair.client().waits_for_nothing());
  pair.skip(5000);
  pair.advance();
  CHECK(words(pair.client()).empty());
  CHECK(pair.alive());
}

TEST_CASE("heartbeat: a request that the user gave up does not end the session") {
  Pair pair;
  pair.client_policy.heartbeat_interval = 10000;
  pair.open();
  pair.network = [](Packet&, std::deque<Packet>&) {};
  CHECK(pair.ping(pair.client(), view("payload"), 16, 50, 0) == HeartbeatOutcome::kSent);
  pair.skip(51);
  pair.advance();
  CHECK(words(pair.client()) == std::vector<std::string>{"out 1", "in 0"});
  pair.network = nullptr;
  CHECK(pair.alive());
}

}  // namespace
}  // namespace dtls::test
