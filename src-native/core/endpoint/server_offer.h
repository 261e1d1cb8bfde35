#ifndef DGRAM_DTLS_CORE_ENDPOINT_SERVER_OFFER_H_
#define DGRAM_DTLS_CORE_ENDPOINT_SERVER_OFFER_H_

#include <optional>

#include "core/endpoint/asked_peers.h"
#include "core/handshake/session_policy.h"
#include "core/hello13/choice.h"
#include "core/identity/secure_context.h"

namespace dtls {

// Whether a server with this context has DTLS 1.2, or 1.0.
bool speaks_dtls12(const SecureContext& context);

// What a server with this context has of DTLS 1.3, for its stateless stage.
std::optional<ServerOffer> offer_of(const SecureContext& context, const SessionPolicy& policy);

// The same for one peer, whose rules may leave DTLS 1.3 out although the server has it.
ServerOffer offer_of(const PeerRules& rules);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_ENDPOINT_SERVER_OFFER_H_
