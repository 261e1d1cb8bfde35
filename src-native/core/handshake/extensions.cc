// Extensions: two that OpenSSL negotiates by itself, and what follows from them, encrypt-then-MAC
// (RFC 7366), whose MACs are verified here, and the extended master secret (RFC 7627), which may be
// required; and heartbeats (RFC 6520), of which it knows nothing.

#include <array>

#include "core/handshake/handshake.h"
#include "core/records/key_block.h"

namespace dtls {

// OpenSSL calls this for each extension of the peer's hello, in either role, and has no other way
// to ask.
void Handshake::extension_callback(SSL* ssl, int /*from_server*/, int type,
                                   const unsigned char* /*data*/, int /*size*/, void* /*arg*/) {
  if (of(ssl) == nullptr) return;
  Handshake& handshake = *of(ssl);
  if (type == TLSEXT_TYPE_encrypt_then_mac) handshake.peer_encrypts_then_macs_ = true;
  if (type == TLSEXT_TYPE_extended_master_secret) handshake.peer_extends_master_secret_ = true;
}

// ---- encrypt-then-MAC ----

// RFC 7366 section 3.1: offered by both, for a suite that it is made for. Meaningful once the suite
// is known.
bool Handshake::encrypts_then_macs() const {
  return peer_encrypts_then_macs_ && can_encrypt_then_mac(negotiated_cipher(ssl_.get())) &&
         (SSL_get_options(ssl_.get()) & SSL_OP_NO_ENCRYPT_THEN_MAC) == 0;
}

// Verifies the MAC of a protected record, where encrypt-then-MAC is in use and OpenSSL reads such
// records.
bool Handshake::has_right_mac(const RecordView& record) {
  const ErrorQueueScope errors;
  return (incoming_mac_.ready() || incoming_mac_.derive(ssl_.get())) &&
         incoming_mac_.verify(record);
}

// ---- extended master secret ----

// RFC 7627 section 5.1: offered by both.
bool Handshake::extends_master_secret() const {
  return peer_extends_master_secret_ &&
         (SSL_get_options(ssl_.get()) & SSL_OP_NO_EXTENDED_MASTER_SECRET) == 0;
}

// RFC 7627 section 5.2. A server has OpenSSL say so, from its callback for the ClientHello.
bool Handshake::lacks_required_master_secret() const {
  return policy_->require_extended_master_secret && !extends_master_secret() &&
         (role_ == Role::kServer || SSL_get_pending_cipher(ssl_.get()) != nullptr);
}

// On a client: OpenSSL would go on without it.
void Handshake::refuse_master_secret() {
  Failure failure;
  failure.kind = FailureKind::kExtendedMasterSecretRequired;
  send_alert(SSL3_AL_FATAL, SSL_AD_HANDSHAKE_FAILURE);
  fail(failure);
}

// ---- heartbeats ----

int Handshake::heartbeat_add_callback(SSL* ssl, unsigned /*type*/, unsigned /*context*/,
                                      const unsigned char** out, size_t* out_size,
                                      X509* /*certificate*/, size_t /*chain_index*/, int* /*alert*/,
                                      void* /*arg*/) {
  static constexpr std::array<unsigned char, 2> kModes = {
      static_cast<unsigned char>(HeartbeatMode::kPeerAllowedToSend),
      static_cast<unsigned char>(HeartbeatMode::kPeerNotAllowedToSend)};
  const HeartbeatMode own = of(ssl) != nullptr ? of(ssl)->policy_->heartbeat : HeartbeatMode::kOff;
  if (own == HeartbeatMode::kOff) return 0;  // send no extension
  *out = &kModes[own == HeartbeatMode::kPeerAllowedToSend ? 0 : 1];
  *out_size = 1;
  return 1;
}

int Handshake::heartbeat_parse_callback(SSL* ssl, unsigned /*type*/, unsigned /*context*/,
                                        const unsigned char* in, size_t in_size,
                                        X509* /*certificate*/, size_t /*chain_index*/, int* alert,
                                        void* /*arg*/) {
  if (in_size != 1) {
    *alert = SSL_AD_DECODE_ERROR;
    return 0;
  }
  const auto mode = static_cast<HeartbeatMode>(in[0]);
  if (mode != HeartbeatMode::kPeerAllowedToSend && mode != HeartbeatMode::kPeerNotAllowedToSend) {
    *alert = SSL_AD_ILLEGAL_PARAMETER;
    return 0;
  }
  if (of(ssl) != nullptr) of(ssl)->attempt_->peer_heartbeat = mode;
  return 1;
}

}  // namespace dtls
