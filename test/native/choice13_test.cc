// Protects: that a server's version, suite and group for a hello of DTLS 1.3 are those that its
// engine comes to, since a HelloRetryRequest has promised them (RFC 8446 sections 4.1.1 and 4.2.1).
#include "core/hello13/choice.h"
#include "core/hello13/dtls12_suites.h"

#include <doctest/doctest.h>
#include <openssl/ssl.h>

#include "hellos13.h"

namespace dtls::test {
namespace {

ServerOffer both() {
  ServerOffer server;
  server.dtls12 = server.dtls13 = true;
  server.suites = {kAes256, kChaCha, kAes128};
  server.groups = {{kX25519, kP256, kP384}};
  return server;
}

VersionChoice version_for(const HelloMaker& maker, const ServerOffer& server) {
  const Blob body = maker.body();
  ClientOffer offer;
  REQUIRE(read_client_offer(view(body), offer));
  return choose_version(offer, server);
}

Choice choice_for(const HelloMaker& maker, const ServerOffer& server) {
  const Blob body = maker.body();
  ClientOffer offer;
  REQUIRE(read_client_offer(view(body), offer));
  return choose(offer, server);
}

HelloMaker versions(std::initializer_list<uint32_t> list) {
  HelloMaker maker;
  maker.set(Extension::kSupportedVersions, behind_u8(numbers(list)));
  return maker;
}

TEST_CASE("choice 1.3: the version is the newest that both have") {
  ServerOffer only13 = both();
  only13.dtls12 = false;
  ServerOffer only12 = both();
  only12.dtls13 = false;
  HelloMaker without;
  without.remove(Extension::kSupportedVersions);
  using V = VersionChoice;
  struct Case {
    HelloMaker hello;
    V by_both, by_13, by_12;
  };
  const Case cases[] = {
      {versions({kDtls13}), V::kDtls13, V::kDtls13, V::kNone},
      {versions({kDtls12, kDtls13}), V::kDtls13, V::kDtls13, V::kDtls12},
      {versions({kDtls12}), V::kDtls12, V::kNone, V::kDtls12},
      {versions({kDtls10}), V::kDtls12, V::kNone, V::kDtls12},
      {versions({0x0304, 0x0303}), V::kNone, V::kNone, V::kNone},
      {versions({0x3a3a, kDtls13}), V::kDtls13, V::kDtls13, V::kNone},
      {without, V::kDtls12, V::kNone, V::kDtls12},
  };
  for (const Case& one : cases) {
    CHECK(version_for(one.hello, both()) == one.by_both);
    CHECK(version_for(one.hello, only13) == one.by_13);
    CHECK(version_for(one.hello, only12) == one.by_12);
  }
  HelloMaker on_the_way_to_12 = versions({kDtls13, kDtls12});
  on_the_way_to_12.legacy_cookie = Blob(32, 1);
  CHECK(version_for(on_the_way_to_12, both()) == V::kDtls12);
}

TEST_CASE("choice 1.3: the suite is the first of whoever has the choice") {
  ServerOffer server = both();
  CHECK(choice_for({}, server).suite == kAes128);
  server.own_order = true;
  CHECK(choice_for({}, server).suite == kAes256);
  HelloMaker maker;
  maker.suites = numbers({0xc02b, 0x0a0a, kChaCha});
  CHECK(choice_for(maker, server).suite == kChaCha);
  maker.suites = numbers({0xc02b, 0x1304});
  CHECK(choice_for(maker, server).alert == SSL_AD_HANDSHAKE_FAILURE);
}

TEST_CASE("choice 1.3: a pre-shared key's hash decides, where the engine follows") {
  ServerOffer server = both();
  server.psk = true;
  server.own_order = true;
  HelloMaker maker;
  maker.psk({32});
  CHECK(choice_for(maker, server).suite == kAes256);
  server.suite_follows_psk = true;
  CHECK(choice_for(maker, server).suite == kChaCha);
  maker.psk({32, 48});
  CHECK(choice_for(maker, server).suite == kAes256);
  server.own_order = false;
  maker.psk({48});
  CHECK(choice_for(maker, server).suite == kAes256);
  maker.suites = numbers({kAes128});
  CHECK(choice_for(maker, server).suite == kAes128);
  server.psk = false;
  maker.suites = numbers({kAes128, kAes256});
  CHECK(choice_for(maker, server).suite == kAes128);
}

TEST_CASE("choice 1.3: a group of which there is a share is better than one without, in a tuple") {
  HelloMaker maker;
  maker.set(Extension::kSupportedGroups, behind_u16(numbers({kMlKem, kX25519, kP256})));
  maker.set(Extension::kKeyShare, behind_u16(join({share(kX25519), share(kP256, 65)})));
  ServerOffer server = both();
  server.groups = {{kMlKem, kP256, kX25519}};
  Choice choice = choice_for(maker, server);
  CHECK(choice.group == kX25519);
  CHECK_FALSE(choice.needs_share);
  server.own_order = true;
  CHECK(choice_for(maker, server).group == kP256);
  // The first tuple with a group of the client's counts.
  server.groups = {{kP384}, {kMlKem}, {kX25519, kP256}};
  for (const bool own_order : {false, true}) {
    server.own_order = own_order;
    choice = choice_for(maker, server);
    CHECK(choice.group == kMlKem);
    CHECK(choice.needs_share);
  }
  server.groups = {{kP384}};
  CHECK(choice_for(maker, server).alert == SSL_AD_HANDSHAKE_FAILURE);
  // A share of something unknown is no harm.
  server = both();
  maker.set(Extension::kSupportedGroups, behind_u16(numbers({0x4a4a, kP384, kX25519})));
  maker.set(Extension::kKeyShare, behind_u16(share(0x4a4a, 1)));
  choice = choice_for(maker, server);
  CHECK(choice.group == kP384);
  CHECK(choice.needs_share);
  server.own_order = true;
  CHECK(choice_for(maker, server).group == kX25519);
  maker.set(Extension::kKeyShare, behind_u16({}));
  CHECK(choice_for(maker, server).group == kX25519);
}

TEST_CASE("choice 1.3: what lacks for a key exchange, and a PSK that needs none") {
  HelloMaker no_shares;
  no_shares.remove(Extension::kKeyShare).remove(Extension::kSupportedGroups);
  ServerOffer server = both();
  CHECK(choice_for(no_shares, server).alert == SSL_AD_MISSING_EXTENSION);
  HelloMaker alone = no_shares;
  alone.psk({32}, {0});
  CHECK(choice_for(alone, server).alert == SSL_AD_MISSING_EXTENSION);
  server.psk = true;
  CHECK(choice_for(alone, server).alert == SSL_AD_MISSING_EXTENSION);
  server.psk_alone = true;
  Choice choice = choice_for(alone, server);
  CHECK(choice.alert == 0);
  CHECK(choice.group == 0);
  CHECK_FALSE(choice.needs_share);
  HelloMaker either;
  either.psk({32}, {0, 1});
  CHECK(choice_for(either, server).group == kX25519);
}

TEST_CASE("suites of 1.2 for a hello of 1.3: those of the context, without 1.3's, and the SCSV") {
  const SslCtxPtr ctx(SSL_CTX_new(DTLS_method()));
  REQUIRE(SSL_CTX_set_cipher_list(ctx.get(),
                                  "ECDHE-ECDSA-AES128-GCM-SHA256:"
                                  "ECDHE-RSA-CHACHA20-POLY1305") == 1);
  CHECK(dtls12_suites(ctx.get(), false) == numbers({0xc02b, 0xcca8, 0x00ff}));
  // Without a key to use there is none.
  REQUIRE(SSL_CTX_set_cipher_list(ctx.get(), "PSK-AES128-GCM-SHA256") == 1);
  CHECK(dtls12_suites(ctx.get(), false).empty());
  CHECK(dtls12_suites(ctx.get(), true) == numbers({0x00a8, 0x00ff}));
  ERR_clear_error();
}

}  // namespace
}  // namespace dtls::test
