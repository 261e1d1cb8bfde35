// Protects: that a client that offers DTLS 1.3 and 1.2 tells which one its server has chosen, and
// finds out when somebody has kept the two from 1.3 (RFC 8446 section 4.1.3).
#include "core/wire/server_choice.h"

#include <doctest/doctest.h>

#include "core/wire/retry_random.h"
#include "hellos13.h"

namespace dtls::test {
namespace {

struct ServerHelloMaker {
  uint16_t version = kDtls12;
  Blob random = Blob(kRandomSize, 3);
  Blob session_id;
  Blob extensions;
  bool with_extensions = true;

  Blob body() const {
    return join({number(version),
                 random,
                 behind_u8(session_id),
                 number(kAes128),
                 {0},
                 with_extensions ? behind_u16(extensions) : Blob{}});
  }
};

const Blob kSelects13 = join({number(43), behind_u16(number(kDtls13))});

ServerChoice choice_of(const ServerHelloMaker& maker) {
  const Blob body = maker.body();
  return read_server_choice(HandshakeType::kServerHello, view(body));
}

TEST_CASE("server choice: 1.3, by supported_versions alone") {
  ServerHelloMaker maker;
  maker.extensions = join({number(51), behind_u16(share(kX25519)), kSelects13});
  CHECK(choice_of(maker) == ServerChoice::kDtls13);
  maker.random.assign(kRetryRandom.begin(), kRetryRandom.end());
  CHECK(choice_of(maker) == ServerChoice::kRetry13);
  maker.extensions = {};
  CHECK(choice_of(maker) == ServerChoice::kMalformed);
  maker.extensions = join({kSelects13, kSelects13});
  CHECK(choice_of(maker) == ServerChoice::kMalformed);
  maker = {};
  maker.extensions = join({number(43), behind_u16(number(kDtls12))});
  CHECK(choice_of(maker) == ServerChoice::kMalformed);
  maker.extensions = join({number(43), behind_u16({0xfe, 0xfc, 0})});
  CHECK(choice_of(maker) == ServerChoice::kMalformed);
  maker.extensions = kSelects13;
  maker.version = kDtls13;
  CHECK(choice_of(maker) == ServerChoice::kMalformed);
}

TEST_CASE("server choice: 1.2 and older") {
  ServerHelloMaker maker;
  CHECK(choice_of(maker) == ServerChoice::kDtls12);
  maker.version = kDtls10;
  maker.with_extensions = false;
  maker.session_id = Blob(32, 1);
  CHECK(choice_of(maker) == ServerChoice::kDtls12);
  maker.session_id = Blob(33, 1);
  CHECK(choice_of(maker) == ServerChoice::kMalformed);
  maker = {};
  maker.version = 0x0303;
  CHECK(choice_of(maker) == ServerChoice::kMalformed);
}

TEST_CASE("server choice: a sentinel in a random of 1.2, and nowhere else") {
  for (const uint8_t last : {0, 1, 2}) {
    ServerHelloMaker maker;
    const std::string sentinel = "DOWNGRD";
    std::copy(sentinel.begin(), sentinel.end(), maker.random.end() - 8);
    maker.random[31] = last;
    CHECK(is_downgraded(view(maker.random)) == (last <= 1));
    CHECK(choice_of(maker) == (last <= 1 ? ServerChoice::kDowngraded : ServerChoice::kDtls12));
    maker.extensions = kSelects13;
    CHECK(choice_of(maker) == ServerChoice::kDtls13);
    for (size_t at = 24; at < 31; ++at) {
      Blob changed = maker.random;
      changed[at] ^= 0x20;
      CHECK_FALSE(is_downgraded(view(changed)));
    }
  }
  CHECK_FALSE(is_downgraded({}));
}

TEST_CASE("server choice: HelloVerifyRequest, and what is neither") {
  const Blob request = join({number(kDtls10), behind_u8(Blob(20, 1))});
  CHECK(read_server_choice(HandshakeType::kHelloVerifyRequest, view(request)) ==
        ServerChoice::kVerify12);
  for (size_t size = 0; size < request.size(); ++size) {
    CHECK(read_server_choice(HandshakeType::kHelloVerifyRequest, view(request).first(size)) ==
          ServerChoice::kMalformed);
  }
  CHECK(read_server_choice(HandshakeType::kCertificate, view(request)) == ServerChoice::kMalformed);
}

TEST_CASE("server choice: every cut of a ServerHello is malformed, or one without extensions") {
  ServerHelloMaker maker;
  maker.session_id = Blob(5, 1);
  maker.extensions = join({kSelects13, number(51), behind_u16(share(kX25519))});
  const Blob body = maker.body();
  for (size_t size = 0; size < body.size(); ++size) {
    const std::unique_ptr<uint8_t[]> exact = std::make_unique<uint8_t[]>(size);
    std::copy_n(body.begin(), size, exact.get());
    CHECK(read_server_choice(HandshakeType::kServerHello, {exact.get(), size}) ==
          (size == 2 + 32 + 1 + 5 + 3 ? ServerChoice::kDtls12 : ServerChoice::kMalformed));
  }
}

}  // namespace
}  // namespace dtls::test
