#include "core/identity/offers.h"

#include "core/base/openssl_ptr.h"
#include "core/identity/cipher_suites.h"

namespace dtls {

bool offers_version(int version) {
  const ErrorQueueScope errors;
  const SslCtxPtr ctx(SSL_CTX_new(DTLS_method()));
  // A version that was left out of the build, or one that is not known, is refused here or there.
  return ctx && SSL_CTX_set_min_proto_version(ctx.get(), version) == 1 &&
         SSL_CTX_set_max_proto_version(ctx.get(), version) == 1;
}

bool offers_group(const char* name) {
  const ErrorQueueScope errors;
  const SslCtxPtr ctx(SSL_CTX_new(DTLS_method()));
  return ctx && SSL_CTX_set1_groups_list(ctx.get(), name) == 1;
}

bool offers_sigalg(const char* name) {
  const ErrorQueueScope errors;
  const SslCtxPtr ctx(SSL_CTX_new(DTLS_method()));
  return ctx && SSL_CTX_set1_sigalgs_list(ctx.get(), name) == 1;
}

std::vector<std::string> offered_ciphers() {
  const ErrorQueueScope errors;
  std::vector<std::string> names;
  const SslCtxPtr ctx(SSL_CTX_new(DTLS_method()));
  if (!ctx || SSL_CTX_set_cipher_list(ctx.get(), "ALL:@SECLEVEL=0") != 1) return names;
  const STACK_OF(SSL_CIPHER)* suites = SSL_CTX_get_ciphers(ctx.get());
  for (int i = 0; i < sk_SSL_CIPHER_num(suites); ++i) {
    const SSL_CIPHER* suite = sk_SSL_CIPHER_value(suites, i);
    if (is_of_dtls12(suite)) names.emplace_back(SSL_CIPHER_get_name(suite));
  }
  return names;
}

}  // namespace dtls
