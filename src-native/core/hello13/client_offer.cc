#include "core/hello13/client_offer.h"

#include <openssl/ssl.h>

#include <algorithm>

#include "core/wire/wire.h"

namespace dtls {

namespace {

// Takes a vector behind `size_bytes` (1 or 2) bytes of length off the front.
bool take_vector(Bytes& from, size_t size_bytes, Bytes& out) {
  if (from.size < size_bytes) return false;
  const size_t size = size_bytes == 1 ? from.data[0] : read_u16(from.data);
  if (from.size - size_bytes < size) return false;
  out = {from.data + size_bytes, size};
  from = {from.data + size_bytes + size, from.size - size_bytes - size};
  return true;
}

// The one vector that an extension consists of, which is not empty.
bool read_only_vector(Bytes extension, size_t size_bytes, Bytes& out) {
  Bytes vector;
  if (!take_vector(extension, size_bytes, vector) || extension.size != 0 || vector.size == 0) {
    return false;
  }
  out = vector;
  return true;
}

bool read_numbers(Bytes extension, size_t size_bytes, Bytes& out) {
  Bytes numbers;
  if (!read_only_vector(extension, size_bytes, numbers) || numbers.size % 2 != 0) return false;
  out = numbers;
  return true;
}

// RFC 8446 section 4.2.8: the list may be empty, a key may not.
bool read_shares(Bytes extension, Bytes& out) {
  Bytes shares;
  if (!take_vector(extension, 2, shares) || extension.size != 0) return false;
  Bytes rest = shares;
  Bytes key;
  while (rest.size != 0) {
    if (rest.size < 2) return false;
    rest = {rest.data + 2, rest.size - 2};
    if (!take_vector(rest, 2, key) || key.size == 0) return false;
  }
  out = shares;
  return true;
}

// RFC 8446 section 4.2.11: as many binders as identities, each at least 32 bytes.
bool read_psks(Bytes extension, ClientOffer& offer) {
  constexpr size_t kAgeSize = 4;
  constexpr size_t kMinBinder = 32;
  Bytes identities;
  Bytes binders;
  if (!take_vector(extension, 2, identities) || !take_vector(extension, 2, binders) ||
      extension.size != 0 || identities.size == 0) {
    return false;
  }
  Bytes identity;
  Bytes binder;
  Bytes binders_left = binders;
  for (Bytes rest = identities; rest.size != 0;) {
    if (!take_vector(rest, 2, identity) || identity.size == 0 || rest.size < kAgeSize) return false;
    rest = {rest.data + kAgeSize, rest.size - kAgeSize};
    if (!take_vector(binders_left, 1, binder) || binder.size < kMinBinder) return false;
  }
  if (binders_left.size != 0) return false;
  offer.psk_identities = identities;
  offer.psk_binders = binders;
  return true;
}

// RFC 9146 section 3.
bool read_connection_id(Bytes extension, Bytes& out) {
  Bytes id;
  if (!take_vector(extension, 1, id) || extension.size != 0) return false;
  out = id;
  return true;
}

bool read_extension(Extension type, Bytes extension, ClientOffer& offer) {
  switch (type) {
    case Extension::kServerName:
      offer.server_name = extension;
      return true;
    case Extension::kSupportedGroups:
      return read_numbers(extension, 2, offer.groups);
    case Extension::kSignatureAlgorithms:
      return read_numbers(extension, 2, offer.signature_algorithms);
    case Extension::kUseSrtp:
      offer.srtp = extension;
      return true;
    case Extension::kApplicationProtocols:
      offer.protocols = extension;
      return true;
    case Extension::kPreSharedKey:
      return read_psks(extension, offer);
    case Extension::kEarlyData:
      offer.early_data = true;
      return extension.size == 0;
    case Extension::kSupportedVersions:
      return read_numbers(extension, 1, offer.versions);
    case Extension::kCookie:
      return read_only_vector(extension, 2, offer.cookie);
    case Extension::kPskKeyExchangeModes:
      return read_only_vector(extension, 1, offer.psk_modes);
    case Extension::kKeyShare:
      return read_shares(extension, offer.shares);
    case Extension::kConnectionId:
      return read_connection_id(extension, offer.connection_id);
    default:
      return true;
  }
}

// One of a type that is not the first of its type, in a list that parses. A hello of one datagram
// may have some hundred extensions: those below 64, which nearly all are, are found by a bit.
class Seen {
 public:
  explicit Seen(Bytes all) : all_(all) {}

  // `at`: where the extension begins in the list.
  bool before(uint16_t type, size_t at) {
    constexpr uint16_t kBits = 64;
    if (type < kBits) {
      const uint64_t bit = uint64_t{1} << type;
      const bool seen = (bits_ & bit) != 0;
      bits_ |= bit;
      return seen;
    }
    // Each of the others is compared with so many that no hello of a client has as many.
    constexpr size_t kMostOthers = 64;
    if (others_ == kMostOthers) return true;
    ++others_;
    Bytes rest = all_.first(at);
    while (rest.size != 0) {
      if (read_u16(rest.data) == type) return true;
      rest = rest.from(4 + read_u16(rest.data + 2));
    }
    return false;
  }

 private:
  Bytes all_;
  uint64_t bits_ = 0;
  size_t others_ = 0;
};

// RFC 8446 section 4.2.8: each share is of a group that is offered, and none comes twice. A key
// takes time to make, so no client has many; each is compared with all.
bool shares_fit(const ClientOffer& offer) {
  constexpr int kMostShares = 16;
  int count = 0;
  for (Bytes rest = offer.shares; rest.size != 0;) {
    const uint16_t group = take_share(rest).group;
    if (++count > kMostShares) return false;
    if (!holds(offer.groups, group)) return false;
    for (Bytes later = rest; later.size != 0;) {
      if (take_share(later).group == group) return false;
    }
  }
  return true;
}

bool read_extensions(Bytes extensions, ClientOffer& offer) {
  const Bytes all = extensions;
  Seen seen(all);
  const auto blame = [&offer](uint8_t alert) {
    if (offer.fault == 0) offer.fault = alert;
  };
  while (extensions.size != 0) {
    const size_t at = all.size - extensions.size;
    if (extensions.size < 2) return false;
    const auto type = static_cast<uint16_t>(read_u16(extensions.data));
    extensions = {extensions.data + 2, extensions.size - 2};
    Bytes extension;
    if (!take_vector(extensions, 2, extension)) return false;
    if (seen.before(type, at)) {
      blame(SSL_AD_ILLEGAL_PARAMETER);
    } else if (!read_extension(Extension{type}, extension, offer)) {
      blame(SSL_AD_DECODE_ERROR);
    } else if (Extension{type} == Extension::kPreSharedKey && extensions.size != 0) {
      blame(SSL_AD_ILLEGAL_PARAMETER);
    }
  }
  return true;
}

}  // namespace

bool read_client_offer(Bytes body, ClientOffer& offer) {
  constexpr size_t kVersionSize = 2;
  offer = {};
  if (body.size < kVersionSize + kRandomSize) return false;
  offer.legacy_version = static_cast<uint16_t>(read_u16(body.data));
  if (offer.legacy_version >> 8 != 0xfe) return false;
  offer.random = {body.data + kVersionSize, kRandomSize};
  constexpr size_t kFront = kVersionSize + kRandomSize;
  body = {body.data + kFront, body.size - kFront};
  if (!take_vector(body, 1, offer.session_id) || !take_vector(body, 1, offer.legacy_cookie) ||
      !take_vector(body, 2, offer.suites) || !take_vector(body, 1, offer.compressions) ||
      offer.session_id.size > SSL_MAX_SSL_SESSION_ID_LENGTH || offer.suites.size == 0 ||
      offer.suites.size % 2 != 0 || offer.compressions.size == 0) {
    return false;
  }
  if (body.size == 0) return true;
  Bytes extensions;
  if (!take_vector(body, 2, extensions) || body.size != 0) return false;
  if (!read_extensions(extensions, offer)) return false;
  if (offer.fault == 0 && offer.shares.data != nullptr && offer.groups.data != nullptr &&
      !shares_fit(offer)) {
    offer.fault = SSL_AD_ILLEGAL_PARAMETER;
  }
  return true;
}

uint16_t take_number(Bytes& list) {
  const auto number = static_cast<uint16_t>(read_u16(list.data));
  list = {list.data + 2, list.size - 2};
  return number;
}

bool holds(Bytes list, uint16_t number) {
  while (list.size >= 2) {
    if (take_number(list) == number) return true;
  }
  return false;
}

KeyShare take_share(Bytes& shares) {
  KeyShare share;
  share.group = take_number(shares);
  take_vector(shares, 2, share.key);
  return share;
}

}  // namespace dtls
