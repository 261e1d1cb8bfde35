#ifndef DGRAM_DTLS_CORE_SRTP_H_
#define DGRAM_DTLS_CORE_SRTP_H_

#include <array>
#include <vector>

#include "core/openssl_ptr.h"

// DTLS-SRTP, RFC 5764: OpenSSL negotiates the profile, what it has no API for is the keys.
namespace dtls {

// A protection profile and its sizes in bytes: RFC 5764 section 4.1.2, RFC 7714 section 14.2.
struct SrtpProfile {
  const char* name;  // OpenSSL's, which is the RFCs' but for a letter or two
  uint16_t id;
  size_t key_size;
  size_t salt_size;
};

constexpr std::array<SrtpProfile, 4> kSrtpProfiles = {{
    {"SRTP_AEAD_AES_256_GCM", 0x0008, 32, 12},
    {"SRTP_AEAD_AES_128_GCM", 0x0007, 16, 12},
    {"SRTP_AES128_CM_SHA1_80", 0x0001, 16, 14},
    {"SRTP_AES128_CM_SHA1_32", 0x0002, 16, 14},
}};

// Master keys and salts of both directions; wiped when it goes.
struct SrtpKeys {
  const SrtpProfile* profile = nullptr;  // null: none was agreed on
  std::vector<uint8_t> local_key;
  std::vector<uint8_t> local_salt;
  std::vector<uint8_t> remote_key;
  std::vector<uint8_t> remote_salt;

  SrtpKeys() = default;
  SrtpKeys(SrtpKeys&&) = default;
  SrtpKeys& operator=(SrtpKeys&&) = default;
  SrtpKeys(const SrtpKeys&) = delete;
  SrtpKeys& operator=(const SrtpKeys&) = delete;
  ~SrtpKeys();
};

// Of a finished handshake. Local is what this side sends with.
SrtpKeys srtp_keys(SSL* ssl);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_SRTP_H_
