// Why a handshake failed, in words that help.

#include "core/handshake/failure_words.h"
#include "core/handshake13/handshake13.h"

namespace dtls {

// What is in OpenSSL's queue, by what this side knows of it.
Failure Handshake13::engine_failure() {
  Failure failure = failure_from_openssl(FailureKind::kProtocolError);
  SSL* ssl = this->ssl();
  if (cause_ != FailureKind::kNone) failure.kind = cause_;
  const bool alerted = failure.kind == FailureKind::kAlertReceived;
  if (failure.kind == FailureKind::kCertificateRejected && ssl != nullptr) {
    failure.verify_result = static_cast<int>(SSL_get_verify_result(ssl));
    failure.reason = X509_verify_cert_error_string(failure.verify_result);
    if (!policy_->public_keys.empty()) {
      failure.kind = FailureKind::kPublicKeyMismatch;
    } else if (policy_->fingerprints.expected()) {
      failure.kind = FailureKind::kFingerprintMismatch;
    } else if (peer_identity_ == PeerIdentity::kRejected) {
      failure.kind = FailureKind::kPeerIdentityRejected;
    }
  } else if (failure.kind == FailureKind::kNoApplicationProtocol) {
    failure.detail = "the client offers " + protocol_names(refused_protocols_) +
                     "; this side has " +
                     protocol_names(protocols_ ? *protocols_ : policy_->protocols);
  } else if (failure.kind == FailureKind::kNoSharedCipher) {
    failure.detail = "this side has " + context_->dtls13().suites;
  } else if (alerted && role_ == Role::kClient && certificate_withheld_ &&
             may_miss_certificate(failure.alert)) {
    failure.certificate_withheld = true;
    failure.detail = withheld_certificate(ssl);
  } else if (alerted && role_ == Role::kClient && failure.alert == SSL_AD_HANDSHAKE_FAILURE) {
    failure.detail = "this side offers " + context_->dtls13().suites;
    if (offers_dtls12()) failure.detail += ", and suites of DTLS 1.2";
  }
  // What it has said without the key was not enough for the server.
  if (alerted && role_ == Role::kClient && policy_->ask_psk && !external_ && keys_considered_ &&
      failure.alert == SSL_AD_HANDSHAKE_FAILURE) {
    failure.kind = invalid_identity_ ? FailureKind::kPskIdentityInvalid : FailureKind::kPskRequired;
    failure.detail = invalid_identity_ ? kNoEmptyIdentity : "";
  }
  // OpenSSL looks for a certificate then, and says what that would need.
  if (!alerted && role_ == Role::kServer && policy_->ask_psk && !asked_for_key_ &&
      failure.kind == FailureKind::kNoSharedParameters && !context_->has_certificate()) {
    failure.kind = FailureKind::kNoSharedCipher;
    failure.detail = "the client offers no pre-shared key, and this side has nothing else";
  }
  // A server without a certificate has nothing else to go on with.
  if (!alerted && role_ == Role::kServer && policy_->ask_psk && !external_ && asked_for_key_ &&
      !context_->has_certificate()) {
    failure.kind = FailureKind::kPskIdentityUnknown;
  }
  if (!alerted && role_ == Role::kServer && invalid_identity_ && !external_ &&
      !context_->has_certificate()) {
    failure.kind = FailureKind::kPskIdentityInvalid;
    failure.detail.clear();
  }
  return failure;
}

// What to call it when the peer did not finish the handshake in time.
Failure Handshake13::timeout_failure() const {
  Failure failure;
  failure.kind = FailureKind::kHandshakeTimeout;
  if (question_) {
    failure.kind = FailureKind::kLookupTimeout;
  } else if (!heard_) {
    failure.kind = FailureKind::kNoResponse;
  }
  return failure;
}

}  // namespace dtls
