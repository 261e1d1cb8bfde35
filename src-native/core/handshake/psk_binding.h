#ifndef DGRAM_DTLS_CORE_HANDSHAKE_PSK_BINDING_H_
#define DGRAM_DTLS_CORE_HANDSHAKE_PSK_BINDING_H_

#include <vector>

#include "core/base/bytes.h"
#include "core/base/openssl_ptr.h"

// What a session remembers of the pre-shared key that it was made with, so that it can be resumed
// only while its identity has that key: in the session's application data, the identity and an HMAC
// of it under the key, which nobody can make anew who keeps the session alone. A client's is part
// of what is kept with the session (kept_session.h).
namespace dtls {

void bind_to_psk(SSL_SESSION* session, Bytes identity, Bytes key);

// Empty when the session has none.
std::vector<uint8_t> psk_binding(const SSL_SESSION* session);

// The same of application data, or a part of it.
std::vector<uint8_t> read_psk_binding(Bytes data);

// Both take what those two returned.
Bytes bound_identity(const std::vector<uint8_t>& binding);
bool is_bound_to(const std::vector<uint8_t>& binding, Bytes key);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HANDSHAKE_PSK_BINDING_H_
