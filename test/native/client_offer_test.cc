// Protects: what a server of DTLS 1.3 reads of a ClientHello (RFC 9147 section 5.3, RFC 8446
// section 4.2): what browsers say is read as they mean it, what is malformed has its alert, and no
// cut or change of a hello is read beyond its end.
#include "core/hello13/client_offer.h"

#include <doctest/doctest.h>
#include <openssl/ssl.h>

#include <memory>

#include "hellos13.h"

namespace dtls::test {
namespace {

// In memory that ends with it: a sanitizer sees a byte too many.
struct Exact {
  std::unique_ptr<uint8_t[]> bytes;
  size_t size;
  explicit Exact(const Blob& from, size_t most = SIZE_MAX)
      : bytes(std::make_unique<uint8_t[]>(std::min(most, from.size()))),
        size(std::min(most, from.size())) {
    std::copy_n(from.begin(), size, bytes.get());
  }
  Bytes view() const { return {bytes.get(), size}; }
};

uint8_t fault_of(const HelloMaker& maker) {
  const Blob body = maker.body();
  ClientOffer offer;
  REQUIRE(read_client_offer(view(body), offer));
  return offer.fault;
}

Blob body_of(const std::string& name) {
  const Blob message = whole_hello(recorded_hello(name));
  return {message.begin() + 4, message.end()};
}

std::vector<uint16_t> list_of(Bytes list) {
  std::vector<uint16_t> all;
  while (list.size != 0) all.push_back(take_number(list));
  return all;
}

TEST_CASE("client offer: Chromium 156") {
  const Blob body = body_of("chromium-156");
  ClientOffer offer;
  REQUIRE(read_client_offer(view(body), offer));
  CHECK(offer.fault == 0);
  CHECK(offer.legacy_version == kDtls12);
  CHECK(list_of(offer.versions) == std::vector<uint16_t>{kDtls13, kDtls12});
  CHECK(list_of(offer.suites).front() == kAes128);
  CHECK(list_of(offer.groups) == std::vector<uint16_t>{kMlKem, kX25519, kP256, kP384});
  Bytes shares = offer.shares;
  CHECK(take_share(shares).group == kMlKem);
  const KeyShare second = take_share(shares);
  CHECK(second.group == kX25519);
  CHECK(second.key.size == 32);
  CHECK(shares.size == 0);
  CHECK(offer.srtp.size != 0);
  CHECK(offer.psk_modes.size == 1);
  CHECK(offer.psk_identities.data == nullptr);
  CHECK(offer.server_name.data == nullptr);
  CHECK(offer.cookie.data == nullptr);
}

TEST_CASE("client offer: Firefox 153, with 1.2 and without") {
  for (const char* name : {"firefox-153", "firefox-153-dtls13-only"}) {
    const Blob body = body_of(name);
    ClientOffer offer;
    REQUIRE(read_client_offer(view(body), offer));
    CHECK(offer.fault == 0);
    CHECK(holds(offer.versions, kDtls13));
    CHECK(holds(offer.versions, kDtls12) == (std::string(name) == "firefox-153"));
    CHECK(holds(offer.groups, kP384));
    CHECK(offer.protocols.size == 18);
    Bytes shares = offer.shares;
    CHECK(take_share(shares).group == kMlKem);
    CHECK(take_share(shares).group == kX25519);
  }
}

TEST_CASE("client offer: every cut of a hello is refused, and read no further than it goes") {
  for (const Blob& body :
       {body_of("chromium-156"), body_of("firefox-153"), HelloMaker().psk({32, 48}).body()}) {
    for (size_t size = 0; size < body.size(); ++size) {
      const Exact cut(body, size);
      ClientOffer offer;
      // One that ends before its extensions is one without any.
      const bool ends_there =
          size == 2 + 32 + 1 + 1 + 2 + (size > 37 ? read_u16(&body[36]) : 0u) + 2;
      CHECK(read_client_offer(cut.view(), offer) == ends_there);
      if (ends_there) CHECK(offer.versions.data == nullptr);
    }
  }
}

TEST_CASE("client offer: any byte changed to any value is read within the hello") {
  for (const Blob& body : {HelloMaker().psk({32, 48}).body(), body_of("chromium-156")}) {
    for (size_t at = 0; at<body.size(); at += body.size()> 400 ? 7 : 1) {
      for (const uint8_t value : {0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff}) {
        Blob changed = body;
        changed[at] = value;
        const Exact exact(changed);
        ClientOffer offer;
        if (!read_client_offer(exact.view(), offer)) continue;
        for (const Bytes& part : {offer.versions, offer.groups, offer.suites}) {
          CHECK(part.size % 2 == 0);
          CHECK(list_of(part).size() == part.size / 2);
        }
        for (Bytes shares = offer.shares; shares.size != 0;)
          CHECK(take_share(shares).key.size != 0);
      }
    }
  }
}

TEST_CASE("client offer: malformed extensions have decode_error, and are not read") {
  const auto broken = [](Extension type, Blob data) {
    HelloMaker maker;
    maker.set(type, std::move(data));
    return fault_of(maker) == SSL_AD_DECODE_ERROR;
  };
  // Without a list, with an empty one, an odd one, with something behind it.
  for (const Extension type : {Extension::kSupportedGroups, Extension::kSignatureAlgorithms}) {
    CHECK(broken(type, {}));
    CHECK(broken(type, number(0)));
    CHECK(broken(type, behind_u16({1, 2, 3})));
    CHECK(broken(type, join({behind_u16(number(kP256)), {0}})));
  }
  CHECK(broken(Extension::kSupportedVersions, {}));
  CHECK(broken(Extension::kSupportedVersions, {0}));
  CHECK(broken(Extension::kSupportedVersions, behind_u8({0xfe})));
  CHECK(broken(Extension::kSupportedVersions, behind_u16(number(kDtls13))));
  CHECK(broken(Extension::kCookie, behind_u16({})));
  CHECK(broken(Extension::kCookie, {0, 2, 1}));
  CHECK(broken(Extension::kPskKeyExchangeModes, {0}));
  CHECK(broken(Extension::kEarlyData, {0}));
  CHECK(broken(Extension::kConnectionId, {}));
  CHECK(broken(Extension::kConnectionId, {1}));
  CHECK(broken(Extension::kConnectionId, {0, 0}));
  CHECK(broken(Extension::kKeyShare, {}));
  CHECK(broken(Extension::kKeyShare, behind_u16({0})));
  CHECK(broken(Extension::kKeyShare, behind_u16(share(kX25519, 0))));
  CHECK(broken(Extension::kKeyShare, join({behind_u16(share(kX25519)), {0}})));
  CHECK(broken(Extension::kKeyShare, behind_u16(join({share(kX25519), {0}}))));
  const Blob identity = join({behind_u16({'a'}), Blob(4)});
  const Blob binder = behind_u8(Blob(32));
  const auto psk = [](const Blob& identities, const Blob& binders) {
    return join({behind_u16(identities), behind_u16(binders)});
  };
  CHECK_FALSE(broken(Extension::kPreSharedKey, psk(identity, binder)));
  CHECK(broken(Extension::kPreSharedKey, {}));
  CHECK(broken(Extension::kPreSharedKey, psk({}, {})));
  CHECK(broken(Extension::kPreSharedKey, psk(identity, {})));
  CHECK(broken(Extension::kPreSharedKey, psk(identity, behind_u8(Blob(31)))));
  CHECK(broken(Extension::kPreSharedKey, psk(identity, join({binder, binder}))));
  CHECK(broken(Extension::kPreSharedKey, psk(join({identity, identity}), binder)));
  CHECK(broken(Extension::kPreSharedKey, psk(join({number(0), Blob(4)}), binder)));
  CHECK(broken(Extension::kPreSharedKey, psk(join({behind_u16({'a'}), Blob(3)}), binder)));
  CHECK(broken(Extension::kPreSharedKey, join({psk(identity, binder), {0}})));
  // What did not parse is as if it was absent.
  HelloMaker maker;
  maker.set(Extension::kSupportedGroups, behind_u16({1, 2, 3}));
  const Blob body = maker.body();
  ClientOffer offer;
  REQUIRE(read_client_offer(view(body), offer));
  CHECK(offer.groups.data == nullptr);
}

TEST_CASE("client offer: what contradicts itself has illegal_parameter") {
  HelloMaker twice;
  twice.extensions.emplace_back(Extension::kServerName, Blob{});
  twice.extensions.emplace_back(Extension::kServerName, Blob{});
  CHECK(fault_of(twice) == SSL_AD_ILLEGAL_PARAMETER);
  HelloMaker unknown_twice;
  unknown_twice.extensions.emplace_back(Extension{0xfe0d}, Blob{1});
  CHECK(fault_of(unknown_twice) == 0);
  unknown_twice.extensions.emplace_back(Extension{0xfe0d}, Blob{2});
  CHECK(fault_of(unknown_twice) == SSL_AD_ILLEGAL_PARAMETER);
  HelloMaker same_share;
  same_share.set(Extension::kKeyShare, behind_u16(join({share(kX25519), share(kX25519)})));
  CHECK(fault_of(same_share) == SSL_AD_ILLEGAL_PARAMETER);
  HelloMaker share_of_none;
  share_of_none.set(Extension::kKeyShare, behind_u16(share(kP384, 97)));
  CHECK(fault_of(share_of_none) == SSL_AD_ILLEGAL_PARAMETER);
  HelloMaker psk_first;
  psk_first.psk({32});
  CHECK(fault_of(psk_first) == 0);
  psk_first.extensions.emplace_back(Extension::kServerName, Blob{});
  CHECK(fault_of(psk_first) == SSL_AD_ILLEGAL_PARAMETER);
  // GREASE is nothing special: RFC 8701.
  HelloMaker grease;
  grease.suites = numbers({0x0a0a, kAes128});
  grease.set(Extension::kSupportedVersions, behind_u8(numbers({0x7a7a, kDtls13})));
  grease.set(Extension::kSupportedGroups, behind_u16(numbers({0x4a4a, kX25519})));
  grease.set(Extension::kKeyShare, behind_u16(join({share(0x4a4a, 1), share(kX25519)})));
  grease.extensions.emplace_back(Extension{0x2a2a}, Blob{});
  CHECK(fault_of(grease) == 0);
}

TEST_CASE(
    "client offer: many extensions are refused, and cost no time that grows with their square") {
  HelloMaker maker;
  for (uint16_t i = 0; i < 64; ++i) maker.extensions.emplace_back(Extension(0x1000 + i), Blob{});
  CHECK(fault_of(maker) == 0);
  maker.extensions.emplace_back(Extension{0x2000}, Blob{});
  CHECK(fault_of(maker) == SSL_AD_ILLEGAL_PARAMETER);
}

TEST_CASE("client offer: fields of a hello that do not parse") {
  const auto reads = [](const HelloMaker& maker) {
    const Blob body = maker.body();
    ClientOffer offer;
    return read_client_offer(view(body), offer);
  };
  HelloMaker maker;
  CHECK(reads(maker));
  maker.session_id = Blob(32);
  CHECK(reads(maker));
  maker.session_id = Blob(33);
  CHECK_FALSE(reads(maker));
  maker = {};
  maker.suites = {};
  CHECK_FALSE(reads(maker));
  maker.suites = {0x13, 0x01, 0x13};
  CHECK_FALSE(reads(maker));
  maker = {};
  maker.compressions = {};
  CHECK_FALSE(reads(maker));
  maker = {};
  maker.legacy_version = 0x0303;
  CHECK_FALSE(reads(maker));
  maker = {};
  Blob longer = maker.body();
  longer.push_back(0);
  ClientOffer offer;
  CHECK_FALSE(read_client_offer(view(longer), offer));
}

}  // namespace
}  // namespace dtls::test
