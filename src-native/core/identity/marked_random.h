#ifndef DGRAM_DTLS_CORE_IDENTITY_MARKED_RANDOM_H_
#define DGRAM_DTLS_CORE_IDENTITY_MARKED_RANDOM_H_

#include <openssl/ssl.h>

// The sentinel of RFC 8446 section 4.1.3: a server that has 1.3 says so at the end of the random of
// a ServerHello of 1.2, so that a client that has 1.3, too, finds out that somebody has taken it
// out of its hello. OpenSSL writes it for TLS only. The random is signed and goes into the keys, so
// it cannot be changed afterwards: it has to be drawn so. OpenSSL draws it from the library context
// of its SSL_CTX; this is one of which the source of randomness is that of the process, and marks
// what it is told to.
namespace dtls {

// Made when first asked for, and never freed. Null when OpenSSL refuses; why is in its error queue
// the first time.
OSSL_LIB_CTX* marking_library();

// An SSL_CTX in that library, for DTLS of a server with 1.3; null when OpenSSL refuses. Session ids
// are as long as randoms, and come first: they are drawn elsewhere.
SSL_CTX* new_marking_context();

// While one lives, the next random of 32 bytes that this thread draws from that library ends with
// the sentinel. It stands around the call in which a server's SSL may read its ClientHello, and is
// of no effect on other contexts.
class MarksNextRandom {
 public:
  MarksNextRandom();
  ~MarksNextRandom();
  MarksNextRandom(const MarksNextRandom&) = delete;
  MarksNextRandom& operator=(const MarksNextRandom&) = delete;

  // Whether it has been drawn.
  static bool is_drawn();
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_IDENTITY_MARKED_RANDOM_H_
