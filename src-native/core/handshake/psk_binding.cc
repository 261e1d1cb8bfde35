#include "core/handshake/psk_binding.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <array>
#include <vector>

namespace dtls {

namespace {

// Application data: this format's number (what a client keeps has another), a salt, the HMAC of
// salt and identity, the identity.
constexpr uint8_t kFormat = 4;
constexpr size_t kSalt = 16;
constexpr size_t kMac = 32;
constexpr size_t kIdentityAt = 1 + kSalt + kMac;

bool compute(Bytes key, const uint8_t* salt, Bytes identity, std::array<uint8_t, kMac>& mac) {
  std::vector<uint8_t> text(salt, salt + kSalt);
  text.insert(text.end(), identity.data, identity.data + identity.size);
  size_t size = 0;
  return EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, key.data, key.size, text.data(),
                   text.size(), mac.data(), mac.size(), &size) != nullptr &&
         size == kMac;
}

}  // namespace

void bind_to_psk(SSL_SESSION* session, Bytes identity, Bytes key) {
  const ErrorQueueScope errors;
  std::vector<uint8_t> binding(1 + kSalt);
  std::array<uint8_t, kMac> mac{};
  binding[0] = kFormat;
  if (session == nullptr || RAND_bytes(binding.data() + 1, kSalt) != 1 ||
      !compute(key, binding.data() + 1, identity, mac)) {
    return;
  }
  binding.insert(binding.end(), mac.begin(), mac.end());
  binding.insert(binding.end(), identity.data, identity.data + identity.size);
  SSL_SESSION_set1_ticket_appdata(session, binding.data(), binding.size());
}

std::vector<uint8_t> psk_binding(const SSL_SESSION* session) {
  void* data = nullptr;
  size_t size = 0;
  // OpenSSL reads only, through a pointer without const.
  auto* readable = const_cast<SSL_SESSION*>(session);
  if (SSL_SESSION_get0_ticket_appdata(readable, &data, &size) != 1) return {};
  return read_psk_binding({static_cast<const uint8_t*>(data), size});
}

std::vector<uint8_t> read_psk_binding(Bytes data) {
  if (data.size < kIdentityAt || data.data[0] != kFormat) return {};
  return {data.data, data.data + data.size};
}

Bytes bound_identity(const std::vector<uint8_t>& binding) {
  return Bytes{binding.data(), binding.size()}.from(kIdentityAt);
}

bool is_bound_to(const std::vector<uint8_t>& binding, Bytes key) {
  const ErrorQueueScope errors;
  std::array<uint8_t, kMac> mac{};
  return compute(key, binding.data() + 1, bound_identity(binding), mac) &&
         CRYPTO_memcmp(mac.data(), binding.data() + 1 + kSalt, kMac) == 0;
}

}  // namespace dtls
