// Protects: that the keys of records are those of RFC 5246 section 6.3, and that records open and
// seal as another implementation made them. The records are GnuTLS 3.7.9's, gnutls-cli and
// gnutls-serv, captured between the two; randoms and master secret are from its key log and its
// ServerHello.
#include <doctest/doctest.h>

#include "core/records/aead_records.h"
#include "core/records/key_block.h"
#include "harness.h"

namespace dtls::test {
namespace {

struct Captured {
  const char* ciphers;
  const char* digest;  // of the suite's PRF
  const char* client_random;
  const char* server_random;
  const char* master_secret;
  // The same message as application data, from the client and echoed by the server.
  const char* from_client;
  const char* from_server;
};

constexpr Captured kCaptured[] = {
    {"PSK-AES128-GCM-SHA256", "SHA256",
     "e33e0f5746fedc6335933dab534c71c2480e6bbf1735e96e3b1e73ca7a813387",
     "ff84a6ff691d80d73f9fe550303fa71bfae464af50351ff14519139f27bf7d2b",
     "7576047b4fac7c49cd647a7d9cea9a699dbec9f41254c257d1260f6378c60cbfef86ea48dad5"
     "17f2580968f3045fc3ac",
     "17fefd000100000000000100250001000000000001602ecbb6afc7d3c0405fba51dab84c079d"
     "a78df1f3733472acd7f1a371",
     "17fefd000100000000000100250001000000000001dcdbf69817eae5251dbf74075ae310a034"
     "e367a19e9eec1a5e0cc116e0"},
    {"PSK-AES256-GCM-SHA384", "SHA384",
     "64994420e7c708037eca79b1b709f218e921663abe37928900d5d6a5aac16ef9",
     "7e855ba218197df9b2030cd5f09614d19d403caaf9ade8c24c8026e2c84d35e2",
     "0f4a7276ecc0f1c2f826575342aa73317eea450589086119f3373d3d1a0a49f1779c9a7f94ed"
     "ad8f93a9fd45311b102e",
     "17fefd000100000000000100250001000000000001bfca59c25e8156448c2d2c0c20037d9b85"
     "21057d9621a32bd34768184d",
     "17fefd0001000000000001002500010000000000015e599e8f01ab116469b734e9fdbaa3f640"
     "54a908662506bf1547aa168b"},
    {"PSK-CHACHA20-POLY1305", "SHA256",
     "e296104bd427fbcf805ca04c33541b39f445e1d3fd773738e082a0d2f7b38fb2",
     "e5095ea1a14753e6acd9cea96cbebaeb7a019cb5ee2382b4aab3af4ac42305f6",
     "3a234a2aa372080af31f00c1bf3c27899805cea32822f85ac4ef1bd11faa4ec26c2fce311a0c"
     "b7b27440b3ddcd697af2",
     "17fefd0001000000000001001dc6a1ae3a40003f21f973fe813bae05bf603c1ff91e1f056a72"
     "c00d34e9",
     "17fefd0001000000000001001d0f4328b6aa06bc3f919d6a8bfde4ff51a63230a8f9cbb11cd1"
     "a60df6e1"},
    {"PSK-AES128-CCM", "SHA256", "3fe968f5dc454dcb77cf1bec28e0eea77d836756c59096d3fee35fd22d4d2afd",
     "0b0650c066f0dc2c9cad1cf809c51bf21f3f813a15c896552d96bba52d10cfee",
     "0354a6d306951e5226e94ca3746ce3f841c02b44fac539f745b0c9fbb759fca906b38f816ecd"
     "a6a49cfb5b3a9903745e",
     "17fefd000100000000000100250001000000000001b212310b197e120fec2098b76417657dd8"
     "b1da7c198a4553a75c50d8e2",
     "17fefd00010000000000010025000100000000000143aa71657596a56ba256d215a3297de51e"
     "f413bee53b34dcc8a5e4a628"},
    {"PSK-AES128-CCM8:@SECLEVEL=0", "SHA256",
     "c2505e59eb6c495a5c820062e8eafe150eb1a5c780800e807a36345dc2fbcd0c",
     "0845f8f9d719497e604e3012bf4f6f2113fc803bb9d667fbfd7ea894ac30f888",
     "fbe40608e7624546ae9e760d0ce4c3e473ab8f64a3a16c84ea75aa1a183d6135503123db410d"
     "d12de7f6eab104974196",
     "17fefd0001000000000001001d0001000000000001432a0e25caf16ce3fcc752237b6d31ec3d"
     "df837f63",
     "17fefd0001000000000001001d00010000000000013427924a56acd92c7d5ec23eb0cd20ea0a"
     "4199c850"},
    {"PSK-AES256-CCM", "SHA256", "205c321ab12b71a6710d85854fb5266a56b2d76dbe4ecf4cc6e70cc1ab4455e5",
     "34b8f6a9ca1dcf8e66d140d995a07d31ee321e1302daebf1a98bdf023a3d1dce",
     "e8e7783757f9065a7e5731e61801affea9bba803b18b39a20026edac5089e65b8f9a7bb05902"
     "b889d2ef881d0d87c062",
     "17fefd00010000000000010025000100000000000181fddffa6dba52c453b0a63a6d0ca460a2"
     "49a55b00bedde7eee419a2a1",
     "17fefd000100000000000100250001000000000001ebabbc353c05ef5526db152f3517ffa29b"
     "c0787645c0e3f39c88a2f1ad"},
    {"PSK-AES256-CCM8:@SECLEVEL=0", "SHA256",
     "9e91a5c1a96497f406d5c8ff237e660664cb89a0934ef225fab8a7ce5377bf19",
     "364317219ed961b54ca4abf1b55b49ac36fb13428a4d85208b199cfc068b7ece",
     "cca889a659b32ba5cb00b6646dcbe93e1224eaac3dda973f2755535ddd8b2c3ad3e3b2ca4e00"
     "3432ef43ad8b7af21b03",
     "17fefd0001000000000001001d00010000000000012872818c69a321313804fb0892ab664a9e"
     "e66941fe",
     "17fefd0001000000000001001d00010000000000015c7bcab189741004bb594e72baabc572d4"
     "7e77f40c"},
};

const std::string kMessage = "21.5 degrees\n";

std::vector<uint8_t> from_hex(const std::string& hex) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

const AeadSuite& suite_named(const char* ciphers) {
  const SslCtxPtr ctx(SSL_CTX_new(DTLS_method()));
  REQUIRE(SSL_CTX_set_cipher_list(ctx.get(), ciphers) == 1);
  const STACK_OF(SSL_CIPHER)* all = SSL_CTX_get_ciphers(ctx.get());
  for (int i = 0; i < sk_SSL_CIPHER_num(all); ++i) {
    const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(all, i);
    const std::string name = SSL_CIPHER_get_name(cipher);
    if (std::string(ciphers).substr(0, name.size()) == name && name.rfind("TLS_", 0) != 0) {
      return aead_suite(cipher);
    }
  }
  return aead_suite(nullptr);
}

// What the other side opens, it seals to the same record.
void check_record(const AeadSuite& suite, Bytes block, bool from_server, const char* captured) {
  AeadKeys own;
  own.suite = &suite;
  own.server = from_server;
  std::copy_n(block.data, block.size, own.block.bytes.data());
  AeadKeys others;
  others.suite = &suite;
  others.server = !from_server;
  std::copy_n(block.data, block.size, others.block.bytes.data());
  const Datagram datagram = from_hex(captured);
  Bytes bytes = view(datagram);
  RecordView record;
  REQUIRE(take_record(bytes, record));
  AeadRecords::Start start;
  start.next_number = record.sequence;
  start.next_explicit_nonce = uint64_t{1} << 48 | record.sequence;  // GnuTLS takes the number
  AeadRecords sealer(own, std::move(start));
  AeadRecords opener(others, {});
  std::vector<uint8_t> plaintext(record.fragment.size);
  size_t size = 0;
  REQUIRE(opener.open(record, plaintext.data(), size) == Opened::kTaken);
  CHECK(text_of({plaintext.data(), size}) == kMessage);
  Datagram again(sealer.sealed_size(size));
  CHECK(sealer.seal(record.type, {plaintext.data(), size}, again.data()) == again.size());
  CHECK(again == datagram);
}

TEST_CASE("record protection: records that another implementation made") {
  for (const Captured& captured : kCaptured) {
    CAPTURE(captured.ciphers);
    const AeadSuite& suite = suite_named(captured.ciphers);
    REQUIRE(suite.valid());
    std::vector<uint8_t> seed = from_hex(captured.server_random);
    const std::vector<uint8_t> client_random = from_hex(captured.client_random);
    seed.insert(seed.end(), client_random.begin(), client_random.end());
    const std::vector<uint8_t> master = from_hex(captured.master_secret);
    std::vector<uint8_t> block(2 * (suite.key_size + suite.fixed_iv_size));
    REQUIRE(tls1_prf(captured.digest, view(master), "key expansion", view(seed), block.data(),
                     block.size()));
    check_record(suite, view(block), false, captured.from_client);
    check_record(suite, view(block), true, captured.from_server);
  }
}

}  // namespace
}  // namespace dtls::test
