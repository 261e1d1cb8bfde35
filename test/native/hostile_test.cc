// Protects: that whoever can send datagrams, but holds no keys, cannot end a session, make the
// server keep anything for an address that has not answered, nor have it send more than it was
// sent.
#include <doctest/doctest.h>

#include <algorithm>
#include <ctime>
#include <random>

#include "harness.h"

namespace dtls::test {
namespace {

// A real client's first datagram.
Datagram first_hello() {
  Link link;
  link.connect();
  Datagram hello;
  link.network = [&](Packet& packet, std::deque<Packet>&) {
    if (hello.empty()) hello = packet.bytes;
  };
  link.pump();
  return hello;
}

// A server alone. Gives the bytes that it sends for a datagram from `peer`.
struct Lonely {
  Lonely() { link.listen(); }
  size_t answer(Bytes datagram, const PeerAddress& peer) {
    link.server.endpoint.receive(datagram, peer, 7, link.now());
    size_t size = 0;
    for (const Event& event : link.server.drain()) {
      if (event.type == RecordType::kTransmit) size += event.bytes.size();
    }
    return size;
  }
  Link link;
};

TEST_CASE("endpoint: a replay is counted and dropped") {
  Link link;
  REQUIRE(link.handshake());
  std::vector<Datagram> seen;
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    seen.push_back(packet.bytes);
    arriving.push_back(packet);
  };
  for (int i = 0; i < 5; ++i) link.send(link.client(), view("message"));
  link.pump();
  REQUIRE(link.server.messages().size() == 5);
  for (const Datagram& datagram : seen) link.inject(link.server, view(datagram));
  link.pump();
  CHECK(link.server.messages().size() == 5);
  CHECK(link.server.endpoint.traffic().replays == 5);
  CHECK(link.server.endpoint.traffic().badRecords == 0);
  CHECK(link.server.live()->stats().replays == 5);
}

TEST_CASE("endpoint: a forgery is counted and dropped, and the genuine record still arrives") {
  Link link;
  REQUIRE(link.handshake());
  Datagram genuine;
  link.network = [&](Packet& packet, std::deque<Packet>&) { genuine = packet.bytes; };
  link.send(link.client(), view("genuine"));
  link.pump();
  link.network = nullptr;
  // Every bit behind the record's length.
  uint64_t forgeries = 0;
  for (size_t bit = 8 * kRecordHeaderSize; bit < 8 * genuine.size(); ++bit, ++forgeries) {
    Datagram forged = genuine;
    forged[bit / 8] = static_cast<uint8_t>(forged[bit / 8] ^ 1 << bit % 8);
    link.inject(link.server, view(forged));
  }
  link.pump();
  CHECK(link.server.endpoint.traffic().badRecords == forgeries);
  CHECK(link.server.messages().empty());
  link.inject(link.server, view(genuine));
  link.pump();
  CHECK(link.server.messages() == std::vector<std::string>{"genuine"});
  CHECK(link.server.endpoint.traffic().alertsSent == 0);
}

TEST_CASE("endpoint: an authentic record of an unknown type does not end the session") {
  Link link;
  REQUIRE_FALSE(link.client_context->set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256"));
  REQUIRE(link.handshake());
  for (const uint8_t type : {24, 25, 26, 40, 63}) {
    const Datagram record =
        seal_record(link.client().live(), type, 100U + type, view("heartbeat?"));
    link.inject(link.server, view(record));
  }
  link.send(link.client(), view("alive"));
  link.pump();
  CHECK(link.server.messages() == std::vector<std::string>{"alive"});
  CHECK(link.server.endpoint.traffic().discardedRecords == 5);
}

TEST_CASE("endpoint: records in clear of unknown types are harmless") {
  // Before every datagram of the handshake, and after it.
  Link link;
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    for (const uint8_t type : {24, 25, 26, 63}) {
      for (const uint16_t epoch : {0, 1, 2}) {
        Packet forged = packet;
        forged.bytes = plain_record(type, epoch, 1000, view("forged, forged, forged, forged"));
        arriving.push_back(forged);
      }
    }
    arriving.push_back(packet);
  };
  REQUIRE(link.handshake());
  link.send(link.client(), view("alive"));
  link.pump();
  CHECK(link.server.messages() == std::vector<std::string>{"alive"});
  CHECK(link.client().count(RecordType::kClose) == 0);
}

TEST_CASE("endpoint: application data in clear does not end a handshake") {
  Link link;
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    Packet forged = packet;
    forged.bytes = plain_record(23, 0, 1000, view("forged"));
    arriving.push_back(forged);
    arriving.push_back(packet);
  };
  CHECK(link.handshake());
}

TEST_CASE("endpoint: alerts, handshake messages and rubbish in clear do not end an open session") {
  Link link;
  REQUIRE(link.handshake());
  const std::string fatal = {2, 40};
  const std::string close_notify = {1, 0};
  const std::vector<uint8_t> body(20);
  for (Side* side : {&link.server, &link.client()}) {
    uint64_t sequence = 1000;
    for (const std::string& text : {fatal, close_notify, std::string(1, '\1'), std::string()}) {
      for (const uint8_t type : {20, 21, 22, 23}) {
        for (const uint16_t epoch : {0, 1, 2, 65535}) {
          link.inject(*side, view(plain_record(type, epoch, sequence++, view(text))));
        }
      }
    }
    for (const uint8_t type : {0, 2, 3, 11, 14, 16, 20}) {
      link.inject(*side, view(handshake_record(type, 1, view(body))));
      link.inject(*side, view(handshake_record(type, 9, view(body))));
    }
  }
  link.pump();
  CHECK(link.server.count(RecordType::kClose) == 0);
  CHECK(link.client().count(RecordType::kClose) == 0);
  CHECK(link.server.endpoint.traffic().datagramsSent == link.server.count(RecordType::kTransmit));
  link.send(link.client(), view("alive"));
  link.send(link.server, view("too"));
  link.pump();
  CHECK(link.server.messages() == std::vector<std::string>{"alive"});
  CHECK(link.client().messages() == std::vector<std::string>{"too"});
}

TEST_CASE("endpoint: ten thousand spoofed hellos leave nothing") {
  const Datagram hello = first_hello();
  Lonely server;
  server.answer(view(hello), address(1, 1));  // what is made once is made
  const size_t before = allocated_bytes();
  for (uint32_t i = 0; i < 10000; ++i) {
    REQUIRE(server.answer(view(hello), address(0x0b000000 + i, static_cast<uint16_t>(i))) == 60);
  }
  CHECK(allocated_bytes() <= before + 4096);
  CHECK(server.link.server.endpoint.session_count() == 0);
  CHECK(server.link.server.endpoint.stats().cookiesSent == 10001);
  CHECK(server.link.server.endpoint.stats().handshakesStarted == 0);
  CHECK(server.link.server.endpoint.deadline() == kNever);
}

TEST_CASE("endpoint: a guessed or stolen cookie leaves nothing either") {
  Lonely server;
  Datagram verify;
  const auto ask = [&](uint16_t sequence, Bytes cookie, const PeerAddress& peer, uint8_t random) {
    const std::vector<uint8_t> body = hello_body(random, 0, cookie, 50);
    server.link.server.endpoint.receive(view(handshake_record(1, sequence, view(body))), peer, 7,
                                        server.link.now());
    for (const Event& event : server.link.server.drain()) {
      if (event.type == RecordType::kTransmit) verify = event.bytes;
    }
  };
  ask(0, {}, address(1, 1), 1);
  REQUIRE(verify.size() == 60);
  const std::vector<uint8_t> cookie(verify.end() - CookieJar::kSize, verify.end());
  ask(1, view(cookie), address(1, 2), 1);  // from elsewhere
  ask(1, view(cookie), address(1, 1), 2);  // for another hello
  ask(1, view(std::string(32, 'x')), address(1, 1), 1);
  ask(1, view(std::string(255, 'x')), address(1, 1), 1);
  ask(0, view(cookie), address(1, 1), 1);  // a first message has no cookie
  CHECK(server.link.server.endpoint.stats().cookiesRefused == 4);
  CHECK(server.link.server.endpoint.stats().handshakesStarted == 0);
  server.link.skip(31000);
  ask(1, view(cookie), address(1, 1), 1);  // too late
  CHECK(server.link.server.endpoint.stats().handshakesStarted == 0);
}

TEST_CASE("endpoint: a HelloVerifyRequest is never longer than the hello") {
  Lonely server;
  size_t answered = 0;
  for (const size_t session_id : {0, 1, 32}) {
    for (const size_t cookie : {0, 1, 32}) {
      const std::vector<uint8_t> cookie_bytes(cookie, 'c');
      const std::vector<uint8_t> body = hello_body(1, session_id, view(cookie_bytes), 4);
      for (size_t size = 0; size <= body.size(); ++size) {
        // As a message of this size, and as a first fragment of this size.
        Datagram hello = handshake_record(1, 0, Bytes{body.data(), size});
        const size_t whole = server.answer(view(hello), address(3, 3));
        CHECK(whole <= hello.size());
        write_u24(&hello[kRecordHeaderSize + 1], 16000);
        const size_t fragment = server.answer(view(hello), address(3, 3));
        CHECK(fragment <= hello.size());
        if (whole != 0) ++answered;
      }
    }
  }
  CHECK(answered > 10);
}

TEST_CASE("endpoint: changed hellos from an address that has not answered") {
  const Datagram hello = first_hello();
  Lonely server;
  const PeerAddress peer = address(9, 9);
  for (size_t bit = 0; bit < 8 * hello.size(); ++bit) {
    Datagram changed = hello;
    changed[bit / 8] = static_cast<uint8_t>(changed[bit / 8] ^ 1 << bit % 8);
    REQUIRE(server.answer(view(changed), peer) <= changed.size());
  }
  for (size_t size = 0; size < hello.size(); ++size) {
    const Datagram cut(hello.begin(), hello.begin() + static_cast<long>(size));
    REQUIRE(server.answer(view(cut), peer) <= size);
  }
  CHECK(server.link.server.endpoint.session_count() == 0);
  CHECK(server.link.server.endpoint.stats().handshakesStarted == 0);
}

TEST_CASE("endpoint: random bytes") {
  std::mt19937 random(4711);
  Link link;
  REQUIRE(link.handshake());
  Lonely server;
  for (int i = 0; i < 20000; ++i) {
    Datagram noise(random() % 300);
    for (uint8_t& byte : noise) byte = static_cast<uint8_t>(random());
    // Most of it dressed as a record, or nothing would get past the first look.
    if (noise.size() >= kRecordHeaderSize && i % 4 != 0) {
      noise[0] = static_cast<uint8_t>(20 + random() % 6);
      noise[1] = 0xfe;
      noise[2] = 0xfd;
      write_u16(&noise[3], random() % 3);
      write_u16(&noise[11], static_cast<uint32_t>(noise.size() - kRecordHeaderSize));
    }
    REQUIRE(server.answer(view(noise), address(5, 5)) <= noise.size());
    link.inject(link.server, view(noise));
    link.inject(link.client(), view(noise));
  }
  link.pump();
  link.send(link.client(), view("alive"));
  link.pump();
  CHECK(link.server.messages() == std::vector<std::string>{"alive"});
}

TEST_CASE("endpoint: what is not DTLS becomes a PACKET record only where that is wanted") {
  const std::string stun("\x00\x01 stun", 7);
  Link link;
  size_t wanted = 0;
  SUBCASE("not wanted") {}
  SUBCASE("wanted") {
    wanted = 2;
    link.server.endpoint.report_packets(true);
  }
  link.listen();
  link.inject(link.server, view(stun));
  link.inject(link.server, {});
  link.pump();
  CHECK(link.server.endpoint.stats().nonDtlsDatagrams == 2);
  CHECK(link.server.count(RecordType::kPacket) == wanted);
}

TEST_CASE("endpoint: every truncation of every datagram, ahead of it, changes nothing") {
  const std::vector<uint8_t> key = {1, 2, 3, 4};
  Link link;
  SUBCASE("certificate") {}
  SUBCASE("pre-shared key") { link.use_psk("cut", key); }
  link.network = [](Packet& packet, std::deque<Packet>& arriving) {
    for (size_t size = 0; size < packet.bytes.size(); ++size) {
      Packet cut = packet;
      cut.bytes.resize(size);
      arriving.push_back(std::move(cut));
    }
    arriving.push_back(packet);
  };
  // Records that lie whole in a truncated datagram are genuine, only early: so the handshake
  // succeeds.
  CHECK(link.handshake());
  CHECK(link.server.count(RecordType::kBegin) == 1);
}

TEST_CASE("endpoint: flipped bits in mid-handshake end in a session or in a failure") {
  const std::vector<uint8_t> key = {1, 2, 3, 4};
  size_t secure = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    Link link;
    if (seed % 2 == 0) link.use_psk("flipped", key);
    link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
      Packet changed = packet;
      if (random() % 3 != 0) {
        arriving.push_back(packet);
        return;
      }
      for (unsigned flips = 1 + random() % 3; flips > 0; --flips) {
        const size_t bit = random() % (8 * changed.bytes.size());
        changed.bytes[bit / 8] = static_cast<uint8_t>(changed.bytes[bit / 8] ^ 1 << bit % 8);
      }
      // Sometimes ahead of the genuine one, sometimes in its place.
      arriving.push_back(std::move(changed));
      if (random() % 2 != 0) arriving.push_back(packet);
    };
    link.handshake();
    link.skip(link.client_policy.handshake_timeout + 1);
    link.network = nullptr;
    link.advance();
    // No session is left half open.
    CHECK(link.client().endpoint.pending_count() == 0);
    CHECK(link.server.endpoint.pending_count() == 0);
    if (link.client().secure() && link.server.secure()) ++secure;
  }
  CHECK(secure > 0);
}

TEST_CASE("hostile: a forged record among merged ones takes none of the others with it") {
  Link link;
  REQUIRE_FALSE(link.client_context->set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256"));
  REQUIRE(link.handshake());
  const Session* client = link.client().live();
  std::vector<uint8_t> run;
  for (uint64_t number = 100; number < 108; ++number) {
    Datagram one = seal_record(client, 23, number, view("message " + std::to_string(number - 100)));
    if (number % 3 == 0) one.back() ^= 1;
    run.insert(run.end(), one.begin(), one.end());
  }
  Endpoint& endpoint = link.server.endpoint;
  endpoint.receive_merged(view(run), run.size() / 8, link.addresses.front(), 0, Link::now());
  CHECK(ERR_peek_error() == 0);
  link.pump();
  CHECK(link.server.messages() == std::vector<std::string>{"message 0", "message 1", "message 3",
                                                           "message 4", "message 6", "message 7"});
  CHECK(link.server.live()->stats().badRecords == 2);
  CHECK(link.server.count(RecordType::kClose) == 0);
}

TEST_CASE(
    "hostile: a session that ends among merged datagrams has one CLOSE, and its books are right") {
  Link link;
  REQUIRE_FALSE(link.client_context->set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256"));
  REQUIRE(link.handshake());
  const Session* client = link.client().live();
  const std::string goodbye = {1, 0};
  std::vector<uint8_t> run;
  for (uint64_t number = 100; number < 103; ++number) {
    const Datagram one = seal_record(client, number == 101 ? 21 : 23, number, view(goodbye));
    run.insert(run.end(), one.begin(), one.end());
  }
  Endpoint& endpoint = link.server.endpoint;
  endpoint.receive_merged(view(run), run.size() / 3, link.addresses.front(), 0, Link::now());
  CHECK(endpoint.session_count() == 0);
  CHECK(endpoint.deadline() == kNever);
  CHECK(endpoint.stats().unknownPeerDatagrams == 1);
  link.pump();
  CHECK(link.server.count(RecordType::kMessage) == 1);
  CHECK(link.server.count(RecordType::kClose) == 1);
}

// A real client's second hello, which has a cookie, with the number of its record.
Datagram hello_with_cookie(Link& link) {
  Datagram hello;
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    Bytes rest = view(packet.bytes);
    RecordView record;
    if (packet.to_server && take_record(rest, record) && record.sequence != 0) {
      hello = packet.bytes;
    } else {
      arriving.push_back(packet);
    }
  };
  link.listen();
  link.connect();
  link.pump();
  link.network = nullptr;
  return hello;
}

TEST_CASE("endpoint: a hello whose record number is close to the last one begins no handshake") {
  constexpr uint64_t kLast = (uint64_t{1} << 48) - 1;
  for (const uint64_t number : {kLast, kLast - 30, kMaxHelloRecordNumber + 1}) {
    CAPTURE(number);
    Link link;
    const Datagram genuine = hello_with_cookie(link);
    REQUIRE_FALSE(genuine.empty());
    Datagram forged = genuine;
    write_u48(&forged[5], number);
    link.inject(link.server, view(forged));
    link.pump();
    CHECK(link.server.count(RecordType::kBegin) == 0);
    CHECK(link.server.endpoint.stats().malformedDatagrams == 1);
    link.inject(link.server, view(genuine));
    link.pump();
    CHECK(link.client().secure());
    CHECK(link.server.secure());
    // Nor does one stand in the way of a handshake that has begun.
    link.inject(link.server, view(forged));
    link.send(link.client(), view("alive"));
    link.pump();
    CHECK(link.server.messages() == std::vector<std::string>{"alive"});
  }
}

// Processor time of a server for 40 datagrams of fragments of a ClientKeyExchange that is announced
// as long as one may be.
std::clock_t time_for_fragments(bool contradicting) {
  Link link;
  const Datagram hello = hello_with_cookie(link);
  link.server_policy.retransmit_initial = 20000;
  link.network = [](Packet&, std::deque<Packet>&) {};
  link.inject(link.server, view(hello));
  link.pump();
  REQUIRE(link.server.count(RecordType::kBegin) == 1);
  std::vector<uint8_t> fragments;
  for (size_t i = 0; i < 1200; ++i) {
    std::vector<uint8_t> fragment(kHandshakeHeaderSize + 1);
    fragment[0] = static_cast<uint8_t>(HandshakeType::kClientKeyExchange);
    write_u24(&fragment[1], MessageAssembly::kMaxMessage);
    write_u16(&fragment[4], 2);
    write_u24(&fragment[9], 1);
    fragment[kHandshakeHeaderSize] = contradicting ? i % 2 : 0;
    fragments.insert(fragments.end(), fragment.begin(), fragment.end());
  }
  const std::clock_t before = std::clock();
  for (uint64_t number = 100; number < 140; ++number) {
    link.inject(link.server, view(plain_record(22, 0, number, view(fragments))));
  }
  const std::clock_t time = std::clock() - before;
  CHECK(link.server.count(RecordType::kClose) == 0);
  return time;
}

TEST_CASE("endpoint: fragments that contradict one another cost little more than others") {
  bool cheap = false;
  for (int attempt = 0; attempt < 3 && !cheap; ++attempt) {
    cheap = time_for_fragments(true) < 4 * time_for_fragments(false);
  }
  CHECK(cheap);
}

}  // namespace
}  // namespace dtls::test
