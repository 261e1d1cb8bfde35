#ifndef DGRAM_DTLS_CORE_HANDSHAKE_SESSION_INFO_H_
#define DGRAM_DTLS_CORE_HANDSHAKE_SESSION_INFO_H_

#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/openssl_ptr.h"
#include "core/base/secret.h"

// What can be asked of an open session's SSL. Each function copies; nothing borrowed leaves.
namespace dtls {

struct CipherInfo {
  std::string name;           // OpenSSL's
  std::string standard_name;  // the RFC's
  std::string version;        // the oldest protocol version that has the suite
};

struct EphemeralKeyInfo {
  std::string type;  // "ECDH" or "DH"; empty when there is none
  std::string name;  // the group
  int bits = 0;
};

CipherInfo cipher_info(const SSL* ssl);
// DER; empty when the peer sent none.
std::vector<uint8_t> peer_certificate(const SSL* ssl);
// The certificate is for this host name by the rules of RFC 6125: names of the subject do not
// count, nor do wildcards for less than a label.
bool peer_is_host(const SSL* ssl, const std::string& name);
// The certificate is for this IP address: in an iPAddress, whatever stands in a dNSName (RFC 9525
// section 6.5). Which of the two a text is, is for the caller to say, who connects to it: OpenSSL
// reads 127.0.0.010 as 127.0.0.10, and the system as 127.0.0.8.
bool peer_is_address(const SSL* ssl, const std::string& address);
// SubjectPublicKeyInfo in DER, of a certificate or a raw public key.
std::vector<uint8_t> peer_public_key(const SSL* ssl);
// DER; empty when this side sent none.
std::vector<uint8_t> own_certificate(const SSL* ssl);
EphemeralKeyInfo ephemeral_key_info(SSL* ssl);
std::vector<std::string> shared_signature_algorithms(SSL* ssl);
std::vector<uint8_t> finished(const SSL* ssl, bool peers);
// RFC 5077; a client's. Empty when there is none.
std::vector<uint8_t> session_ticket(const SSL* ssl);
// RFC 5705. False when OpenSSL refuses.
bool export_keying_material(SSL* ssl, SecretBytes& out, const std::string& label,
                            const Bytes* context);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HANDSHAKE_SESSION_INFO_H_
