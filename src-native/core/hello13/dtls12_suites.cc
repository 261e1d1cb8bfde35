#include "core/hello13/dtls12_suites.h"

#include <memory>

#include "core/base/openssl_ptr.h"

namespace dtls {

namespace {

void free_list(STACK_OF(SSL_CIPHER) * list) { sk_SSL_CIPHER_free(list); }
using CipherList =
    std::unique_ptr<STACK_OF(SSL_CIPHER), OpenSslFree<STACK_OF(SSL_CIPHER), free_list>>;

void append(std::vector<uint8_t>& to, uint16_t suite) {
  to.push_back(static_cast<uint8_t>(suite >> 8));
  to.push_back(static_cast<uint8_t>(suite));
}

// OpenSSL counts suites of pre-shared keys as out of reach without a function to ask for one.
unsigned no_key(SSL* /*ssl*/, const char* /*hint*/, char* /*identity*/, unsigned /*identity_room*/,
                unsigned char* /*key*/, unsigned /*key_room*/) {
  return 0;
}

}  // namespace

std::vector<uint8_t> dtls12_suites(SSL_CTX* context, bool may_have_psk) {
  constexpr uint16_t kSuitesOf13 = 0x13;
  constexpr uint16_t kEmptyRenegotiationInfo = 0x00ff;
  std::vector<uint8_t> suites;
  const SslPtr ssl(SSL_new(context));
  if (ssl && may_have_psk) SSL_set_psk_client_callback(ssl.get(), no_key);
  // Those of which the version, the security level and the way to authenticate are all in reach.
  const CipherList list(ssl ? SSL_get1_supported_ciphers(ssl.get()) : nullptr);
  const int count = list ? sk_SSL_CIPHER_num(list.get()) : 0;
  for (int i = 0; i < count; ++i) {
    const uint16_t suite = SSL_CIPHER_get_protocol_id(sk_SSL_CIPHER_value(list.get(), i));
    if (suite >> 8 != kSuitesOf13) append(suites, suite);
  }
  if (!suites.empty()) append(suites, kEmptyRenegotiationInfo);
  return suites;
}

}  // namespace dtls
