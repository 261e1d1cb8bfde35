#include <openssl/crypto.h>

#include "core/engine13/engine.h"
#include "core/engine13/library.h"
#include "core/engine13/quic_calls.h"
#include "core/engine13/self_test.h"
#include "core/identity/marked_random.h"

namespace dtls {

namespace {

EngineSupport find_support() {
  const ErrorQueueScope errors;
  const std::string openssl = std::string("OpenSSL ") + OpenSSL_version(OPENSSL_VERSION_STRING);
  EngineSupport support;
  if (!quic::looked_for()) {
    support.missing =
        "an addon for this system cannot look for SSL_set_quic_tls_cbs of OpenSSL 3.5";
  } else if (!quic::supported()) {
    support.missing = openssl + " lacks SSL_set_quic_tls_cbs, which 3.5 has";
  } else if (EVP_default_properties_is_fips_enabled(nullptr) != 0) {
    support.missing = "OpenSSL is in FIPS mode, and the provider that it takes is none of FIPS";
  } else if (!can_mark_random()) {
    support.missing =
        "another source of randomness than OpenSSL's own cannot mark ServerHellos of "
        "DTLS 1.2 (RFC 8446 section 4.1.3)";
  } else if (engine_library() == nullptr) {
    support.missing = openssl + " gives it no library context of its own";
  } else if (const char* complaint = engine_self_test()) {
    support.missing = std::string("the self-test fails on ") + openssl + ": " + complaint;
  } else {
    support.name = openssl + ", TLS 1.3 by SSL_set_quic_tls_cbs";
  }
  return support;
}

}  // namespace

const EngineSupport& engine_support() {
  static const EngineSupport support = find_support();
  return support;
}

}  // namespace dtls
