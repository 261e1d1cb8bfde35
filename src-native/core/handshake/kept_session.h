#ifndef DGRAM_DTLS_CORE_HANDSHAKE_KEPT_SESSION_H_
#define DGRAM_DTLS_CORE_HANDSHAKE_KEPT_SESSION_H_

#include <memory>
#include <string>

#include "core/base/bytes.h"
#include "core/base/openssl_ptr.h"
#include "core/base/secret.h"

namespace dtls {

// A session as a client keeps it between two handshakes: OpenSSL's SSL_SESSION in DER, with what
// the checks of a full handshake need in its application data: as what the server was verified, and
// the certificates that came with its own.
class KeptSession {
 public:
  // Packs an open session. Empty when it cannot be resumed. A server's is OpenSSL's DER alone.
  static SecretBytes pack(SSL* ssl, const std::string& name);
  // Null for anything that pack() did not make, or not all of it.
  static std::shared_ptr<const KeptSession> parse(Bytes packed);

  const std::string& name() const { return name_; }
  // OpenSSL counts references in it, so it is never const.
  SSL_SESSION* get() const { return session_.get(); }
  // The peer's certificate; null where a pre-shared key stood in for it.
  X509* leaf() const { return SSL_SESSION_get0_peer(session_.get()); }
  STACK_OF(X509) * chain() const { return chain_.get(); }
  bool expired(double now) const;

 private:
  struct FreeChain {
    void operator()(STACK_OF(X509) * chain) const { sk_X509_pop_free(chain, X509_free); }
  };

  bool read_application_data();

  SslSessionPtr session_;
  std::string name_;
  std::unique_ptr<STACK_OF(X509), FreeChain> chain_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HANDSHAKE_KEPT_SESSION_H_
