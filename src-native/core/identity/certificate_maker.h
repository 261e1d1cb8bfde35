#ifndef DGRAM_DTLS_CORE_IDENTITY_CERTIFICATE_MAKER_H_
#define DGRAM_DTLS_CORE_IDENTITY_CERTIFICATE_MAKER_H_

#include <string>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"

namespace dtls {

// What a new certificate (X.509 v3, RFC 5280) is to say. The keys are PEM without a passphrase.
struct CertificateRequest {
  // The subject's names in their order: an attribute's short name, such as "CN", and its UTF-8
  // text.
  std::vector<std::pair<std::string, std::string>> subject;
  std::vector<std::string> dns_names;     // in ASCII
  std::vector<std::string> ip_addresses;  // as text
  double not_before = 0;                  // seconds since the Unix epoch
  double not_after = 0;
  bool authority = false;  // may sign certificates and revocation lists, and is no end's own
  bool for_servers = true;
  bool for_clients = true;
  Bytes key;
  // The authority that signs; without one, the certificate is signed with its own key.
  Bytes issuer_certificate;
  Bytes issuer_key;
};

// DER into `made`.
Failure make_certificate(const CertificateRequest& request, std::vector<uint8_t>& made);

// What a certificate in DER was signed with, in OpenSSL's names: the kind of key, such as
// "rsaEncryption", and the digest where the kind does not say it. Both are empty when that cannot
// be read.
std::pair<std::string, std::string> signature_of(Bytes der);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_IDENTITY_CERTIFICATE_MAKER_H_
