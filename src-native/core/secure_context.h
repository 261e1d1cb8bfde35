#ifndef DGRAM_DTLS_CORE_SECURE_CONTEXT_H_
#define DGRAM_DTLS_CORE_SECURE_CONTEXT_H_

#include <optional>
#include <string>

#include "core/bytes.h"
#include "core/error.h"
#include "core/openssl_ptr.h"
#include "core/trust.h"

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
  // Seconds for which a session can be resumed.
  void set_session_timeout(long seconds);
  // A PEM chain, the own certificate first, and its PEM key. May be called once for each key type.
  Failure add_identity(Bytes cert, Bytes key, Bytes passphrase);
  Failure add_ca(Bytes pem);
  Failure add_crl(Bytes pem);

  // What sessions are bound to: the consumer's word for it, and whom this context trusts.
  const std::string& session_id_context() const { return session_id_context_; }
  const Trust& trust() const;

 private:
  SslCtxPtr ctx_;
  std::string session_id_context_;
  mutable std::optional<Trust> trust_;  // found out when first asked for
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_SECURE_CONTEXT_H_
