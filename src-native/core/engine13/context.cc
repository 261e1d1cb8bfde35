#include "core/engine13/context.h"

#include <openssl/x509_vfy.h>

#include <string>

#include "core/base/encoding.h"
#include "core/engine13/hello_views.h"
#include "core/engine13/library.h"
#include "core/engine13/openssl_engine.h"
#include "core/wire/wire.h"

namespace dtls {

namespace {

using Pkcs8Ptr = std::unique_ptr<PKCS8_PRIV_KEY_INFO,
                                 OpenSslFree<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>>;

// What is used where nobody chose groups: a client sends the small share of X25519, which leaves
// its hello in one datagram, and says what it would rather have; a server takes a share of that
// where one comes. At the levels that do not permit X25519 it is a curve that they do. The marks
// are those of SSL_CTX_set1_groups_list: '?' passes over what this OpenSSL does not have, '*' has a
// share sent.
const char* default_groups(int security_level) {
  constexpr int kBits192 = 4;
  if (security_level < kBits192) {
    return "?X25519MLKEM768:?*X25519:?secp256r1:?X448:?secp384r1:?secp521r1:?ffdhe2048:?ffdhe3072";
  }
  return security_level == kBits192 ? "?X25519MLKEM768:?X448:?*secp384r1:?secp521r1"
                                    : "?*secp521r1";
}

// Objects of OpenSSL belong to the library context that they were made in. Copies are made by way
// of DER, and use the default provider's digests.

X509Ptr copy_of(const X509* certificate, OSSL_LIB_CTX* library) {
  const int size = i2d_X509_AUX(const_cast<X509*>(certificate), nullptr);
  if (size <= 0) return nullptr;
  std::vector<uint8_t> der(static_cast<size_t>(size));
  uint8_t* end = der.data();
  i2d_X509_AUX(const_cast<X509*>(certificate), &end);
  X509* copy = X509_new_ex(library, EngineLibrary::kPlain);
  const uint8_t* begin = der.data();
  // On failure it frees what it was given.
  if (copy == nullptr || d2i_X509_AUX(&copy, &begin, size) == nullptr) {
    X509_free(copy);
    return nullptr;
  }
  return X509Ptr(copy);
}

X509CrlPtr copy_of(const X509_CRL* list, OSSL_LIB_CTX* library) {
  const int size = i2d_X509_CRL(list, nullptr);
  if (size <= 0) return nullptr;
  std::vector<uint8_t> der(static_cast<size_t>(size));
  uint8_t* end = der.data();
  i2d_X509_CRL(list, &end);
  X509_CRL* copy = X509_CRL_new_ex(library, EngineLibrary::kPlain);
  const uint8_t* begin = der.data();
  if (copy == nullptr || d2i_X509_CRL(&copy, &begin, size) == nullptr) {
    X509_CRL_free(copy);
    return nullptr;
  }
  return X509CrlPtr(copy);
}

EvpPkeyPtr copy_of(const EVP_PKEY* key, OSSL_LIB_CTX* library) {
  const Pkcs8Ptr info(EVP_PKEY2PKCS8(const_cast<EVP_PKEY*>(key)));
  return EvpPkeyPtr(info ? EVP_PKCS82PKEY_ex(info.get(), library, EngineLibrary::kPlain) : nullptr);
}

bool copy_identity(SSL* from, SSL_CTX* to, OSSL_LIB_CTX* library) {
  const X509Ptr leaf = copy_of(SSL_get_certificate(from), library);
  const EvpPkeyPtr key = copy_of(SSL_get_privatekey(from), library);
  STACK_OF(X509)* chain = nullptr;
  SSL_get0_chain_certs(from, &chain);
  if (!leaf || !key || SSL_CTX_use_certificate(to, leaf.get()) != 1 ||
      SSL_CTX_clear_chain_certs(to) != 1) {
    return false;
  }
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    X509Ptr issuer = copy_of(sk_X509_value(chain, i), library);
    if (!issuer || SSL_CTX_add0_chain_cert(to, issuer.get()) != 1) return false;
    static_cast<void>(issuer.release());  // now owned by the SSL_CTX
  }
  return SSL_CTX_use_PrivateKey(to, key.get()) == 1;
}

bool copy_identities(SSL_CTX* from, SSL_CTX* to, OSSL_LIB_CTX* library) {
  // Which certificate is the current one is a property of the context, and many use that one.
  const SslPtr asked(SSL_new(from));
  if (!asked) return false;
  SSL* const ssl = asked.get();
  bool any = false;
  for (long found = SSL_set_current_cert(ssl, SSL_CERT_SET_FIRST); found == 1;
       found = SSL_set_current_cert(ssl, SSL_CERT_SET_NEXT)) {
    if (!copy_identity(ssl, to, library)) return false;
    any = true;
  }
  const EVP_PKEY* const lone = SSL_CTX_get0_privatekey(from);
  if (any || lone == nullptr) return true;
  const EvpPkeyPtr key = copy_of(lone, library);  // of a raw public key
  return key && SSL_CTX_use_PrivateKey(to, key.get()) == 1;
}

bool copy_trust(const SSL_CTX* from, SSL_CTX* to, OSSL_LIB_CTX* library) {
  X509_STORE* const source = SSL_CTX_get_cert_store(from);
  X509_STORE* const store = SSL_CTX_get_cert_store(to);
  const STACK_OF(X509_OBJECT)* objects = X509_STORE_get0_objects(source);
  for (int i = 0; i < sk_X509_OBJECT_num(objects); ++i) {
    const X509_OBJECT* object = sk_X509_OBJECT_value(objects, i);
    if (const X509* certificate = X509_OBJECT_get0_X509(object)) {
      const X509Ptr copy = copy_of(certificate, library);
      if (!copy || X509_STORE_add_cert(store, copy.get()) != 1) return false;
    } else if (const X509_CRL* list = X509_OBJECT_get0_X509_CRL(object)) {
      const X509CrlPtr copy = copy_of(list, library);
      if (!copy || X509_STORE_add_crl(store, copy.get()) != 1) return false;
    }
  }
  const STACK_OF(X509_NAME)* named = SSL_CTX_get_client_CA_list(from);
  if (sk_X509_NAME_num(named) > 0) {
    STACK_OF(X509_NAME)* const copy = SSL_dup_CA_list(named);
    if (copy == nullptr) return false;
    SSL_CTX_set_client_CA_list(to, copy);  // owns it now
  }
  return X509_STORE_set1_param(store, X509_STORE_get0_param(source)) == 1 &&
         SSL_CTX_set1_param(to, SSL_CTX_get0_param(const_cast<SSL_CTX*>(from))) == 1;
}

// The suites of 1.3 are in a context's list, among the others, where nobody has named any.
bool copy_suites(const SecureContext& of, SSL_CTX* to) {
  const SSL_CTX* from = of.get();
  std::string names = of.dtls13().suites;
  if (!names.empty()) return SSL_CTX_set_ciphersuites(to, names.c_str()) == 1;
  const STACK_OF(SSL_CIPHER)* suites = SSL_CTX_get_ciphers(from);
  for (int i = 0; i < sk_SSL_CIPHER_num(suites); ++i) {
    const SSL_CIPHER* suite = sk_SSL_CIPHER_value(suites, i);
    if (SSL_CIPHER_get_kx_nid(suite) != NID_kx_any) continue;
    if (!names.empty()) names += ':';
    names += SSL_CIPHER_get_name(suite);
  }
  return SSL_CTX_set_ciphersuites(to, names.c_str()) == 1;
}

// Whether the security level permits any of the suites: OpenSSL takes the others, too, and would
// fail in every handshake. 64-bit tags need level 0.
bool permits_suites(SSL_CTX* ctx) {
  const SslPtr ssl(SSL_new(ctx));
  STACK_OF(SSL_CIPHER)* const permitted = ssl ? SSL_get1_supported_ciphers(ssl.get()) : nullptr;
  const bool any = sk_SSL_CIPHER_num(permitted) > 0;
  sk_SSL_CIPHER_free(permitted);
  return any;
}

void set_options(const SSL_CTX* from, SSL_CTX* to) {
  // Versions are chosen elsewhere, and there are tickets without a state or none.
  constexpr uint64_t kOthers = SSL_OP_NO_TLSv1_3 | SSL_OP_NO_TLSv1_2 | SSL_OP_NO_TLSv1_1 |
                               SSL_OP_NO_TLSv1 | SSL_OP_NO_SSLv3 | SSL_OP_NO_DTLSv1_2 |
                               SSL_OP_NO_DTLSv1 | SSL_OP_NO_TICKET | SSL_OP_COOKIE_EXCHANGE;
  SSL_CTX_clear_options(to, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
  SSL_CTX_set_options(to, SSL_CTX_get_options(from) & ~kOthers & ~SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
}

std::vector<uint16_t> numbers_of(Bytes list) {
  std::vector<uint16_t> numbers;
  for (size_t at = 0; at + 1 < list.size; at += 2) {
    numbers.push_back(static_cast<uint16_t>(read_u16(list.data + at)));
  }
  return numbers;
}

// `refused`: which of the lists that somebody gave, where it was one of them.
SslCtxPtr make_ctx(const SecureContext& of, FailureKind& refused) {
  const EngineLibrary* const library = engine_library();
  if (library == nullptr) return nullptr;
  SslCtxPtr made(SSL_CTX_new_ex(library->context, EngineLibrary::kOurs, TLS_method()));
  SSL_CTX* const from = of.get();
  SSL_CTX* const to = made.get();
  if (to == nullptr || SSL_CTX_set_min_proto_version(to, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(to, TLS1_3_VERSION) != 1) {
    return nullptr;
  }
  SSL_CTX_set_security_level(to, SSL_CTX_get_security_level(from));
  SSL_CTX_set_timeout(to, SSL_CTX_get_timeout(from));
  SSL_CTX_set_max_cert_list(to, SSL_CTX_get_max_cert_list(from));
  SSL_CTX_set_session_cache_mode(to, SSL_SESS_CACHE_BOTH | SSL_SESS_CACHE_NO_INTERNAL);
  set_options(from, to);
  if (!copy_identities(from, to, library->context) || !copy_trust(from, to, library->context) ||
      SSL_CTX_set_num_tickets(to, 0) != 1) {
    return nullptr;
  }
  const SecureContext::Dtls13Lists& lists = of.dtls13();
  const std::string groups =
      lists.groups.empty() ? default_groups(SSL_CTX_get_security_level(to)) : lists.groups;
  if (!copy_suites(of, to) || !permits_suites(to)) {
    refused = FailureKind::kInvalidCiphers;
  } else if (SSL_CTX_set1_groups_list(to, groups.c_str()) != 1) {
    refused = FailureKind::kInvalidCurves;
  } else if (!lists.sigalgs.empty() && SSL_CTX_set1_sigalgs_list(to, lists.sigalgs.c_str()) != 1) {
    refused = FailureKind::kInvalidSigalgs;
  } else {
    return made;
  }
  return nullptr;
}

// Which list it is that leaves nothing for a hello: OpenSSL takes some of another version, or that
// the security level does not permit, and says so in every handshake.
FailureKind list_without_use() {
  const unsigned long error = ERR_peek_error();
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return FailureKind::kInternal;
  switch (ERR_GET_REASON(error)) {
    case SSL_R_NO_SUITABLE_GROUPS:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
      return FailureKind::kInvalidCurves;
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
      return FailureKind::kInvalidSigalgs;
    default:
      return FailureKind::kInternal;
  }
}

}  // namespace

std::shared_ptr<const EngineContext> EngineContext::bare(SslCtxPtr ctx) {
  auto made = std::shared_ptr<EngineContext>(new EngineContext);
  made->ctx_ = std::move(ctx);
  return made;
}

// A hello that goes nowhere says what the context has, in the order that counts.
bool EngineContext::read_lists(const std::shared_ptr<EngineContext>& made) {
  EngineConfig config;
  config.context = made;
  OpenSslEngine engine(std::move(config));
  EngineOutput hello;
  HelloLists lists;
  if (!engine.set_up() || engine.start() != EngineOutcome::kGoesOn || !engine.take(hello) ||
      !read_hello_lists({hello.message.data(), hello.message.size()}, lists)) {
    return false;
  }
  for (const uint16_t suite : numbers_of(lists.suites)) {
    if (cipher_suite13(suite) != nullptr) made->suites_.push_back(suite);
  }
  made->groups_ = numbers_of(lists.groups);
  made->signature_algorithms_ = numbers_of(lists.signature_algorithms);
  return true;
}

std::shared_ptr<const EngineContext> EngineContext::of(const SecureContext& of,
                                                       void (*install)(SSL_CTX*),
                                                       Failure& failure) {
  std::shared_ptr<const void>& kept = of.twin();
  if (!kept) {
    const ErrorQueueScope errors;
    auto made = std::shared_ptr<EngineContext>(new EngineContext);
    FailureKind refused = FailureKind::kInternal;
    made->ctx_ = make_ctx(of, refused);
    const bool ready = made->ctx_ && OpenSslEngine::install(made->ctx_.get(), install);
    const bool of_use = ready && read_lists(made);
    if (!of_use) {
      if (ready) refused = list_without_use();
      failure = failure_from_openssl(refused);
      failure.kind = refused;
      return nullptr;
    }
    kept = std::move(made);
  }
  return std::static_pointer_cast<const EngineContext>(kept);
}

}  // namespace dtls
