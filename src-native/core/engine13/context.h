#ifndef DGRAM_DTLS_CORE_ENGINE13_CONTEXT_H_
#define DGRAM_DTLS_CORE_ENGINE13_CONTEXT_H_

#include <memory>
#include <vector>

#include "core/base/error.h"
#include "core/base/openssl_ptr.h"
#include "core/identity/secure_context.h"

namespace dtls {

// What a SecureContext is for DTLS 1.3: an SSL_CTX in the library context of the engine, with the
// same certificates, keys, authorities, revocation lists, groups, signature algorithms, suites of
// 1.3, security level, options and verification parameters. Sessions' own affairs (ALPN, server
// name, verify mode, session id context) are set on each engine's SSL.
class EngineContext {
 public:
  // The twin of `of`, made when first asked for, and kept in it. `install`: says what OpenSSL calls
  // for the sessions of this context; it is called once, with the new SSL_CTX, and its key log
  // callback gets the lines in NSS's format, as at 1.2. Null: `failure` has why, each time.
  // A server gives tickets where num_tickets is above 0 (SSL_set_num_tickets): it is 0 here.
  static std::shared_ptr<const EngineContext> of(const SecureContext& of, void (*install)(SSL_CTX*),
                                                 Failure& failure);

  // One that has nothing but an SSL_CTX: what a self-test needs.
  static std::shared_ptr<const EngineContext> bare(SslCtxPtr ctx);

  SSL_CTX* get() const { return ctx_.get(); }

  // What hellos of this context say, in this side's order; IANA's numbers.
  const std::vector<uint16_t>& suites() const { return suites_; }
  const std::vector<uint16_t>& groups() const { return groups_; }
  const std::vector<uint16_t>& signature_algorithms() const { return signature_algorithms_; }

 private:
  EngineContext() = default;
  static bool read_lists(const std::shared_ptr<EngineContext>& made);

  SslCtxPtr ctx_;
  std::vector<uint16_t> suites_;
  std::vector<uint16_t> groups_;
  std::vector<uint16_t> signature_algorithms_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_ENGINE13_CONTEXT_H_
