#ifndef DGRAM_DTLS_CORE_BASE_OPENSSL_PTR_H_
#define DGRAM_DTLS_CORE_BASE_OPENSSL_PTR_H_

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>

namespace dtls {

// Owning pointers for the OpenSSL objects that the core holds.
template <typename T, void (*Free)(T*)>
struct OpenSslFree {
  void operator()(T* object) const { Free(object); }
};

// BIO_free reports success; an owning pointer has nobody to report it to.
inline void free_bio(BIO* bio) { BIO_free(bio); }

using SslPtr = std::unique_ptr<SSL, OpenSslFree<SSL, SSL_free>>;
using SslCtxPtr = std::unique_ptr<SSL_CTX, OpenSslFree<SSL_CTX, SSL_CTX_free>>;
using BioPtr = std::unique_ptr<BIO, OpenSslFree<BIO, free_bio>>;
using BioMethodPtr = std::unique_ptr<BIO_METHOD, OpenSslFree<BIO_METHOD, BIO_meth_free>>;
using Asn1TimePtr = std::unique_ptr<ASN1_TIME, OpenSslFree<ASN1_TIME, ASN1_TIME_free>>;
using SslSessionPtr = std::unique_ptr<SSL_SESSION, OpenSslFree<SSL_SESSION, SSL_SESSION_free>>;
using X509Ptr = std::unique_ptr<X509, OpenSslFree<X509, X509_free>>;
using X509CrlPtr = std::unique_ptr<X509_CRL, OpenSslFree<X509_CRL, X509_CRL_free>>;
using EvpPkeyPtr = std::unique_ptr<EVP_PKEY, OpenSslFree<EVP_PKEY, EVP_PKEY_free>>;
using EvpCipherCtxPtr =
    std::unique_ptr<EVP_CIPHER_CTX, OpenSslFree<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>>;
using EvpKdfPtr = std::unique_ptr<EVP_KDF, OpenSslFree<EVP_KDF, EVP_KDF_free>>;
using EvpKdfCtxPtr = std::unique_ptr<EVP_KDF_CTX, OpenSslFree<EVP_KDF_CTX, EVP_KDF_CTX_free>>;
using EvpMacPtr = std::unique_ptr<EVP_MAC, OpenSslFree<EVP_MAC, EVP_MAC_free>>;
using EvpMacCtxPtr = std::unique_ptr<EVP_MAC_CTX, OpenSslFree<EVP_MAC_CTX, EVP_MAC_CTX_free>>;

// OpenSSL's error queue belongs to the thread, and Node's own crypto uses the same thread: what the
// core leaves behind would surface in an unrelated call, and what it finds would be blamed on a
// peer. One of these stands in every entry point of the core.
class ErrorQueueScope {
 public:
  ErrorQueueScope() { clear(); }
  ~ErrorQueueScope() { clear(); }
  ErrorQueueScope(const ErrorQueueScope&) = delete;
  ErrorQueueScope& operator=(const ErrorQueueScope&) = delete;

  // ERR_clear_error goes over all slots of an empty queue, too: too much for each datagram.
  static void clear() {
    if (ERR_peek_error() != 0) ERR_clear_error();
  }
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_BASE_OPENSSL_PTR_H_
