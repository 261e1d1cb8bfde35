#ifndef DGRAM_DTLS_CORE_ENGINE13_LIBRARY_H_
#define DGRAM_DTLS_CORE_ENGINE13_LIBRARY_H_

#include <openssl/types.h>

#include "core/engine13/message_shapes.h"

// The library context in which OpenSSL's TLS 1.3 is the handshake of DTLS 1.3. It has the default
// provider, and one of this process's own with three algorithms: TLS13-KDF, which puts the prefix
// of RFC 9147 section 5.9 ("dtls13") in the place of TLS's, and SHA2-256 and SHA2-384 behind a
// Transcript. All three do their work by those of a plain default provider. Nothing else in the
// process sees this context, and what Node makes of OpenSSL is not touched by it.
namespace dtls {

struct EngineLibrary {
  OSSL_LIB_CTX* context = nullptr;
  ProcessMark mark{};

  // Finds the provider's three algorithms before the default provider's. A property's name without
  // a dot in it would not be one of ours, and the default's would be taken in silence.
  static constexpr const char* kOurs = "?dgram.dtls13=yes";
  // Finds the default provider's.
  static constexpr const char* kPlain = "provider=default";
};

// Made once for all threads, and for the life of the process: threads that end give back what they
// have in it. Null when OpenSSL fails, then as before.
const EngineLibrary* engine_library();

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_ENGINE13_LIBRARY_H_
