// Protects: that a handshake is read by its messages, however a peer, or a box in between, packed
// them into fragments, records and datagrams; and that what arrives while a question is open has
// the outcome that it would have had with an answer at once.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <random>

#include "harness.h"

namespace dtls::test {
namespace {

const std::vector<uint8_t> kKey = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

struct Message {
  HandshakeType type{};
  uint16_t sequence = 0;
  std::vector<uint8_t> body;
};

std::vector<uint8_t> fragment_of(const Message& message, size_t offset, size_t size) {
  std::vector<uint8_t> bytes(kHandshakeHeaderSize);
  bytes[0] = static_cast<uint8_t>(message.type);
  write_u24(&bytes[1], static_cast<uint32_t>(message.body.size()));
  write_u16(&bytes[4], message.sequence);
  write_u24(&bytes[6], static_cast<uint32_t>(offset));
  write_u24(&bytes[9], static_cast<uint32_t>(size));
  const auto from = message.body.begin() + static_cast<long>(offset);
  bytes.insert(bytes.end(), from, from + static_cast<long>(size));
  return bytes;
}

std::vector<uint8_t> whole(const Message& message) {
  return fragment_of(message, 0, message.body.size());
}

std::vector<uint8_t> operator+(std::vector<uint8_t> a, const std::vector<uint8_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// What of a flight is in clear: its messages, each whole in one record here, become the contents of
// other records.
using Repack = std::vector<std::vector<uint8_t>> (*)(const std::vector<Message>& messages);

std::vector<std::vector<uint8_t>> in_one_record(const std::vector<Message>& messages) {
  std::vector<uint8_t> all;
  for (const Message& message : messages) all = all + whole(message);
  return {all};
}

std::vector<std::vector<uint8_t>> backwards_in_one_record(const std::vector<Message>& messages) {
  std::vector<uint8_t> all;
  for (const Message& message : messages) all = whole(message) + all;
  return {all};
}

std::vector<std::vector<uint8_t>> backwards(const std::vector<Message>& messages) {
  std::vector<std::vector<uint8_t>> records;
  for (const Message& message : messages) records.insert(records.begin(), whole(message));
  return records;
}

// The tail of the first message shares a record with all the others.
std::vector<std::vector<uint8_t>> tail_with_the_rest(const std::vector<Message>& messages) {
  const size_t size = messages[0].body.size();
  std::vector<uint8_t> rest = fragment_of(messages[0], size / 2, size - size / 2);
  for (size_t i = 1; i < messages.size(); ++i) rest = rest + whole(messages[i]);
  return {fragment_of(messages[0], 0, size / 2), rest};
}

std::vector<std::vector<uint8_t>> tail_behind_the_rest(const std::vector<Message>& messages) {
  const size_t size = messages[0].body.size();
  std::vector<uint8_t> rest;
  for (size_t i = 1; i < messages.size(); ++i) rest = rest + whole(messages[i]);
  return {rest + fragment_of(messages[0], size / 2, size - size / 2),
          fragment_of(messages[0], 0, size / 2)};
}

// HelloRequests and empty fragments, each with the number of the message behind it.
std::vector<std::vector<uint8_t>> with_empty_ones(const std::vector<Message>& messages) {
  std::vector<uint8_t> all;
  for (const Message& message : messages) {
    if (message.type != HandshakeType::kClientKeyExchange)
      all = all + whole({HandshakeType::kHelloRequest, message.sequence, {}});
    all = all + fragment_of(message, 0, 0) + whole(message);
  }
  return {all};
}

std::vector<std::vector<uint8_t>> hello_request_before(const std::vector<Message>& messages) {
  std::vector<uint8_t> all = whole({HandshakeType::kHelloRequest, messages[0].sequence, {}});
  if (messages[0].type == HandshakeType::kClientKeyExchange ||
      messages[0].type == HandshakeType::kCertificate) {
    all.clear();  // a client sends none
  }
  for (const Message& message : messages) all = all + whole(message);
  return {all};
}

// Seven bytes a piece, some twice, several a record, in any order.
std::vector<std::vector<uint8_t>> in_crumbs(const std::vector<Message>& messages) {
  std::mt19937 random(3);
  std::vector<std::vector<uint8_t>> crumbs;
  for (const Message& message : messages) {
    size_t at = 0;
    do {
      const size_t size = std::min<size_t>(7, message.body.size() - at);
      crumbs.push_back(fragment_of(message, at, size));
      if (random() % 4 == 0) crumbs.push_back(crumbs.back());
      at += size;
    } while (at < message.body.size());
  }
  std::shuffle(crumbs.begin(), crumbs.end(), random);
  std::vector<std::vector<uint8_t>> records(crumbs.size() / 3 + 1);
  for (size_t i = 0; i < crumbs.size(); ++i) records[i / 3] = records[i / 3] + crumbs[i];
  if (records.back().empty()) records.pop_back();
  return records;
}

struct Packing {
  const char* name;
  Repack repack;
};

constexpr std::array<Packing, 8> kPackings = {{
    {"in one record", in_one_record},
    {"in one record, backwards", backwards_in_one_record},
    {"in records, backwards", backwards},
    {"a tail in one record with the rest", tail_with_the_rest},
    {"a tail behind the rest", tail_behind_the_rest},
    {"empty fragments and HelloRequests between", with_empty_ones},
    {"a HelloRequest before", hello_request_before},
    {"in crumbs", in_crumbs},
}};

// Repacks the flights that go one way, a datagram a flight; HelloVerifyRequests and ClientHellos
// pass. Numbers are used up as a peer would.
void repack_flights(Link& link, bool to_server, Repack repack) {
  auto number = std::make_shared<uint64_t>(100);
  link.network = [=](Packet& packet, std::deque<Packet>& arriving) {
    if (packet.to_server != to_server) {
      arriving.push_back(packet);
      return;
    }
    std::vector<Message> messages;
    Datagram behind;
    Bytes rest = view(packet.bytes);
    RecordView record;
    while (take_record(rest, record)) {
      Bytes inside = record.fragment;
      FragmentView fragment;
      if (record.epoch != 0 || record.type != ContentType::kHandshake ||
          !take_fragment(inside, fragment)) {
        Datagram other = copy(record.whole);
        if (record.epoch == 0) write_u48(&other[5], 1000 + (*number)++);
        behind = behind + other;
        continue;
      }
      if (fragment.type == HandshakeType::kClientHello ||
          fragment.type == HandshakeType::kHelloVerifyRequest) {
        arriving.push_back(packet);
        return;
      }
      REQUIRE(fragment.body.size == fragment.message_length);
      messages.push_back({fragment.type, fragment.message_sequence, copy(fragment.body)});
    }
    if (!messages.empty()) {
      for (const std::vector<uint8_t>& content : repack(messages)) {
        Packet one = packet;
        one.bytes = plain_record(22, 0, (*number)++, view(content));
        arriving.push_back(one);
      }
    }
    if (behind.empty()) return;
    packet.bytes = behind;
    arriving.push_back(packet);
  };
}

TEST_CASE("repacked: PSK, a flight in any packing makes the client ask, once, and open") {
  for (const Packing& packing : kPackings) {
    for (const bool hinted : {false, true}) {
      CAPTURE(packing.name);
      CAPTURE(hinted);
      Link link;
      link.use_psk("device", kKey);
      if (hinted) link.server_policy.psk_identity_hint = "the hint";
      repack_flights(link, false, packing.repack);
      REQUIRE(link.handshake());
      CHECK(link.client().count(RecordType::kLookup) == 1);
      CHECK(text_of(view(link.client().last(RecordType::kLookup)->bytes)) ==
            (hinted ? "the hint" : ""));
      CHECK(link.client().endpoint.traffic().retransmissions == 0);
    }
  }
}

TEST_CASE("repacked: PSK, a client's flight in any packing makes the server ask, once, and open") {
  for (const Packing& packing : kPackings) {
    CAPTURE(packing.name);
    Link link;
    link.use_psk("a device with a name", kKey);
    repack_flights(link, true, packing.repack);
    REQUIRE(link.handshake());
    CHECK(link.server.count(RecordType::kLookup) == 1);
    CHECK(text_of(view(link.server.last(RecordType::kLookup)->bytes)) == "a device with a name");
    CHECK(link.server.endpoint.traffic().retransmissions == 0);
  }
}

TEST_CASE("repacked: certificates on both sides, flights in any packing, both ways") {
  static const Identity client = authority().issue({"client"});
  for (const Packing& packing : kPackings) {
    for (const bool to_server : {false, true}) {
      for (const bool judged : {false, true}) {
        CAPTURE(packing.name);
        CAPTURE(to_server);
        CAPTURE(judged);
        Link link;
        link.server_policy.mtu = link.client_policy.mtu = 16384;
        link.client_context = certificate_context(&client);
        link.client_policy.ask_identity = judged;
        repack_flights(link, to_server, packing.repack);
        REQUIRE(link.handshake());
        CHECK(link.client().endpoint.traffic().retransmissions == 0);
        CHECK(link.server.endpoint.traffic().retransmissions == 0);
      }
    }
  }
}

TEST_CASE("repacked: an empty handshake fragment does not end a client's handshake") {
  Link link;
  link.network = [](Packet& packet, std::deque<Packet>& arriving) {
    if (!packet.to_server && packet.bytes.size() > 100) {
      Packet empty = packet;
      empty.bytes = plain_record(
          22, 0, 60,
          view(fragment_of({HandshakeType::kServerHello, 1, std::vector<uint8_t>(80)}, 0, 0)));
      arriving.push_back(empty);
    }
    arriving.push_back(packet);
  };
  CHECK(link.handshake());
}

TEST_CASE("repacked: fragments that contradict end nothing, and the deadline names them") {
  Link link;
  bool genuine = true;
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    if (!packet.to_server && packet.bytes.size() > 100) {
      const Message hello{HandshakeType::kServerHello, 1, std::vector<uint8_t>(80)};
      Packet forged = packet;
      forged.bytes = plain_record(22, 0, 60, view(fragment_of(hello, 40, 40)));
      arriving.push_back(forged);
      if (!genuine) {
        forged.bytes = plain_record(
            22, 0, 61,
            view(fragment_of({HandshakeType::kServerHello, 1, std::vector<uint8_t>(90)}, 40, 40)));
        arriving.push_back(forged);
      }
      return;
    }
    arriving.push_back(packet);
  };
  genuine = false;
  CHECK_FALSE(link.handshake());
  CHECK(link.client().count(RecordType::kClose) == 0);
  link.skip(link.client_policy.handshake_timeout + 1);
  link.advance();
  CHECK(link.client().close_kind() == FailureKind::kHandshakeTimeout);
  CHECK(text_of(view(link.client().last(RecordType::kClose)->bytes))
            .find("two fragments of one message name different types or lengths") !=
        std::string::npos);
}

// ---- quick and slow answers ----

// What a side told, without the datagrams, and without the lengths of messages: signatures differ.
std::vector<std::array<uint32_t, 3>> told(const Side& side) {
  std::vector<std::array<uint32_t, 3>> events;
  for (const Event& event : side.events) {
    if (event.type == RecordType::kTransmit) continue;
    const bool message = event.type == RecordType::kHandshake;
    events.push_back({static_cast<uint32_t>(event.type), event.a, message ? 0 : event.b});
  }
  return events;
}

constexpr std::array<uint8_t, 2> kFatal = {SSL3_AL_FATAL, SSL_AD_HANDSHAKE_FAILURE};
constexpr std::array<uint8_t, 2> kWarning = {SSL3_AL_WARNING, SSL_AD_USER_CANCELLED};
constexpr std::array<uint8_t, 2> kCloseNotify = {SSL3_AL_WARNING, SSL_AD_CLOSE_NOTIFY};

Bytes bytes_of(const std::array<uint8_t, 2>& alert) { return {alert.data(), alert.size()}; }

void answer_held(Link& link, Side& side, const Event& event) {
  const SessionId id = event.id;
  switch (static_cast<LookupKind>(event.a)) {
    case LookupKind::kPskClient:
      side.endpoint.answer_psk(id.slot, id.generation, PskAnswer::kFound, view(side.psk_identity),
                               view(side.psk), link.now());
      return;
    case LookupKind::kPskServer:
      side.endpoint.answer_psk(id.slot, id.generation, PskAnswer::kFound, {}, view(kKey),
                               link.now());
      return;
    case LookupKind::kPeerIdentity:
      side.endpoint.answer_identity(id.slot, id.generation, true, link.now());
      return;
    case LookupKind::kClientHello:
      side.endpoint.answer_hello(id.slot, id.generation, {}, link.now());
      return;
    case LookupKind::kNewSession:
      side.endpoint.answer_new_session(id.slot, id.generation, link.now());
      return;
    default:
      FAIL("not asked here");
  }
}

// A handshake in which `asked` gets `alerts` in clear behind the datagram that makes it ask, with
// an answer at once or after they have come.
std::vector<std::array<uint32_t, 3>> with_alerts(bool slow, bool client_asks, LookupKind kind,
                                                 const std::vector<Bytes>& alerts) {
  Link link;
  if (kind == LookupKind::kPskClient || kind == LookupKind::kPskServer) {
    link.use_psk("device", kKey);
  } else if (kind == LookupKind::kPeerIdentity) {
    link.client_policy.ask_identity = true;
  } else if (kind == LookupKind::kClientHello) {
    link.server_policy.hello_questions = kAskAlways;
  }
  Side& asked = client_asks ? link.client() : link.server;
  asked.hold = slow;
  link.listen();
  link.connect();
  // The other side gets nothing from then on: it would have more to say.
  link.network = [&, cut = false](Packet& packet, std::deque<Packet>& arriving) mutable {
    const bool asks = packet.to_server != client_asks &&
                      (kind == LookupKind::kClientHello
                           ? packet.bytes[kRecordHeaderSize] == 1 && packet.bytes[4 + 1 + 5] == 1
                           : packet.bytes.size() > 60 && packet.bytes[kRecordHeaderSize] != 1);
    if (cut) return;
    arriving.push_back(packet);
    if (!asks) return;
    cut = true;
    if (kind == LookupKind::kPskServer) {
      // Behind the ChangeCipherSpec nothing in clear counts any more.
      Bytes rest = view(packet.bytes);
      RecordView record;
      REQUIRE(take_record(rest, record));
      arriving.back().bytes = copy(record.whole);
    }
    uint64_t number = 50;
    for (const Bytes alert : alerts) {
      Packet one = packet;
      one.bytes = plain_record(21, 0, number++, alert);
      arriving.push_back(one);
    }
  };
  link.pump();
  REQUIRE(asked.count(RecordType::kLookup) == 1);
  CHECK(asked.last(RecordType::kLookup)->a == static_cast<uint32_t>(kind));
  if (slow) {
    CHECK(asked.count(RecordType::kClose) == 0);
    answer_held(link, asked, *asked.last(RecordType::kLookup));
    link.pump();
  }
  return told(asked);
}

TEST_CASE("questions: alerts that come while an answer takes its time end as with a quick one") {
  struct Case {
    bool client;
    LookupKind kind;
  };
  for (const Case& asked :
       {Case{true, LookupKind::kPskClient}, Case{false, LookupKind::kPskServer},
        Case{true, LookupKind::kPeerIdentity}, Case{false, LookupKind::kClientHello}}) {
    for (const std::vector<Bytes>& alerts :
         std::vector<std::vector<Bytes>>{{bytes_of(kFatal)},
                                         {bytes_of(kCloseNotify)},
                                         {bytes_of(kWarning), bytes_of(kFatal)}}) {
      CAPTURE(static_cast<uint32_t>(asked.kind));
      CAPTURE(alerts.size());
      const auto quick = with_alerts(false, asked.client, asked.kind, alerts);
      CHECK(quick.back()[0] == static_cast<uint32_t>(RecordType::kClose));
      CHECK(with_alerts(true, asked.client, asked.kind, alerts) == quick);
    }
  }
}

// The client's last flight, and what a client may say right behind its Finished.
struct Behind {
  std::vector<std::array<uint32_t, 3>> told;
  std::vector<std::string> messages;
};

Behind with_early_data(bool slow, bool backwards) {
  Link link;
  link.use_psk("device", kKey);
  link.server.hold = slow;
  bool done = false;
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    const bool flight = packet.to_server && packet.bytes[kRecordHeaderSize] == 16;
    if (!flight || done) {
      arriving.push_back(packet);
      return;
    }
    done = true;
    const Session* client = link.client().live();
    std::vector<Packet> packets = {packet, packet, packet};
    packets[1].bytes = seal_record(client, 23, 1, view("early"));
    packets[2].bytes = seal_record(client, 23, 2, view("bird"));
    if (backwards) std::reverse(packets.begin(), packets.end());
    arriving.insert(arriving.end(), packets.begin(), packets.end());
  };
  link.listen();
  link.connect();
  link.pump();
  if (slow) {
    CHECK_FALSE(link.server.secure());
    REQUIRE(link.server.count(RecordType::kLookup) == 1);
    answer_held(link, link.server, *link.server.last(RecordType::kLookup));
    link.pump();
  }
  CHECK(link.server.secure());
  return {told(link.server), link.server.messages()};
}

TEST_CASE("questions: messages behind Finished wait for a slow answer, and are delivered") {
  for (const bool backwards : {false, true}) {
    CAPTURE(backwards);
    const Behind quick = with_early_data(false, backwards);
    CHECK(quick.messages.size() == 2);
    const Behind slow = with_early_data(true, backwards);
    CHECK(slow.messages == quick.messages);
    CHECK(slow.told == quick.told);
  }
}

TEST_CASE("questions: messages that overtook Finished come out when a new session is stored") {
  for (const bool slow : {false, true}) {
    CAPTURE(slow);
    Link link;
    link.use_psk("device", kKey);
    link.server_policy.hello_questions = kTellNewSession;
    link.server.hold = true;
    bool done = false;
    link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
      const bool flight = packet.to_server && packet.bytes[kRecordHeaderSize] == 16;
      if (flight && !done) {
        done = true;
        Packet early = packet;
        early.bytes = seal_record(link.client().live(), 23, 1, view("early"));
        arriving.push_back(early);
      }
      arriving.push_back(packet);
    };
    link.listen();
    link.connect();
    link.pump();
    REQUIRE(done);
    link.server.hold = slow;
    answer_held(link, link.server, *link.server.last(RecordType::kLookup));
    link.pump();
    REQUIRE(link.server.count(RecordType::kLookup) == 2);
    if (slow) answer_held(link, link.server, *link.server.last(RecordType::kLookup));
    link.pump();
    CHECK(link.server.messages() == std::vector<std::string>{"early"});
  }
}

TEST_CASE(
    "questions: a peer that repeats its flight does not fill the place of what comes behind") {
  Link link;
  link.use_psk("device", kKey);
  link.client().hold = true;
  CHECK_FALSE(link.handshake());
  REQUIRE(link.client().count(RecordType::kLookup) == 1);
  CHECK(link.run_until([&] { return link.server.endpoint.traffic().retransmissions >= 6; }));
  // A browser's server would by now have repeated it a hundred times.
  for (uint64_t i = 0; i < 100; ++i) {
    Datagram again = handshake_record(14, 2, {});
    write_u48(&again[5], 300 + i);
    link.inject(link.client(), view(again));
  }
  link.inject(link.client(), view(plain_record(21, 0, 500, bytes_of(kFatal))));
  answer_held(link, link.client(), *link.client().last(RecordType::kLookup));
  link.pump();
  CHECK(link.client().close_kind() == FailureKind::kAlertReceived);
}

}  // namespace
}  // namespace dtls::test
