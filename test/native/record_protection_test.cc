// Protects the record protection that heartbeats are made with, against the only judge there is:
// OpenSSL's own records. What SSL_write made opens to what was written, sealing that again gives
// the same record byte for byte, and nothing else opens.
#include <doctest/doctest.h>

#include "core/records/record_protection.h"
#include "harness.h"

namespace dtls::test {
namespace {

constexpr auto kData = ContentType::kApplicationData;
constexpr auto kHeartbeat = ContentType::kHeartbeat;

struct Known {
  const char* ciphers;
  size_t key_size;
  size_t explicit_nonce;
  size_t tag;

  size_t overhead() const { return explicit_nonce + tag; }
};

const std::vector<Known>& suites() {
  static const std::vector<Known> all = {
      {"PSK-AES128-GCM-SHA256", 16, 8, 16},
      {"PSK-AES256-GCM-SHA384", 32, 8, 16},
      {"PSK-CHACHA20-POLY1305", 32, 0, 16},
      {"PSK-ARIA128-GCM-SHA256", 16, 8, 16},
      {"PSK-ARIA256-GCM-SHA384", 32, 8, 16},
      {"PSK-AES128-CCM", 16, 8, 16},
      {"PSK-AES256-CCM", 32, 8, 16},
      // Tags of 64 bits are below OpenSSL's security level 1.
      {"PSK-AES128-CCM8:@SECLEVEL=0", 16, 8, 8},
      {"PSK-AES256-CCM8:@SECLEVEL=0", 32, 8, 8},
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

// The record with another length of fragment, and a header that says so.
Datagram cut(Datagram record, size_t fragment) {
  record.resize(kRecordHeaderSize + fragment);
  write_u16(&record[11], static_cast<uint32_t>(fragment));
  return record;
}

// A session in one suite, what OpenSSL writes in it, and the keys as each side derives them.
struct Protected {
  explicit Protected(const char* ciphers) {
    link.use_psk("device", std::vector<uint8_t>(16, 7));
    link.server_context = psk_context(ciphers);
    link.client_context = psk_context(ciphers);
    REQUIRE(link.handshake());
    REQUIRE(derive_record_protection(client(), client_own, client_peers));
    REQUIRE(derive_record_protection(server(), server_own, server_peers));
  }
  SSL* client() { return link.client().live()->ssl(); }
  SSL* server() { return link.server.live()->ssl(); }

  Datagram write(Side& side, Bytes message) {
    Datagram written;
    link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
      written = packet.bytes;
      arriving.push_back(packet);
    };
    REQUIRE(link.send(side, message) == SendOutcome::kSent);
    link.pump();
    link.network = nullptr;
    return written;
  }

  Link link;
  RecordProtection client_own;
  RecordProtection client_peers;
  RecordProtection server_own;
  RecordProtection server_peers;
};

bool opens(RecordProtection& keys, const RecordView& record) {
  std::vector<uint8_t> plaintext(record.fragment.size);
  size_t size = 0;
  return keys.open(record, plaintext.data(), size);
}

std::vector<uint8_t> opened(RecordProtection& keys, const RecordView& record) {
  std::vector<uint8_t> plaintext(record.fragment.size);
  size_t size = 0;
  REQUIRE(keys.open(record, plaintext.data(), size));
  plaintext.resize(size);
  return plaintext;
}

Datagram sealed(RecordProtection& keys, ContentType type, const RecordView& like, Bytes plaintext) {
  Datagram out(keys.sealed_size(plaintext.size));
  REQUIRE(keys.seal(type, like, plaintext, out.data()) == out.size());
  return out;
}

TEST_CASE("record protection: opens what OpenSSL wrote, and seals it the same") {
  for (const Known& known : suites()) {
    CAPTURE(known.ciphers);
    Protected session(known.ciphers);
    const AeadSuite suite = aead_suite(SSL_get_current_cipher(session.client()));
    CHECK(suite.valid());
    CHECK(suite.key_size == known.key_size);
    CHECK(suite.overhead() == known.overhead());
    for (const size_t size : {1, 2, 15, 16, 17, 31, 64, 255, 1000, 16384}) {
      CAPTURE(size);
      const std::vector<uint8_t> message = pattern(size);
      for (const bool from_client : {true, false}) {
        Side& side = from_client ? session.link.client() : session.link.server;
        RecordProtection& writer = from_client ? session.client_own : session.server_own;
        RecordProtection& reader = from_client ? session.server_peers : session.client_peers;
        const Datagram datagram = session.write(side, view(message));
        const RecordView record = parse(datagram);
        CHECK(record.type == kData);
        CHECK(record.epoch == 1);
        CHECK(opened(writer, record) == message);
        CHECK(opened(reader, record) == message);
        CHECK(sealed(writer, kData, record, view(message)) == datagram);
        CHECK(sealed(reader, kData, record, view(message)) == datagram);
        // The other direction has other keys.
        CHECK_FALSE(opens(from_client ? session.server_own : session.client_own, record));
        CHECK_FALSE(opens(from_client ? session.client_peers : session.server_peers, record));
      }
    }
  }
}

TEST_CASE("record protection: the type is authentic, and only the type changes") {
  for (const Known& known : suites()) {
    CAPTURE(known.ciphers);
    Protected session(known.ciphers);
    const std::vector<uint8_t> message = pattern(40);
    const Datagram data = session.write(session.link.client(), view(message));
    const Datagram heartbeat = sealed(session.client_own, kHeartbeat, parse(data), view(message));
    // Header but for the type, explicit nonce and ciphertext are the same; the tag is not.
    const auto tag = static_cast<long>(known.tag);
    REQUIRE(heartbeat.size() == data.size());
    CHECK(heartbeat[0] == static_cast<uint8_t>(kHeartbeat));
    CHECK(std::vector<uint8_t>(heartbeat.begin() + 1, heartbeat.end() - tag) ==
          std::vector<uint8_t>(data.begin() + 1, data.end() - tag));
    CHECK(std::vector<uint8_t>(heartbeat.end() - tag, heartbeat.end()) !=
          std::vector<uint8_t>(data.end() - tag, data.end()));
    CHECK(opened(session.server_peers, parse(heartbeat)) == message);
    for (const uint8_t type : {20, 21, 22, 24, 25, 0}) {
      Datagram wrong = data;
      wrong[0] = type;
      Bytes bytes = view(wrong);
      RecordView record;
      if (take_record(bytes, record)) CHECK_FALSE(opens(session.server_peers, record));
    }
    Datagram wrong = heartbeat;
    wrong[0] = static_cast<uint8_t>(kData);
    CHECK_FALSE(opens(session.server_peers, parse(wrong)));
    // After all these refusals the keys still work.
    CHECK(opened(session.server_peers, parse(data)) == message);
  }
}

TEST_CASE("record protection: nothing tampered with or cut opens") {
  for (const Known& known : suites()) {
    CAPTURE(known.ciphers);
    Protected session(known.ciphers);
    const std::vector<uint8_t> message = pattern(20);
    const Datagram data = session.write(session.link.server, view(message));
    for (size_t bit = 0; bit < 8 * data.size(); ++bit) {
      if (bit / 8 == 11 || bit / 8 == 12) continue;  // the length: below
      // CCM and GCM take their nonce from the record, and its sequence number as additional data.
      CAPTURE(bit);
      Datagram wrong = data;
      wrong[bit / 8] = static_cast<uint8_t>(wrong[bit / 8] ^ 1 << bit % 8);
      Bytes bytes = view(wrong);
      RecordView record;
      if (take_record(bytes, record)) CHECK_FALSE(opens(session.client_peers, record));
    }
    for (size_t fragment = 0; fragment < known.overhead() + message.size(); ++fragment) {
      CAPTURE(fragment);
      const Datagram shorter = cut(data, fragment);
      CHECK_FALSE(opens(session.client_peers, parse(shorter)));
    }
    CHECK_FALSE(
        opens(session.client_peers, parse(cut(data, known.overhead() + message.size() + 1))));
    CHECK(opened(session.client_peers, parse(data)) == message);
  }
}

TEST_CASE("record protection: an empty message, and one that is too long") {
  for (const Known& known : suites()) {
    CAPTURE(known.ciphers);
    Protected session(known.ciphers);
    const Datagram data = session.write(session.link.client(), view("x"));
    const Datagram empty = sealed(session.client_own, kHeartbeat, parse(data), {});
    CHECK(empty.size() == kRecordHeaderSize + known.overhead());
    CHECK(opened(session.server_peers, parse(empty)).empty());
    const std::vector<uint8_t> huge(kMaxPlaintext + 1);
    Datagram out(session.client_own.sealed_size(huge.size()));
    CHECK(session.client_own.seal(kHeartbeat, parse(data), view(huge), out.data()) == 0);
    // A record to be like that is too short to have a nonce.
    if (known.explicit_nonce != 0) {
      CHECK(session.client_own.seal(kHeartbeat, parse(cut(data, 7)), view("x"), out.data()) == 0);
    }
  }
}

TEST_CASE("record protection: none without keys, during a handshake, and for CBC") {
  RecordProtection none;
  const Datagram record =
      plain_record(static_cast<uint8_t>(kData), 1, 1, view(std::string(64, 'x')));
  std::array<uint8_t, 128> out{};
  CHECK_FALSE(opens(none, parse(record)));
  CHECK(none.seal(kData, parse(record), view("x"), out.data()) == 0);
  CHECK_FALSE(none.init({}, view(std::string(16, 'k')), view(std::string(4, 'i'))));
  CHECK_FALSE(aead_suite(nullptr).valid());

  RecordProtection own;
  RecordProtection peers;
  Link link;
  link.use_psk("device", std::vector<uint8_t>(16, 7));
  link.listen();
  CHECK_FALSE(derive_record_protection(link.connect().ssl(), own, peers));

  Link cbc;
  cbc.use_psk("device", std::vector<uint8_t>(16, 7));
  cbc.server_context = psk_context("PSK-AES128-CBC-SHA256");
  cbc.client_context = psk_context("PSK-AES128-CBC-SHA256");
  REQUIRE(cbc.handshake());
  SSL* ssl = cbc.client().live()->ssl();
  CHECK_FALSE(aead_suite(SSL_get_current_cipher(ssl)).valid());
  CHECK_FALSE(derive_record_protection(ssl, own, peers));
  CHECK_FALSE(opens(own, parse(record)));
}

}  // namespace
}  // namespace dtls::test
