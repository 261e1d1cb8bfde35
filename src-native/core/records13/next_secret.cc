#include "core/records13/next_secret.h"

#include "core/base/expand_label.h"
#include "core/base/openssl_ptr.h"

namespace dtls {

TrafficSecret next_secret(const TrafficSecret& secret) {
  const ErrorQueueScope errors;
  TrafficSecret next{secret.suite, secret.epoch + 1, secret.direction,
                     SecretBytes(secret.bytes.size())};
  if (secret.bytes.empty() ||
      !expand_label(secret.suite->digest, secret.bytes.view(), "traffic upd", {}, next.bytes.data(),
                    next.bytes.size())) {
    next.bytes = SecretBytes();
  }
  return next;
}

}  // namespace dtls
