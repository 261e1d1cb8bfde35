#include "core/identity/secure_context.h"

#include <openssl/pem.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "core/base/encoding.h"
#include "core/identity/cipher_suites.h"
#include "core/wire/wire.h"

namespace dtls {

namespace {

// A suite that RFC 5246 or a later document made for version 1.2, AEAD for one.
bool needs_dtls12(const SSL_CIPHER* suite) {
  return std::string_view(SSL_CIPHER_get_version(suite)) == "TLSv1.2";
}

bool is_dtls10_only(SSL_CTX* ctx) { return SSL_CTX_get_max_proto_version(ctx) == DTLS1_VERSION; }

// The suites that the versions and the security level permit.
std::vector<const SSL_CIPHER*> usable_suites(SSL_CTX* ctx) {
  const bool dtls10_only = is_dtls10_only(ctx);
  std::vector<const SSL_CIPHER*> usable;
  const STACK_OF(SSL_CIPHER)* all = SSL_CTX_get_ciphers(ctx);
  for (int i = 0; i < sk_SSL_CIPHER_num(all); ++i) {
    const SSL_CIPHER* suite = sk_SSL_CIPHER_value(all, i);
    if (dtls10_only && needs_dtls12(suite)) continue;
    if (is_of_dtls12(suite) && level_permits(ctx, suite)) usable.push_back(suite);
  }
  return usable;
}

}  // namespace

SecureContext::SecureContext(void (*install)(SSL_CTX*)) : ctx_(SSL_CTX_new(DTLS_method())) {
  if (!ctx_) return;
  SSL_CTX* ctx = ctx_.get();
  // RFC 9325: no compression (3.3), no renegotiation (3.5). Extended master
  // secret and encrypt-then-MAC are on by default. SSL_OP_NO_QUERY_MTU: the core, not a socket,
  // knows the MTU.
  SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_QUERY_MTU |
                               SSL_OP_SINGLE_DH_USE | SSL_OP_SINGLE_ECDH_USE);
  // Servers give out session ids for others to keep; here is no memory of sessions.
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
  install(ctx);
}

Failure SecureContext::set_versions(int min, int max) {
  const ErrorQueueScope errors;
  // DTLS 1.3 has a context of its own: this one has what is below.
  const auto below = [](int version) { return version == kDtls13 ? DTLS1_2_VERSION : version; };
  if (SSL_CTX_set_min_proto_version(ctx_.get(), below(min)) != 1 ||
      SSL_CTX_set_max_proto_version(ctx_.get(), below(max)) != 1) {
    return failure_from_openssl(FailureKind::kInvalidVersion);
  }
  min_version_ = min;
  max_version_ = max;
  return {};
}

Failure SecureContext::set_ciphers(const char* list) {
  const ErrorQueueScope errors;
  if (SSL_CTX_set_cipher_list(ctx_.get(), list) != 1) {
    Failure failure = failure_from_openssl(FailureKind::kInvalidCiphers);
    failure.kind = FailureKind::kInvalidCiphers;
    return failure;
  }
  const int level = SSL_CTX_get_security_level(ctx_.get());
  const bool dtls10_only = is_dtls10_only(ctx_.get());
  // OpenSSL has no DTLS 1.0 above security level 0, and says so in each handshake only.
  const bool level_forbids = dtls10_only && level > 0;
  if (!level_forbids && !usable_suites(ctx_.get()).empty()) return {};
  Failure failure;
  failure.kind = FailureKind::kInvalidCiphers;
  if (level_forbids) {
    failure.reason = "DTLSv1 needs '@SECLEVEL=0' in 'ciphers'";
  } else if (dtls10_only) {
    failure.reason = "DTLSv1 has none of them";
  } else {
    failure.reason = "security level " + std::to_string(level) + " permits none of them";
  }
  return failure;
}

bool SecureContext::needs_psk() const {
  if (allows(kDtls13)) return false;
  const std::vector<const SSL_CIPHER*> usable = usable_suites(ctx_.get());
  return std::all_of(usable.begin(), usable.end(), is_psk_suite);
}

Failure SecureContext::set_groups(const char* list) {
  const ErrorQueueScope errors;
  if (SSL_CTX_set1_groups_list(ctx_.get(), list) != 1) {
    return failure_from_openssl(FailureKind::kInvalidCurves);
  }
  groups_ = list;
  return {};
}

Failure SecureContext::set_sigalgs(const char* list) {
  const ErrorQueueScope errors;
  if (SSL_CTX_set1_sigalgs_list(ctx_.get(), list) != 1) {
    return failure_from_openssl(FailureKind::kInvalidSigalgs);
  }
  sigalgs_ = list;
  return {};
}

Failure SecureContext::set_dhparam(Bytes pem) {
  const ErrorQueueScope errors;
  if (pem.size == 4 && std::memcmp(pem.data, "auto", 4) == 0) {
    SSL_CTX_set_dh_auto(ctx_.get(), 1);
    has_dhparam_ = true;
    return {};
  }
  const BioPtr bio = read_only(pem);
  EvpPkeyPtr params(bio ? PEM_read_bio_Parameters(bio.get(), nullptr) : nullptr);
  if (!params || SSL_CTX_set0_tmp_dh_pkey(ctx_.get(), params.get()) != 1) {
    return failure_from_openssl(FailureKind::kInvalidDhparam);
  }
  static_cast<void>(params.release());  // now owned by the SSL_CTX
  has_dhparam_ = true;
  return {};
}

void SecureContext::set_options(uint64_t options) { SSL_CTX_set_options(ctx_.get(), options); }

Failure SecureContext::set_session_id_context(Bytes context) {
  if (context.size > SSL_MAX_SID_CTX_LENGTH) {
    Failure failure;
    failure.kind = FailureKind::kInvalidSessionIdContext;
    return failure;
  }
  session_id_context_.assign(reinterpret_cast<const char*>(context.data), context.size);
  return {};
}

void SecureContext::set_session_timeout(long seconds) { SSL_CTX_set_timeout(ctx_.get(), seconds); }

void SecureContext::allow_partial_chain() {
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx_.get()), X509_V_FLAG_PARTIAL_CHAIN);
}

bool SecureContext::partial_chain_allowed() const {
  return (X509_VERIFY_PARAM_get_flags(SSL_CTX_get0_param(ctx_.get())) &
          X509_V_FLAG_PARTIAL_CHAIN) != 0;
}

const Trust& SecureContext::trust() const {
  if (!trust_) trust_ = describe_trust(SSL_CTX_get_cert_store(ctx_.get()));
  return *trust_;
}

Failure SecureContext::add_ca(Bytes pem, bool named) {
  const ErrorQueueScope errors;
  const BioPtr bio = read_only(pem);
  X509_STORE* store = SSL_CTX_get_cert_store(ctx_.get());
  Passphrase none;  // without one OpenSSL would ask at the terminal
  bool any = false;
  while (bio) {
    const X509Ptr authority(PEM_read_bio_X509_AUX(bio.get(), nullptr, Passphrase::give, &none));
    if (!authority) break;
    if (X509_STORE_add_cert(store, authority.get()) != 1 ||
        (named && SSL_CTX_add_client_CA(ctx_.get(), authority.get()) != 1)) {
      return failure_from_openssl(FailureKind::kInvalidCa);
    }
    any = true;
  }
  if (!any || !at_end_of_pem()) return failure_from_openssl(FailureKind::kInvalidCa);
  return {};
}

Failure SecureContext::add_crl(Bytes pem) {
  const ErrorQueueScope errors;
  const BioPtr bio = read_only(pem);
  X509_STORE* store = SSL_CTX_get_cert_store(ctx_.get());
  Passphrase none;
  bool any = false;
  while (bio) {
    const X509CrlPtr crl(PEM_read_bio_X509_CRL(bio.get(), nullptr, Passphrase::give, &none));
    if (!crl) break;
    if (X509_STORE_add_crl(store, crl.get()) != 1) {
      return failure_from_openssl(FailureKind::kInvalidCrl);
    }
    any = true;
  }
  if (!any || !at_end_of_pem()) return failure_from_openssl(FailureKind::kInvalidCrl);
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  return {};
}

}  // namespace dtls
