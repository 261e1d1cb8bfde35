#ifndef DGRAM_DTLS_CORE_HANDSHAKE_SESSION_RULES_H_
#define DGRAM_DTLS_CORE_HANDSHAKE_SESSION_RULES_H_

#include <string>
#include <vector>

#include "core/base/openssl_ptr.h"
#include "core/handshake/session_policy.h"

// What a session is bound to that is to be resumed, on either side and in every version:
// docs/resumption.md has the argument.
namespace dtls {

// A digest of all that a peer is judged by, for a client also of as whom it shows itself, and a
// session id context for OpenSSL, which resumes a session only under the one that it was made
// under. `server_name`: what the client asked a server for. Empty when OpenSSL fails.
std::vector<uint8_t> rules_digest(Role role, const SSL* ssl, bool dtls13,
                                  const SecureContext& context, const SessionPolicy& policy,
                                  const std::string& server_name);
// OpenSSL's session id context is that digest. False when OpenSSL fails.
bool bind_to_rules(SSL* ssl, const std::vector<uint8_t>& digest);

// X509_verify_cert, and a server's session lives no longer than anything that its peer's chain
// depends on: nobody looks at dates when a session is resumed.
bool verify_chain(X509_STORE_CTX* store, SSL* ssl, Role role, const SecureContext& context);
// The chain of a kept session's server again, as a client's OpenSSL verifies it in a full
// handshake: X509_V_OK, or the error.
long verify_again(SSL* ssl, const SecureContext& context, const SessionPolicy& policy,
                  const KeptSession& session);

// Server: OpenSSL puts the client's certificate into a ticket, which has 16 bits for its length,
// and ends the handshake with an internal error when it does not fit. Where a session gets a
// ticket: whether this one does.
bool fits_into_ticket(const SSL* ssl, X509* certificate);
// A client that came with a longer session in its ticket would have a longer ClientHello than is
// put together.
bool is_short_enough_for_ticket(const SSL* ssl);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HANDSHAKE_SESSION_RULES_H_
