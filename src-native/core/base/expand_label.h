#ifndef DGRAM_DTLS_CORE_BASE_EXPAND_LABEL_H_
#define DGRAM_DTLS_CORE_BASE_EXPAND_LABEL_H_

#include "core/base/bytes.h"
#include "core/base/openssl_ptr.h"
#include "core/base/secret.h"

namespace dtls {

// HKDF-Expand-Label of RFC 8446 section 7.1 with the prefix of RFC 9147 section 5.9, "dtls13",
// which has no space behind it, for several labels of one secret: OpenSSL looks the digest up, and
// takes the secret, once. The default provider's HKDF of any OpenSSL 3 does it.
class LabelExpander {
 public:
  // `digest` is OpenSSL's name ("SHA2-256"). `prefix`: another one than that of DTLS; "tls13 " is
  // TLS's own.
  LabelExpander(const char* digest, Bytes secret, const char* prefix = "dtls13");

  // `label` is without the prefix, and its result fills `out`. False when OpenSSL fails, why stays
  // in its queue, and where label or context are longer than their fields; `out` then has zeros.
  bool expand(const char* label, Bytes context, uint8_t* out, size_t size);

 private:
  const char* prefix_;
  EvpKdfCtxPtr kdf_;  // null: OpenSSL has failed
};

// For one label.
inline bool expand_label(const char* digest, Bytes secret, const char* label, Bytes context,
                         uint8_t* out, size_t size) {
  return LabelExpander(digest, secret).expand(label, context, out, size);
}
inline bool expand_label_as(const char* prefix, const char* digest, Bytes secret, const char* label,
                            Bytes context, uint8_t* out, size_t size) {
  return LabelExpander(digest, secret, prefix).expand(label, context, out, size);
}

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_BASE_EXPAND_LABEL_H_
