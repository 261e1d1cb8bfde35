#include "core/handshake/ticket_keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <string>

namespace dtls {

namespace {

// RFC 9325 section 3.4: ticket keys must be changed regularly, and a ticket should be valid for no
// more than half as long as its key. A key seals for one period and opens for a lifetime more.
constexpr double kShortestPeriod = 3600e3;

bool set_mac_key(EVP_MAC_CTX* mac, const std::array<uint8_t, 32>& key) {
  char digest[] = "SHA256";
  // The parameter is read, never written, but takes a pointer without const.
  auto* bytes = const_cast<uint8_t*>(key.data());
  const std::array<OSSL_PARAM, 3> params = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, bytes, key.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, params.data()) == 1;
}

}  // namespace

TicketKeys::Key::~Key() {
  OPENSSL_cleanse(given.data(), given.size());
  OPENSSL_cleanse(encryption.data(), encryption.size());
  OPENSSL_cleanse(authentication.data(), authentication.size());
}

bool TicketKeys::Key::derive() {
  const EvpKdfPtr kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  const EvpKdfCtxPtr context(kdf ? EVP_KDF_CTX_new(kdf.get()) : nullptr);
  if (!context) return false;
  std::string digest = "SHA256";
  std::string label = "dgram-dtls session ticket";
  const std::array<OSSL_PARAM, 4> params = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, given.data() + kNameSize,
                                        kSize - kNameSize),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, label.data(), label.size()),
      OSSL_PARAM_construct_end()};
  Secret<64> both;
  const bool derived =
      EVP_KDF_derive(context.get(), both.bytes.data(), both.bytes.size(), params.data()) == 1;
  std::copy_n(both.bytes.begin(), encryption.size(), encryption.begin());
  std::copy_n(both.bytes.begin() + 32, authentication.size(), authentication.begin());
  return derived;
}

void TicketKeys::add(const Key& key, double now) {
  drop_old(now);
  if (!keys_.empty()) keys_.front().replaced = now;
  keys_.push_front(key);
  keys_.front().made = now;
  while (keys_.size() > 1 + kOldTicketKeys) keys_.pop_back();
}

bool TicketKeys::replace(Bytes keys, double now) {
  const ErrorQueueScope errors;
  Key key;
  if (keys.size != kSize) return false;
  std::copy_n(keys.data, kSize, key.given.begin());
  if (!key.derive()) return false;
  own_ = false;
  const bool same =
      !keys_.empty() && CRYPTO_memcmp(keys_.front().given.data(), keys.data, kSize) == 0;
  if (!same) add(key, now);
  return true;
}

// A key that opens nothing any more is wiped: RFC 9325 section 3.4, forward secrecy.
void TicketKeys::drop_old(double now) {
  while (keys_.size() > 1 && now >= keys_.back().replaced + lifetime_) keys_.pop_back();
}

// False when there is no key to seal with.
bool TicketKeys::have_key(double now) {
  drop_old(now);
  if (!keys_.empty() &&
      (!own_ || now < keys_.front().made + std::max(lifetime_, kShortestPeriod))) {
    return true;
  }
  Key key;
  if (RAND_priv_bytes(key.given.data(), static_cast<int>(key.given.size())) != 1 || !key.derive()) {
    return false;
  }
  add(key, now);
  return true;
}

SecretBytes TicketKeys::current(double now) {
  const ErrorQueueScope errors;
  if (!have_key(now)) return {};
  return SecretBytes(Bytes{keys_.front().given.data(), kSize});
}

int TicketKeys::seal(uint8_t* name, uint8_t* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                     double now) {
  if (!have_key(now)) return -1;
  const Key& key = keys_.front();
  std::copy_n(key.given.begin(), kNameSize, name);
  const EVP_CIPHER* aes = EVP_aes_256_cbc();
  if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(aes)) != 1 ||
      EVP_EncryptInit_ex(cipher, aes, nullptr, key.encryption.data(), iv) != 1 ||
      !set_mac_key(mac, key.authentication)) {
    return -1;
  }
  return 1;
}

int TicketKeys::open(const uint8_t* name, const uint8_t* iv, EVP_CIPHER_CTX* cipher,
                     EVP_MAC_CTX* mac, double now) {
  // Also replaces own keys that are due: a ticket of the last one is then renewed.
  if (!have_key(now)) return -1;
  for (const Key& key : keys_) {
    if (std::memcmp(key.given.data(), name, kNameSize) != 0) continue;
    if (!set_mac_key(mac, key.authentication) ||
        EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.encryption.data(), iv) != 1) {
      return -1;
    }
    return &key == &keys_.front() ? kOpened : kOpenedByOld;
  }
  return 0;
}

// RFC 5077 section 4: name, IV, encrypted state, MAC over all of it.
SecretBytes TicketKeys::unseal(Bytes ticket, double now) {
  const ErrorQueueScope errors;
  constexpr size_t kIv = 16;
  constexpr size_t kMac = 32;
  if (ticket.size <= kNameSize + kIv + kMac) return {};
  const EvpCipherCtxPtr cipher(EVP_CIPHER_CTX_new());
  const EvpMacPtr hmac(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
  const EvpMacCtxPtr mac(hmac ? EVP_MAC_CTX_new(hmac.get()) : nullptr);
  if (!cipher || !mac ||
      open(ticket.data, ticket.data + kNameSize, cipher.get(), mac.get(), now) <= 0) {
    return {};
  }
  const size_t sealed = ticket.size - kMac;
  std::array<uint8_t, EVP_MAX_MD_SIZE> expected{};
  size_t size = 0;
  if (EVP_MAC_init(mac.get(), nullptr, 0, nullptr) != 1 ||
      EVP_MAC_update(mac.get(), ticket.data, sealed) != 1 ||
      EVP_MAC_final(mac.get(), expected.data(), &size, expected.size()) != 1 || size != kMac ||
      CRYPTO_memcmp(expected.data(), ticket.data + sealed, kMac) != 0) {
    return {};
  }
  const Bytes encrypted = ticket.first(sealed).from(kNameSize + kIv);
  SecretBytes state(encrypted.size + kIv);
  int done = 0;
  int rest = 0;
  if (EVP_DecryptUpdate(cipher.get(), state.data(), &done, encrypted.data,
                        static_cast<int>(encrypted.size)) != 1 ||
      EVP_DecryptFinal_ex(cipher.get(), state.data() + done, &rest) != 1) {
    return {};
  }
  state.shrink(static_cast<size_t>(done) + static_cast<size_t>(rest));
  return state;
}

}  // namespace dtls
