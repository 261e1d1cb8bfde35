#include "core/engine13/quic_calls.h"

#include <openssl/opensslv.h>

// An OpenSSL that is linked into the addon has them or not, and its headers say so. A weak
// reference would not have the linker look for them in an archive.
#if defined(DTLS_STATIC_OPENSSL)
#define DTLS_HAS_QUIC_CALLS (OPENSSL_VERSION_NUMBER >= 0x30500000L)
#elif defined(__ELF__)
#define DTLS_HAS_QUIC_CALLS 1
// Null where the OpenSSL that runs has no such function.
extern "C" {
__attribute__((weak)) int SSL_set_quic_tls_cbs(SSL* ssl, const OSSL_DISPATCH* table, void* self);
__attribute__((weak)) int SSL_set_quic_tls_transport_params(SSL* ssl, const unsigned char* bytes,
                                                            size_t size);
}
#else
#define DTLS_HAS_QUIC_CALLS 0
#endif

namespace dtls::quic {

#if defined(DTLS_STATIC_OPENSSL) || defined(__ELF__)
bool looked_for() { return true; }
#else
bool looked_for() { return false; }
#endif

#if DTLS_HAS_QUIC_CALLS

bool supported() {
#if defined(DTLS_STATIC_OPENSSL)
  return true;
#else
  return &SSL_set_quic_tls_cbs != nullptr && &SSL_set_quic_tls_transport_params != nullptr;
#endif
}

bool set_callbacks(SSL* ssl, const OSSL_DISPATCH* table, void* self) {
  return supported() && SSL_set_quic_tls_cbs(ssl, table, self) == 1;
}

bool set_parameters(SSL* ssl, const uint8_t* bytes, size_t size) {
  return supported() && SSL_set_quic_tls_transport_params(ssl, bytes, size) == 1;
}

#else

bool supported() { return false; }
bool set_callbacks(SSL* /*ssl*/, const OSSL_DISPATCH* /*table*/, void* /*self*/) { return false; }
bool set_parameters(SSL* /*ssl*/, const uint8_t* /*bytes*/, size_t /*size*/) { return false; }

#endif

}  // namespace dtls::quic
