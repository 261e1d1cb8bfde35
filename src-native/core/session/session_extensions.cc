// Two extensions that OpenSSL negotiates by itself, and what follows from them: encrypt-then-MAC
// (RFC 7366), whose MACs are verified here, and the extended master secret (RFC 7627), which may be
// required.

#include "core/session/session.h"

namespace dtls {

// OpenSSL calls this for each extension of the peer's hello, in either role, and has no other way
// to ask.
void Session::extension_callback(SSL* ssl, int /*from_server*/, int type,
                                 const unsigned char* /*data*/, int /*size*/, void* /*arg*/) {
  Session& session = *of(ssl);
  if (type == TLSEXT_TYPE_encrypt_then_mac) session.peer_encrypts_then_macs_ = true;
  if (type == TLSEXT_TYPE_extended_master_secret) session.peer_extends_master_secret_ = true;
}

// ---- encrypt-then-MAC ----

// RFC 7366 section 3.1: offered by both, for a suite that it is made for. Meaningful once the suite
// is known.
bool Session::encrypts_then_macs() const {
  return peer_encrypts_then_macs_ && can_encrypt_then_mac(negotiated_cipher(ssl_.get())) &&
         (SSL_get_options(ssl_.get()) & SSL_OP_NO_ENCRYPT_THEN_MAC) == 0;
}

// Verifies the MAC of a protected record, where encrypt-then-MAC is in use and OpenSSL reads such
// records.
bool Session::has_right_mac(const RecordView& record) {
  const ErrorQueueScope errors;
  return (incoming_mac_.ready() || incoming_mac_.derive(ssl_.get())) &&
         incoming_mac_.verify(record);
}

// ---- extended master secret ----

// RFC 7627 section 5.2. A server has OpenSSL say so, from its callback for the ClientHello.
bool Session::lacks_required_master_secret() const {
  return policy_->require_extended_master_secret && !peer_extends_master_secret_ &&
         (role_ == Role::kServer || SSL_get_pending_cipher(ssl_.get()) != nullptr);
}

// On a client: OpenSSL would go on without it.
void Session::refuse_master_secret() {
  Failure failure;
  failure.kind = FailureKind::kExtendedMasterSecretRequired;
  send_alert(SSL3_AL_FATAL, SSL_AD_HANDSHAKE_FAILURE);
  fail(failure);
}

}  // namespace dtls
