#ifndef DGRAM_DTLS_CORE_HANDSHAKE_COOKIE_H_
#define DGRAM_DTLS_CORE_HANDSHAKE_COOKIE_H_

#include <array>

#include "core/base/openssl_ptr.h"
#include "core/base/peer_address.h"

namespace dtls {

// Stateless cookies, RFC 6347 section 4.2.1: HMAC-SHA256 over the peer's address, a time window and
// the ClientHello's random. A window lasts half the lifetime and the current and the previous one
// are accepted, so a cookie is good for at least half its lifetime and never for longer than all of
// it.
//
// Unless a fleet shares a secret, a fresh one is drawn every kWindowsPerSecret windows; the
// previous is kept for the cookies that are still on their way.
class CookieJar {
 public:
  static constexpr size_t kSize = 32;
  using Cookie = std::array<uint8_t, kSize>;

  // An empty `shared_secret` means: own, rotating secrets. `lifetime` in milliseconds.
  CookieJar(double lifetime, Bytes shared_secret);

  // False only when OpenSSL fails (no randomness, no memory): the hello is then dropped.
  bool make(const PeerAddress& peer, Bytes random, double now, Cookie& cookie);
  bool verify(const PeerAddress& peer, Bytes random, Bytes cookie, double now);

  // The cookies of DTLS 1.3 (RFC 9147 section 5.1) are made over more than a random, of any other
  // size, and share their message with a hash: of them only the first kFrontSize bytes travel, 128
  // bits of the HMAC. `cookie`: out, the whole of it.
  static constexpr size_t kFrontSize = 17;
  bool verify_front(const PeerAddress& peer, Bytes bound, Bytes front, double now, Cookie& cookie);

 private:
  static constexpr uint64_t kWindowsPerSecret = 128;

  struct Secret {
    EvpMacCtxPtr mac;  // HMAC-SHA256, keyed
    uint64_t generation = UINT64_MAX;
  };

  EvpMacCtxPtr keyed(Bytes key) const;
  uint64_t window(double now) const { return static_cast<uint64_t>(now / window_length_); }
  // The secret in force in `window`; null when it is not ours to make any more.
  EVP_MAC_CTX* secret(uint64_t window, bool may_create);
  bool matches(const PeerAddress& peer, Bytes bound, Bytes given, double now, Cookie& expected);
  bool compute(EVP_MAC_CTX* mac, uint64_t window, const PeerAddress& peer, Bytes random,
               Cookie& cookie) const;

  double window_length_;
  bool shared_;
  EvpMacPtr hmac_;
  std::array<Secret, 2> secrets_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HANDSHAKE_COOKIE_H_
