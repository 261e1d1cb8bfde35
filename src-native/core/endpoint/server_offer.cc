#include "core/endpoint/server_offer.h"

#include <memory>
#include <utility>

#include "core/handshake13/handshake13.h"

namespace dtls {

bool speaks_dtls12(const SecureContext& context) {
  return context.allows(kDtls12) || context.allows(kDtls10);
}

std::optional<ServerOffer> offer_of(const SecureContext& context, const SessionPolicy& policy) {
  Failure failure;
  const std::shared_ptr<const EngineContext> twin =
      context.allows(kDtls13) ? Handshake13::engine_context(context, failure) : nullptr;
  if (!twin) return std::nullopt;
  ServerOffer offer;
  offer.dtls12 = speaks_dtls12(context);
  offer.dtls13 = true;
  offer.suites = twin->suites();
  offer.groups = {twin->groups()};
  offer.own_order = (SSL_CTX_get_options(twin->get()) & SSL_OP_CIPHER_SERVER_PREFERENCE) != 0;
  offer.psk = policy.ask_psk || policy.ticket_keys != nullptr;
  offer.suite_follows_psk = true;
  return offer;
}

ServerOffer offer_of(const PeerRules& rules) {
  std::optional<ServerOffer> offer = offer_of(*rules.context, *rules.policy);
  if (offer) return std::move(*offer);
  ServerOffer older;
  older.dtls12 = speaks_dtls12(*rules.context);
  older.dtls13 = false;
  return older;
}

}  // namespace dtls
