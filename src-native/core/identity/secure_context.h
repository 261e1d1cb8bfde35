#ifndef DGRAM_DTLS_CORE_IDENTITY_SECURE_CONTEXT_H_
#define DGRAM_DTLS_CORE_IDENTITY_SECURE_CONTEXT_H_

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/distinct.h"
#include "core/base/error.h"
#include "core/base/openssl_ptr.h"
#include "core/identity/trust.h"

namespace dtls {

// One SSL_CTX. Built by the members below, each of which returns an empty Failure on success, then
// shared by any number of sessions and no longer changed.
class SecureContext {
 public:
  // `install`: says what OpenSSL calls for the sessions of this context.
  explicit SecureContext(void (*install)(SSL_CTX*));
  ~SecureContext() = default;
  SecureContext(const SecureContext&) = delete;
  SecureContext& operator=(const SecureContext&) = delete;

  bool valid() const { return ctx_ != nullptr; }
  SSL_CTX* get() const { return ctx_.get(); }

  // DTLS1_VERSION, DTLS1_2_VERSION or kDtls13. OpenSSL has no DTLS 1.3: the SSL_CTX has what is
  // below it.
  Failure set_versions(int min, int max);
  // Somebody has asked for these versions, which are otherwise the default. A server's context for
  // a name follows the server's own where nobody has.
  void say_versions() { versions_said_ = true; }
  bool says_versions() const { return versions_said_; }
  int min_version() const { return min_version_; }
  int max_version() const { return max_version_; }
  bool allows(int version) const { return version >= max_version_ && version <= min_version_; }
  // What DTLS 1.3 offers: lists as OpenSSL has them. Empty groups or signature algorithms are the
  // engine's own.
  struct Dtls13Lists {
    std::string suites;
    std::string groups;
    std::string sigalgs;
  };
  void set_dtls13(Dtls13Lists lists) { dtls13_ = std::move(lists); }
  const Dtls13Lists& dtls13() const { return dtls13_; }
  // Refuses a list of which the security level permits nothing, as OpenSSL would in each handshake.
  Failure set_ciphers(const char* list);
  // Every suite that can be used authenticates by a pre-shared key. Those of DTLS 1.3 do not.
  bool needs_psk() const;
  Failure set_groups(const char* list);
  Failure set_sigalgs(const char* list);
  // PEM parameters, or "auto".
  Failure set_dhparam(Bytes pem);
  bool has_dhparam() const { return has_dhparam_; }
  void set_options(uint64_t options);
  Failure set_session_id_context(Bytes context);
  // Seconds for which a session can be resumed.
  void set_session_timeout(long seconds);
  // A chain may end at any certificate that is trusted, and not at a root only.
  void allow_partial_chain();
  bool partial_chain_allowed() const;

  // The functions of secure_context_identity.cc, from here to own_certificates. There may be one
  // certificate for each type of key. All certificates are added first, then their keys, in any
  // order.
  // `pem`: a chain, the own certificate first.
  Failure add_certificate(Bytes pem);
  Failure add_key(Bytes pem, Bytes passphrase);
  // PKCS #12: a key, its certificate, and others, which become its chain and are trusted. Without
  // identity: only the latter.
  Failure add_pfx(Bytes pfx, Bytes passphrase, bool with_identity);
  // Checks that each certificate has its key, and that none is too long for a peer. To be called
  // when all certificates, keys and authorities have been added.
  Failure check_identities();
  // RFC 7250: the key alone, in place of the certificate, to peers that take it.
  void show_raw_key() { shows_raw_key_ = true; }
  bool shows_raw_key() const { return shows_raw_key_; }
  bool has_certificate() const { return !leaves_.empty(); }
  // A digest for each own certificate, and for each key that was given by itself; in no order that
  // means anything.
  const std::set<std::vector<uint8_t>>& identity() const { return identity_; }
  // DER, without their chains.
  std::vector<std::vector<uint8_t>> own_certificates() const;

  // `named`: a server names them when it asks for a certificate.
  Failure add_ca(Bytes pem, bool named);
  Failure add_crl(Bytes pem);

  // What sessions are bound to: the consumer's word for it, and whom this context trusts.
  const std::string& session_id_context() const { return session_id_context_; }
  // And the lists that were given; empty for OpenSSL's.
  const std::string& groups() const { return groups_; }
  const std::string& sigalgs() const { return sigalgs_; }
  const Trust& trust() const;

  // What many sessions of this context have alike: their peers' certificates, say.
  Distinct<std::vector<uint8_t>>& alike() const { return alike_; }

  // Its twin for DTLS 1.3, which another room makes of it when a session needs one. Null until
  // then.
  std::shared_ptr<const void>& twin() const { return twin_; }

 private:
  Failure use_leaf(X509* leaf);
  Failure check_length() const;

  SslCtxPtr ctx_;
  int min_version_ = DTLS1_2_VERSION;
  int max_version_ = DTLS1_2_VERSION;
  bool versions_said_ = false;
  Dtls13Lists dtls13_;
  bool shows_raw_key_ = false;
  bool has_dhparam_ = false;
  std::string session_id_context_;
  std::string groups_;
  std::string sigalgs_;
  mutable std::optional<Trust> trust_;  // found out when first asked for
  mutable Distinct<std::vector<uint8_t>> alike_;
  mutable std::shared_ptr<const void> twin_;
  std::vector<X509Ptr> leaves_;  // the own certificates
  std::set<std::vector<uint8_t>> identity_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_IDENTITY_SECURE_CONTEXT_H_
