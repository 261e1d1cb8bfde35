#include "core/handshake/cookie.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "core/base/secret.h"

namespace dtls {

CookieJar::CookieJar(double lifetime, Bytes shared_secret)
    : window_length_(lifetime / 2),
      shared_(shared_secret.size != 0),
      hmac_(EVP_MAC_fetch(nullptr, "HMAC", nullptr)) {
  if (shared_) secrets_[0].mac = keyed(shared_secret);
}

EvpMacCtxPtr CookieJar::keyed(Bytes key) const {
  if (!hmac_) return nullptr;
  EvpMacCtxPtr mac(EVP_MAC_CTX_new(hmac_.get()));
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
  if (!mac || EVP_MAC_init(mac.get(), key.data, key.size, params) != 1) return nullptr;
  return mac;
}

EVP_MAC_CTX* CookieJar::secret(uint64_t window, bool may_create) {
  if (shared_) return secrets_[0].mac.get();
  const uint64_t generation = window / kWindowsPerSecret;
  Secret& slot = secrets_[generation & 1];
  if (slot.generation != generation) {
    if (!may_create) return nullptr;
    dtls::Secret<32> key;
    if (RAND_priv_bytes(key.bytes.data(), key.bytes.size()) != 1) return nullptr;
    slot.mac = keyed({key.bytes.data(), key.bytes.size()});
    if (!slot.mac) return nullptr;  // no memory now; the next hello tries again
    slot.generation = generation;
  }
  return slot.mac.get();
}

// cookie[0]: low byte of the window, so that one HMAC decides; the rest: the truncated HMAC.
bool CookieJar::compute(EVP_MAC_CTX* mac, uint64_t window, const PeerAddress& peer, Bytes random,
                        Cookie& cookie) const {
  std::array<uint8_t, 8> prefix{};
  for (size_t i = 0; i < prefix.size(); ++i) prefix[i] = static_cast<uint8_t>(window >> (8 * i));
  std::array<uint8_t, EVP_MAX_MD_SIZE> digest{};
  size_t size = 0;
  const Bytes address = peer.bytes();
  const uint8_t address_size = static_cast<uint8_t>(address.size);
  if (mac == nullptr || EVP_MAC_init(mac, nullptr, 0, nullptr) != 1 ||
      EVP_MAC_update(mac, prefix.data(), prefix.size()) != 1 ||
      EVP_MAC_update(mac, &address_size, 1) != 1 ||
      EVP_MAC_update(mac, address.data, address.size) != 1 ||
      EVP_MAC_update(mac, random.data, random.size) != 1 ||
      EVP_MAC_final(mac, digest.data(), &size, digest.size()) != 1 || size < kSize - 1) {
    return false;
  }
  cookie[0] = prefix[0];
  std::memcpy(cookie.data() + 1, digest.data(), kSize - 1);
  return true;
}

bool CookieJar::make(const PeerAddress& peer, Bytes random, double now, Cookie& cookie) {
  const uint64_t current = window(now);
  return compute(secret(current, true), current, peer, random, cookie);
}

bool CookieJar::verify(const PeerAddress& peer, Bytes random, Bytes cookie, double now) {
  Cookie expected;
  return cookie.size == kSize && matches(peer, random, cookie, now, expected);
}

bool CookieJar::verify_front(const PeerAddress& peer, Bytes bound, Bytes front, double now,
                             Cookie& cookie) {
  return front.size == kFrontSize && matches(peer, bound, front, now, cookie);
}

// `given`: a cookie or its front.
bool CookieJar::matches(const PeerAddress& peer, Bytes bound, Bytes given, double now,
                        Cookie& expected) {
  const uint64_t current = window(now);
  for (const uint64_t candidate : {current, current - 1}) {
    if (static_cast<uint8_t>(candidate) != given.data[0]) continue;
    return compute(secret(candidate, false), candidate, peer, bound, expected) &&
           CRYPTO_memcmp(expected.data(), given.data, given.size) == 0;
  }
  return false;
}

}  // namespace dtls
