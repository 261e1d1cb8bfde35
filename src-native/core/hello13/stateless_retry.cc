#include "core/hello13/stateless_retry.h"

#include <algorithm>
#include <array>

#include "core/wire/retry_random.h"
#include "core/wire/wire.h"

namespace dtls {

namespace {

constexpr size_t kMessageHeaderSize = 4;

// A cookie: the low byte of the suite, of which the high one is 0x13; the group that the
// HelloRetryRequest names, or 0; the hash of the first hello; and the front of a CookieJar's
// cookie.
constexpr uint16_t kSuitesOf13 = 0x1300;
constexpr size_t kClaimFront = 1 + 2;

size_t cookie_size(size_t hash) { return kClaimFront + hash + CookieJar::kFrontSize; }

void append(std::vector<uint8_t>& to, Bytes bytes) {
  to.insert(to.end(), bytes.data, bytes.data + bytes.size);
}
void append_number(std::vector<uint8_t>& to, size_t number) {
  to.push_back(static_cast<uint8_t>(number >> 8));
  to.push_back(static_cast<uint8_t>(number));
}
void append_extension(std::vector<uint8_t>& to, Extension type, size_t size) {
  append_number(to, static_cast<uint16_t>(type));
  append_number(to, size);
}

constexpr size_t kNumberExtension = 4 + 2;  // one that is a single number

size_t extensions_size(uint16_t group, size_t cookie) {
  return kNumberExtension + (group == 0 ? 0 : kNumberExtension) + 4 + 2 + cookie;
}

size_t retry_size(uint16_t group, size_t cookie) {
  constexpr size_t kFields = 2 + kRandomSize + 1 + 2 + 1 + 2;
  return kMessageHeaderSize + kFields + extensions_size(group, cookie);
}

// The HelloRetryRequest, the same whenever it is asked for: RFC 8446 section 4.1.4. The session id
// is empty whatever the hello has (RFC 9147 section 5.3).
std::vector<uint8_t> make_retry(uint16_t suite, uint16_t group, Bytes cookie) {
  std::vector<uint8_t> retry;
  const size_t size = retry_size(group, cookie.size);
  retry.reserve(size);
  retry.push_back(static_cast<uint8_t>(HandshakeType::kServerHello));
  retry.push_back(0);
  append_number(retry, size - kMessageHeaderSize);
  append_number(retry, kDtls12);
  append(retry, {kRetryRandom.data(), kRetryRandom.size()});
  retry.push_back(0);
  append_number(retry, suite);
  retry.push_back(0);
  append_number(retry, extensions_size(group, cookie.size));
  append_extension(retry, Extension::kSupportedVersions, 2);
  append_number(retry, kDtls13);
  if (group != 0) {
    append_extension(retry, Extension::kKeyShare, 2);
    append_number(retry, group);
  }
  append_extension(retry, Extension::kCookie, 2 + cookie.size);
  append_number(retry, cookie.size);
  append(retry, cookie);
  return retry;
}

// What must be the same in both hellos of a client, of what is read here: RFC 8446 section 4.1.2.
// Extensions that have no name here may differ: they are in the transcript, and change nothing that
// the HelloRetryRequest says.
void append_lasting(std::vector<uint8_t>& to, const ClientOffer& offer) {
  for (const Bytes& field :
       {offer.random, offer.session_id, offer.suites, offer.compressions, offer.server_name,
        offer.groups, offer.signature_algorithms, offer.srtp, offer.protocols, offer.versions,
        offer.psk_modes, offer.connection_id}) {
    // One that is absent is not one that is empty.
    to.push_back(field.data == nullptr ? 0 : 1);
    append_number(to, field.size);
    append(to, field);
  }
}

// RFC 8446 section 4.1.2: where a group was asked for, its share is the only one.
bool has_only_share_of(const ClientOffer& offer, uint16_t group) {
  Bytes shares = offer.shares;
  return shares.size != 0 && take_share(shares).group == group && shares.size == 0;
}

}  // namespace

StatelessRetry::StatelessRetry(CookieJar& jar)
    : jar_(jar),
      sha256_(EVP_MD_fetch(nullptr, "SHA256", nullptr)),
      sha384_(EVP_MD_fetch(nullptr, "SHA384", nullptr)) {}

bool StatelessRetry::hash(uint16_t suite, Bytes message, std::vector<uint8_t>& out) const {
  out.resize(hash_size(suite));
  const EVP_MD* const digest = out.size() == 48 ? sha384_.get() : sha256_.get();
  unsigned size = 0;
  return digest != nullptr && !out.empty() &&
         EVP_Digest(message.data, message.size, out.data(), &size, digest, nullptr) == 1 &&
         size == out.size();
}

// Bound to the peer, by the jar; to what the cookie says; and to all that lasts of the hello. No
// random of 1.2 has this size, so neither version's cookie is good for the other.
bool StatelessRetry::bind(const Claim& claim, const ClientOffer& offer,
                          std::vector<uint8_t>& bound) const {
  std::vector<uint8_t> lasting;
  append_lasting(lasting, offer);
  std::array<uint8_t, 32> digest{};
  unsigned size = 0;
  if (!sha256_ || EVP_Digest(lasting.data(), lasting.size(), digest.data(), &size, sha256_.get(),
                             nullptr) != 1) {
    return false;
  }
  append_number(bound, kDtls13);
  append_number(bound, claim.suite);
  append_number(bound, claim.group);
  append(bound, claim.first_hello_hash);
  append(bound, {digest.data(), digest.size()});
  return true;
}

StatelessRetry::Answer StatelessRetry::answer(Bytes hello, const ClientOffer& offer,
                                              const ServerOffer& server, const PeerAddress& peer,
                                              double now) {
  Answer answer;
  const Choice choice = choose(offer, server);
  if (choice.alert != 0) {
    answer.outcome = Outcome::kAlert;
    answer.alert = choice.alert;
    return answer;
  }
  const uint16_t group = choice.needs_share ? choice.group : uint16_t{0};
  // No answer to an address that is not proved is longer than the question. A hello that is too
  // short has no share, as a rule; with one, or with padding (RFC 7685), it is answered.
  if (retry_size(group, cookie_size(hash_size(choice.suite))) > hello.size) return answer;
  std::vector<uint8_t> first_hello_hash;
  std::vector<uint8_t> bound;
  CookieJar::Cookie baked{};
  if (!hash(choice.suite, hello, first_hello_hash)) return answer;
  const Claim claim{choice.suite, group, {first_hello_hash.data(), first_hello_hash.size()}};
  if (!bind(claim, offer, bound) || !jar_.make(peer, {bound.data(), bound.size()}, now, baked)) {
    return answer;
  }
  std::vector<uint8_t> cookie;
  cookie.reserve(cookie_size(first_hello_hash.size()));
  cookie.push_back(static_cast<uint8_t>(choice.suite));
  append_number(cookie, group);
  append(cookie, claim.first_hello_hash);
  append(cookie, {baked.data(), CookieJar::kFrontSize});
  answer.message = make_retry(choice.suite, group, {cookie.data(), cookie.size()});
  answer.outcome = Outcome::kAnswer;
  return answer;
}

StatelessRetry::Verified StatelessRetry::check(const ClientOffer& offer, const ServerOffer& server,
                                               const PeerAddress& peer, double now) {
  Verified verified;
  verified.alert = SSL_AD_ILLEGAL_PARAMETER;
  const Bytes cookie = offer.cookie;
  if (cookie.size < kClaimFront) return verified;
  Claim claim;
  claim.suite = static_cast<uint16_t>(kSuitesOf13 | cookie.data[0]);
  claim.group = static_cast<uint16_t>(read_u16(cookie.data + 1));
  const size_t hash = hash_size(claim.suite);
  if (hash == 0 || cookie.size != cookie_size(hash)) return verified;
  claim.first_hello_hash = cookie.from(kClaimFront).first(hash);
  std::vector<uint8_t> bound;
  if (!bind(claim, offer, bound) ||
      !jar_.verify_front(peer, {bound.data(), bound.size()}, cookie.from(kClaimFront + hash), now,
                         verified.cookie)) {
    return verified;
  }
  if (offer.early_data || (claim.group != 0 && !has_only_share_of(offer, claim.group))) {
    return verified;
  }
  // The server's context may have changed meanwhile, or another one of a fleet may have another.
  // The suite is held to what was promised; the group, where none was, is that of a share.
  ServerOffer promised = server;
  promised.suites = {claim.suite};
  const Choice choice = choose(offer, promised);
  const bool keeps =
      std::find(server.suites.begin(), server.suites.end(), claim.suite) != server.suites.end();
  if (!keeps || choice.alert != 0 || choice.needs_share) return verified;
  verified.alert = 0;
  verified.suite = choice.suite;
  verified.group = choice.group;
  append(verified.first_hello_hash, claim.first_hello_hash);
  verified.retry = make_retry(claim.suite, claim.group, cookie);
  return verified;
}

}  // namespace dtls
