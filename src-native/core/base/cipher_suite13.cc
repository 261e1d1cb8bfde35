#include "core/base/cipher_suite13.h"

#include <array>

namespace dtls {

namespace {

constexpr size_t kSha256 = 32;
constexpr size_t kSha384 = 48;

constexpr std::array<CipherSuite13, 5> kSuites = {{
    {0x1301, "TLS_AES_128_GCM_SHA256", "SHA2-256", kSha256, Aead13::kAes128Gcm},
    {0x1302, "TLS_AES_256_GCM_SHA384", "SHA2-384", kSha384, Aead13::kAes256Gcm},
    {0x1303, "TLS_CHACHA20_POLY1305_SHA256", "SHA2-256", kSha256, Aead13::kChaCha20Poly1305},
    {0x1304, "TLS_AES_128_CCM_SHA256", "SHA2-256", kSha256, Aead13::kAes128Ccm},
    {0x1305, "TLS_AES_128_CCM_8_SHA256", "SHA2-256", kSha256, Aead13::kAes128Ccm8},
}};

}  // namespace

const CipherSuite13* cipher_suite13(uint16_t id) {
  for (const CipherSuite13& suite : kSuites) {
    if (suite.id == id) return &suite;
  }
  return nullptr;
}

}  // namespace dtls
