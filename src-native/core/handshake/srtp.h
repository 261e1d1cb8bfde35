#ifndef DGRAM_DTLS_CORE_HANDSHAKE_SRTP_H_
#define DGRAM_DTLS_CORE_HANDSHAKE_SRTP_H_

#include <array>

#include "core/base/secret.h"
#include "core/handshake/session_facts.h"

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

// Master keys and salts of both directions.
struct SrtpKeys {
  const SrtpProfile* profile = nullptr;  // null: none was agreed on
  SecretBytes local_key;
  SecretBytes local_salt;
  SecretBytes remote_key;
  SecretBytes remote_salt;
};

// The keys of a finished handshake. Local is what this side sends with.
SrtpKeys srtp_keys(const SessionFacts& facts);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HANDSHAKE_SRTP_H_
