#ifndef DGRAM_DTLS_CORE_HELLO13_DTLS12_SUITES_H_
#define DGRAM_DTLS_CORE_HELLO13_DTLS12_SUITES_H_

#include <openssl/ssl.h>

#include <vector>

// What a client puts into its hello of 1.3 so that a server of 1.2 can answer it, too: RFC 8446
// section 4.2.1, RFC 9147 section 5.3.
namespace dtls {

// The suites of 1.2 that a context permits and its certificates and keys may use, as the wire has
// them, two bytes each, and the signalling suite of RFC 5746 behind them: those of pre-shared keys
// only where there may be one. Empty when there is none, or when OpenSSL fails.
std::vector<uint8_t> dtls12_suites(SSL_CTX* context, bool may_have_psk);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HELLO13_DTLS12_SUITES_H_
