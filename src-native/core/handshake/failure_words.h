#ifndef DGRAM_DTLS_CORE_HANDSHAKE_FAILURE_WORDS_H_
#define DGRAM_DTLS_CORE_HANDSHAKE_FAILURE_WORDS_H_

#include <string>
#include <vector>

#include "core/base/openssl_ptr.h"

// What is said of failed handshakes of all versions.
namespace dtls {

// The names of a list as it is on the wire, which may be any bytes that a peer likes.
std::string protocol_names(const std::vector<uint8_t>& wire);

// Whether a server may mean by this alert that a client sent no certificate. TLS 1.2 has
// handshake_failure for it (RFC 5246 section 7.4.6), TLS 1.3 certificate_required; several
// libraries say what they would say of a bad one.
bool may_miss_certificate(int alert);

// Why a client sent no certificate.
const char* withheld_certificate(const SSL* ssl);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HANDSHAKE_FAILURE_WORDS_H_
