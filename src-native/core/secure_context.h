#ifndef DGRAM_DTLS_CORE_SECURE_CONTEXT_H_
#define DGRAM_DTLS_CORE_SECURE_CONTEXT_H_

#include "core/bytes.h"
#include "core/error.h"
#include "core/openssl_ptr.h"

namespace dtls {

// One SSL_CTX. Built by the members below, each of which returns an empty Failure on success, then
// shared by any number of sessions and no longer changed.
class SecureContext {
 public:
  SecureContext();
  ~SecureContext() = default;
  SecureContext(const SecureContext&) = delete;
  SecureContext& operator=(const SecureContext&) = delete;

  bool valid() const { return ctx_ != nullptr; }
  SSL_CTX* get() const { return ctx_.get(); }

  // DTLS1_VERSION or DTLS1_2_VERSION.
  Failure set_versions(int min, int max);
  Failure set_ciphers(const char* list);
  Failure set_groups(const char* list);
  Failure set_sigalgs(const char* list);
  // PEM parameters, or "auto".
  Failure set_dhparam(Bytes pem);
  void set_options(uint64_t options);
  Failure set_session_id_context(Bytes context);
  // A PEM chain, the own certificate first, and its PEM key. May be called once for each key type.
  Failure add_identity(Bytes cert, Bytes key, Bytes passphrase);
  Failure add_ca(Bytes pem);
  Failure add_crl(Bytes pem);

 private:
  SslCtxPtr ctx_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_SECURE_CONTEXT_H_
