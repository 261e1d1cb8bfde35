#ifndef DGRAM_DTLS_CORE_ENGINE13_QUIC_CALLS_H_
#define DGRAM_DTLS_CORE_ENGINE13_QUIC_CALLS_H_

#include <openssl/core.h>
#include <openssl/ssl.h>

#include <cstddef>

// The calls by which OpenSSL, from 3.5 on, gives its handshake of TLS 1.3 to somebody else's
// records: SSL_set_quic_tls_cbs(3). They are looked for when the program is loaded, because one
// binary serves all versions, and was perhaps compiled with headers that do not have them.
namespace dtls::quic {

bool supported();
// They were looked for: only ELF, and an OpenSSL that is linked into the addon, have a way to do
// it.
bool looked_for();

// The functions of a table for set_callbacks. Each gets the `self` of set_callbacks last, and
// returns 1, or 0 to end the handshake.
constexpr int kSend = 2001;     // (SSL*, const uint8_t* bytes, size_t size, size_t* taken, void*)
constexpr int kReceive = 2002;  // (SSL*, const uint8_t** bytes, size_t* size, void*)
constexpr int kRelease = 2003;  // (SSL*, size_t size, void*)
constexpr int kSecret =
    2004;  // (SSL*, uint32_t level, int outgoing, const uint8_t*, size_t, void*)
constexpr int kParameters = 2005;  // (SSL*, const uint8_t* bytes, size_t size, void*)
constexpr int kAlert = 2006;       // (SSL*, uint8_t description, void*)

// `table` and `self` outlive the SSL.
bool set_callbacks(SSL* ssl, const OSSL_DISPATCH* table, void* self);
// The data of extension 57, which outlives the SSL.
bool set_parameters(SSL* ssl, const uint8_t* bytes, size_t size);

}  // namespace dtls::quic

#endif  // DGRAM_DTLS_CORE_ENGINE13_QUIC_CALLS_H_
