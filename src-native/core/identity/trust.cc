#include "core/identity/trust.h"

#include <algorithm>
#include <vector>

namespace dtls {

namespace {

using Digest = std::array<uint8_t, 32>;

// INT64_MIN, long over, for a time that cannot be read.
int64_t unix_seconds(const ASN1_TIME* time) {
  const Asn1TimePtr epoch(ASN1_TIME_set(nullptr, 0));
  int days = 0;
  int seconds = 0;
  if (!epoch || ASN1_TIME_diff(&days, &seconds, epoch.get(), time) != 1) return INT64_MIN;
  return int64_t{days} * 86400 + seconds;
}

}  // namespace

Trust describe_trust(X509_STORE* store) {
  const ErrorQueueScope errors;
  Trust trust;
  std::vector<Digest> digests;
  const STACK_OF(X509_OBJECT)* objects = X509_STORE_get0_objects(store);
  for (int i = 0; i < sk_X509_OBJECT_num(objects); ++i) {
    const X509_OBJECT* object = sk_X509_OBJECT_value(objects, i);
    Digest digest{};
    if (const X509* certificate = X509_OBJECT_get0_X509(object)) {
      X509_digest(certificate, EVP_sha256(), digest.data(), nullptr);
    } else if (const X509_CRL* crl = X509_OBJECT_get0_X509_CRL(object)) {
      X509_CRL_digest(crl, EVP_sha256(), digest.data(), nullptr);
      if (const ASN1_TIME* next = X509_CRL_get0_nextUpdate(crl)) {
        trust.revocation_expires = std::min(trust.revocation_expires, unix_seconds(next));
      }
    }
    digests.push_back(digest);
  }
  std::sort(digests.begin(), digests.end());
  EVP_Digest(digests.data(), digests.size() * sizeof(Digest), trust.digest.data(), nullptr,
             EVP_sha256(), nullptr);
  return trust;
}

int64_t chain_expires(const STACK_OF(X509) * chain) {
  int64_t expires = INT64_MAX;
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    expires = std::min(expires, unix_seconds(X509_get0_notAfter(sk_X509_value(chain, i))));
  }
  return expires;
}

}  // namespace dtls
