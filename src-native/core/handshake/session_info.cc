#include "core/handshake/session_info.h"

#include <openssl/ec.h>
#include <openssl/x509v3.h>

#include <array>

#include "core/base/encoding.h"
#include "core/identity/issuer_chain.h"
#include "core/identity/raw_public_key.h"

namespace dtls {

namespace {

std::string text(const char* value) { return value != nullptr ? value : ""; }

}  // namespace

CipherInfo cipher_info(const SSL* ssl) {
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
  if (cipher == nullptr) return {};
  return {text(SSL_CIPHER_get_name(cipher)), text(SSL_CIPHER_standard_name(cipher)),
          text(SSL_CIPHER_get_version(cipher))};
}

std::vector<uint8_t> peer_certificate(const SSL* ssl) { return to_der(peer_leaf(ssl)); }

bool peer_is_host(const SSL* ssl, const std::string& name) {
  const ErrorQueueScope errors;
  X509* leaf = peer_leaf(ssl);
  constexpr unsigned kFlags =
      X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
  return leaf != nullptr && X509_check_host(leaf, name.c_str(), name.size(), kFlags, nullptr) == 1;
}

bool peer_is_address(const SSL* ssl, const std::string& address) {
  const ErrorQueueScope errors;
  X509* leaf = peer_leaf(ssl);
  return leaf != nullptr && X509_check_ip_asc(leaf, address.c_str(), 0) == 1;
}

std::vector<uint8_t> peer_public_key(const SSL* ssl) {
  const ErrorQueueScope errors;
  const EVP_PKEY* raw = rpk::of_peer(ssl);
  const X509* leaf = peer_leaf(ssl);
  return rpk::to_der(raw == nullptr && leaf != nullptr ? X509_get0_pubkey(leaf) : raw);
}

std::vector<uint8_t> own_certificate(const SSL* ssl) { return to_der(SSL_get_certificate(ssl)); }

EphemeralKeyInfo ephemeral_key_info(SSL* ssl) {
  const ErrorQueueScope errors;
  EVP_PKEY* raw = nullptr;
  if (SSL_get_peer_tmp_key(ssl, &raw) != 1) return {};
  const EvpPkeyPtr key(raw);
  EphemeralKeyInfo info;
  info.bits = EVP_PKEY_get_bits(key.get());
  if (EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_DH) {
    info.type = "DH";
    return info;
  }
  info.type = "ECDH";
  std::array<char, 64> group{};
  size_t size = 0;
  if (EVP_PKEY_get_group_name(key.get(), group.data(), group.size(), &size) == 1) {
    info.name.assign(group.data(), size);
  } else {
    info.name = text(OBJ_nid2sn(EVP_PKEY_get_id(key.get())));
  }
  return info;
}

std::vector<std::string> shared_signature_algorithms(SSL* ssl) {
  std::vector<std::string> names;
  const int count = SSL_get_shared_sigalgs(ssl, 0, nullptr, nullptr, nullptr, nullptr, nullptr);
  for (int i = 0; i < count; ++i) {
    int sign = 0;
    int hash = 0;
    SSL_get_shared_sigalgs(ssl, i, &sign, &hash, nullptr, nullptr, nullptr);
    std::string name;
    switch (sign) {  // the names that node:tls uses
      case EVP_PKEY_RSA:
        name = "RSA";
        break;
      case EVP_PKEY_RSA_PSS:
        name = "RSA-PSS";
        break;
      case EVP_PKEY_DSA:
        name = "DSA";
        break;
      case EVP_PKEY_EC:
        name = "ECDSA";
        break;
      case EVP_PKEY_ED25519:
        name = "Ed25519";
        break;
      case EVP_PKEY_ED448:
        name = "Ed448";
        break;
      default:
        name = text(OBJ_nid2sn(sign));
    }
    names.push_back(name + "+" + (hash == NID_undef ? "UNDEF" : text(OBJ_nid2sn(hash))));
  }
  return names;
}

std::vector<uint8_t> finished(const SSL* ssl, bool peers) {
  std::vector<uint8_t> message(EVP_MAX_MD_SIZE);
  const size_t size = peers ? SSL_get_peer_finished(ssl, message.data(), message.size())
                            : SSL_get_finished(ssl, message.data(), message.size());
  message.resize(size);
  return message;
}

std::vector<uint8_t> session_ticket(const SSL* ssl) {
  const SSL_SESSION* session = SSL_get_session(ssl);
  if (session == nullptr || SSL_is_server(ssl) != 0) return {};
  const unsigned char* ticket = nullptr;
  size_t size = 0;
  SSL_SESSION_get0_ticket(session, &ticket, &size);
  return {ticket, ticket + size};
}

bool export_keying_material(SSL* ssl, SecretBytes& out, const std::string& label,
                            const Bytes* context) {
  const ErrorQueueScope errors;
  return SSL_export_keying_material(ssl, out.data(), out.size(), label.data(), label.size(),
                                    context != nullptr ? context->data : nullptr,
                                    context != nullptr ? context->size : 0,
                                    context != nullptr ? 1 : 0) == 1;
}

}  // namespace dtls
