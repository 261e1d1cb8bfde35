#include "core/handshake/srtp.h"

#include <algorithm>

namespace dtls {

SrtpKeys srtp_keys(const SessionFacts& facts) {
  SrtpKeys keys;
  const auto* const profile =
      std::find_if(kSrtpProfiles.begin(), kSrtpProfiles.end(),
                   [&facts](const SrtpProfile& one) { return one.id == facts.srtp_profile(); });
  if (profile == kSrtpProfiles.end()) return keys;
  // RFC 5764 section 4.2: client's key, server's key, client's salt, server's salt.
  const size_t key = profile->key_size;
  const size_t salt = profile->salt_size;
  SecretBytes material(2 * (key + salt));
  if (!facts.export_keying_material(material, "EXTRACTOR-dtls_srtp", nullptr)) return keys;
  Bytes rest = material.view();
  const auto take = [&rest](size_t size) {
    SecretBytes part(rest.first(size));
    rest = rest.from(size);
    return part;
  };
  const bool server = facts.server();
  (server ? keys.remote_key : keys.local_key) = take(key);
  (server ? keys.local_key : keys.remote_key) = take(key);
  (server ? keys.remote_salt : keys.local_salt) = take(salt);
  (server ? keys.local_salt : keys.remote_salt) = take(salt);
  keys.profile = profile;
  return keys;
}

}  // namespace dtls
