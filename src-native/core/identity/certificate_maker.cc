#include "core/identity/certificate_maker.h"

#include <openssl/bn.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <array>
#include <cstring>
#include <ctime>

#include "core/base/encoding.h"
#include "core/base/openssl_ptr.h"

namespace dtls {

namespace {

using BignumPtr = std::unique_ptr<BIGNUM, OpenSslFree<BIGNUM, BN_free>>;
using GeneralNamesPtr =
    std::unique_ptr<GENERAL_NAMES, OpenSslFree<GENERAL_NAMES, GENERAL_NAMES_free>>;
using GeneralNamePtr = std::unique_ptr<GENERAL_NAME, OpenSslFree<GENERAL_NAME, GENERAL_NAME_free>>;
using Asn1StringPtr = std::unique_ptr<ASN1_STRING, OpenSslFree<ASN1_STRING, ASN1_STRING_free>>;
using ExtensionPtr =
    std::unique_ptr<X509_EXTENSION, OpenSslFree<X509_EXTENSION, X509_EXTENSION_free>>;

EvpPkeyPtr read_key(Bytes pem) {
  const BioPtr bio = read_only(pem);
  Passphrase none;
  return EvpPkeyPtr(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, Passphrase::give, &none)
                        : nullptr);
}

X509Ptr read_certificate(Bytes pem) {
  const BioPtr bio = read_only(pem);
  Passphrase none;
  return X509Ptr(bio ? PEM_read_bio_X509(bio.get(), nullptr, Passphrase::give, &none) : nullptr);
}

// RFC 5280 section 4.1.2.2: positive, at most 20 bytes, and not to be guessed (CA/Browser Forum
// Baseline Requirements 7.1: 64 bits or more).
bool set_serial_number(X509* certificate) {
  const BignumPtr number(BN_new());
  constexpr int kBits = 127;
  return number && BN_rand(number.get(), kBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_validity(X509* certificate, double not_before, double not_after) {
  return ASN1_TIME_set(X509_getm_notBefore(certificate), static_cast<time_t>(not_before)) !=
             nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), static_cast<time_t>(not_after)) != nullptr;
}

bool set_subject(X509* certificate,
                 const std::vector<std::pair<std::string, std::string>>& subject) {
  X509_NAME* name = X509_get_subject_name(certificate);
  for (const auto& [attribute, text] : subject) {
    if (X509_NAME_add_entry_by_txt(name, attribute.c_str(), MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()), -1, 0) != 1) {
      return false;
    }
  }
  return true;
}

bool add_name(GENERAL_NAMES* names, int type, Asn1StringPtr value) {
  GeneralNamePtr name(GENERAL_NAME_new());
  if (!name || !value) return false;
  GENERAL_NAME_set0_value(name.get(), type, value.release());
  if (sk_GENERAL_NAME_push(names, name.get()) == 0) return false;
  static_cast<void>(name.release());  // the stack's now
  return true;
}

Asn1StringPtr ia5_string(const std::string& text) {
  Asn1StringPtr string(ASN1_STRING_type_new(V_ASN1_IA5STRING));
  if (string && ASN1_STRING_set(string.get(), text.data(), static_cast<int>(text.size())) != 1) {
    return nullptr;
  }
  return string;
}

// Put together name by name: the text form of OpenSSL's configuration would let a comma in a name
// begin another one.
bool add_alternative_names(X509* certificate, const CertificateRequest& request) {
  const GeneralNamesPtr names(GENERAL_NAMES_new());
  if (!names) return false;
  for (const std::string& name : request.dns_names) {
    if (!add_name(names.get(), GEN_DNS, ia5_string(name))) return false;
  }
  for (const std::string& address : request.ip_addresses) {
    if (!add_name(names.get(), GEN_IPADD, Asn1StringPtr(a2i_IPADDRESS(address.c_str())))) {
      return false;
    }
  }
  if (sk_GENERAL_NAME_num(names.get()) == 0) return true;
  // RFC 5280 section 4.2.1.6: critical where the subject is empty, for then it is the only name.
  const int critical = request.subject.empty() ? 1 : 0;
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), critical,
                           X509V3_ADD_DEFAULT) == 1;
}

bool add_extension(X509* certificate, X509V3_CTX* context, int nid, const char* value) {
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, context, nid, value));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

const char* extended_key_usage(const CertificateRequest& request) {
  if (!request.for_clients) return "serverAuth";
  return request.for_servers ? "serverAuth,clientAuth" : "clientAuth";
}

// The profile of RFC 5280 section 4.2.1 for an authority, and for an end of a session.
bool add_extensions(X509* certificate, X509* issuer, const CertificateRequest& request) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const auto add = [&](int nid, const char* value) {
    return add_extension(certificate, &context, nid, value);
  };
  if (!add(NID_subject_key_identifier, "hash") ||
      !add(NID_authority_key_identifier, "keyid:always")) {
    return false;
  }
  if (request.authority) {
    return add(NID_basic_constraints, "critical,CA:TRUE") &&
           add(NID_key_usage, "critical,keyCertSign,cRLSign");
  }
  // No keyEncipherment: suites without forward secrecy are not offered here (RFC 9325 section 4.1).
  return add(NID_basic_constraints, "critical,CA:FALSE") &&
         add(NID_key_usage, "critical,digitalSignature") &&
         add(NID_ext_key_usage, extended_key_usage(request)) &&
         add_alternative_names(certificate, request);
}

// Keys that digest by themselves, such as Ed25519, are to be given no digest: OpenSSL says "UNDEF".
const EVP_MD* digest_for(EVP_PKEY* key) {
  std::array<char, 64> name{};
  const bool none = EVP_PKEY_get_default_digest_name(key, name.data(), name.size()) > 0 &&
                    std::strcmp(name.data(), "UNDEF") == 0;
  return none ? nullptr : EVP_sha256();
}

}  // namespace

Failure make_certificate(const CertificateRequest& request, std::vector<uint8_t>& made) {
  const ErrorQueueScope errors;
  const EvpPkeyPtr key = read_key(request.key);
  if (!key) return failure_from_openssl(FailureKind::kInvalidKey);
  X509Ptr issuer;
  EvpPkeyPtr issuer_key;
  if (request.issuer_certificate.size != 0) {
    issuer = read_certificate(request.issuer_certificate);
    if (!issuer) return failure_from_openssl(FailureKind::kInvalidCertificate);
    issuer_key = read_key(request.issuer_key);
    if (!issuer_key) return failure_from_openssl(FailureKind::kInvalidKey);
    if (X509_check_private_key(issuer.get(), issuer_key.get()) != 1) {
      return failure_from_openssl(FailureKind::kKeyMismatch);
    }
  }
  const X509Ptr certificate(X509_new());
  X509* x509 = certificate.get();
  if (x509 == nullptr || X509_set_version(x509, X509_VERSION_3) != 1 || !set_serial_number(x509) ||
      !set_validity(x509, request.not_before, request.not_after) ||
      X509_set_pubkey(x509, key.get()) != 1) {
    return failure_from_openssl(FailureKind::kInternal);
  }
  if (!set_subject(x509, request.subject)) {
    return failure_from_openssl(FailureKind::kInvalidSubject);
  }
  X509* signer = issuer ? issuer.get() : x509;
  EVP_PKEY* signing_key = issuer ? issuer_key.get() : key.get();
  if (X509_set_issuer_name(x509, X509_get_subject_name(signer)) != 1 ||
      !add_extensions(x509, signer, request) ||
      X509_sign(x509, signing_key, digest_for(signing_key)) == 0) {
    return failure_from_openssl(FailureKind::kInternal);
  }
  made = to_der(x509);
  return {};
}

std::pair<std::string, std::string> signature_of(Bytes der) {
  const ErrorQueueScope errors;
  const unsigned char* at = der.data;
  const X509Ptr certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size)));
  int digest = NID_undef;
  int key = NID_undef;
  if (!certificate ||
      X509_get_signature_info(certificate.get(), &digest, &key, nullptr, nullptr) != 1) {
    return {};
  }
  return {OBJ_nid2ln(key), digest == NID_undef ? "" : OBJ_nid2sn(digest)};
}

}  // namespace dtls
