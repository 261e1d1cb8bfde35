#include "core/identity/issuer_chain.h"

#include <openssl/x509v3.h>

#include "core/base/encoding.h"

namespace dtls {

namespace {

using StoreCtxPtr =
    std::unique_ptr<X509_STORE_CTX, OpenSslFree<X509_STORE_CTX, X509_STORE_CTX_free>>;

// OpenSSL's own bound on the length of a chain that it builds.
constexpr int kMaxDepth = 100;

X509_STORE* trusted_by(SSL* ssl) {
  X509_STORE* own = nullptr;
  SSL_get0_verify_cert_store(ssl, &own);
  return own != nullptr ? own : SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));
}

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

X509Ptr own_issuer(SSL* ssl) {
  const ErrorQueueScope errors;
  STACK_OF(X509)* chain = nullptr;
  SSL_get0_chain_certs(ssl, &chain);
  X509* leaf = SSL_get_certificate(ssl);
  return leaf != nullptr ? find_issuer(leaf, chain, trusted_by(ssl)) : nullptr;
}

std::vector<std::vector<uint8_t>> peer_issuer_chain(SSL* ssl) {
  const ErrorQueueScope errors;
  std::vector<std::vector<uint8_t>> chain;
  X509* leaf = peer_leaf(ssl);
  if (leaf == nullptr) return chain;
  X509_up_ref(leaf);
  X509Ptr current(leaf);
  for (int depth = 0; current && depth < kMaxDepth; ++depth) {
    chain.push_back(to_der(current.get()));
    X509Ptr issuer = find_issuer(current.get(), SSL_get_peer_cert_chain(ssl), trusted_by(ssl));
    if (issuer && X509_cmp(issuer.get(), current.get()) == 0) break;
    current = std::move(issuer);
  }
  return chain;
}

}  // namespace dtls
