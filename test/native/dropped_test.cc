// Protects: that whatever is dropped of what comes moves one counter, and one only, whatever the
// record, the damage, the suite, the role and the state of the session; and that the forgeries that
// a session bears have a limit.
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>

#include "core/records/integrity_limit.h"
#include "harness.h"
#include "session_probe.h"

namespace dtls::test {
namespace {

const std::vector<uint8_t> kKey = {1, 2, 3, 4, 5, 6, 7, 8};

constexpr const char* kGcm = "PSK-AES128-GCM-SHA256";
constexpr const char* kCcm = "PSK-AES128-CCM";
constexpr const char* kCcm8 = "PSK-AES128-CCM8:@SECLEVEL=0";
constexpr const char* kChaCha = "PSK-CHACHA20-POLY1305";
constexpr const char* kCbc = "PSK-AES128-CBC-SHA256";
constexpr const char* kNull = "PSK-NULL-SHA256:@SECLEVEL=0";

void use(Link& link, const char* ciphers) {
  link.use_psk("device", kKey);
  link.server_context = psk_context(ciphers);
  link.client_context = psk_context(ciphers);
}

// How often something was dropped, for any reason.
uint64_t drops(const Side& side) {
  uint64_t sum = 0;
  for (const uint64_t count : drop_counts(side.endpoint.traffic(), side.endpoint.stats())) {
    sum += count;
  }
  return sum;
}

struct Damaged {
  const char* name;
  Datagram record;
};

// What must not get through. `sequence`: of no record that there was.
std::vector<Damaged> damaged(uint8_t type, uint64_t sequence) {
  const std::vector<uint8_t> noise(60, 0x11);
  std::vector<Damaged> all;
  const auto add = [&](const char* name, uint16_t epoch, size_t size) {
    all.push_back({name, plain_record(type, epoch, sequence, view(noise).first(size))});
  };
  add("forged", 1, 60);
  add("too short", 1, 5);
  add("empty", 1, 0);
  add("of a later epoch", 2, 60);
  add("of the last epoch", 65535, 60);
  add("in clear", 0, 60);
  add("empty and in clear", 0, 0);
  all.push_back({"cut", plain_record(type, 1, sequence, view(noise))});
  all.back().record.resize(40);
  all.push_back({"of another protocol's version", plain_record(type, 1, sequence, view(noise))});
  all.back().record[1] = 3;
  return all;
}

TEST_CASE("dropped: in an open session, each type of record with each kind of damage") {
  for (const char* ciphers : {kGcm, kCcm, kCcm8, kChaCha, kCbc, kNull}) {
    for (const bool no_etm : {false, true}) {
      Link link;
      use(link, ciphers);
      if (no_etm) {
        SSL_CTX_set_options(link.client_context->get(), SSL_OP_NO_ENCRYPT_THEN_MAC);
      }
      REQUIRE(link.handshake());
      CAPTURE(ciphers);
      CAPTURE(no_etm);
      for (Side* side : {&link.server, &link.client()}) {
        uint64_t sequence = 1000;
        for (const uint8_t type : {20, 21, 22, 23, 24, 25, 63}) {
          for (const Damaged& damage : damaged(type, ++sequence)) {
            CAPTURE(int{type});
            CAPTURE(damage.name);
            const uint64_t before = drops(*side);
            link.inject(*side, view(damage.record));
            link.pump();
            CHECK(drops(*side) == before + 1);
          }
        }
        CHECK(side->count(RecordType::kClose) == 0);
        // What was made of forgeries is known as such.
        CHECK(side->live()->stats().badRecords >= 4);
        CHECK(side->live()->stats().replays == 0);
      }
      link.send(link.client(), view("alive"));
      link.pump();
      CHECK(link.server.messages() == std::vector<std::string>{"alive"});
    }
  }
}

TEST_CASE("dropped: in a handshake, each type of record with each kind of damage") {
  for (const char* ciphers : {kGcm, kCbc}) {
    for (const bool to_server : {true, false}) {
      // Ahead of each datagram of the handshake; what waits for keys is judged later.
      Link link;
      use(link, ciphers);
      uint64_t injected = 0;
      uint64_t sequence = 1000;
      CAPTURE(ciphers);
      CAPTURE(to_server);
      link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
        const bool known = !to_server || link.server.count(RecordType::kBegin) != 0;
        if (packet.to_server == to_server && known) {
          for (const uint8_t type : {20, 21, 22, 24, 25, 63}) {
            for (const Damaged& damage : damaged(type, ++sequence)) {
              Packet forged = packet;
              forged.bytes = damage.record;
              arriving.push_back(std::move(forged));
              ++injected;
            }
          }
        }
        arriving.push_back(packet);
      };
      REQUIRE(link.handshake());
      link.network = nullptr;
      REQUIRE(injected > 0);
      CHECK(drops(to_server ? link.server : link.client()) == injected);
      CHECK(drops(to_server ? link.client() : link.server) == 0);
    }
  }
}

TEST_CASE("dropped: in a handshake, alerts of no level and messages of no type, in clear") {
  const std::vector<std::pair<uint8_t, std::vector<uint8_t>>> forgeries = {
      {21, {0, 40}}, {21, {3, 40}}, {22, {99, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 7}}};
  for (const bool to_server : {true, false}) {
    Link link;
    use(link, kGcm);
    uint64_t injected = 0;
    CAPTURE(to_server);
    link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
      const bool known = !to_server || link.server.count(RecordType::kBegin) != 0;
      for (const auto& [type, fragment] : forgeries) {
        if (packet.to_server != to_server || !known) continue;
        Packet forged = packet;
        forged.bytes = plain_record(type, 0, 1000 + ++injected, view(fragment));
        arriving.push_back(std::move(forged));
      }
      arriving.push_back(packet);
    };
    REQUIRE(link.handshake());
    CHECK(injected > 0);
    CHECK(drops(to_server ? link.server : link.client()) == injected);
  }
}

TEST_CASE("dropped: forged messages of the application that wait for the end of a handshake") {
  Link link;
  use(link, kGcm);
  link.server.hold = true;
  CHECK_FALSE(link.handshake());
  const std::vector<uint8_t> noise(60, 0x11);
  for (uint64_t i = 0; i < 10; ++i) {
    link.inject(link.server, view(plain_record(23, 1, 1000 + i, view(noise))));
  }
  link.pump();
  CHECK(drops(link.server) == 0);  // they wait
  const SessionId id = link.server.session;
  link.server.endpoint.answer_psk(id.slot, id.generation, PskAnswer::kFound, {}, view(kKey),
                                  Link::now());
  CHECK(link.run_until([&] { return link.client().secure() && link.server.secure(); }));
  CHECK(link.server.live()->stats().badRecords == 10);
  CHECK(drops(link.server) == 10);
}

TEST_CASE("dropped: what comes for a session that has closed, and behind its end") {
  Link link;
  REQUIRE_FALSE(link.client_context->set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256"));
  REQUIRE(link.handshake());
  const std::string goodbye = {1, 0};
  Datagram last = seal_record(link.client().live(), 21, 100, view(goodbye));
  const Datagram more = plain_record(23, 1, 101, view(std::string(60, 'x')));
  last.insert(last.end(), more.begin(), more.end());
  link.server.endpoint.receive(view(last), link.addresses.front(), 0, Link::now());
  CHECK(drops(link.server) == 1);
  link.pump();
  CHECK(link.server.count(RecordType::kClose) == 1);
  for (const uint8_t type : {20, 21, 22, 23, 24}) {
    for (const Damaged& damage : damaged(type, 200)) {
      CAPTURE(int{type});
      CAPTURE(damage.name);
      const uint64_t before = drops(link.server);
      link.inject(link.server, view(damage.record));
      link.pump();
      CHECK(drops(link.server) == before + 1);
    }
  }
}

TEST_CASE("dropped: repeated records of an open session are replays, of whatever type") {
  Link link;
  REQUIRE_FALSE(link.client_context->set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256"));
  std::vector<Datagram> seen;
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    if (packet.to_server) seen.push_back(packet.bytes);
    arriving.push_back(packet);
  };
  REQUIRE(link.handshake());
  link.send(link.client(), view("message"));
  link.pump();
  const Session* client = link.client().live();
  for (const uint8_t type : {21, 22}) {
    // no_renegotiation, which changes nothing, and a message of no handshake.
    const std::string text = type == 21 ? std::string{1, 100} : std::string(12, 0);
    seen.push_back(seal_record(client, type, 500U + type, view(text)));
    link.inject(link.server, view(seen.back()));
    link.pump();
  }
  const uint64_t replays = link.server.endpoint.traffic().replays;
  CHECK(replays == 0);
  CHECK(link.server.endpoint.traffic().badRecords == 0);
  size_t again = 0;
  for (const Datagram& datagram : seen) {
    Bytes rest = view(datagram);
    RecordView record;
    while (take_record(rest, record)) {
      if (record.epoch == 0) continue;
      link.inject(link.server, record.whole);
      ++again;
    }
  }
  link.pump();
  CHECK(again == 4);  // Finished, message, alert, handshake message
  CHECK(link.server.endpoint.traffic().replays == again);
  CHECK(link.server.endpoint.traffic().badRecords == 0);
}

TEST_CASE(
    "dropped: the old session's records are no forgeries while a restarted peer shakes hands") {
  Link link;
  link.listen();
  link.connect();
  link.pump();
  REQUIRE(link.client().secure());
  Side& old_client = link.client();
  Side& new_client = link.add_client();
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    // The new client gets no further than its hello.
    Bytes rest = view(packet.bytes);
    RecordView first;
    const bool hello = take_record(rest, first) && first.epoch == 0 && packet.bytes.size() > 13 &&
                       packet.bytes[13] == 1;
    if (!packet.to_server || hello || first.epoch != 0) arriving.push_back(packet);
  };
  link.connect();
  link.pump();
  REQUIRE(link.server.endpoint.session_count() == 2);
  const uint64_t before = drops(link.server);
  for (int i = 0; i < 100; ++i) link.send(old_client, view("old"));
  link.pump();
  CHECK(link.server.messages().size() == 100);
  CHECK(drops(link.server) == before);
  link.network = nullptr;
  CHECK(link.run_until([&] { return new_client.secure(); }));
  CHECK(link.server.endpoint.traffic().badRecords == 0);
}

TEST_CASE("dropped: what is forged while a restarted peer shakes hands is dropped once") {
  Link link;
  use(link, kGcm);
  REQUIRE(link.handshake());
  Side& client = link.add_client();
  client.psk_identity = "device";
  client.psk = kKey;
  bool with_keys = false;
  SUBCASE("before it has keys") {}
  SUBCASE("when it has keys") { with_keys = true; }
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    // The new client's Finished does not arrive, or all that follows its hello.
    Datagram& bytes = packet.bytes;
    Bytes rest = view(bytes);
    RecordView record;
    size_t keep = 0;
    while (take_record(rest, record) && record.epoch == 0 &&
           (with_keys ||
            (record.type == ContentType::kHandshake &&
             record.fragment.data[0] == static_cast<uint8_t>(HandshakeType::kClientHello)))) {
      keep = bytes.size() - rest.size;
    }
    if (packet.to_server) bytes.resize(keep);
    if (!bytes.empty()) arriving.push_back(packet);
  };
  link.connect();
  link.pump();
  REQUIRE(link.server.endpoint.session_count() == 2);
  const std::vector<uint8_t> noise(60, 0x11);
  uint64_t sequence = 1000;
  for (int round = 0; round < 100; ++round) {
    for (const uint8_t type : {20, 21, 22, 23, 24, 25}) {
      CAPTURE(int{type});
      const uint64_t before = drops(link.server);
      link.inject(link.server, view(plain_record(type, 1, ++sequence, view(noise))));
      CHECK(drops(link.server) == before + 1);
    }
  }
  // Nor again when the handshake is over.
  const uint64_t before = drops(link.server);
  link.network = nullptr;
  CHECK(link.run_until([&] { return client.secure(); }));
  CHECK(drops(link.server) == before);
}

TEST_CASE("integrity limit: by suite, RFC 9147 section 4.5.3") {
  const auto limit_of = [](const char* ciphers) {
    Link link;
    use(link, ciphers);
    REQUIRE(link.handshake());
    CHECK(SessionProbe::limit(*link.client().live()) == SessionProbe::limit(*link.server.live()));
    return SessionProbe::limit(*link.server.live());
  };
  constexpr uint64_t kMost = uint64_t{1} << 36;
  CHECK(limit_of(kGcm) == kMost);
  CHECK(limit_of("PSK-AES256-GCM-SHA384") == kMost);
  CHECK(limit_of(kChaCha) == kMost);
  CHECK(limit_of(kCbc) == kMost);
  CHECK(limit_of(kNull) == kMost);
  CHECK(limit_of(kCcm) == 11863283);
  CHECK(limit_of("PSK-AES256-CCM") == 11863283);
  CHECK(limit_of(kCcm8) == 1U << 20);
  CHECK(integrity_limit(nullptr) == kMost);
}

TEST_CASE(
    "integrity limit: forged records of every type count, and one too many ends the session") {
  const std::vector<uint8_t> noise(60, 0x11);
  for (const char* ciphers : {kGcm, kCcm, kCcm8, kChaCha, kCbc, kNull}) {
    for (const uint8_t type : {20, 21, 22, 23}) {
      for (const bool to_server : {true, false}) {
        CAPTURE(ciphers);
        CAPTURE(int{type});
        CAPTURE(to_server);
        Link link;
        use(link, ciphers);
        REQUIRE(link.handshake());
        Side& side = to_server ? link.server : link.client();
        Side& other = to_server ? link.client() : link.server;
        SessionProbe::set_forged(*side.live(), SessionProbe::limit(*side.live()) - 1);
        // Neither are these attempts at the keys.
        link.inject(side, view(plain_record(type, 0, 1000, view(noise))));
        link.inject(side, view(plain_record(type, 2, 1000, view(noise))));
        link.inject(side, view(plain_record(type, 1, 1000, view(noise).first(3))));
        link.inject(side, view(plain_record(type, 1, 1001, view(noise))));
        link.pump();
        CHECK(side.count(RecordType::kClose) == 0);
        link.inject(side, view(plain_record(type, 1, 1002, view(noise))));
        link.pump();
        REQUIRE(side.count(RecordType::kClose) == 1);
        CHECK(side.last(RecordType::kClose)->a ==
              static_cast<uint32_t>(FailureKind::kIntegrityLimit));
        CHECK(side.endpoint.session_count() == 0);
        // The other side hears of it.
        REQUIRE(other.count(RecordType::kClose) == 1);
        CHECK(other.last(RecordType::kClose)->a == static_cast<uint32_t>(FailureKind::kNone));
      }
    }
  }
}

// The KEY_LIMIT records of a side.
std::vector<std::pair<bool, KeyLimit>> key_limits(const Side& side) {
  std::vector<std::pair<bool, KeyLimit>> all;
  for (const Event& event : side.events) {
    if (event.type == RecordType::kKeyLimit) {
      all.emplace_back(kOut.in(event.a), static_cast<KeyLimit>(event.b));
    }
  }
  return all;
}
using Limits = std::vector<std::pair<bool, KeyLimit>>;

TEST_CASE("key limits: three quarters of the forgeries that end a session are told once") {
  for (const char* ciphers : {kGcm, kCcm, kCcm8, kChaCha, kCbc, kNull}) {
    for (const bool to_server : {true, false}) {
      CAPTURE(ciphers);
      CAPTURE(to_server);
      Link link;
      use(link, ciphers);
      REQUIRE(link.handshake());
      Side& side = to_server ? link.server : link.client();
      Side& other = to_server ? link.client() : link.server;
      uint64_t number = 1000;
      const auto forge = [&] {
        link.inject(side, view(plain_record(23, 1, ++number, view(std::string(60, 'x')))));
        link.pump();
      };
      const uint64_t limit = SessionProbe::limit(*side.live());
      SessionProbe::set_forged(*side.live(), limit / 4 * 3 - 2);
      forge();
      CHECK(key_limits(side).empty());
      forge();
      const Limits told{{false, KeyLimit::kIntegrity}};
      CHECK(key_limits(side) == told);
      for (int i = 0; i < 5; ++i) forge();
      SessionProbe::set_forged(*side.live(), limit - 1);
      forge();
      CHECK(side.count(RecordType::kClose) == 0);
      CHECK(link.send(side, view(std::string("still here"))) == SendOutcome::kSent);
      forge();
      CHECK(side.count(RecordType::kClose) == 1);
      CHECK(key_limits(side) == told);
      CHECK(key_limits(other).empty());
    }
  }
}

TEST_CASE("key limits: three quarters of what this side may seal are told once for each limit") {
  struct Known {
    const char* ciphers;
    uint64_t blocks;  // 0: there is no limit
  };
  const uint64_t gcm = uint64_t{23726566} << 10;
  const uint64_t ccm = uint64_t{1} << 33;
  for (const Known& known :
       std::vector<Known>{{kGcm, gcm}, {kCcm, ccm}, {kCcm8, ccm}, {kChaCha, 0}}) {
    for (const bool to_server : {true, false}) {
      CAPTURE(known.ciphers);
      CAPTURE(to_server);
      Link link;
      use(link, known.ciphers);
      REQUIRE(link.handshake());
      Side& side = to_server ? link.client() : link.server;
      Side& other = to_server ? link.server : link.client();
      const auto send = [&] {
        CHECK(link.send(side, view(std::string("x"))) == SendOutcome::kSent);
        link.pump();
      };
      Limits told;
      if (known.blocks == 0) {
        SessionProbe::set_sealed_blocks(*side.live(), uint64_t{1} << 60);
        send();
      } else {
        // Each message is two blocks: one, and the tag's.
        SessionProbe::set_sealed_blocks(*side.live(), known.blocks / 4 * 3 - 3);
        send();
        CHECK(key_limits(side).empty());
        send();
        told.emplace_back(true, KeyLimit::kConfidentiality);
      }
      CHECK(key_limits(side) == told);
      SessionProbe::set_sealed_blocks(*side.live(), 2 * known.blocks);
      send();
      SessionProbe::set_next_number(*side.live(), AeadRecords::kNumbers / 4 * 3 - 2);
      send();
      CHECK(key_limits(side) == told);
      send();
      told.emplace_back(true, KeyLimit::kNumbers);
      CHECK(key_limits(side) == told);
      SessionProbe::set_next_number(*side.live(), AeadRecords::kNumbers - 3);
      send();
      send();  // the last message
      CHECK(key_limits(side) == told);
      CHECK(key_limits(other).empty());
      CHECK(side.count(RecordType::kClose) == 0);
      // The last number of all is the close_notify's.
      CHECK(link.send(side, view(std::string("x"))) == SendOutcome::kFailed);
      link.pump();
      CHECK(key_limits(side) == told);
      REQUIRE(side.count(RecordType::kClose) == 1);
      CHECK(side.last(RecordType::kClose)->a == static_cast<uint32_t>(FailureKind::kNumbersSpent));
      REQUIRE(other.count(RecordType::kClose) == 1);
      CHECK(other.last(RecordType::kClose)->a == static_cast<uint32_t>(FailureKind::kNone));
    }
  }
}

TEST_CASE("integrity limit: forgeries among merged datagrams end the session once") {
  Link link;
  use(link, kCcm8);
  REQUIRE(link.handshake());
  SessionProbe::set_forged(*link.server.live(), SessionProbe::limit(*link.server.live()) - 1);
  const Datagram forged = plain_record(23, 1, 1000, view(std::string(60, 'x')));
  std::vector<uint8_t> run;
  for (int i = 0; i < 5; ++i) run.insert(run.end(), forged.begin(), forged.end());
  link.server.endpoint.receive_merged(view(run), forged.size(), link.addresses.front(), 0,
                                      Link::now());
  CHECK(link.server.endpoint.session_count() == 0);
  CHECK(link.server.endpoint.stats().unknownPeerDatagrams == 3);
  link.pump();
  CHECK(link.server.count(RecordType::kClose) == 1);
}

}  // namespace
}  // namespace dtls::test
