#include "core/handshake/session_rules.h"

#include <openssl/x509_vfy.h>

#include <algorithm>

namespace dtls {

namespace {

struct StoreCtxFree {
  void operator()(X509_STORE_CTX* context) const { X509_STORE_CTX_free(context); }
};

void append_list(std::string& rules, const std::string& list) {
  rules += std::to_string(list.size()) + ' ' + list;
}

// What certificates, their signatures, key exchanges and suites are judged by, on either side.
std::string algorithm_rules(const SSL* ssl, bool dtls13, const SecureContext& context) {
  std::string rules(1, static_cast<char>(SSL_get_security_level(ssl)));
  if (dtls13) {
    rules += "13";
    append_list(rules, context.dtls13().suites);
    append_list(rules, context.dtls13().groups);
    append_list(rules, context.dtls13().sigalgs);
    return rules;
  }
  // RFC 7627 section 5.3: without the extension a session that was made with it ends the handshake.
  rules += (SSL_get_options(ssl) & SSL_OP_NO_EXTENDED_MASTER_SECRET) != 0 ? '0' : '1';
  append_list(rules, context.groups());
  append_list(rules, context.sigalgs());
  return rules;
}

// What a client is judged by besides.
std::string client_rules(const SecureContext& context, const SessionPolicy& policy,
                         const std::string& server_name) {
  std::string rules;
  const std::string& id_context = context.session_id_context();
  rules += static_cast<char>(id_context.size());
  rules += id_context;
  rules += static_cast<char>((policy.request_certificate ? 1 : 0) |
                             (policy.reject_unauthorized ? 2 : 0) | (policy.ask_psk ? 4 : 0) |
                             (context.partial_chain_allowed() ? 8 : 0));
  // RFC 6066 section 3: a session is not resumed for another name. At most 255 bytes.
  rules += static_cast<char>(server_name.size());
  rules += server_name;
  if (policy.request_certificate) {
    const auto& digest = context.trust().digest;
    rules.append(digest.begin(), digest.end());
    for (const std::vector<uint8_t>& value : policy.fingerprints.values) {
      rules += static_cast<char>(value.size());
      rules.append(value.begin(), value.end());
    }
    for (const std::vector<uint8_t>& key : policy.public_keys) {
      rules += "key" + std::to_string(key.size()) + ' ';
      rules.append(key.begin(), key.end());
    }
  }
  return rules;
}

// As whom this side shows itself: a client's server goes on seeing in a resumed session whom it saw
// before.
std::string own_rules(const SecureContext& context) {
  std::string rules;
  for (const std::vector<uint8_t>& digest : context.identity()) {
    rules.append(digest.begin(), digest.end());
  }
  return rules;
}

}  // namespace

std::vector<uint8_t> rules_digest(Role role, const SSL* ssl, bool dtls13,
                                  const SecureContext& context, const SessionPolicy& policy,
                                  const std::string& server_name) {
  std::string rules = "dgram-dtls 2" + algorithm_rules(ssl, dtls13, context);
  rules += role == Role::kServer ? client_rules(context, policy, server_name) : own_rules(context);
  // What a ticket was won under counts for no peer to whom this server is somebody else.
  if (policy.for_one_peer) rules += "peer" + own_rules(context);
  std::vector<uint8_t> digest(SSL_MAX_SID_CTX_LENGTH);
  if (EVP_Digest(rules.data(), rules.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1) {
    return {};
  }
  return digest;
}

bool bind_to_rules(SSL* ssl, const std::vector<uint8_t>& digest) {
  return !digest.empty() &&
         SSL_set_session_id_context(ssl, digest.data(), static_cast<unsigned>(digest.size())) == 1;
}

bool verify_chain(X509_STORE_CTX* store, SSL* ssl, Role role, const SecureContext& context) {
  if (X509_verify_cert(store) <= 0) return false;
  SSL_SESSION* session = SSL_get_session(ssl);
  if (role == Role::kClient || session == nullptr) return true;
  const int64_t expires =
      std::min(chain_expires(X509_STORE_CTX_get0_chain(store)), context.trust().revocation_expires);
  const int64_t left = std::max<int64_t>(expires - SSL_SESSION_get_time(session), 0);
  if (left < SSL_SESSION_get_timeout(session)) {
    SSL_SESSION_set_timeout(session, static_cast<long>(left));
  }
  return true;
}

long verify_again(SSL* ssl, const SecureContext& context, const SessionPolicy& policy,
                  const KeptSession& session) {
  // A session that was kept has no raw public key to compare: a full handshake shows one.
  if (!policy.public_keys.empty()) return X509_V_ERR_CERT_REJECTED;
  if (policy.fingerprints.expected()) {
    return policy.fingerprints.match(session.leaf()) ? X509_V_OK : X509_V_ERR_CERT_REJECTED;
  }
  const SecureContext& trusting = policy.authorities ? *policy.authorities : context;
  const std::unique_ptr<X509_STORE_CTX, StoreCtxFree> store(X509_STORE_CTX_new());
  if (!store || X509_STORE_CTX_init(store.get(), SSL_CTX_get_cert_store(trusting.get()),
                                    session.leaf(), session.chain()) != 1) {
    return X509_V_ERR_UNSPECIFIED;
  }
  X509_STORE_CTX_set_default(store.get(), "ssl_server");
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(store.get());
  X509_VERIFY_PARAM_set1(parameters, SSL_get0_param(ssl));
  X509_VERIFY_PARAM_set_auth_level(parameters, SSL_get_security_level(ssl));
  if (verify_chain(store.get(), ssl, Role::kClient, context)) return X509_V_OK;
  const int error = X509_STORE_CTX_get_error(store.get());
  return error == X509_V_OK ? X509_V_ERR_UNSPECIFIED : error;
}

bool fits_into_ticket(const SSL* ssl, X509* certificate) {
  if (certificate == nullptr || (SSL_get_options(ssl) & SSL_OP_NO_TICKET) != 0) return true;
  return i2d_X509(certificate, nullptr) <= kMaxCertificateInTicket;
}

bool is_short_enough_for_ticket(const SSL* ssl) {
  constexpr int kLongest = 15'000;
  return i2d_SSL_SESSION(SSL_get_session(ssl), nullptr) <= kLongest;
}

}  // namespace dtls
