#ifndef DGRAM_DTLS_CORE_IDENTITY_CERTIFICATE_LIST_H_
#define DGRAM_DTLS_CORE_IDENTITY_CERTIFICATE_LIST_H_

#include <vector>

#include "core/base/bytes.h"
#include "core/base/openssl_ptr.h"

// Certificates in DER, each behind three bytes of its length, as on the wire (RFC 5246 section
// 7.4.2): a fifth of what OpenSSL's objects take.
namespace dtls {

struct FreeCertificates {
  void operator()(STACK_OF(X509) * certificates) const {
    sk_X509_pop_free(certificates, X509_free);
  }
};
using X509StackPtr = std::unique_ptr<STACK_OF(X509), FreeCertificates>;

void append_certificate(std::vector<uint8_t>& list, const X509* certificate);
// Takes the first one off. False: there is none, or not all of it.
bool take_certificate(Bytes& list, Bytes& der);

// Null for anything but one certificate.
X509Ptr parse_certificate(Bytes der);
// Null for anything but a list of certificates, which may be empty.
X509StackPtr parse_certificates(Bytes list);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_IDENTITY_CERTIFICATE_LIST_H_
