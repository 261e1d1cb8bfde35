// Protects ChaCha20-Poly1305 as records of DTLS 1.3 have it, made of its two parts: for each length
// it is, byte for byte, what OpenSSL's own AEAD makes, and nothing that was tampered with opens.
#include "core/records13/chacha20_poly1305.h"

#include <doctest/doctest.h>

#include <vector>

#include "core/records/aead_key.h"

namespace dtls::test {
namespace {

using Buffer = std::vector<uint8_t>;

Bytes view(const Buffer& buffer) { return {buffer.data(), buffer.size()}; }

Buffer pattern(size_t size, size_t seed) {
  Buffer bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(29 * i + seed);
  return bytes;
}

// The same key in OpenSSL's AEAD and in ours.
struct Both {
  AeadKey openssl{aead_suite(Aead13::kChaCha20Poly1305), AeadKey::Direction::kSeal};
  ChaCha20Poly1305 ours;

  Both() {
    const Buffer key = pattern(ChaCha20Poly1305::kKeySize, 7);
    std::copy(key.begin(), key.end(), openssl.bytes());
    REQUIRE(openssl.wake());
    REQUIRE(ours.begin(key.data()));
  }
};

ChaCha20Poly1305::Nonce nonce_of(size_t number) {
  ChaCha20Poly1305::Nonce nonce{};
  for (size_t i = 0; i < nonce.size(); ++i) nonce[i] = static_cast<uint8_t>(number * (i + 3));
  return nonce;
}

std::vector<size_t> sizes() {
  std::vector<size_t> all;
  for (size_t size = 0; size <= 1300; ++size) all.push_back(size);
  for (size_t size : {4095, 4096, 4097, 16383, 16384, 16385}) all.push_back(size);
  return all;
}

TEST_CASE("ChaCha20-Poly1305 of its parts: what OpenSSL's AEAD seals, at every length") {
  REQUIRE(ChaCha20Poly1305::available());
  Both both;
  for (const size_t size : sizes()) {
    CAPTURE(size);
    const auto nonce = nonce_of(size);
    const Buffer header = pattern(size % (kMaxHeaderSize13 + 1), size);
    const Buffer plain = pattern(size, 1);
    Buffer expected(size + ChaCha20Poly1305::kTagSize);
    REQUIRE(both.openssl.seal(nonce, view(header), {plain.data(), size}, expected.data()));

    Buffer sealed = plain;  // where the content is already
    sealed.resize(size + ChaCha20Poly1305::kTagSize);
    REQUIRE(both.ours.seal(nonce, view(header), {sealed.data(), size}, sealed.data()));
    REQUIRE(sealed == expected);

    Buffer opened(size);
    REQUIRE(both.ours.open(nonce, view(header), view(sealed), opened.data()));
    CHECK(opened == plain);
  }
}

TEST_CASE("ChaCha20-Poly1305 of its parts: nothing that was tampered with opens or is written") {
  Both both;
  for (const size_t size : {0, 1, 15, 16, 17, 63, 64, 65, 200, 1201}) {
    CAPTURE(size);
    const auto nonce = nonce_of(size);
    const Buffer header = pattern(kSealedHeaderSize13, 2);
    Buffer sealed = pattern(size, 1);
    sealed.resize(size + ChaCha20Poly1305::kTagSize);
    REQUIRE(both.ours.seal(nonce, view(header), {sealed.data(), size}, sealed.data()));

    const Buffer untouched(size, 0xee);
    Buffer room = untouched;
    const auto opens = [&](const Buffer& about, const Buffer& record, size_t number) {
      return both.ours.open(nonce_of(number), view(about), view(record), room.data());
    };
    for (size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
      Buffer forged = sealed;
      forged[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      REQUIRE(!opens(header, forged, size));
    }
    for (size_t bit = 0; bit < 8 * header.size(); ++bit) {
      Buffer forged = header;
      forged[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      REQUIRE(!opens(forged, sealed, size));
    }
    CHECK(!opens({}, sealed, size));
    CHECK(!opens(header, sealed, size + 1));
    CHECK(room == untouched);
    CHECK(opens(header, sealed, size));
  }
}

TEST_CASE("ChaCha20-Poly1305 of its parts: too much is refused") {
  Both both;
  const Buffer header = pattern(kMaxHeaderSize13 + 1, 2);
  Buffer out(kMaxInner13 + 1 + ChaCha20Poly1305::kTagSize);
  CHECK(!both.ours.seal(nonce_of(1), {}, {out.data(), kMaxInner13 + 1}, out.data()));
  CHECK(!both.ours.seal(nonce_of(2), view(header), {out.data(), 16}, out.data()));
  CHECK(!both.ours.open(nonce_of(2), {}, view(out), out.data()));
}

}  // namespace
}  // namespace dtls::test
