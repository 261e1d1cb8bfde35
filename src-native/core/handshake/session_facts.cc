#include "core/handshake/session_facts.h"

#include <openssl/asn1.h>
#include <openssl/ec.h>
#include <openssl/srtp.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>

#include "core/base/encoding.h"
#include "core/engine13/engine.h"
#include "core/handshake/kept_session.h"
#include "core/identity/certificate_list.h"
#include "core/identity/cipher_suites.h"
#include "core/identity/issuer_chain.h"
#include "core/identity/raw_public_key.h"
#include "core/records/aead_suite.h"
#include "core/records/key_block.h"

namespace dtls {

namespace {

// What agreed_ has, each behind two bytes of its length.
constexpr size_t kServerName = 0;
constexpr size_t kProtocol = 1;
constexpr size_t kSignatureAlgorithms = 2;  // OpenSSL's NIDs of signature and hash, two bytes each
constexpr size_t kGroup = 3;                // its name, or nothing

std::string text(const char* value) { return value != nullptr ? value : ""; }

// The group of the key exchange. A resumed session of TLS 1.2 has had none, and OpenSSL may say
// that of the session before.
std::string group_of(SSL* ssl) {
  if (SSL_version(ssl) != TLS1_3_VERSION && SSL_session_reused(ssl) != 0) return {};
  const auto group = static_cast<int>(SSL_get_negotiated_group(ssl));
  if (group <= NID_undef) return {};
  // Groups that came after OpenSSL's numbers of objects have a name only.
  return text((group & TLSEXT_nid_unknown) != 0 ? SSL_group_to_name(ssl, group)
                                                : OBJ_nid2sn(group));
}

std::vector<uint8_t> copy(Bytes bytes) { return {bytes.data, bytes.data + bytes.size}; }

Bytes view(const std::vector<uint8_t>& bytes) { return {bytes.data(), bytes.size()}; }

void append_u16(std::vector<uint8_t>& out, uint32_t value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}

void append(std::vector<uint8_t>& out, Bytes bytes) {
  append_u16(out, static_cast<uint32_t>(bytes.size));
  out.insert(out.end(), bytes.data, bytes.data + bytes.size);
}

Bytes take(Bytes& rest) {
  if (rest.size < 2) return {};
  const size_t size = read_u16(rest.data);
  const Bytes taken = rest.from(2).first(size);
  rest = rest.from(2 + size);
  return taken;
}

struct DerElement {
  int tag = -1;  // below zero where it is none of the context's own
  Bytes whole;
  Bytes content;
};

// Takes the first element off. False: there is none.
bool take_der(Bytes& der, DerElement& element) {
  const uint8_t* at = der.data;
  long size = 0;
  int tag = 0;
  int kind = 0;
  const int result = ASN1_get_object(&at, &size, &tag, &kind, static_cast<long>(der.size));
  if ((result & 0x80) != 0) return false;
  element.tag = kind == V_ASN1_CONTEXT_SPECIFIC ? tag : -1;
  element.content = {at, static_cast<size_t>(size)};
  element.whole = der.first(static_cast<size_t>(at - der.data) + element.content.size);
  der = der.from(element.whole.size);
  return true;
}

SecretBytes sequence_der(std::initializer_list<Bytes> parts, Bytes behind = {}) {
  size_t size = 0;
  for (const Bytes& part : parts) size += part.size;
  const int whole = ASN1_object_size(1, static_cast<int>(size), V_ASN1_SEQUENCE);
  SecretBytes der(static_cast<size_t>(whole) + behind.size);
  uint8_t* at = der.data();
  ASN1_put_object(&at, 1, static_cast<int>(size), V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
  for (const Bytes& part : parts) at = std::copy_n(part.data, part.size, at);
  std::copy_n(behind.data, behind.size, at);
  return der;
}

// The names that node:tls uses.
std::string signature_name(int nid) {
  switch (nid) {
    case EVP_PKEY_RSA:
      return "RSA";
    case EVP_PKEY_RSA_PSS:
      return "RSA-PSS";
    case EVP_PKEY_DSA:
      return "DSA";
    case EVP_PKEY_EC:
      return "ECDSA";
    case EVP_PKEY_ED25519:
      return "Ed25519";
    case EVP_PKEY_ED448:
      return "Ed448";
    default:
      return text(OBJ_nid2sn(nid));
  }
}

// Whether a seed of the PRF begins with a label that TLS itself derives keys under (RFC 5705
// section 4, RFC 7627 section 4). As OpenSSL has it, it is about the label and what follows:
// "client finishe" and a random that begins with a "d" are one of them, too.
bool is_of_tls(const std::string& seed) {
  constexpr std::array<const char*, 5> kOwn = {"client finished", "server finished",
                                               "master secret", "extended master secret",
                                               "key expansion"};
  return std::any_of(kOwn.begin(), kOwn.end(), [&seed](const char* own) {
    return seed.compare(0, std::strlen(own), own) == 0;
  });
}

}  // namespace

SessionFacts::SessionFacts(SSL* ssl, Alike& alike)
    : cipher_(SSL_get_current_cipher(ssl)),
      session_(SSL_get1_session(ssl)),
      version_(SSL_version(ssl)),
      verify_result_(static_cast<int32_t>(SSL_get_verify_result(ssl))),
      server_(SSL_is_server(ssl) != 0),
      complete_(SSL_is_init_finished(ssl) == 1),
      reused_(SSL_session_reused(ssl) != 0),
      extended_master_secret_(SSL_get_extms_support(ssl) == 1) {
  const ErrorQueueScope errors;
  own_.reset(SSL_get_certificate(ssl));
  if (own_) X509_up_ref(own_.get());
  if (session_) max_fragment_code_ = SSL_SESSION_get_max_fragment_length(session_.get());
  const SRTP_PROTECTION_PROFILE* srtp = SSL_get_selected_srtp_profile(ssl);
  if (srtp != nullptr) srtp_profile_ = static_cast<uint16_t>(srtp->id);
  own_finished_size_ = static_cast<uint8_t>(std::min(
      SSL_get_finished(ssl, own_finished_.data(), own_finished_.size()), own_finished_.size()));
  peers_finished_size_ = static_cast<uint8_t>(
      std::min(SSL_get_peer_finished(ssl, peers_finished_.data(), peers_finished_.size()),
               peers_finished_.size()));
  SSL_get_client_random(ssl, client_random_.data(), client_random_.size());
  SSL_get_server_random(ssl, server_random_.data(), server_random_.size());
  take_ephemeral_key(ssl);
  take_agreed(ssl, alike);
  take_peer(ssl, alike);
}

// OpenSSL has made a handshake of TLS 1.3, see core/engine13.
SessionFacts::SessionFacts(SSL* ssl, Alike& alike, Dtls13Facts dtls13) : SessionFacts(ssl, alike) {
  dtls13_ = std::make_unique<OfDtls13>();
  version_ = kDtls13;
  reused_ = dtls13.reused;
  srtp_profile_ = dtls13.srtp_profile;
  extended_master_secret_ = true;  // RFC 8446 section 7.1: keys are of the whole handshake
  dtls13_->suite = dtls13.suite;
  dtls13_->psk = dtls13.psk;
  std::array<uint8_t, EVP_MAX_MD_SIZE> own;
  std::array<uint8_t, EVP_MAX_MD_SIZE> peers;
  const size_t own_size = std::min(SSL_get_finished(ssl, own.data(), own.size()), own.size());
  const size_t peers_size =
      std::min(SSL_get_peer_finished(ssl, peers.data(), peers.size()), peers.size());
  const Bytes exporter = dtls13.exporter_secret.view();
  dtls13_->exporter_size = static_cast<uint8_t>(exporter.size);
  dtls13_->own_finished_size = static_cast<uint8_t>(own_size);
  dtls13_->peers_finished_size = static_cast<uint8_t>(peers_size);
  dtls13_->all = SecretBytes(exporter.size + own_size + peers_size);
  uint8_t* at = std::copy_n(exporter.data, exporter.size, dtls13_->all.data());
  at = std::copy_n(own.data(), own_size, at);
  std::copy_n(peers.data(), peers_size, at);
}

SessionFacts::~SessionFacts() = default;

bool SessionFacts::by_psk() const { return dtls13_ ? dtls13_->psk : is_psk_suite(cipher_); }

void SessionFacts::renew_session(SslSessionPtr session) {
  session_ = std::move(session);
  session_der_ = {};
  peer_tag_ = peer_header_size_ = 0;
}

void SessionFacts::take_ephemeral_key(SSL* ssl) {
  EVP_PKEY* raw = nullptr;
  if (SSL_get_peer_tmp_key(ssl, &raw) != 1) return;
  const EvpPkeyPtr key(raw);
  ephemeral_bits_ = static_cast<uint16_t>(EVP_PKEY_get_bits(key.get()));
  ephemeral_is_dh_ = EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_DH;
  std::array<char, 64> group{};
  size_t size = 0;
  const int nid = EVP_PKEY_get_group_name(key.get(), group.data(), group.size(), &size) == 1
                      ? OBJ_txt2nid(group.data())
                      : EVP_PKEY_get_id(key.get());
  ephemeral_group_ = static_cast<uint16_t>(std::max(nid, NID_undef));
}

void SessionFacts::take_agreed(SSL* ssl, Alike& alike) {
  std::vector<uint8_t> agreed;
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  append(agreed, {reinterpret_cast<const uint8_t*>(name), name != nullptr ? std::strlen(name) : 0});
  const unsigned char* protocol = nullptr;
  unsigned protocol_size = 0;
  SSL_get0_alpn_selected(ssl, &protocol, &protocol_size);
  append(agreed, {protocol, protocol_size});
  std::vector<uint8_t> algorithms;
  const int count = SSL_get_shared_sigalgs(ssl, 0, nullptr, nullptr, nullptr, nullptr, nullptr);
  for (int i = 0; i < count; ++i) {
    int sign = 0;
    int hash = 0;
    SSL_get_shared_sigalgs(ssl, i, &sign, &hash, nullptr, nullptr, nullptr);
    append_u16(algorithms, static_cast<uint32_t>(sign));
    append_u16(algorithms, static_cast<uint32_t>(hash));
  }
  append(agreed, view(algorithms));
  if (cipher_ != nullptr) {
    const std::string group = group_of(ssl);
    append(agreed, {reinterpret_cast<const uint8_t*>(group.data()), group.size()});
  }
  agreed_ = alike.share(std::move(agreed));
}

void SessionFacts::take_peer(SSL* ssl, Alike& alike) {
  std::vector<uint8_t> shown = rpk::to_der(rpk::of_peer(ssl));
  if (!shown.empty()) {
    shown_ = Shown::kRawKey;
  } else if (X509* leaf = dtls::peer_leaf(ssl)) {
    shown_ = Shown::kCertificates;
    X509_up_ref(leaf);
    leaf_.reset(leaf);
    append_certificate(shown, leaf);
    const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl);
    for (int i = 0; chain != nullptr && i < sk_X509_num(chain); ++i) {
      const X509* other = sk_X509_value(chain, i);
      if (X509_cmp(other, leaf) != 0) append_certificate(shown, other);
    }
  }
  if (!shown.empty()) peer_ = alike.share(std::move(shown));
}

// ---- OpenSSL's session ----

// What the peer showed is in OpenSSL's session as well, as one of the elements of its SEQUENCE, and
// last in that. The rest is a session in DER, too, and parsed in a twentieth of the time.
void SessionFacts::settle(const SSL_SESSION* kept) {
  leaf_.reset();
  if (!session_ || session_.get() == kept) return;
  const ErrorQueueScope errors;
  const SecretBytes der = KeptSession::pack(session_.get());
  Bytes outside = der.view();
  DerElement sequence;
  if (!take_der(outside, sequence)) return;
  const Bytes shown = what_was_shown();
  Bytes rest = shown.size == 0 ? Bytes{} : sequence.content;
  DerElement element;
  while (rest.size != 0 && take_der(rest, element)) {
    const size_t header = element.whole.size - std::min(element.whole.size, shown.size);
    if (element.tag < 0 || header == 0 || header > UINT8_MAX ||
        std::memcmp(element.whole.data + header, shown.data, shown.size) != 0) {
      continue;
    }
    peer_tag_ = static_cast<uint8_t>(element.tag);
    peer_header_size_ = static_cast<uint8_t>(header);
    const auto before = static_cast<size_t>(element.whole.data - sequence.content.data);
    session_der_ =
        sequence_der({sequence.content.first(before), rest}, element.whole.first(header));
    session_.reset();
    return;
  }
  session_der_ = SecretBytes(der.view());
  session_.reset();
}

// A session of settle() in DER with what was taken out, before the elements with greater tags.
SecretBytes SessionFacts::with_peer(Bytes der) const {
  Bytes outside = der;
  DerElement sequence;
  if (peer_header_size_ == 0 || !take_der(outside, sequence)) return SecretBytes(der);
  Bytes rest = sequence.content;
  Bytes behind = rest;
  DerElement element;
  while (rest.size != 0 && take_der(rest, element) && element.tag < peer_tag_) behind = rest;
  const Bytes before = sequence.content.first(sequence.content.size - behind.size);
  const Bytes header = session_der_.view().from(session_der().size);
  return sequence_der({before, header, what_was_shown(), behind});
}

// The session itself where it is shared, and elsewhere one without what the peer showed.
SslSessionPtr SessionFacts::session() const {
  if (session_) {
    SSL_SESSION_up_ref(session_.get());
    return SslSessionPtr(session_.get());
  }
  const uint8_t* at = session_der().data;
  const auto size = static_cast<long>(session_der().size);
  return SslSessionPtr(size == 0 ? nullptr : d2i_SSL_SESSION(nullptr, &at, size));
}

void SessionFacts::forbid_resumption(SSL_CTX* context) {
  may_be_resumed_ = false;
  if (session_) SSL_CTX_remove_session(context, session_.get());
}

SecretBytes SessionFacts::pack(const std::string& name) const {
  const ErrorQueueScope errors;
  if (!may_be_resumed_) return {};
  if (server_) return session_ ? KeptSession::pack(session_.get()) : with_peer(session_der());
  const SslSessionPtr session = this->session();
  // RFC 7627 section 5.4: without the extended master secret it is not to be resumed.
  if (!session || !extended_master_secret_ || SSL_SESSION_is_resumable(session.get()) != 1 ||
      (!reused_ && !KeptSession::note(session.get(), name, other_certificates()))) {
    return {};
  }
  SecretBytes packed = KeptSession::pack(session.get());
  return session_ ? std::move(packed) : with_peer(packed.view());
}

std::vector<uint8_t> SessionFacts::session_ticket() const {
  const ErrorQueueScope errors;
  const SslSessionPtr session = server_ ? nullptr : this->session();
  if (!session) return {};
  const unsigned char* ticket = nullptr;
  size_t size = 0;
  SSL_SESSION_get0_ticket(session.get(), &ticket, &size);
  return {ticket, ticket + size};
}

// PRF(master_secret, label, client_random + server_random [+ length of context + context]).
bool SessionFacts::export_keying_material(SecretBytes& out, const std::string& label,
                                          const Bytes* context) const {
  const ErrorQueueScope errors;
  if (dtls13_) {
    return dtls13_->suite != nullptr && dtls13_->exporter_size != 0 &&
           export_keys(*dtls13_->suite, dtls13_->exporter_secret(), label,
                       context != nullptr ? *context : Bytes{}, out);
  }
  const EVP_MD* digest = prf_digest(cipher_, version_);
  const std::string begin = label + std::string(client_random_.begin(), client_random_.end());
  if (!complete_ || digest == nullptr || is_of_tls(begin)) return false;
  const SslSessionPtr session = this->session();
  if (!session) return false;
  Secret<SSL_MAX_MASTER_KEY_LENGTH> master;
  const size_t master_size =
      SSL_SESSION_get_master_key(session.get(), master.bytes.data(), master.bytes.size());
  std::vector<uint8_t> seed(client_random_.begin(), client_random_.end());
  seed.insert(seed.end(), server_random_.begin(), server_random_.end());
  if (context != nullptr) append(seed, *context);
  return tls1_prf(EVP_MD_get0_name(digest), {master.bytes.data(), master_size}, label, view(seed),
                  out.data(), out.size());
}

// ---- what was agreed on ----

Bytes SessionFacts::agreed(size_t index) const {
  Bytes rest = view(*agreed_);
  for (; index != 0; --index) take(rest);
  return take(rest);
}

std::string SessionFacts::server_name() const {
  const Bytes name = agreed(kServerName);
  return {reinterpret_cast<const char*>(name.data), name.size};
}

std::vector<uint8_t> SessionFacts::protocol() const { return copy(agreed(kProtocol)); }

std::vector<std::string> SessionFacts::shared_signature_algorithms() const {
  std::vector<std::string> names;
  for (Bytes rest = agreed(kSignatureAlgorithms); rest.size != 0; rest = rest.from(4)) {
    const int hash = static_cast<int>(read_u16(rest.data + 2));
    names.push_back(signature_name(static_cast<int>(read_u16(rest.data))) + "+" +
                    (hash == NID_undef ? "UNDEF" : text(OBJ_nid2sn(hash))));
  }
  return names;
}

CipherInfo SessionFacts::cipher_info() const {
  // At 1.3 OpenSSL knows it before anybody has proved anything.
  if (cipher_ == nullptr || (dtls13_ && !complete_)) return {};
  return {text(SSL_CIPHER_get_name(cipher_)), text(SSL_CIPHER_standard_name(cipher_)),
          text(SSL_CIPHER_get_version(cipher_))};
}

std::string SessionFacts::shared_group() const {
  const Bytes group = agreed(kGroup);
  return {reinterpret_cast<const char*>(group.data), group.size};
}

EphemeralKeyInfo SessionFacts::ephemeral_key() const {
  // Of a group with ML-KEM, which only DTLS 1.3 has, OpenSSL tells no key; it has its name.
  const std::string group = version_ == kDtls13 ? shared_group() : "";
  if (!group.empty() && (ephemeral_bits_ == 0 || ephemeral_group_ == NID_undef)) {
    return {"TLSGroup", group};
  }
  if (ephemeral_bits_ == 0) return {};
  if (ephemeral_is_dh_) return {"DH", "", ephemeral_bits_};
  return {"ECDH", text(OBJ_nid2sn(ephemeral_group_)), ephemeral_bits_};
}

std::vector<uint8_t> SessionFacts::finished(bool peers) const {
  if (dtls13_) return copy(peers ? dtls13_->peers_finished() : dtls13_->own_finished());
  const Finished& message = peers ? peers_finished_ : own_finished_;
  return {message.begin(), message.begin() + (peers ? peers_finished_size_ : own_finished_size_)};
}

size_t SessionFacts::data_mtu(size_t mtu) const {
  const AeadSuite& suite = aead_suite(cipher_);
  const size_t added = kRecordHeaderSize + suite.overhead();
  return suite.valid() && mtu > added ? mtu - added : 0;
}

// ---- the peer ----

Bytes SessionFacts::leaf_der() const {
  Bytes der;
  if (shown_ != Shown::kCertificates) return der;
  Bytes list = view(*peer_);
  take_certificate(list, der);
  return der;
}

Bytes SessionFacts::what_was_shown() const {
  return shown_ == Shown::kRawKey ? view(*peer_) : leaf_der();
}

Bytes SessionFacts::other_certificates() const {
  Bytes der;
  if (shown_ != Shown::kCertificates) return der;
  Bytes list = view(*peer_);
  take_certificate(list, der);
  return list;
}

// To read one takes OpenSSL as long as a tenth of a handshake, and each client's asks whose it is.
X509Ptr SessionFacts::peer_leaf() const {
  if (!leaf_) return parse_certificate(leaf_der());
  X509_up_ref(leaf_.get());
  return X509Ptr(leaf_.get());
}

std::vector<uint8_t> SessionFacts::peer_certificate() const { return copy(leaf_der()); }

std::vector<std::vector<uint8_t>> SessionFacts::peer_chain(X509_STORE* trusted) const {
  const ErrorQueueScope errors;
  return issuer_chain(peer_leaf(), parse_certificates(other_certificates()).get(), trusted);
}

std::vector<uint8_t> SessionFacts::peer_public_key() const {
  const ErrorQueueScope errors;
  if (shown_ == Shown::kRawKey) return *peer_;
  const X509Ptr leaf = peer_leaf();
  return rpk::to_der(leaf ? X509_get0_pubkey(leaf.get()) : nullptr);
}

bool SessionFacts::peer_is_host(const std::string& name) const {
  const ErrorQueueScope errors;
  const X509Ptr leaf = peer_leaf();
  constexpr unsigned kFlags =
      X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
  return leaf && X509_check_host(leaf.get(), name.c_str(), name.size(), kFlags, nullptr) == 1;
}

bool SessionFacts::peer_may_serve(X509_STORE* trusted) const {
  const ErrorQueueScope errors;
  const X509Ptr leaf = peer_leaf();
  if (!leaf) return false;
  const auto chain = chain_of(leaf.get(), parse_certificates(other_certificates()).get(), trusted);
  return std::all_of(chain.begin(), chain.end(), [&leaf](const X509Ptr& one) {
    const int authority = X509_cmp(one.get(), leaf.get()) == 0 ? 0 : 1;
    return X509_check_purpose(one.get(), X509_PURPOSE_SSL_SERVER, authority) > 0;
  });
}

bool SessionFacts::peer_is_address(const std::string& address) const {
  const ErrorQueueScope errors;
  const X509Ptr leaf = peer_leaf();
  return leaf && X509_check_ip_asc(leaf.get(), address.c_str(), 0) == 1;
}

}  // namespace dtls
