#ifndef DGRAM_DTLS_CORE_HANDSHAKE_KEPT_SESSION_H_
#define DGRAM_DTLS_CORE_HANDSHAKE_KEPT_SESSION_H_

#include <memory>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/openssl_ptr.h"
#include "core/base/secret.h"
#include "core/identity/certificate_list.h"

namespace dtls {

// A session as a client keeps it between two handshakes: OpenSSL's SSL_SESSION in DER, with what
// the checks of a full handshake need in its application data: as what the server was verified, how
// it knows its pre-shared key, and the certificates that came with the server's own.
class KeptSession {
 public:
  // Notes in the session of a full handshake as what the server was verified, and the certificates
  // that came with its own (certificate_list.h), beside what bind_to_psk() has put there. A session
  // that was resumed has what was noted in the handshake that it began with; OpenSSL then knows no
  // chain any more. False: no memory.
  static bool note(SSL_SESSION* session, const std::string& name, Bytes certificates);
  // OpenSSL's DER. Empty when OpenSSL fails.
  static SecretBytes pack(const SSL_SESSION* session);
  // Null for anything that pack() did not make of a session with a note, or not all of it.
  static std::shared_ptr<const KeptSession> parse(Bytes packed);

  const std::string& name() const { return name_; }
  // OpenSSL counts references in it, so it is never const.
  SSL_SESSION* get() const { return session_.get(); }
  // The peer's certificate; null where a pre-shared key stood in for it.
  X509* leaf() const { return SSL_SESSION_get0_peer(session_.get()); }
  STACK_OF(X509) * chain() const { return chain_.get(); }
  // See psk_binding.h; empty where the session was made without a pre-shared key.
  const std::vector<uint8_t>& psk() const { return psk_; }
  // What it is bound to: Handshake::bind_sessions.
  std::vector<uint8_t> rules() const;
  bool expired() const;
  // DTLS 1.3 resumes none of before, and the other way round.
  bool of_dtls13() const;

 private:
  bool read_application_data();

  SslSessionPtr session_;
  std::string name_;
  std::vector<uint8_t> psk_;
  X509StackPtr chain_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HANDSHAKE_KEPT_SESSION_H_
