#ifndef DGRAM_DTLS_CORE_HANDSHAKE_PSK_LOOKAHEAD_H_
#define DGRAM_DTLS_CORE_HANDSHAKE_PSK_LOOKAHEAD_H_

#include "core/wire/wire.h"

// Reads what a pre-shared key lookup needs from whole handshake messages that travel in clear,
// before OpenSSL acts on them, so that the question can be asked and answered while OpenSSL waits.
namespace dtls {

// OpenSSL's own bound (PSK_MAX_IDENTITY_LEN); it refuses longer ones itself.
constexpr size_t kMaxPskIdentity = 256;

// Reads what is at the front of a key exchange with a pre-shared key: the identity of a
// ClientKeyExchange, or the hint of a ServerKeyExchange (RFC 4279 section 2, RFC 5489 section 2).
// False when it is malformed, or longer than OpenSSL takes: then there is nothing to ask, and the
// refusal is OpenSSL's.
bool read_psk_name(Bytes body, Bytes& name);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HANDSHAKE_PSK_LOOKAHEAD_H_
