#ifndef DGRAM_DTLS_CORE_HANDSHAKE_SESSION_FACTS_H_
#define DGRAM_DTLS_CORE_HANDSHAKE_SESSION_FACTS_H_

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/cipher_suite13.h"
#include "core/base/distinct.h"
#include "core/base/openssl_ptr.h"
#include "core/base/secret.h"
#include "core/wire/wire.h"

namespace dtls {

struct CipherInfo {
  std::string name;           // OpenSSL's
  std::string standard_name;  // the RFC's
  std::string version;        // the oldest protocol version that has the suite
};

struct EphemeralKeyInfo {
  std::string type;  // "ECDH", "DH", or "TLSGroup" for a group of another kind; empty for no key
  std::string name;  // the group
  int bits = 0;      // 0 for "TLSGroup"
};

// What only a session of DTLS 1.3 has, and its SSL does not say.
struct Dtls13Facts {
  const CipherSuite13* suite = nullptr;  // null before the ServerHello
  SecretBytes exporter_secret;           // empty before the end of the handshake
  uint16_t srtp_profile = 0;
  bool psk = false;     // a pre-shared key stood in for a certificate, now or when it began
  bool reused = false;  // an earlier session; OpenSSL takes external keys for that, too
};

// Everything that can be asked of a session, as a value: what its SSL says at a moment. An open
// session has no need of the SSL for that.
//
// A program may have a million of them, so they are small. What few ask for is made of what is kept
// when it is asked for; what sessions have alike, as the certificates of a server that many clients
// know, is stored once; and the master secret is in OpenSSL's session, which rests as its DER.
class SessionFacts {
 public:
  using Alike = Distinct<std::vector<uint8_t>>;

  // OpenSSL's session stays shared with `ssl`.
  SessionFacts(SSL* ssl, Alike& alike);
  SessionFacts(SSL* ssl, Alike& alike, Dtls13Facts dtls13);
  ~SessionFacts();
  SessionFacts(const SessionFacts&) = delete;
  SessionFacts& operator=(const SessionFacts&) = delete;

  // For a session that is open, and for long: gives OpenSSL's session back and keeps its DER, which
  // takes a fifth. Not where it is `kept`, whose owner has it anyway; null for none.
  void settle(const SSL_SESSION* kept);
  // RFC 5246 section 7.2.2: after a fatal alert nobody is to resume the session. That concerns the
  // session that was kept, and its owner may offer again, and what pack() gives from now on.
  void forbid_resumption(SSL_CTX* context);
  // DTLS 1.3, on a client: a ticket has come, and OpenSSL has another session for it.
  void renew_session(SslSessionPtr session);

  bool server() const { return server_; }
  // The handshake is over: what follows is all known, and final.
  bool complete() const { return complete_; }
  bool reused() const { return reused_; }
  Bytes client_random() const { return {client_random_.data(), client_random_.size()}; }
  bool extended_master_secret() const { return extended_master_secret_; }
  int version() const { return version_; }
  // Null before there is one.
  const SSL_CIPHER* cipher() const { return cipher_; }
  // A pre-shared key stood in for a certificate.
  bool by_psk() const;
  long verify_result() const { return verify_result_; }
  // RFC 6066 section 4: 1 to 4; others are none.
  uint8_t max_fragment_code() const { return max_fragment_code_; }
  // RFC 5764 section 4.1.2; 0 for none.
  uint16_t srtp_profile() const { return srtp_profile_; }
  // SNI and ALPN; empty for none.
  std::string server_name() const;
  std::vector<uint8_t> protocol() const;

  CipherInfo cipher_info() const;
  EphemeralKeyInfo ephemeral_key() const;
  // By OpenSSL's name for it; empty where the keys were made without one.
  std::string shared_group() const;
  std::vector<std::string> shared_signature_algorithms() const;
  // Of this side or the peer; empty before it was sent, or has come.
  std::vector<uint8_t> finished(bool peers) const;

  // A certificate or a raw public key.
  bool peer_showed_key() const { return shown_ != Shown::kNothing; }
  // The peer's certificate, or null.
  X509Ptr peer_leaf() const;
  // DER; empty when the peer sent none.
  std::vector<uint8_t> peer_certificate() const;
  // The peer's own certificate, its issuer, and so on, as issuer_chain() has them.
  std::vector<std::vector<uint8_t>> peer_chain(X509_STORE* trusted) const;
  // SubjectPublicKeyInfo in DER, of a certificate or a raw public key.
  std::vector<uint8_t> peer_public_key() const;
  // The certificate is for this host name by the rules of RFC 6125: names of the subject do not
  // count, nor do wildcards for less than a label.
  bool peer_is_host(const std::string& name) const;
  // The certificate is for this IP address: in an iPAddress, whatever stands in a dNSName (RFC 9525
  // section 6.5). Which of the two a text is, is for the caller to say, who connects to it: OpenSSL
  // reads 127.0.0.010 as 127.0.0.10, and the system as 127.0.0.8.
  bool peer_is_address(const std::string& address) const;
  // Whether the certificate would do for a server, too: a peer that began has been verified as a
  // client (RFC 5280 section 4.2.1.12), and so have the authorities between. A resumed session has
  // those only that are trusted here.
  bool peer_may_serve(X509_STORE* trusted) const;
  // Borrowed; null when this side sent none.
  X509* own_certificate() const { return own_.get(); }

  // The session for a later handshake: a client's bound to `name`, and empty when it cannot be
  // resumed; a server's is OpenSSL's DER.
  SecretBytes pack(const std::string& name) const;
  // RFC 5077; a client's. Empty when there is none.
  std::vector<uint8_t> session_ticket() const;
  // RFC 5705, RFC 8446 section 7.5. False for the labels of TLS itself (section 4), before the
  // handshake is over, and where OpenSSL fails.
  bool export_keying_material(SecretBytes& out, const std::string& label,
                              const Bytes* context) const;

  // The largest message that makes a datagram of `mtu` bytes, 0 for none, with an AEAD suite. What
  // other suites add, OpenSSL knows (DTLS_get_data_mtu).
  size_t data_mtu(size_t mtu) const;

 private:
  enum class Shown : uint8_t { kNothing, kCertificates, kRawKey };
  using Finished = std::array<uint8_t, 12>;  // RFC 5246 section 7.4.9

  // Sessions of DTLS 1.2 do without this.
  struct OfDtls13 {
    const CipherSuite13* suite = nullptr;
    bool psk = false;
    uint8_t exporter_size = 0;  // these are 0, or the size of the suite's hash
    uint8_t own_finished_size = 0;
    uint8_t peers_finished_size = 0;
    // The exporters' secret, this side's Finished and the peer's, one behind the other: in three
    // places they would take twice as much.
    SecretBytes all;

    Bytes exporter_secret() const { return all.view().first(exporter_size); }
    Bytes own_finished() const { return all.view().from(exporter_size).first(own_finished_size); }
    Bytes peers_finished() const {
      return all.view().from(size_t{exporter_size} + own_finished_size);
    }
  };

  void take_peer(SSL* ssl, Alike& alike);
  void take_agreed(SSL* ssl, Alike& alike);
  void take_ephemeral_key(SSL* ssl);
  Bytes agreed(size_t index) const;
  Bytes leaf_der() const;
  Bytes what_was_shown() const;
  Bytes other_certificates() const;
  Bytes session_der() const {
    return session_der_.view().first(session_der_.size() - peer_header_size_);
  }
  SecretBytes with_peer(Bytes der) const;
  SslSessionPtr session() const;

  std::unique_ptr<OfDtls13> dtls13_;  // or null
  const SSL_CIPHER* cipher_;          // OpenSSL's table has it for ever
  X509Ptr own_;                       // the context has it, too
  // What the peer showed: certificates, its own first, as in certificate_list.h; or a raw key.
  Alike::Shared peer_;
  X509Ptr leaf_;           // until it is settled: the first of them as the SSL has read it
  Alike::Shared agreed_;   // server name, protocol and the like, see take_agreed
  SslSessionPtr session_;  // or else:
  // Without the element of what the peer showed. Behind it that element's header.
  SecretBytes session_der_;
  uint8_t peer_tag_ = 0;
  uint8_t peer_header_size_ = 0;
  int version_;
  int32_t verify_result_;
  uint16_t srtp_profile_ = 0;
  uint16_t ephemeral_group_ = NID_undef;
  uint16_t ephemeral_bits_ = 0;  // 0: there is no such key
  uint8_t max_fragment_code_ = 0;
  Shown shown_ = Shown::kNothing;
  bool ephemeral_is_dh_ = false;
  bool server_;
  bool complete_;
  bool reused_;
  bool extended_master_secret_;
  bool may_be_resumed_ = true;
  uint8_t own_finished_size_ = 0;
  uint8_t peers_finished_size_ = 0;
  Finished own_finished_{};
  Finished peers_finished_{};
  std::array<uint8_t, kRandomSize> client_random_{};
  std::array<uint8_t, kRandomSize> server_random_{};
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HANDSHAKE_SESSION_FACTS_H_
