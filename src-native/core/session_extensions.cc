// Two extensions that OpenSSL negotiates by itself, and what follows from them: encrypt-then-MAC
// (RFC 7366), whose MACs are verified here, and the extended master secret (RFC 7627), which may be
// required.

#include "core/session.h"

namespace dtls {

// Of the peer's hello, in either role. OpenSSL has no other way to ask.
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

// False before the suite and, with encrypt-then-MAC, the master secret are there.
bool Session::knows_incoming_mac() {
  if (incoming_mac_.ready()) return true;
  if (handshake_ && SSL_get_pending_cipher(ssl_.get()) == nullptr) return false;
  return !encrypts_then_macs() || incoming_mac_.derive(ssl_.get());
}

// Of a protected record. OpenSSL would keep one that comes before its keys and judge it later.
Session::MacVerdict Session::judge_mac(const RecordView& record) {
  const ErrorQueueScope errors;
  if (!knows_incoming_mac()) return MacVerdict::kTooEarly;
  if (!incoming_mac_.ready() || incoming_mac_.verify(record)) return MacVerdict::kPass;
  return MacVerdict::kForged;
}

void Session::feed_early(uint8_t* scratch, double now) {
  if (handshake_->early.empty() || handshake_->question || !ssl_ || !knows_incoming_mac()) {
    return;
  }
  replay(handshake_->early.take(), scratch, now);
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
