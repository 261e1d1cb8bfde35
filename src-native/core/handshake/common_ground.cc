// What a client and a server have in common, told where it was not enough: which suites are in both
// lists, and what they need that one side lacks.

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/handshake/handshake.h"
#include "core/identity/cipher_suites.h"

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
  // OpenSSL has no NID for what is of DTLS 1.3 alone, and browsers offer it first.
  constexpr int kX25519MlKem768 = TLSEXT_nid_unknown | 0x11ec;
  if (group == kX25519MlKem768) return "X25519MLKEM768";
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

// Whether the two sides have a signature algorithm in common that one of these kinds of keys makes.
// A client that names none is not judged: which ones it then has is for OpenSSL to say.
bool share_signature(SSL* ssl, std::initializer_list<int> kinds) {
  if (SSL_get_sigalgs(ssl, -1, nullptr, nullptr, nullptr, nullptr, nullptr) <= 0) return true;
  int kind = NID_undef;
  for (int i = 0; SSL_get_shared_sigalgs(ssl, i, &kind, nullptr, nullptr, nullptr, nullptr) > i;
       ++i) {
    if (std::find(kinds.begin(), kinds.end(), kind) != kinds.end()) return true;
  }
  return false;
}

// What a server can do with its keys for this client.
struct OwnKeys {
  explicit OwnKeys(SSL* ssl)
      : groups(groups_of_client(ssl)),
        rsa_signs(share_signature(ssl, {EVP_PKEY_RSA, EVP_PKEY_RSA_PSS})),
        ecdsa_signs(share_signature(ssl, {EVP_PKEY_EC})) {
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
  bool rsa_signs;
  bool ecdsa_signs;
  Names names;
  bool rsa = false;
  bool ecdsa = false;
  bool ecdsa_on_known_curve = false;
};

constexpr const char* kGroup = "a group that both sides have";
constexpr const char* kCurve = "an ECDSA key on a curve that the client has";
constexpr const char* kRsaSignature =
    "a signature algorithm of RSA that both sides have ('sigalgs')";
constexpr const char* kEcdsaSignature =
    "a signature algorithm of ECDSA that both sides have ('sigalgs')";

// Whether the server signs in the handshake.
bool is_signed(const SSL_CIPHER* suite) {
  const int by = SSL_CIPHER_get_auth_nid(suite);
  return by == NID_auth_rsa || by == NID_auth_ecdsa;
}

// Whether the two sides must have this in common, whatever keys this one has.
bool is_parameter(const char* need) {
  return need == kGroup || need == kCurve || need == kRsaSignature || need == kEcdsaSignature;
}

// What a server has beside its keys.
struct OwnMeans {
  const SSL* ssl;
  bool shared_group;
  bool psk;
  bool dhparam;
};

// What a suite needs whose server signs with its certificate, or has the secret sent to it.
const char* key_lacks(const SSL_CIPHER* suite, const OwnKeys& keys) {
  // RFC 5246 section 7.4.3: with an RSA key exchange the server signs nothing.
  const bool signs = SSL_CIPHER_get_kx_nid(suite) != NID_kx_rsa;
  switch (SSL_CIPHER_get_auth_nid(suite)) {
    case NID_auth_rsa:
      if (!keys.rsa) return "a certificate with an RSA key";
      return signs && !keys.rsa_signs ? kRsaSignature : nullptr;
    case NID_auth_ecdsa:
      if (!keys.ecdsa) return "a certificate with an ECDSA key";
      if (!keys.ecdsa_on_known_curve) return kCurve;
      return keys.ecdsa_signs ? nullptr : kEcdsaSignature;
    default:
      return nullptr;
  }
}

// What a suite that both sides have needs and does not get; null when nothing is known to be
// missing.
const char* lacks(const SSL_CIPHER* suite, const OwnKeys& keys, const OwnMeans& means) {
  const int exchange = SSL_CIPHER_get_kx_nid(suite);
  if (!level_permits(SSL_get_SSL_CTX(means.ssl), suite)) {
    return "a lower security level ('@SECLEVEL=0' in 'ciphers')";
  }
  if (SSL_version(means.ssl) == DTLS1_VERSION &&
      std::strcmp(SSL_CIPHER_get_version(suite), "TLSv1.2") == 0) {
    return "DTLSv1.2";
  }
  if ((exchange == NID_kx_ecdhe || exchange == NID_kx_ecdhe_psk) && !means.shared_group) {
    return kGroup;
  }
  if (is_psk_suite(suite) && !means.psk) return "a pre-shared key ('psk' or 'pskCallback')";
  if (const char* need = key_lacks(suite, keys)) return need;
  return needs_dhparam(suite) && !means.dhparam ? "Diffie-Hellman parameters ('dhparam')" : nullptr;
}

}  // namespace

// A client's suites, and why it does not offer the others of its list.
std::string Handshake::own_offer() const {
  SSL* ssl = ssl_.get();
  const Ciphers offered(SSL_get1_supported_ciphers(ssl));
  std::string text = joined(cipher_names(offered.get()), ":");
  const STACK_OF(SSL_CIPHER)* all = SSL_get_ciphers(ssl);
  bool psk = false;
  Names below_level;
  Names left_out;
  for (int i = 0; all != nullptr && i < sk_SSL_CIPHER_num(all); ++i) {
    const SSL_CIPHER* suite = sk_SSL_CIPHER_value(all, i);
    if (!is_of_dtls12(suite)) continue;
    if (!level_permits(SSL_get_SSL_CTX(ssl), suite)) {
      below_level.emplace_back(SSL_CIPHER_get_name(suite));
    } else if (is_psk_suite(suite)) {
      psk = true;
    } else if (sk_SSL_CIPHER_find(offered.get(), suite) < 0 && is_signed(suite)) {
      left_out.emplace_back(SSL_CIPHER_get_name(suite));
    }
  }
  if (psk && !policy_->ask_psk) {
    text += "; its pre-shared key suites would need a key ('psk' or 'pskCallback')";
  }
  if (!below_level.empty()) text += "; " + joined(below_level, ":") + " would need '@SECLEVEL=0'";
  if (!left_out.empty()) {
    text += "; " + joined(left_out, ":") + " would need other 'sigalgs', or DTLSv1.2";
  }
  return text;
}

// A server's, where OpenSSL found no suite: says what is not there, and calls it by its name.
void Handshake::explain_no_shared_cipher(Failure& failure) {
  SSL* ssl = ssl_.get();
  const STACK_OF(SSL_CIPHER)* offered = SSL_get_client_ciphers(ssl);
  // All that are configured: those that OpenSSL calls supported are a client's.
  const STACK_OF(SSL_CIPHER)* own = SSL_get_ciphers(ssl);
  const OwnKeys keys(ssl);
  const OwnMeans means{ssl, SSL_get_shared_group(ssl, -1) > 0, policy_->ask_psk,
                       context_->has_dhparam()};
  std::vector<std::pair<const char*, Names>> needs;
  bool parameters_only = true;
  for (int i = 0; i < sk_SSL_CIPHER_num(own); ++i) {
    const SSL_CIPHER* suite = sk_SSL_CIPHER_value(own, i);
    if (!is_of_dtls12(suite) || offered == nullptr ||
        sk_SSL_CIPHER_find(const_cast<STACK_OF(SSL_CIPHER)*>(offered), suite) < 0) {
      continue;
    }
    const char* need = lacks(suite, keys, means);
    if (need == nullptr) need = "something that OpenSSL does not name";
    if (!is_parameter(need)) parameters_only = false;
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
