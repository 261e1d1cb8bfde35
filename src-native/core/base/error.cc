#include "core/base/error.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <array>

namespace dtls {

namespace {

constexpr std::array<FailureInfo, kFailureKinds> kInfos = {{
#define DTLS_FAILURE(kind, code, category, hint) {code, category, hint},
#include "core/base/errors.def"
#undef DTLS_FAILURE
}};

FailureKind kind_of_ssl_reason(int reason, FailureKind fallback) {
  switch (reason) {
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_CIPHERS_AVAILABLE:
      return FailureKind::kNoSharedCipher;
    case SSL_R_NO_APPLICATION_PROTOCOL:
      return FailureKind::kNoApplicationProtocol;
    case SSL_R_NO_SHARED_GROUPS:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_WRONG_SIGNATURE_TYPE:
    case SSL_R_WRONG_CURVE:
      return FailureKind::kNoSharedParameters;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_UNSUPPORTED_SSL_VERSION:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_VERSION_TOO_HIGH:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
      return FailureKind::kVersionMismatch;
    case SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED:
      return FailureKind::kUnsafeRenegotiation;
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      return FailureKind::kCertificateRejected;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return FailureKind::kPeerCertificateMissing;
    case SSL_R_PSK_IDENTITY_NOT_FOUND:
      return FailureKind::kPskIdentityUnknown;
    case SSL_R_BINDER_DOES_NOT_VERIFY:  // of TLS 1.3's handshakes
      return FailureKind::kPskMismatch;
    case SSL_R_READ_TIMEOUT_EXPIRED:
      return FailureKind::kHandshakeTimeout;
    default:
      return fallback;
  }
}

}  // namespace

FailureInfo describe(FailureKind kind) { return kInfos[static_cast<size_t>(kind)]; }

Failure failure_from_openssl(FailureKind kind) {
  Failure failure;
  failure.kind = kind;
  const unsigned long error = ERR_get_error();
  if (error == 0) return failure;
  if (const char* reason = ERR_reason_error_string(error)) failure.reason = reason;
  if (const char* library = ERR_lib_error_string(error)) failure.library = library;
  char line[256];
  ERR_error_string_n(error, line, sizeof line);
  failure.line = line;
  if (ERR_GET_LIB(error) == ERR_LIB_SSL) {
    const int reason = ERR_GET_REASON(error);
    if (reason >= SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256) {
      failure.kind = FailureKind::kAlertReceived;
      failure.alert = reason - SSL_AD_REASON_OFFSET;
    } else {
      failure.kind = kind_of_ssl_reason(reason, kind);
    }
  }
  ERR_clear_error();
  return failure;
}

}  // namespace dtls
