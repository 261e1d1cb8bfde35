#include "core/hello13/choice.h"

#include <openssl/ssl.h>

#include <algorithm>

#include "core/base/cipher_suite13.h"
#include "core/wire/wire.h"

namespace dtls {

namespace {

// RFC 8446 section 4.2.9.
constexpr uint8_t kPskAlone = 0;
constexpr uint8_t kPskWithKeyExchange = 1;

using Numbers = std::vector<uint16_t>;

bool has(const Numbers& numbers, uint16_t number) {
  return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
}

bool has_byte(Bytes list, uint8_t byte) {
  return std::find(list.data, list.data + list.size, byte) != list.data + list.size;
}

// The hash of a pre-shared key shows in its binder's length: RFC 8446 section 4.2.11.
struct PskHashes {
  bool sha256 = false;
  bool sha384 = false;

  explicit PskHashes(Bytes binders) {
    while (binders.size != 0) {
      const size_t size = binders.data[0];
      sha256 = sha256 || size == 32;
      sha384 = sha384 || size == 48;
      binders = binders.from(1 + size);
    }
  }
  bool fit(uint16_t suite) const {
    const size_t size = hash_size(suite);
    return (sha256 && size == 32) || (sha384 && size == 48);
  }
};

bool offers_psk(const ClientOffer& offer, const ServerOffer& server) {
  return server.psk && offer.psk_identities.data != nullptr && offer.psk_modes.data != nullptr;
}

// The first that both have and that will do, in the order of the one who has the choice; or 0.
template <typename Accept>
uint16_t first_shared(Bytes theirs, const Numbers& ours, bool own_order, const Accept& accept) {
  if (own_order) {
    for (const uint16_t number : ours) {
      if (holds(theirs, number) && accept(number)) return number;
    }
    return 0;
  }
  while (theirs.size >= 2) {
    const uint16_t number = take_number(theirs);
    if (has(ours, number) && accept(number)) return number;
  }
  return 0;
}

uint16_t choose_suite(const ClientOffer& offer, const ServerOffer& server) {
  if (server.suite_follows_psk && offers_psk(offer, server)) {
    const PskHashes hashes(offer.psk_binders);
    const uint16_t suite = first_shared(offer.suites, server.suites, server.own_order,
                                        [&hashes](uint16_t number) { return hashes.fit(number); });
    if (suite != 0) return suite;
  }
  return first_shared(offer.suites, server.suites, server.own_order,
                      [](uint16_t number) { return hash_size(number) != 0; });
}

// The group of a share that the hello has, of those that are in `tuple`; or 0.
uint16_t shared_share(Bytes shares, const Numbers& tuple, bool own_order) {
  uint16_t best = 0;
  auto best_place = tuple.end();
  while (shares.size != 0) {
    const uint16_t group = take_share(shares).group;
    const auto place = std::find(tuple.begin(), tuple.end(), group);
    if (place == tuple.end()) continue;
    if (!own_order) return group;
    if (best == 0 || place < best_place) {
      best = group;
      best_place = place;
    }
  }
  return best;
}

void choose_group(const ClientOffer& offer, const ServerOffer& server, Choice& choice) {
  for (const Numbers& tuple : server.groups) {
    choice.group = shared_share(offer.shares, tuple, server.own_order);
    if (choice.group != 0) return;
    choice.group =
        first_shared(offer.groups, tuple, server.own_order, [](uint16_t) { return true; });
    choice.needs_share = choice.group != 0;
    if (choice.needs_share) return;
  }
}

}  // namespace

VersionChoice choose_version(const ClientOffer& offer, const ServerOffer& server) {
  if (offer.versions.data == nullptr) {
    return server.dtls12 ? VersionChoice::kDtls12 : VersionChoice::kNone;
  }
  // RFC 9147 section 5.3: a hello with a cookie of 1.2 is none of 1.3. Its client has been asked
  // for it, and is on the way to 1.2.
  const bool may_be_13 = offer.legacy_cookie.size == 0 || !server.dtls12;
  if (server.dtls13 && may_be_13 && holds(offer.versions, kDtls13)) return VersionChoice::kDtls13;
  if (server.dtls12 && (holds(offer.versions, kDtls12) || holds(offer.versions, kDtls10))) {
    return VersionChoice::kDtls12;
  }
  return VersionChoice::kNone;
}

Choice choose(const ClientOffer& offer, const ServerOffer& server) {
  Choice choice;
  choice.suite = choose_suite(offer, server);
  if (choice.suite == 0) {
    choice.alert = SSL_AD_HANDSHAKE_FAILURE;
    return choice;
  }
  const bool may_do_without =
      offers_psk(offer, server) && server.psk_alone && has_byte(offer.psk_modes, kPskAlone);
  if (may_do_without && !has_byte(offer.psk_modes, kPskWithKeyExchange)) return choice;
  choose_group(offer, server, choice);
  if (choice.group == 0 && !may_do_without) {
    // RFC 8446 section 9.2.
    choice.alert = offer.groups.data == nullptr || offer.shares.data == nullptr
                       ? SSL_AD_MISSING_EXTENSION
                       : SSL_AD_HANDSHAKE_FAILURE;
  }
  return choice;
}

size_t hash_size(uint16_t suite) {
  const CipherSuite13* known = cipher_suite13(suite);
  return known == nullptr ? 0 : known->hash_size;
}

}  // namespace dtls
