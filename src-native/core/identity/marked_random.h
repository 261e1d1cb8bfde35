#ifndef DGRAM_DTLS_CORE_IDENTITY_MARKED_RANDOM_H_
#define DGRAM_DTLS_CORE_IDENTITY_MARKED_RANDOM_H_

#include <openssl/ssl.h>

// The sentinel of RFC 8446 section 4.1.3: a server that has 1.3 says so at the end of the random of
// a ServerHello of 1.2, so that a client that has 1.3, too, finds out that somebody has taken it
// out of its hello. OpenSSL writes it for TLS only. The random is signed and goes into the keys, so
// it cannot be changed afterwards: it has to be drawn so. OpenSSL draws it from the thread's public
// generator, before which a filter is put for as long as the call takes in which it is drawn. Then
// it does not matter whose context the handshake is by.
namespace dtls {

// Whether the process's generator can be marked: OpenSSL 3.1 or later, and no other source of
// randomness in place of its own.
bool can_mark_random();

// While one lives, the next random of 32 bytes that this thread draws from OpenSSL's public
// generator ends with the sentinel. It stands around the call in which a server's SSL reads its
// ClientHello, and nothing else may be done meanwhile. All that is drawn comes from the generator
// that is there otherwise.
class MarksNextRandom {
 public:
  // `ssl`: the one whose random is to be marked, or null. Its session id is as long as a random,
  // and comes first: it is drawn behind the filter from now on.
  explicit MarksNextRandom(SSL* ssl);
  ~MarksNextRandom();
  MarksNextRandom(const MarksNextRandom&) = delete;
  MarksNextRandom& operator=(const MarksNextRandom&) = delete;

  // Whether it has been drawn.
  static bool is_drawn();
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_IDENTITY_MARKED_RANDOM_H_
