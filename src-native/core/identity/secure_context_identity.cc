// Own certificates and private keys: one of each key type, from PEM or PKCS #12.

#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <utility>

#include "core/base/encoding.h"
#include "core/base/secret.h"
#include "core/identity/issuer_chain.h"
#include "core/identity/secure_context.h"
#include "core/wire/message_assembly.h"

namespace dtls {

namespace {

using Pkcs12Ptr = std::unique_ptr<PKCS12, OpenSslFree<PKCS12, PKCS12_free>>;

void free_certificates(STACK_OF(X509) * certificates) { sk_X509_pop_free(certificates, X509_free); }
using X509StackPtr =
    std::unique_ptr<STACK_OF(X509), OpenSslFree<STACK_OF(X509), free_certificates>>;

bool is_self_issued(X509* certificate) {
  return X509_check_issued(certificate, certificate) == X509_V_OK;
}

int key_type(const X509* certificate) {
  const EVP_PKEY* key = X509_get0_pubkey(certificate);
  return key != nullptr ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;
}

std::vector<uint8_t> sha256(const std::vector<uint8_t>& data) {
  std::vector<uint8_t> digest(SHA256_DIGEST_LENGTH);
  EVP_Digest(data.data(), data.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  return digest;
}

// SubjectPublicKeyInfo.
std::vector<uint8_t> public_key_der(const EVP_PKEY* key) {
  std::vector<uint8_t> der(static_cast<size_t>(std::max(i2d_PUBKEY(key, nullptr), 0)));
  uint8_t* end = der.data();
  if (!der.empty()) i2d_PUBKEY(key, &end);
  return der;
}

Failure invalid_pfx(const char* reason) {
  Failure failure = failure_from_openssl(FailureKind::kInvalidPfx);
  if (reason != nullptr) failure.reason = reason;
  return failure;
}

}  // namespace

// OpenSSL keeps one certificate for each key type, and would silently forget the older one.
Failure SecureContext::use_leaf(X509* leaf) {
  for (const X509Ptr& known : leaves_) {
    if (key_type(known.get()) != key_type(leaf)) continue;
    Failure failure;
    failure.kind = FailureKind::kInvalidCertificate;
    failure.reason = "two certificates of one key type";
    return failure;
  }
  if (SSL_CTX_use_certificate(ctx_.get(), leaf) != 1) {
    return failure_from_openssl(FailureKind::kInvalidCertificate);
  }
  identity_.insert(sha256(to_der(leaf)));
  X509_up_ref(leaf);
  leaves_.emplace_back(leaf);
  // What is added to the chain from here on is of this certificate only.
  SSL_CTX_clear_chain_certs(ctx_.get());
  return {};
}

Failure SecureContext::add_certificate(Bytes pem) {
  const ErrorQueueScope errors;
  const BioPtr bio = read_only(pem);
  Passphrase none;
  const X509Ptr leaf(bio ? PEM_read_bio_X509_AUX(bio.get(), nullptr, Passphrase::give, &none)
                         : nullptr);
  if (!leaf) return failure_from_openssl(FailureKind::kInvalidCertificate);
  if (Failure failure = use_leaf(leaf.get())) return failure;
  for (;;) {
    X509Ptr issuer(PEM_read_bio_X509(bio.get(), nullptr, Passphrase::give, &none));
    if (!issuer) break;
    if (SSL_CTX_add0_chain_cert(ctx_.get(), issuer.get()) != 1) {
      return failure_from_openssl(FailureKind::kInvalidCertificate);
    }
    static_cast<void>(issuer.release());  // now owned by the SSL_CTX
  }
  if (!at_end_of_pem()) return failure_from_openssl(FailureKind::kInvalidCertificate);
  return {};
}

Failure SecureContext::add_key(Bytes pem, Bytes passphrase) {
  const ErrorQueueScope errors;
  const BioPtr bio = read_only(pem);
  Passphrase secret{passphrase};
  const EvpPkeyPtr key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, Passphrase::give, &secret)
                           : nullptr);
  if (!key) {
    return failure_from_openssl(secret.asked ? FailureKind::kPassphrase : FailureKind::kInvalidKey);
  }
  // Compares the key with the certificate of its type, if there is one.
  if (SSL_CTX_use_PrivateKey(ctx_.get(), key.get()) != 1) {
    return failure_from_openssl(FailureKind::kKeyMismatch);
  }
  identity_.insert(sha256(public_key_der(key.get())));
  return {};
}

// Fails when the current certificate with its chain is too long for a Certificate message (RFC 5246
// section 7.4.2). Where nobody gave a chain OpenSSL makes one of what is trusted, up to a root.
Failure SecureContext::check_length() const {
  constexpr size_t kLength = 3;  // bytes that tell that of the list, or of a certificate
  size_t size = kLength;
  const auto add = [&size](X509* certificate) {
    size += kLength + static_cast<size_t>(std::max(i2d_X509(certificate, nullptr), 0));
  };
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(ctx_.get(), &chain);
  X509* const leaf = SSL_CTX_get0_certificate(ctx_.get());
  if (sk_X509_num(chain) > 0) {
    add(leaf);
    for (int i = 0; i < sk_X509_num(chain); ++i) add(sk_X509_value(chain, i));
  } else {
    X509_STORE* const trusted = SSL_CTX_get_cert_store(ctx_.get());
    for (const X509Ptr& one : chain_of(leaf, nullptr, trusted)) add(one.get());
  }
  if (size <= MessageAssembly::kMaxMessage) return {};
  Failure failure;
  failure.kind = FailureKind::kCertificateTooBig;
  failure.reason = "the Certificate message would have " + std::to_string(size) + " bytes, and " +
                   std::to_string(MessageAssembly::kMaxMessage) + " is the most";
  return failure;
}

Failure SecureContext::check_identities() {
  const ErrorQueueScope errors;
  // OpenSSL counts only certificates that have their key.
  size_t complete = 0;
  Failure too_long;
  for (long found = SSL_CTX_set_current_cert(ctx_.get(), SSL_CERT_SET_FIRST); found == 1;
       found = SSL_CTX_set_current_cert(ctx_.get(), SSL_CERT_SET_NEXT)) {
    ++complete;
    if (!too_long) too_long = check_length();
  }
  SSL_CTX_set_current_cert(ctx_.get(), SSL_CERT_SET_FIRST);
  if (complete == leaves_.size()) return too_long;
  Failure failure;
  failure.kind = FailureKind::kKeyMismatch;
  failure.reason = "a certificate has no private key of its type";
  return failure;
}

Failure SecureContext::add_pfx(Bytes pfx, Bytes passphrase, bool with_identity) {
  const ErrorQueueScope errors;
  const BioPtr bio = read_only(pfx);
  const Pkcs12Ptr package(bio ? d2i_PKCS12_bio(bio.get(), nullptr) : nullptr);
  if (!package) return invalid_pfx(nullptr);
  // OpenSSL wants it with a NUL behind it.
  SecretBytes with_end(passphrase.size + 1);
  std::copy_n(passphrase.data, passphrase.size, with_end.data());
  const char* const secret = reinterpret_cast<const char*>(with_end.data());
  const bool empty = passphrase.size == 0;
  // No passphrase and an empty one are two things to PKCS #12, and programs write either.
  const bool authentic =
      PKCS12_mac_present(package.get()) == 0 ||
      PKCS12_verify_mac(package.get(), secret, static_cast<int>(passphrase.size)) == 1 ||
      (empty && PKCS12_verify_mac(package.get(), nullptr, 0) == 1);
  if (!authentic) return failure_from_openssl(FailureKind::kPassphrase);

  EVP_PKEY* raw_key = nullptr;
  X509* raw_leaf = nullptr;
  STACK_OF(X509)* raw_others = nullptr;
  if (PKCS12_parse(package.get(), secret, &raw_key, &raw_leaf, &raw_others) != 1) {
    return invalid_pfx(nullptr);
  }
  const EvpPkeyPtr key(raw_key);
  const X509Ptr leaf(raw_leaf);
  const X509StackPtr others(raw_others);

  if (with_identity) {
    if (!key || !leaf) return invalid_pfx("no private key with its certificate");
    if (Failure failure = use_leaf(leaf.get())) return failure;
    if (SSL_CTX_use_PrivateKey(ctx_.get(), key.get()) != 1) {
      return failure_from_openssl(FailureKind::kKeyMismatch);
    }
  }
  X509_STORE* store = SSL_CTX_get_cert_store(ctx_.get());
  for (int i = 0; others && i < sk_X509_num(others.get()); ++i) {
    X509* other = sk_X509_value(others.get(), i);
    // The others are the chain of the own certificate, and are trusted, which node:tls does, too.
    if (X509_STORE_add_cert(store, other) != 1 || SSL_CTX_add_client_CA(ctx_.get(), other) != 1 ||
        // Who trusts a root has it; RFC 5246 section 7.4.2 lets it be left out.
        (with_identity && !is_self_issued(other) &&
         SSL_CTX_add1_chain_cert(ctx_.get(), other) != 1)) {
      return invalid_pfx(nullptr);
    }
  }
  return {};
}

std::vector<std::vector<uint8_t>> SecureContext::own_certificates() const {
  std::vector<std::vector<uint8_t>> all;
  all.reserve(leaves_.size());
  for (const X509Ptr& leaf : leaves_) all.push_back(to_der(leaf.get()));
  return all;
}

}  // namespace dtls
