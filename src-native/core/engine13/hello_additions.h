#ifndef DGRAM_DTLS_CORE_ENGINE13_HELLO_ADDITIONS_H_
#define DGRAM_DTLS_CORE_ENGINE13_HELLO_ADDITIONS_H_

#include <vector>

#include "core/base/bytes.h"

namespace dtls {

// What goes into a hello besides what OpenSSL writes; a server's `extensions` go into its
// EncryptedExtensions. Bytes as on the wire, without the lengths of the lists.
struct HelloAdditions {
  std::vector<uint8_t> versions;  // behind DTLS 1.3 in supported_versions: fe fd for DTLS 1.2
  std::vector<uint8_t> suites;    // behind those of 1.3: what DTLS 1.2 may choose, and SCSVs
  // Whole ones: type(2), length(2), data. None that OpenSSL itself sends. pre_shared_key stays
  // behind them.
  std::vector<uint8_t> extensions;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_ENGINE13_HELLO_ADDITIONS_H_
