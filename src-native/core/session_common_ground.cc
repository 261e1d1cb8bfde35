// What a client and a server have in common, told where it was not enough: which suites are in both
// lists, and what they need that one side lacks.

#include <algorithm>
#include <utility>

#include "core/session.h"

namespace dtls {

namespace {

using Names = std::vector<std::string>;

void add_once(Names& names, const char* name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.emplace_back(name);
}

std::string joined(const Names& names, const char* between) {
  std::string text;
  for (const std::string& name : names) {
    if (!text.empty()) text += between;
    text += name;
  }
  return text.empty() ? "none" : text;
}

// TLS 1.3 suites are in OpenSSL's lists, but not for DTLS 1.2.
bool is_of_dtls12(const SSL_CIPHER* suite) { return SSL_CIPHER_get_kx_nid(suite) != NID_kx_any; }

Names cipher_names(const STACK_OF(SSL_CIPHER) * ciphers) {
  Names names;
  for (int i = 0; ciphers != nullptr && i < sk_SSL_CIPHER_num(ciphers); ++i) {
    const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(ciphers, i);
    if (is_of_dtls12(cipher)) names.emplace_back(SSL_CIPHER_get_name(cipher));
  }
  return names;
}

struct CiphersFree {
  void operator()(STACK_OF(SSL_CIPHER) * ciphers) const { sk_SSL_CIPHER_free(ciphers); }
};
using Ciphers = std::unique_ptr<STACK_OF(SSL_CIPHER), CiphersFree>;

// NIDs; of a client that says nothing about them, none.
std::vector<int> groups_of_client(SSL* ssl) {
  std::vector<int> groups;
  const long count = SSL_get1_groups(ssl, nullptr);
  if (count <= 0) return groups;
  groups.resize(static_cast<size_t>(count));
  SSL_get1_groups(ssl, groups.data());
  return groups;
}

const char* name_of(int group) {
  if (group == 0 || (group & TLSEXT_nid_unknown) != 0) return "an unknown one";
  const char* name = EC_curve_nid2nist(group);
  return name != nullptr ? name : OBJ_nid2sn(group);
}

Names group_names(const std::vector<int>& groups) {
  Names names;
  for (const int group : groups) add_once(names, name_of(group));
  return names;
}

int curve_of(const EVP_PKEY* key) {
  char name[64] = {};
  size_t size = 0;
  if (EVP_PKEY_get_group_name(key, name, sizeof name, &size) != 1) return NID_undef;
  const int nid = OBJ_txt2nid(name);
  return nid != NID_undef ? nid : EC_curve_nist2nid(name);
}

// What a server can do with its keys for this client.
struct OwnKeys {
  explicit OwnKeys(SSL* ssl) : groups(groups_of_client(ssl)) {
    bool any = false;
    for (long op = SSL_CERT_SET_FIRST; SSL_set_current_cert(ssl, op) == 1; op = SSL_CERT_SET_NEXT) {
      add(SSL_get_privatekey(ssl));
      any = true;
    }
    if (!any) add(SSL_get_privatekey(ssl));  // a raw key has no certificate
  }

  void add(const EVP_PKEY* key) {
    if (key == nullptr) return;
    const int type = EVP_PKEY_get_base_id(key);
    if (type == EVP_PKEY_RSA || type == EVP_PKEY_RSA_PSS) {
      rsa = true;
      add_once(names, "RSA");
    } else if (type == EVP_PKEY_EC) {
      ecdsa = true;
      const int curve = curve_of(key);
      // RFC 8422 section 5.1: the client's groups count for the key of the certificate, too.
      if (groups.empty() || std::find(groups.begin(), groups.end(), curve) != groups.end()) {
        ecdsa_on_known_curve = true;
      }
      add_once(names, (std::string("ECDSA on ") + name_of(curve)).c_str());
    } else {
      const char* name = EVP_PKEY_get0_type_name(key);
      add_once(names, name != nullptr ? name : "of an unknown type");
    }
  }

  std::vector<int> groups;
  Names names;
  bool rsa = false;
  bool ecdsa = false;
  bool ecdsa_on_known_curve = false;
};

constexpr const char* kGroup = "a group that both sides have";
constexpr const char* kCurve = "an ECDSA key on a curve that the client has";

// What a suite that both sides have needs and does not get; null when nothing is known to be
// missing.
const char* lacks(const SSL_CIPHER* suite, const OwnKeys& keys, bool shared_group, bool has_psk) {
  const int exchange = SSL_CIPHER_get_kx_nid(suite);
  if ((exchange == NID_kx_ecdhe || exchange == NID_kx_ecdhe_psk) && !shared_group) return kGroup;
  if (!has_psk && (exchange == NID_kx_psk || exchange == NID_kx_ecdhe_psk ||
                   exchange == NID_kx_dhe_psk || exchange == NID_kx_rsa_psk)) {
    return "a 'pskCallback'";
  }
  switch (SSL_CIPHER_get_auth_nid(suite)) {
    case NID_auth_rsa:
      if (!keys.rsa) return "a certificate with an RSA key";
      break;
    case NID_auth_ecdsa:
      if (!keys.ecdsa) return "a certificate with an ECDSA key";
      if (!keys.ecdsa_on_known_curve) return kCurve;
      break;
    default:
      break;
  }
  return nullptr;
}

}  // namespace

// A client's.
std::string Session::offered_ciphers() const {
  const Ciphers own(SSL_get1_supported_ciphers(ssl_.get()));
  return joined(cipher_names(own.get()), ":");
}

// A server's, where OpenSSL found no suite: says what is not there, and calls it by its name.
void Session::explain_no_shared_cipher(Failure& failure) {
  SSL* ssl = ssl_.get();
  const STACK_OF(SSL_CIPHER)* offered = SSL_get_client_ciphers(ssl);
  // All that are configured: those that OpenSSL calls supported are a client's.
  const STACK_OF(SSL_CIPHER)* own = SSL_get_ciphers(ssl);
  const OwnKeys keys(ssl);
  const bool shared_group = SSL_get_shared_group(ssl, -1) > 0;
  std::vector<std::pair<const char*, Names>> needs;
  bool parameters_only = true;
  for (int i = 0; i < sk_SSL_CIPHER_num(own); ++i) {
    const SSL_CIPHER* suite = sk_SSL_CIPHER_value(own, i);
    if (!is_of_dtls12(suite) || offered == nullptr ||
        sk_SSL_CIPHER_find(const_cast<STACK_OF(SSL_CIPHER)*>(offered), suite) < 0) {
      continue;
    }
    const char* need = lacks(suite, keys, shared_group, policy_->ask_psk);
    if (need == nullptr) need = "parameters that this side lacks ('dhparam', 'sigalgs')";
    if (need != kGroup && need != kCurve) parameters_only = false;
    const auto known = std::find_if(needs.begin(), needs.end(),
                                    [need](const auto& entry) { return entry.first == need; });
    Names& names = known != needs.end() ? known->second : needs.emplace_back(need, Names{}).second;
    names.emplace_back(SSL_CIPHER_get_name(suite));
  }
  if (needs.empty()) {
    failure.detail = "the client offers " + joined(cipher_names(offered), ":") +
                     "; this side has " + joined(cipher_names(own), ":");
    return;
  }
  if (parameters_only) failure.kind = FailureKind::kNoSharedParameters;
  Names sentences;
  for (const auto& [need, names] : needs) {
    sentences.push_back(joined(names, ":") + " would need " + need);
  }
  failure.detail = "of the suites in both lists " + joined(sentences, ", ") +
                   "; keys of this side: " + joined(keys.names, ", ") + "; groups of the client: " +
                   (keys.groups.empty() ? "any" : joined(group_names(keys.groups), ", "));
}

}  // namespace dtls
