#include <openssl/evp.h>

#include <array>

#include "core/base/expand_label.h"
#include "core/engine13/engine.h"

namespace dtls {

bool export_keys(const CipherSuite13& suite, Bytes exporter_secret, const std::string& label,
                 Bytes context, SecretBytes& out) {
  const ErrorQueueScope errors;
  std::array<uint8_t, EVP_MAX_MD_SIZE> nothing{};
  std::array<uint8_t, EVP_MAX_MD_SIZE> hash{};
  Secret<EVP_MAX_MD_SIZE> derived;
  const size_t size = suite.hash_size;
  const auto digest = [&suite](Bytes bytes, uint8_t* to) {
    return EVP_Q_digest(nullptr, suite.digest, nullptr, bytes.data, bytes.size, to, nullptr) == 1;
  };
  // A label is text: one with a NUL byte would be cut there.
  return label.find('\0') == std::string::npos && digest({}, nothing.data()) &&
         digest(context, hash.data()) &&
         expand_label(suite.digest, exporter_secret, label.c_str(), {nothing.data(), size},
                      derived.bytes.data(), size) &&
         expand_label(suite.digest, {derived.bytes.data(), size}, "exporter", {hash.data(), size},
                      out.data(), out.size());
}

}  // namespace dtls
