#ifndef DGRAM_DTLS_CORE_HELLO13_STATELESS_RETRY_H_
#define DGRAM_DTLS_CORE_HELLO13_STATELESS_RETRY_H_

#include <memory>
#include <vector>

#include "core/base/openssl_ptr.h"
#include "core/base/peer_address.h"
#include "core/handshake/cookie.h"
#include "core/hello13/choice.h"

// The stateless stage of a 1.3 server: RFC 9147 section 5.1. A first hello is answered by a
// HelloRetryRequest, and nothing is kept: the cookie in it carries the hash of the hello, which the
// transcript begins with, and what was chosen. The second hello brings it back.
//
// A server that asks for no cookies has no need of this: its engine takes the first hello, and
// makes a HelloRetryRequest by itself where it needs a share.
namespace dtls {

class StatelessRetry {
 public:
  // Borrowed: the server's jar, with its secrets and lifetime, which the 1.2 cookies are of, too.
  explicit StatelessRetry(CookieJar& jar);

  enum class Outcome : uint8_t {
    kAnswer,  // `message` is to be sent
    kAlert,   // `alert` is to be sent, fatal, in clear: 15 bytes with its record
    kSilent,  // the answer would be longer than the question, or OpenSSL has failed
  };
  struct Answer {
    Outcome outcome = Outcome::kSilent;
    // A ServerHello message, with a header of four bytes; its message_seq is 0, and its record has
    // the number of the hello's record, in epoch 0.
    std::vector<uint8_t> message;
    uint8_t alert = 0;
  };

  // `hello`: a first ClientHello, whole, with its header of four bytes; `offer`: what was read of
  // it. For hellos with message_seq 0 and no cookie of which the version is 1.3.
  Answer answer(Bytes hello, const ClientOffer& offer, const ServerOffer& server,
                const PeerAddress& peer, double now);

  struct Verified {
    // 0: the address is proved and the hello may begin a handshake. Otherwise the alert that is
    // due: illegal_parameter for a cookie that is not good, so that the client begins anew without
    // one (RFC 9147 section 5.1), and for a hello that is not the first one with what the
    // HelloRetryRequest asked for (RFC 8446 section 4.1.2).
    uint8_t alert = 0;
    // What the ServerHello has to have: those of the HelloRetryRequest. Where it named no group,
    // that of a share of this hello; 0 for a PSK alone.
    uint16_t suite = 0;
    uint16_t group = 0;
    // Both ahead of the second hello in the transcript: the hash of the first one, by the suite's
    // hash, which goes into a message_hash (RFC 8446 section 4.4.1); and the HelloRetryRequest, as
    // it was sent, with its header of four bytes.
    std::vector<uint8_t> first_hello_hash;
    std::vector<uint8_t> retry;
    // For SpentCookies.
    CookieJar::Cookie cookie{};
  };

  // For a hello with a cookie extension and message_seq 1, at which nothing is at fault.
  Verified check(const ClientOffer& offer, const ServerOffer& server, const PeerAddress& peer,
                 double now);

 private:
  using Digest = std::unique_ptr<EVP_MD, OpenSslFree<EVP_MD, EVP_MD_free>>;
  // What a cookie says in clear.
  struct Claim {
    uint16_t suite = 0;
    uint16_t group = 0;
    Bytes first_hello_hash;
  };

  bool hash(uint16_t suite, Bytes message, std::vector<uint8_t>& out) const;
  bool bind(const Claim& claim, const ClientOffer& offer, std::vector<uint8_t>& bound) const;

  CookieJar& jar_;
  // Fetched once: a flood of hellos should not look them up each time.
  Digest sha256_;
  Digest sha384_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HELLO13_STATELESS_RETRY_H_
