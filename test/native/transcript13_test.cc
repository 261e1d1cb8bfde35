// Protects: that OpenSSL's digest hashes a handshake's messages as they are on the wire, and
// everything else as it is, whatever a peer has put into it and however it is cut; that the
// messages are rewritten strictly, in both directions; and that labels have the prefix of DTLS.
// With any OpenSSL 3: what needs its calls for QUIC is in engine13_test.cc.
#include <doctest/doctest.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include "core/base/expand_label.h"
#include "core/engine13/hello_views.h"
#include "core/engine13/library.h"
#include "core/engine13/transcript.h"
#include "engine13_pair.h"

namespace dtls::test13 {
namespace {

using EvpMdPtr = std::unique_ptr<EVP_MD, OpenSslFree<EVP_MD, EVP_MD_free>>;
using EvpMdCtxPtr = std::unique_ptr<EVP_MD_CTX, OpenSslFree<EVP_MD_CTX, EVP_MD_CTX_free>>;

const ProcessMark& mark() { return engine_library()->mark; }

void append(Run& to, const Run& bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

Run message(uint8_t type, const Run& body) {
  Run made = {type, 0, 0, 0};
  write_u24(made.data() + 1, static_cast<uint32_t>(body.size()));
  append(made, body);
  return made;
}

Run extension(uint16_t type, const Run& data) {
  Run made(4);
  write_u16(made.data(), type);
  write_u16(made.data() + 2, static_cast<uint32_t>(data.size()));
  append(made, data);
  return made;
}

Run block(const std::vector<Run>& extensions) {
  Run made(2);
  for (const Run& one : extensions) append(made, one);
  write_u16(made.data(), static_cast<uint32_t>(made.size() - 2));
  return made;
}

constexpr char kRandom[] = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20";

Run tls_hello(const std::vector<Run>& extensions) {
  Run body = from_hex(std::string("0303") + kRandom +
                      "00"
                      "0004"
                      "13011302"
                      "0100");
  append(body, block(extensions));
  return message(1, body);
}
Run dtls_hello(const std::vector<Run>& extensions, const std::string& suites = "13011302",
               const std::string& front = "0000") {
  Run body = from_hex(std::string("fefd") + kRandom + front);
  body.push_back(0);
  body.push_back(static_cast<uint8_t>(suites.size() / 2));
  append(body, from_hex(suites + "0100"));
  append(body, block(extensions));
  return message(1, body);
}

const Run kVersions = extension(43, from_hex("020304"));
const Run kGroups = extension(10, from_hex("00020017"));
const Run kCookie = extension(44, from_hex("00020506"));
// Two identities' worth of nothing in particular, and a binder of 32 bytes behind its lengths.
Run psk(uint8_t filler) {
  Run data = from_hex(
      "000a"
      "0004"
      "61626364"
      "00000000"
      "0021"
      "20");
  data.insert(data.end(), 32, filler);
  return extension(41, data);
}
Run carrying(const HelloAdditions& additions) {
  return extension(57, carry_additions(mark(), additions));
}

Run digest_of(const char* name, const std::vector<Run>& pieces) {
  const EvpMdPtr digest(EVP_MD_fetch(engine_library()->context, name, EngineLibrary::kOurs));
  const EvpMdCtxPtr work(EVP_MD_CTX_new());
  REQUIRE(EVP_DigestInit_ex(work.get(), digest.get(), nullptr) == 1);
  for (const Run& piece : pieces) {
    REQUIRE(EVP_DigestUpdate(work.get(), piece.data(), piece.size()) == 1);
  }
  Run out(static_cast<size_t>(EVP_MD_get_size(digest.get())));
  // A copy is finished, as OpenSSL does it, and the first one goes on.
  const EvpMdCtxPtr copy(EVP_MD_CTX_new());
  REQUIRE(EVP_MD_CTX_copy_ex(copy.get(), work.get()) == 1);
  REQUIRE(EVP_DigestFinal_ex(copy.get(), out.data(), nullptr) == 1);
  return out;
}
Run plain_digest(const char* name, Bytes bytes) {
  Run out(EVP_MAX_MD_SIZE);
  size_t size = 0;
  REQUIRE(EVP_Q_digest(nullptr, name, nullptr, bytes.data, bytes.size, out.data(), &size) == 1);
  out.resize(size);
  return out;
}

Run transcript_of(const std::vector<Run>& pieces, size_t hash_size = 32) {
  Transcript transcript(mark(), hash_size);
  Run out;
  for (const Run& piece : pieces) transcript.update(view(piece), out);
  transcript.finish(out);
  return out;
}

TEST_CASE(
    "transcript13: the library context has our algorithms where they are asked for, and only "
    "there") {
  REQUIRE(engine_library() != nullptr);
  OSSL_LIB_CTX* const library = engine_library()->context;
  for (const char* name : {"SHA2-256", "SHA2-384"}) {
    const EvpMdPtr ours(EVP_MD_fetch(library, name, EngineLibrary::kOurs));
    const EvpMdPtr plain(EVP_MD_fetch(library, name, EngineLibrary::kPlain));
    CHECK(std::string(OSSL_PROVIDER_get0_name(EVP_MD_get0_provider(ours.get()))) == "dgram-dtls13");
    CHECK(std::string(OSSL_PROVIDER_get0_name(EVP_MD_get0_provider(plain.get()))) == "default");
    CHECK(EVP_MD_get_size(ours.get()) == EVP_MD_get_size(plain.get()));
    CHECK(EVP_MD_get_block_size(ours.get()) == EVP_MD_get_block_size(plain.get()));
    CHECK(EVP_MD_get_flags(ours.get()) == EVP_MD_get_flags(plain.get()));
    CHECK(EVP_MD_get_type(ours.get()) == EVP_MD_get_type(plain.get()));
  }
  const EvpMdPtr elsewhere(EVP_MD_fetch(nullptr, "SHA2-256", EngineLibrary::kOurs));
  CHECK(std::string(OSSL_PROVIDER_get0_name(EVP_MD_get0_provider(elsewhere.get()))) == "default");
}

// OpenSSL's TLS13-KDF in the engine's library context, as its TLS 1.3 calls it.
Run derive(const char* properties, const char* prefix, const std::string& name, Run secret,
           Run context, size_t size) {
  const EvpKdfPtr kdf(
      EVP_KDF_fetch(engine_library()->context, OSSL_KDF_NAME_TLS1_3_KDF, properties));
  REQUIRE(kdf.get() != nullptr);
  Run out(size);
  int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
  char digest[] = "SHA2-256";
  std::string label = name;
  std::string copy = prefix;
  std::vector<OSSL_PARAM> params = {
      OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, secret.data(), secret.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PREFIX, copy.data(), copy.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_LABEL, label.data(), label.size())};
  if (!context.empty()) {
    params.push_back(
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_DATA, context.data(), context.size()));
  }
  params.push_back(OSSL_PARAM_construct_end());
  const EvpKdfCtxPtr work(EVP_KDF_CTX_new(kdf.get()));
  REQUIRE(EVP_KDF_derive(work.get(), out.data(), out.size(), params.data()) == 1);
  return out;
}

TEST_CASE("transcript13: labels of TLS 1.3 get the prefix of DTLS, as an independent HKDF has it") {
  const Run secret(32, 7);
  const Run context(32, 8);
  Run expected(32);
  const auto expand = [&](const char* prefix) {
    REQUIRE(expand_label_as(prefix, "SHA2-256", view(secret), "c hs traffic", view(context),
                            expected.data(), expected.size()));
    return to_hex(view(expected));
  };
  const auto ours = [&](const char* prefix) {
    return to_hex(view(derive(EngineLibrary::kOurs, prefix, "c hs traffic", secret, context, 32)));
  };
  CHECK(ours("tls13 ") == expand("dtls13"));
  // Another prefix stays what it is.
  CHECK(ours("other ") == expand("other "));
}

// RFC 8448 section 3, "Simple 1-RTT Handshake": from the secret of the handshake and the hash of
// both hellos to the server's key and IV. By OpenSSL's own derivation, which ours stands before.
TEST_CASE("transcript13: what is behind our key derivation has RFC 8448's values") {
  const Run handshake =
      from_hex("1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac");
  const Run hellos = from_hex("860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8");
  const auto plain = [](const std::string& label, const Run& secret, const Run& context,
                        size_t size) {
    return derive(EngineLibrary::kPlain, "tls13 ", label, secret, context, size);
  };
  CHECK(to_hex(view(plain("c hs traffic", handshake, hellos, 32))) ==
        "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21");
  const Run server = plain("s hs traffic", handshake, hellos, 32);
  CHECK(to_hex(view(server)) == "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38");
  CHECK(to_hex(view(plain("key", server, {}, 16))) == "3fce516009c21727d0f2e4e86ee403bc");
  CHECK(to_hex(view(plain("iv", server, {}, 12))) == "5d313eb2671276ee13000b30");
}

TEST_CASE("transcript13: a client's own hello is hashed as it is on the wire") {
  const HelloAdditions additions = {from_hex("fefd"), from_hex("c02b00ff"),
                                    extension(14, {0, 2, 0, 1, 0})};
  const Run ours = tls_hello({kGroups, kVersions, kCookie, carrying(additions), psk(7)});
  const Run wire = dtls_hello({kCookie, kGroups, extension(43, from_hex("04fefcfefd")),
                               extension(14, {0, 2, 0, 1, 0}), psk(7)},
                              "13011302c02b00ff");
  Run out;
  REQUIRE(to_wire(mark(), view(ours), out));
  CHECK(to_hex(view(out)) == to_hex(view(wire)));
  CHECK(transcript_of({ours}) == wire);
  CHECK(digest_of("SHA2-256", {ours}) == plain_digest("SHA2-256", view(wire)));
  CHECK(digest_of("SHA2-384", {ours}) == plain_digest("SHA2-384", view(wire)));
}

TEST_CASE("transcript13: a hello is hashed alike, in whatever pieces it comes") {
  const Run ours = tls_hello({kGroups, kVersions, carrying({}), psk(7)});
  Run out;
  REQUIRE(to_wire(mark(), view(ours), out));
  for (size_t at = 0; at <= ours.size(); ++at) {
    const Run front(ours.begin(), ours.begin() + static_cast<std::ptrdiff_t>(at));
    const Run back(ours.begin() + static_cast<std::ptrdiff_t>(at), ours.end());
    CHECK(transcript_of({front, back}) == out);
  }
  std::vector<Run> bytes;
  for (const uint8_t byte : ours) bytes.push_back({byte});
  CHECK(transcript_of(bytes) == out);
}

TEST_CASE("transcript13: a hello that is cut in its binders is cut at the same place") {
  const Run ours = tls_hello({kGroups, kVersions, carrying({from_hex("fefd"), {}, {}}), psk(7)});
  Run wire;
  REQUIRE(to_wire(mark(), view(ours), wire));
  constexpr size_t kBinders = 2 + 1 + 32;
  const Run cut(ours.begin(), ours.end() - kBinders);
  CHECK(transcript_of({cut}) == Run(wire.begin(), wire.end() - kBinders));
  // Behind a HelloRetryRequest, which OpenSSL feeds by itself.
  Run before = from_hex("fe000020" + std::string(64, 'a'));
  const std::string retry = "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c";
  append(before, message(2, from_hex("0303" + retry +
                                     "00"
                                     "1301"
                                     "00"
                                     "0006"
                                     "002b0002"
                                     "0304")));
  const Run expected_before = [&] {
    Run bytes = from_hex("fe000020" + std::string(64, 'a'));
    append(bytes, message(2, from_hex("fefd" + retry +
                                      "00"
                                      "1301"
                                      "00"
                                      "0006"
                                      "002b0002"
                                      "fefc")));
    return bytes;
  }();
  Run expected = expected_before;
  expected.insert(expected.end(), wire.begin(), wire.end() - kBinders);
  CHECK(transcript_of({before, cut}) == expected);
  // And the transcript goes on from there.
  expected = expected_before;
  append(expected, wire);
  append(expected, {20, 0, 0, 1, 9});
  CHECK(transcript_of({before, ours, {20, 0, 0, 1, 9}}) == expected);
  // No binder is missing, or more than them: what is hashed is what was fed.
  const Run too_short(ours.begin(), ours.end() - 150);
  CHECK(transcript_of({too_short}) == too_short);
}

TEST_CASE("transcript13: a peer's messages are hashed as they came, behind what was before them") {
  const Run wire = dtls_hello({kGroups, extension(43, from_hex("04fefcfefd")),
                               extension(14, {0, 2, 0, 1, 0}), extension(42, {}), psk(7)},
                              "13011302c02b",
                              "020102"
                              "00");
  const Run before = from_hex("fe00002011");
  Run fed;
  TakenOut taken;
  REQUIRE(to_openssl(mark(), view(wire), view(before), fed, taken) == 0);
  CHECK(to_hex(taken.srtp) == "0002000100");
  Run expected = before;
  append(expected, wire);
  CHECK(transcript_of({fed}) == expected);
  // Cut in the binder, which is the end of both shapes.
  expected.resize(expected.size() - 35);
  fed.resize(fed.size() - 35);
  CHECK(transcript_of({fed}) == expected);

  const Run hello = tls_hello({kVersions, carrying({})});
  Run own;
  REQUIRE(to_wire(mark(), view(hello), own));
  const Run extensions = message(8, block({extension(14, {0, 2, 0, 1, 0}), kGroups}));
  Run encrypted;
  REQUIRE(to_openssl(mark(), view(extensions), {}, encrypted, taken) == 0);
  expected = own;
  append(expected, extensions);
  CHECK(transcript_of({hello, encrypted}) == expected);
}

TEST_CASE("transcript13: a ServerHello is the same after it has been to OpenSSL and back") {
  const Run wire = message(2, from_hex(std::string("fefd") + kRandom +
                                       "00"
                                       "1301"
                                       "00"
                                       "000c"
                                       "002b0002fefc"
                                       "00290002"
                                       "0000"));
  Run fed;
  TakenOut taken;
  REQUIRE(to_openssl(mark(), view(wire), {}, fed, taken) == 0);
  CHECK(fed.size() == wire.size());
  Run back;
  REQUIRE(to_wire(mark(), view(fed), back));
  CHECK(back == wire);
  ServerHelloView hello;
  REQUIRE(read_server_hello(view(fed), hello));
  CHECK(hello.suite == 0x1301);
  CHECK_FALSE(hello.retry);
}

TEST_CASE("transcript13: what is no transcript of ours goes through as it is") {
  const ProcessMark other = [] {
    ProcessMark changed = mark();
    changed.back() ^= 1;
    return changed;
  }();
  const Run foreign_mark =
      tls_hello({kVersions, extension(57, carry_additions(other, {})), psk(7)});
  const Run no_mark = tls_hello({kVersions, extension(57, {1, 2, 3})});
  const Run bare = tls_hello({kVersions});
  const Run wire = dtls_hello({kVersions, carrying({})});  // not in OpenSSL's shape
  Run longer = tls_hello({kVersions, carrying({})});
  write_u24(longer.data() + 1, static_cast<uint32_t>(longer.size() + 100));
  Run retry_first = from_hex("fe000030" + std::string(96, 'a'));
  append(retry_first, tls_hello({kVersions, carrying({})}));
  Run no_retry = from_hex("fe000020" + std::string(64, 'a'));
  append(no_retry, message(2, from_hex(std::string("0303") + kRandom +
                                       "00"
                                       "1301"
                                       "00"
                                       "0006"
                                       "002b0002"
                                       "0304")));
  append(no_retry, tls_hello({kVersions, carrying({})}));
  const Run empty_versions = tls_hello({extension(43, {}), extension(57, {})});
  for (const Run& bytes : {foreign_mark, no_mark, bare, wire, longer, retry_first, no_retry,
                           empty_versions, Run{}, Run{1}, Run{0xfe}, Run(64, 0x20),
                           from_hex("30820122"), from_hex("01000000"), from_hex("fe0000")}) {
    CHECK(transcript_of({bytes}) == bytes);
    CHECK(digest_of("SHA2-256", {bytes}) == plain_digest("SHA2-256", view(bytes)));
    std::vector<Run> pieces;
    for (const uint8_t byte : bytes) pieces.push_back({byte});
    CHECK(transcript_of(pieces) == bytes);
  }
}

TEST_CASE(
    "transcript13: a message that cannot be rewritten is hashed as it is, and so is all behind "
    "it") {
  const Run hello = tls_hello({kVersions, carrying({})});
  Run wire;
  REQUIRE(to_wire(mark(), view(hello), wire));
  for (const Run& strange : {message(2, {3, 3}), message(8, {0}), message(8, block({kGroups})),
                             message(1, {3, 3}), message(1, {})}) {
    Run expected = wire;
    append(expected, strange);
    append(expected, {20, 0, 0, 0});
    CHECK(transcript_of({hello, strange, {20, 0, 0, 0}}) == expected);
  }
}

TEST_CASE(
    "transcript13: hellos and extensions of a peer that are malformed have the alert for it") {
  const Run versions = extension(43, from_hex("02fefc"));
  const auto alert_of = [](const Run& bytes) {
    Run out;
    TakenOut taken;
    return static_cast<int>(to_openssl(mark(), view(bytes), {}, out, taken));
  };
  CHECK(alert_of(dtls_hello({versions})) == 0);
  CHECK(alert_of(dtls_hello({kGroups})) == SSL_AD_PROTOCOL_VERSION);
  CHECK(alert_of(dtls_hello({extension(43, {})})) == SSL_AD_DECODE_ERROR);
  CHECK(alert_of(dtls_hello({extension(43, from_hex("00"))})) == SSL_AD_DECODE_ERROR);
  CHECK(alert_of(dtls_hello({extension(43, from_hex("03fefcfe"))})) == SSL_AD_DECODE_ERROR);
  CHECK(alert_of(dtls_hello({extension(43, from_hex("02fefc00"))})) == SSL_AD_DECODE_ERROR);
  CHECK(alert_of(dtls_hello({extension(43, from_hex("02fefd"))})) == SSL_AD_PROTOCOL_VERSION);
  CHECK(alert_of(dtls_hello({versions, versions})) == SSL_AD_ILLEGAL_PARAMETER);
  CHECK(alert_of(dtls_hello({versions, kCookie, kCookie})) == SSL_AD_ILLEGAL_PARAMETER);
  CHECK(alert_of(dtls_hello({versions, psk(1), kGroups})) == SSL_AD_ILLEGAL_PARAMETER);
  CHECK(alert_of(dtls_hello({versions}, "1301",
                            "0001"
                            "07")) == SSL_AD_ILLEGAL_PARAMETER);
  CHECK(alert_of(dtls_hello({versions}, "130113")) == SSL_AD_DECODE_ERROR);
  // What would not fit into OpenSSL's hello beside a copy of itself.
  CHECK(alert_of(dtls_hello({versions, extension(9999, Run(40000, 1))})) ==
        SSL_AD_ILLEGAL_PARAMETER);
  const Run good = dtls_hello({kGroups, versions, psk(1)});
  for (size_t size = 0; size < good.size(); ++size) {
    Run cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK(alert_of(cut) == SSL_AD_DECODE_ERROR);
    if (size < 4) continue;
    write_u24(cut.data() + 1, static_cast<uint32_t>(size - 4));
    CHECK(alert_of(cut) == SSL_AD_DECODE_ERROR);
  }
  const Run server = message(2, from_hex(std::string("fefd") + kRandom +
                                         "00"
                                         "1301"
                                         "00"
                                         "0006"
                                         "002b0002fefc"));
  CHECK(alert_of(server) == 0);
  for (size_t size = 4; size < server.size(); ++size) {
    Run cut(server.begin(), server.begin() + static_cast<std::ptrdiff_t>(size));
    write_u24(cut.data() + 1, static_cast<uint32_t>(size - 4));
    CHECK(alert_of(cut) == SSL_AD_DECODE_ERROR);
  }
  const auto server_with = [](const std::string& front, const std::vector<Run>& extensions) {
    Run body = from_hex(front + kRandom);
    append(body, from_hex("00130100"));
    append(body, block(extensions));
    return message(2, body);
  };
  const Run chosen = extension(43, from_hex("fefc"));
  CHECK(alert_of(server_with("fefd", {chosen})) == 0);
  CHECK(alert_of(server_with("feff", {chosen})) == SSL_AD_ILLEGAL_PARAMETER);
  CHECK(alert_of(server_with("fefd", {})) == SSL_AD_PROTOCOL_VERSION);
  CHECK(alert_of(server_with("fefd", {extension(43, from_hex("0304"))})) ==
        SSL_AD_PROTOCOL_VERSION);
  CHECK(alert_of(server_with("fefd", {chosen, chosen})) == SSL_AD_ILLEGAL_PARAMETER);
  CHECK(alert_of(server_with("fefd", {chosen, extension(14, {})})) == SSL_AD_ILLEGAL_PARAMETER);
  CHECK(alert_of(server_with("fefd", {chosen, extension(57, {})})) == SSL_AD_UNSUPPORTED_EXTENSION);
  CHECK(alert_of(message(8, block({extension(57, {})}))) == SSL_AD_UNSUPPORTED_EXTENSION);
  CHECK(alert_of(message(8, {0, 1})) == SSL_AD_DECODE_ERROR);
}

TEST_CASE("transcript13: what OpenSSL does not write is not made into a message for the wire") {
  Run out;
  for (const Run& bytes :
       {tls_hello({kVersions}), tls_hello({extension(43, from_hex("040304fefd")), carrying({})}),
        tls_hello({extension(43, {}), carrying({})}),
        tls_hello({kVersions, extension(57, carry_original(mark(), {}, {}))}),
        dtls_hello({kVersions, carrying({})}), message(8, block({})), message(2, {}), Run{1},
        Run{}}) {
    CHECK_FALSE(to_wire(mark(), view(bytes), out));
    CHECK(out.empty());
  }
  const Run finished = message(20, Run(32, 5));
  REQUIRE(to_wire(mark(), view(finished), out));
  CHECK(out == finished);
}

}  // namespace
}  // namespace dtls::test13
