#ifndef DGRAM_DTLS_CORE_BASE_EXPAND_LABEL_H_
#define DGRAM_DTLS_CORE_BASE_EXPAND_LABEL_H_

#include "core/base/bytes.h"
#include "core/base/secret.h"

namespace dtls {

// HKDF-Expand-Label of RFC 8446 section 7.1 with the prefix of RFC 9147 section 5.9, "dtls13",
// which has no space behind it. `digest` is OpenSSL's name ("SHA2-256"). `label` is without the
// prefix, and its result fills `out`. The default provider's HKDF of any OpenSSL 3 does it.
//
// False when OpenSSL fails, why stays in its queue, and where label or context are longer than
// their fields; `out` then has zeros.
bool expand_label(const char* digest, Bytes secret, const char* label, Bytes context, uint8_t* out,
                  size_t size);

// As above, with another prefix: "tls13 " is TLS's own.
bool expand_label_as(const char* prefix, const char* digest, Bytes secret, const char* label,
                     Bytes context, uint8_t* out, size_t size);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_BASE_EXPAND_LABEL_H_
