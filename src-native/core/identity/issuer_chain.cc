#include "core/identity/issuer_chain.h"

#include <openssl/x509v3.h>

#include <algorithm>

#include "core/base/encoding.h"

namespace dtls {

namespace {

using StoreCtxPtr =
    std::unique_ptr<X509_STORE_CTX, OpenSslFree<X509_STORE_CTX, X509_STORE_CTX_free>>;

// OpenSSL's own bound on the length of a chain that it builds.
constexpr size_t kMaxDepth = 100;

}  // namespace

X509* peer_leaf(const SSL* ssl) {
  X509* leaf = SSL_get0_peer_certificate(ssl);
  if (leaf != nullptr || SSL_is_server(ssl) != 0) return leaf;
  // While a client's handshake waits for the verdict on the identity, the chain is all there is.
  const STACK_OF(X509)* sent = SSL_get_peer_cert_chain(ssl);
  return sent != nullptr && sk_X509_num(sent) > 0 ? sk_X509_value(sent, 0) : nullptr;
}

X509Ptr find_issuer(X509* certificate, const STACK_OF(X509) * sent, X509_STORE* trusted) {
  if (X509_check_issued(certificate, certificate) == X509_V_OK) {
    X509_up_ref(certificate);
    return X509Ptr(certificate);
  }
  for (int i = 0; sent != nullptr && i < sk_X509_num(sent); ++i) {
    X509* candidate = sk_X509_value(sent, i);
    if (X509_check_issued(candidate, certificate) != X509_V_OK) continue;
    X509_up_ref(candidate);
    return X509Ptr(candidate);
  }
  const StoreCtxPtr store(X509_STORE_CTX_new());
  X509* issuer = nullptr;
  if (!store || X509_STORE_CTX_init(store.get(), trusted, nullptr, nullptr) != 1 ||
      X509_STORE_CTX_get1_issuer(&issuer, store.get(), certificate) != 1) {
    return nullptr;
  }
  return X509Ptr(issuer);
}

X509Ptr own_issuer(SSL_CTX* context, X509* certificate, X509_STORE* trusted) {
  const ErrorQueueScope errors;
  // To look at the chain of one certificate it has to be the current one, which only an SSL of our
  // own may be told: the context has many sessions.
  const SslPtr asked(certificate != nullptr ? SSL_new(context) : nullptr);
  STACK_OF(X509)* chain = nullptr;
  if (!asked || SSL_select_current_cert(asked.get(), certificate) != 1) return nullptr;
  SSL_get0_chain_certs(asked.get(), &chain);
  return find_issuer(certificate, chain, trusted);
}

std::vector<X509Ptr> chain_of(X509* certificate, const STACK_OF(X509) * sent, X509_STORE* trusted) {
  std::vector<X509Ptr> chain;
  X509_up_ref(certificate);
  X509Ptr next(certificate);
  const auto is_next = [&next](const X509Ptr& one) { return X509_cmp(one.get(), next.get()) == 0; };
  while (next && chain.size() < kMaxDepth && std::none_of(chain.begin(), chain.end(), is_next)) {
    chain.push_back(std::move(next));
    next = find_issuer(chain.back().get(), sent, trusted);
  }
  return chain;
}

std::vector<std::vector<uint8_t>> issuer_chain(X509Ptr certificate, const STACK_OF(X509) * sent,
                                               X509_STORE* trusted) {
  const ErrorQueueScope errors;
  std::vector<std::vector<uint8_t>> chain;
  if (!certificate) return chain;
  for (const X509Ptr& one : chain_of(certificate.get(), sent, trusted)) {
    chain.push_back(to_der(one.get()));
  }
  return chain;
}

}  // namespace dtls
