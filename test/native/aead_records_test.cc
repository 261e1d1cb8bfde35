// Protects the records that the core protects itself, against the only judge there is: OpenSSL.
// What it wrote opens, what is sealed is byte for byte what it would have written next, and nothing
// else opens. And the rules that keep a key safe: numbers and nonces never come again, limits are
// kept.
#include "core/records/aead_records.h"

#include <doctest/doctest.h>
#include <sanitizer/allocator_interface.h>

#include <atomic>
#include <set>

#include "harness.h"
#include "plain_openssl.h"

namespace dtls::test {
namespace {

constexpr auto kData = ContentType::kApplicationData;
constexpr auto kHeartbeat = ContentType::kHeartbeat;

const std::vector<const char*>& suites() {
  static const std::vector<const char*> all = {
      "PSK-AES128-GCM-SHA256",
      "PSK-AES256-GCM-SHA384",
      "PSK-CHACHA20-POLY1305",
      "PSK-ARIA128-GCM-SHA256",
      "PSK-ARIA256-GCM-SHA384",
      "PSK-AES128-CCM",
      "PSK-AES256-CCM",
      // Tags of 64 bits are below OpenSSL's security level 1.
      "PSK-AES128-CCM8:@SECLEVEL=0",
      "PSK-AES256-CCM8:@SECLEVEL=0",
  };
  return all;
}

std::vector<uint8_t> pattern(size_t size) {
  std::vector<uint8_t> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(31 * i + size);
  return bytes;
}

RecordView parse(const Datagram& datagram) {
  Bytes bytes = view(datagram);
  RecordView record;
  REQUIRE(take_record(bytes, record));
  REQUIRE(bytes.size == 0);
  return record;
}

Datagram sealed(Records& records, ContentType type, Bytes plaintext) {
  Datagram out(records.sealed_size(plaintext.size));
  REQUIRE(records.seal(type, plaintext, out.data()) == out.size());
  return out;
}

struct Result {
  Opened outcome;
  std::vector<uint8_t> plaintext;
};

Result open(Records& records, const RecordView& record) {
  std::vector<uint8_t> room(std::max<size_t>(record.whole.size, 1), 0xee);
  size_t size = 1;
  const Opened outcome = records.open(record, room.data(), size);
  if (outcome == Opened::kTaken) {
    // Nothing is written behind the plaintext.
    CHECK(std::all_of(room.begin() + static_cast<long>(size), room.end(),
                      [](uint8_t byte) { return byte == 0xee; }));
  } else {
    CHECK(size == 0);
    // Of a forgery nothing is left to see.
    CHECK(std::all_of(room.begin(), room.end(),
                      [](uint8_t byte) { return byte == 0xee || byte == 0; }));
  }
  room.resize(size);
  return {outcome, room};
}

Result open(Records& records, const Datagram& datagram) { return open(records, parse(datagram)); }

// The record with another length of fragment, and a header that says so.
Datagram cut(Datagram record, size_t fragment) {
  record.resize(kRecordHeaderSize + fragment);
  write_u16(&record[11], static_cast<uint32_t>(fragment));
  return record;
}

// Bytes of the explicit nonce, or of epoch and number where there is none.
std::vector<uint8_t> nonce_of(const AeadRecords& records, const Datagram& datagram) {
  const long at = records.suite().explicit_nonce_size != 0 ? kRecordHeaderSize : 3;
  return {datagram.begin() + at, datagram.begin() + at + 8};
}

TEST_CASE("AEAD records: opens what OpenSSL wrote, and seals what it would have written next") {
  for (const char* ciphers : suites()) {
    CAPTURE(std::string(ciphers));
    PlainSession session(ciphers);
    for (const bool from_client : {true, false}) {
      CAPTURE(from_client);
      PlainSsl& writer = from_client ? session.client : session.server;
      AeadKeys& own = from_client ? session.client_keys : session.server_keys;
      AeadKeys& peers = from_client ? session.server_keys : session.client_keys;
      AeadRecords sealer(own, writer.next_out());
      AeadRecords opener(peers, {});
      for (const size_t size : {1, 2, 15, 16, 17, 31, 64, 255, 1000, 16384}) {
        CAPTURE(size);
        const std::vector<uint8_t> message = pattern(size);
        const Datagram datagram = writer.write(view(message));
        const Result result = open(opener, datagram);
        CHECK(result.outcome == Opened::kTaken);
        CHECK(result.plaintext == message);
        CHECK(sealed(sealer, kData, view(message)) == datagram);
        // The other direction has other keys.
        CHECK(open(sealer, datagram).outcome == Opened::kForged);
      }
      CHECK(opener.forged() == 0);
      CHECK(sealer.forged() == 10);
    }
  }
}

TEST_CASE("AEAD records: OpenSSL reads what is sealed") {
  for (const char* ciphers : suites()) {
    CAPTURE(std::string(ciphers));
    PlainSession session(ciphers);
    AeadRecords client(session.client_keys, session.client.next_out());
    AeadRecords server(session.server_keys, session.server.next_out());
    for (const size_t size : {1, 200, 1200, 16384}) {
      const std::vector<uint8_t> message = pattern(size);
      CHECK(session.server.read(view(sealed(client, kData, view(message)))) == message);
      CHECK(session.client.read(view(sealed(server, kData, view(message)))) == message);
    }
  }
}

TEST_CASE(
    "AEAD records: numbers and nonces only go up, whatever is sealed and also when it rests") {
  for (const char* ciphers : suites()) {
    CAPTURE(std::string(ciphers));
    PlainSession session(ciphers);
    AeadRecords client(session.client_keys, session.client.next_out());
    const uint64_t first = client.next_number();
    std::set<std::vector<uint8_t>> nonces;
    for (int i = 0; i < 300; ++i) {
      if (i % 7 == 0) client.rest();
      const ContentType type = i % 3 == 0 ? kHeartbeat : kData;
      const Datagram datagram = sealed(client, type, view(pattern(static_cast<size_t>(i % 40))));
      CHECK(parse(datagram).sequence == first + static_cast<uint64_t>(i));
      CHECK(nonces.insert(nonce_of(client, datagram)).second);
    }
    CHECK(client.next_number() == first + 300);
  }
}

TEST_CASE("AEAD records: an explicit nonce goes on behind its highest value") {
  PlainSession session("PSK-AES128-GCM-SHA256");
  AeadRecords::Start start;
  start.next_explicit_nonce = UINT64_MAX;
  AeadRecords client(session.client_keys, std::move(start));
  AeadRecords server(session.server_keys, {});
  const Datagram last = sealed(client, kData, view("x"));
  const Datagram first = sealed(client, kData, view("x"));
  CHECK(nonce_of(client, last) == std::vector<uint8_t>(8, 0xff));
  CHECK(nonce_of(client, first) == std::vector<uint8_t>(8, 0));
  CHECK(open(server, last).outcome == Opened::kTaken);
  CHECK(open(server, first).outcome == Opened::kTaken);
}

TEST_CASE("AEAD records: the type is authentic") {
  for (const char* ciphers : suites()) {
    CAPTURE(std::string(ciphers));
    PlainSession session(ciphers);
    AeadRecords client(session.client_keys, session.client.next_out());
    AeadRecords server(session.server_keys, {});
    const Datagram heartbeat = sealed(client, kHeartbeat, view("beat"));
    for (int type = 0; type < 256; ++type) {
      if (type == static_cast<int>(kHeartbeat)) continue;
      Datagram wrong = heartbeat;
      wrong[0] = static_cast<uint8_t>(type);
      CHECK(open(server, wrong).outcome == Opened::kForged);
    }
    CHECK(server.forged() == 255);
    CHECK(open(server, heartbeat).plaintext == copy(view("beat")));
  }
}

TEST_CASE("AEAD records: nothing tampered with or cut opens, and none of it is left in the room") {
  for (const char* ciphers : suites()) {
    CAPTURE(std::string(ciphers));
    PlainSession session(ciphers);
    AeadRecords server(session.server_keys, session.server.next_out());
    AeadRecords client(session.client_keys, {});
    const size_t overhead = server.suite().overhead();
    const std::vector<uint8_t> message = pattern(20);
    const Datagram data = sealed(server, kData, view(message));
    for (size_t bit = 0; bit < 8 * data.size(); ++bit) {
      if (bit / 8 == 11 || bit / 8 == 12) continue;  // the length: below
      CAPTURE(bit);
      Datagram wrong = data;
      wrong[bit / 8] = static_cast<uint8_t>(wrong[bit / 8] ^ 1 << bit % 8);
      Bytes bytes = view(wrong);
      RecordView record;
      if (!take_record(bytes, record)) continue;      // another protocol's version
      const bool bad = bit / 8 >= 1 && bit / 8 <= 4;  // version and epoch
      CHECK(open(client, record).outcome == (bad ? Opened::kBad : Opened::kForged));
    }
    for (size_t fragment = 0; fragment < overhead + message.size(); ++fragment) {
      CAPTURE(fragment);
      CHECK(open(client, cut(data, fragment)).outcome ==
            (fragment < overhead ? Opened::kBad : Opened::kForged));
    }
    CHECK(open(client, cut(data, overhead + message.size() + 1)).outcome == Opened::kForged);
    CHECK(open(client, cut(data, overhead + kMaxPlaintext)).outcome == Opened::kForged);
    CHECK(open(client, cut(data, overhead + kMaxPlaintext + 1)).outcome == Opened::kBad);
    CHECK(open(client, data).plaintext == message);
  }
}

TEST_CASE("AEAD records: an empty message, and one that is too long") {
  for (const char* ciphers : suites()) {
    CAPTURE(std::string(ciphers));
    PlainSession session(ciphers);
    AeadRecords client(session.client_keys, session.client.next_out());
    AeadRecords server(session.server_keys, {});
    const Datagram empty = sealed(client, kData, {});
    CHECK(empty.size() == kRecordHeaderSize + client.suite().overhead());
    const Result result = open(server, empty);
    CHECK(result.outcome == Opened::kTaken);
    CHECK(result.plaintext.empty());
    const std::vector<uint8_t> huge(kMaxPlaintext + 1);
    Datagram out(client.sealed_size(huge.size()));
    const uint64_t number = client.next_number();
    CHECK(client.seal(kData, view(huge), out.data()) == 0);
    CHECK(client.next_number() == number);
  }
}

TEST_CASE("AEAD records: a plaintext that lies in its record already is sealed there") {
  for (const char* ciphers : suites()) {
    CAPTURE(std::string(ciphers));
    PlainSession session(ciphers);
    AeadRecords client(session.client_keys, session.client.next_out());
    AeadRecords again(session.client_keys, session.client.next_out());
    const std::vector<uint8_t> message = pattern(500);
    Datagram out(client.sealed_size(message.size()));
    uint8_t* place = out.data() + client.plaintext_offset();
    std::copy(message.begin(), message.end(), place);
    REQUIRE(client.seal(kData, {place, message.size()}, out.data()) == out.size());
    CHECK(out == sealed(again, kData, view(message)));
  }
}

TEST_CASE("AEAD records: what was taken once is a replay, from the handshake on") {
  PlainSession session("PSK-AES128-GCM-SHA256");
  AeadRecords client(session.client_keys, {});
  std::vector<Datagram> sent;
  for (int i = 0; i < 100; ++i) sent.push_back(sealed(client, kData, view("x")));
  AeadRecords::Start start;
  start.seen.mark(0);
  start.seen.mark(2);
  AeadRecords server(session.server_keys, std::move(start));
  CHECK(open(server, sent[0]).outcome == Opened::kReplayed);
  CHECK(open(server, sent[1]).outcome == Opened::kTaken);
  CHECK(open(server, sent[2]).outcome == Opened::kReplayed);
  CHECK(open(server, sent[99]).outcome == Opened::kTaken);
  CHECK(open(server, sent[99 - 64]).outcome == Opened::kReplayed);  // too old
  CHECK(open(server, sent[99 - 63]).outcome == Opened::kTaken);
  CHECK(open(server, sent[99 - 63]).outcome == Opened::kReplayed);
  CHECK(server.seen().next() == 100);
  // A forgery marks nothing, and a replay is not looked at.
  Datagram forged = sent[98];
  forged.back() ^= 1;
  CHECK(open(server, forged).outcome == Opened::kForged);
  CHECK(open(server, sent[98]).outcome == Opened::kTaken);
  CHECK(open(server, forged).outcome == Opened::kReplayed);
  CHECK(server.forged() == 1);
}

TEST_CASE("AEAD records: messages that may repeat are taken again and again, other records once") {
  PlainSession session("PSK-CHACHA20-POLY1305");
  AeadRecords client(session.client_keys, {});
  AeadRecords::Start start;
  start.takes_repeated_messages = true;
  AeadRecords server(session.server_keys, std::move(start));
  const Datagram old = sealed(client, kData, view("old"));
  std::vector<Datagram> others;
  for (const ContentType type :
       {ContentType::kHeartbeat, ContentType::kAlert, ContentType::kHandshake}) {
    others.push_back(sealed(client, type, view("other")));
    CHECK(open(server, others.back()).outcome == Opened::kTaken);
  }
  for (int i = 0; i < 100; ++i) {
    CHECK(open(server, sealed(client, kData, view("new"))).outcome == Opened::kTaken);
    CHECK(open(server, old).outcome == Opened::kTaken);
    for (const Datagram& other : others) {
      CHECK(open(server, other).outcome == Opened::kReplayed);
    }
  }
  CHECK(server.seen().next() == 104);
  // The type is part of what is authentic: a message's would not let another record in again.
  Datagram disguised = others.front();
  disguised[0] = static_cast<uint8_t>(kData);
  CHECK(open(server, disguised).outcome == Opened::kForged);
}

TEST_CASE("AEAD records: sealing stops before the numbers of 48 bits wrap") {
  for (const char* ciphers : suites()) {
    CAPTURE(std::string(ciphers));
    PlainSession session(ciphers);
    AeadRecords::Start start;
    start.next_number = AeadRecords::kNumbers - 2;
    AeadRecords client(session.client_keys, std::move(start));
    AeadRecords server(session.server_keys, {});
    CHECK(client.wear_of_sealing() == Wear::kWorn);
    const Datagram last_but_one = sealed(client, kData, view("x"));
    CHECK(client.wear_of_sealing() == Wear::kSpent);  // the last is for a close_notify
    const Datagram last = sealed(client, kData, view("y"));
    CHECK(parse(last).epoch == 1);
    CHECK(parse(last).sequence == AeadRecords::kNumbers - 1);
    Datagram out(client.sealed_size(1));
    CHECK(client.seal(kData, view("z"), out.data()) == 0);
    CHECK(client.next_number() == AeadRecords::kNumbers);
    CHECK(open(server, last).outcome == Opened::kTaken);
    CHECK(open(server, last_but_one).outcome == Opened::kTaken);
    CHECK(open(server, last).outcome == Opened::kReplayed);
  }
}

TEST_CASE("AEAD records: warns before the numbers, or what a key may hide, come to an end") {
  PlainSession session("PSK-AES128-GCM-SHA256");
  const auto wear = [&](uint64_t number, uint64_t blocks, const AeadKeys& keys) {
    AeadRecords::Start start;
    start.next_number = number;
    start.sealed_blocks = blocks;
    return AeadRecords(keys, std::move(start)).wear_of_sealing();
  };
  const AeadKeys& keys = session.client_keys;
  constexpr uint64_t kQuarter = AeadRecords::kNumbers / 4;
  CHECK(wear(0, 0, keys) == Wear::kNone);
  CHECK(wear(3 * kQuarter - 1, 0, keys) == Wear::kNone);
  CHECK(wear(3 * kQuarter, 0, keys) == Wear::kWorn);
  CHECK(wear(4 * kQuarter, 0, keys) == Wear::kSpent);
  const uint64_t limit = keys.suite->confidentiality_limit;
  CHECK(wear(0, limit / 2, keys) == Wear::kNone);
  CHECK(wear(0, limit / 4 * 3, keys) == Wear::kAdvised);
  CHECK(wear(0, 2 * limit, keys) == Wear::kAdvised);  // it goes on
  CHECK(wear(3 * kQuarter, limit, keys) == Wear::kWorn);
  // Blocks are counted: 16 bytes, what is begun of them, and one for the tag.
  AeadRecords::Start start;
  start.sealed_blocks = limit / 4 * 3 - 3;
  AeadRecords client(keys, std::move(start));
  sealed(client, kData, view("x"));
  CHECK(client.wear_of_sealing() == Wear::kNone);
  sealed(client, kData, view("x"));
  CHECK(client.wear_of_sealing() == Wear::kAdvised);
  const PlainSession unlimited("PSK-CHACHA20-POLY1305");
  CHECK(wear(0, uint64_t{1} << 58, unlimited.client_keys) == Wear::kNone);
}

TEST_CASE("AEAD records: counts forgeries up to the integrity limit of the suite") {
  struct Known {
    const char* ciphers;
    uint64_t limit;
  };
  for (const Known& known : std::vector<Known>{{"PSK-AES128-GCM-SHA256", uint64_t{1} << 36},
                                               {"PSK-CHACHA20-POLY1305", uint64_t{1} << 36},
                                               {"PSK-AES128-CCM", 11863283},
                                               {"PSK-AES256-CCM", 11863283},
                                               {"PSK-AES128-CCM8:@SECLEVEL=0", 1 << 20}}) {
    CAPTURE(std::string(known.ciphers));
    PlainSession session(known.ciphers);
    AeadRecords client(session.client_keys, session.client.next_out());
    const Datagram good = sealed(client, kData, view("x"));
    Datagram forged = good;
    forged.back() ^= 1;
    AeadRecords::Start start;
    start.forged = known.limit / 4 * 3 - 1;
    AeadRecords worn(session.server_keys, std::move(start));
    CHECK(worn.wear_of_opening() == Wear::kNone);
    CHECK(open(worn, forged).outcome == Opened::kForged);
    CHECK(worn.wear_of_opening() == Wear::kWorn);
    CHECK(open(worn, good).outcome == Opened::kTaken);
    start.forged = known.limit;
    AeadRecords spent(session.server_keys, std::move(start));
    CHECK(spent.wear_of_opening() == Wear::kWorn);
    CHECK(open(spent, cut(good, 3)).outcome == Opened::kBad);  // no attempt
    CHECK(spent.wear_of_opening() == Wear::kWorn);
    CHECK(open(spent, forged).outcome == Opened::kForged);
    CHECK(spent.wear_of_opening() == Wear::kSpent);
    CHECK(spent.forged() == known.limit + 1);
  }
}

TEST_CASE("AEAD records: contexts are made when needed, given back at rest, and made again") {
  for (const char* ciphers : suites()) {
    CAPTURE(std::string(ciphers));
    PlainSession session(ciphers);
    {  // whatever OpenSSL makes once
      AeadRecords first(session.client_keys, {});
      sealed(first, kData, view("x"));
    }
    const size_t before = allocated_bytes();
    AeadRecords client(session.client_keys, session.client.next_out());
    AeadRecords server(session.server_keys, {});
    CHECK(allocated_bytes() == before);  // all there is of a session at rest
    std::vector<uint8_t> out(2000);
    std::vector<uint8_t> room(2000);
    const size_t with_buffers = allocated_bytes();
    for (int i = 0; i < 5; ++i) {
      size_t size = client.seal(kData, view("a message"), out.data());
      REQUIRE(size != 0);
      Bytes datagram = view(out).first(size);
      RecordView record;
      REQUIRE(take_record(datagram, record));
      CHECK(server.open(record, room.data(), size) == Opened::kTaken);
      CHECK(text_of({room.data(), size}) == "a message");
      CHECK(allocated_bytes() > with_buffers);
      client.rest();
      server.rest();
      CHECK(allocated_bytes() == with_buffers);
    }
  }
}

TEST_CASE("AEAD records: a record takes no memory of its own") {
  static std::atomic<size_t> allocations{0};
  // Hooks stay for the process; they only count.
  static const int installed = __sanitizer_install_malloc_and_free_hooks(
      [](const volatile void*, size_t) { ++allocations; }, [](const volatile void*) {});
  REQUIRE(installed > 0);
  for (const char* ciphers : suites()) {
    CAPTURE(std::string(ciphers));
    PlainSession session(ciphers);
    AeadRecords client(session.client_keys, session.client.next_out());
    AeadRecords server(session.server_keys, {});
    std::vector<uint8_t> out(2000);
    std::vector<uint8_t> room(2000);
    const std::vector<uint8_t> message = pattern(1200);
    const auto send = [&](bool forge) {
      size_t size = client.seal(kData, view(message), out.data());
      if (forge) out[size - 1] ^= 1;
      Bytes datagram = view(out).first(size);
      RecordView record;
      return take_record(datagram, record) ? server.open(record, room.data(), size) : Opened::kBad;
    };
    REQUIRE(send(false) == Opened::kTaken);
    REQUIRE(send(true) == Opened::kForged);
    // OpenSSL puts a text of its own into its error queue for a forgery with CCM.
    const bool forge = !client.suite().ccm();
    const size_t before = allocations;
    bool right = true;
    for (int i = 0; i < 20; ++i) {
      right = right && send(false) == Opened::kTaken;
      right = right && (!forge || send(true) == Opened::kForged);
    }
    const size_t after = allocations;
    CHECK(right);
    CHECK(after == before);
  }
}

TEST_CASE("AEAD records: a session at rest has room for them") {
  CHECK(sizeof(AeadRecords) <= 256);
}

TEST_CASE("AEAD keys: none during a handshake, of another version, and for CBC") {
  AeadKeys keys;
  const PlainSsl fresh("PSK-AES128-GCM-SHA256", false);
  CHECK_FALSE(keys.derive(fresh.ssl()));
  CHECK_FALSE(aead_suite(nullptr).valid());
  const SslCtxPtr ctx(SSL_CTX_new(DTLS_method()));
  REQUIRE(SSL_CTX_set_cipher_list(ctx.get(), "PSK-AES128-CBC-SHA256") == 1);
  const STACK_OF(SSL_CIPHER)* ciphers = SSL_CTX_get_ciphers(ctx.get());
  for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i) {
    const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(ciphers, i);
    if (SSL_CIPHER_is_aead(cipher) != 1) CHECK_FALSE(aead_suite(cipher).valid());
  }
}

}  // namespace
}  // namespace dtls::test
