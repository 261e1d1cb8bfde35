#include "core/identity/raw_public_key.h"

#include <openssl/x509.h>

#include <array>

// Weak: null where the OpenSSL that runs has no such function. Its headers may be older, too.
#if defined(__ELF__)
#ifdef DTLS_STATIC_OPENSSL
// These are functions of the OpenSSL in here, and never of Node's, which exports the same names.
#define DTLS_WEAK __attribute__((weak, visibility("hidden")))
#else
#define DTLS_WEAK __attribute__((weak))
#endif
extern "C" {
int SSL_set1_client_cert_type(SSL* ssl, const unsigned char* types, size_t size) DTLS_WEAK;
int SSL_set1_server_cert_type(SSL* ssl, const unsigned char* types, size_t size) DTLS_WEAK;
EVP_PKEY* SSL_get0_peer_rpk(const SSL* ssl) DTLS_WEAK;
EVP_PKEY* X509_STORE_CTX_get0_rpk(const X509_STORE_CTX* store) DTLS_WEAK;
}
#define DTLS_HAS_WEAK_SYMBOLS 1
#else
#define DTLS_HAS_WEAK_SYMBOLS 0
#endif

namespace dtls::rpk {

namespace {

// IANA's TLS certificate types.
constexpr unsigned char kX509 = 0;
constexpr unsigned char kRawPublicKey = 2;

}  // namespace

#if DTLS_HAS_WEAK_SYMBOLS

bool supported() {
  return &SSL_set1_client_cert_type != nullptr && &SSL_set1_server_cert_type != nullptr &&
         &SSL_get0_peer_rpk != nullptr && &X509_STORE_CTX_get0_rpk != nullptr;
}

bool show(SSL* ssl, bool has_certificate) {
  if (!supported()) return false;
  constexpr std::array<unsigned char, 2> kTypes = {kRawPublicKey, kX509};
  const auto set = SSL_is_server(ssl) != 0 ? SSL_set1_server_cert_type : SSL_set1_client_cert_type;
  return set(ssl, kTypes.data(), has_certificate ? 2 : 1) == 1;
}

bool expect(SSL* ssl) {
  if (!supported()) return false;
  const auto set = SSL_is_server(ssl) != 0 ? SSL_set1_client_cert_type : SSL_set1_server_cert_type;
  return set(ssl, &kRawPublicKey, 1) == 1;
}

EVP_PKEY* of_peer(const SSL* ssl) { return supported() ? SSL_get0_peer_rpk(ssl) : nullptr; }

EVP_PKEY* of_store(X509_STORE_CTX* store) {
  return supported() ? X509_STORE_CTX_get0_rpk(store) : nullptr;
}

#else

bool supported() { return false; }
bool show(SSL* /*ssl*/, bool /*has_certificate*/) { return false; }
bool expect(SSL* /*ssl*/) { return false; }
EVP_PKEY* of_peer(const SSL* /*ssl*/) { return nullptr; }
EVP_PKEY* of_store(X509_STORE_CTX* /*store*/) { return nullptr; }

#endif

std::vector<uint8_t> to_der(const EVP_PKEY* key) {
  const int size = key != nullptr ? i2d_PUBKEY(key, nullptr) : 0;
  if (size <= 0) return {};
  std::vector<uint8_t> der(static_cast<size_t>(size));
  uint8_t* end = der.data();
  i2d_PUBKEY(key, &end);
  return der;
}

}  // namespace dtls::rpk
