// Why a session failed, in words that help.

#include "core/handshake/failure_words.h"
#include "core/handshake/handshake.h"
#include "core/identity/cipher_suites.h"

namespace dtls {

namespace {

const char* version_name(int version) {
  switch (version) {
    case kDtls13:
      return "DTLSv1.3";
    case DTLS1_2_VERSION:
      return "DTLSv1.2";
    case DTLS1_VERSION:
      return "DTLSv1";
    default:
      return "an unknown version";
  }
}

// DTLS counts down. 0 stands for the lowest version that there is.
bool may_use_dtls10(SSL* ssl) {
  const long lowest = SSL_get_min_proto_version(ssl);
  return lowest == 0 || lowest >= DTLS1_VERSION;
}

// OpenSSL has no DTLS 1.0 above security level 0, whatever the versions that it was told to use.
bool level_forbids_dtls10(SSL* ssl) {
  return may_use_dtls10(ssl) && SSL_get_security_level(ssl) > 0;
}

}  // namespace

std::string protocol_names(const std::vector<uint8_t>& wire) {
  std::string names;
  for (size_t at = 0; at < wire.size(); at += size_t{1} + wire[at]) {
    if (!names.empty()) names += ", ";
    for (size_t i = 1; i <= wire[at]; ++i) {
      const uint8_t byte = wire[at + i];
      names += byte > ' ' && byte <= '~' ? static_cast<char>(byte) : '?';
    }
  }
  return names.empty() ? "none" : names;
}

bool may_miss_certificate(int alert) {
  switch (alert) {
    case SSL_AD_HANDSHAKE_FAILURE:
    case SSL_AD_NO_CERTIFICATE:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_CERTIFICATE_REQUIRED:
      return true;
    default:
      return false;
  }
}

const char* withheld_certificate(const SSL* ssl) {
  return SSL_get_privatekey(ssl) == nullptr
             ? "the server asked for a certificate, and this side has none"
             : "the server asked for a certificate, and takes none of the kind that this side has";
}

Failure Handshake::openssl_failure() const {
  Failure failure = failure_from_openssl(FailureKind::kProtocolError);
  if (failure.alert == Failure::kNoAlert) failure.alert = outlet_.alert_sent();
  return failure;
}

Failure Handshake::handshake_failure() {
  Failure failure = openssl_failure();
  SSL* ssl = ssl_.get();
  if (attempt_->cause != FailureKind::kNone) failure.kind = attempt_->cause;
  if (failure.kind == FailureKind::kNoSharedCipher && attempt_->unproving_refused) {
    failure.kind = FailureKind::kPeerUnauthenticated;
  }
  if (failure.kind == FailureKind::kNoSharedCipher && level_forbids_dtls10(ssl) &&
      (role_ == Role::kClient ? SSL_get_max_proto_version(ssl) : SSL_client_version(ssl)) ==
          DTLS1_VERSION) {
    failure.kind =
        FailureKind::kVersionMismatch;  // as some versions of OpenSSL call it, others not
  }
  if (failure.kind == FailureKind::kPeerCertificateTooBig) {
    failure.reason.clear();  // it only says that a callback refused
    failure.detail =
        "the client's certificate does not fit into a session ticket: it is longer than " +
        std::to_string(kMaxCertificateInTicket) + " bytes";
  } else if (failure.kind == FailureKind::kCertificateRejected) {
    failure.verify_result = static_cast<int>(SSL_get_verify_result(ssl));
    failure.reason = X509_verify_cert_error_string(failure.verify_result);
    if (!policy_->public_keys.empty()) {
      failure.kind = FailureKind::kPublicKeyMismatch;
    } else if (policy_->fingerprints.expected()) {
      failure.kind = FailureKind::kFingerprintMismatch;
    } else if (attempt_->peer_identity == PeerIdentity::kRejected) {
      failure.kind = FailureKind::kPeerIdentityRejected;
    }
  } else if (failure.kind == FailureKind::kNoSharedCipher) {
    if (role_ == Role::kServer) {
      explain_no_shared_cipher(failure);
    } else {
      failure.detail = "this side has " + own_offer();
    }
  } else if (failure.kind == FailureKind::kNoApplicationProtocol) {
    failure.detail =
        "the client offers " + protocol_names(attempt_->refused_protocols) + "; this side has " +
        protocol_names(attempt_->protocols ? *attempt_->protocols : policy_->protocols);
  } else if (failure.kind == FailureKind::kVersionMismatch && role_ == Role::kServer) {
    const int offered = attempt_->later_version;
    if (offered != 0) failure.reason.clear();  // it only says that a callback refused
    failure.detail =
        (offered != 0
             ? std::string("the client offers only ") + version_name(offered)
             : std::string("the client offers at most ") + version_name(SSL_client_version(ssl))) +
        "; this side accepts " + version_name(static_cast<int>(SSL_get_min_proto_version(ssl))) +
        " to " + version_name(static_cast<int>(SSL_get_max_proto_version(ssl)));
  } else if (failure.kind == FailureKind::kAlertReceived && role_ == Role::kClient) {
    if (attempt_->certificate_withheld && may_miss_certificate(failure.alert)) {
      failure.certificate_withheld = true;
      failure.detail = withheld_certificate(ssl);
    } else if (failure.alert == SSL_AD_HANDSHAKE_FAILURE) {
      failure.detail = "this side offers " + own_offer();
    }
  }
  const bool needs_dtls10 = role_ == Role::kClient || SSL_client_version(ssl) == DTLS1_VERSION;
  if (failure.kind == FailureKind::kVersionMismatch && needs_dtls10 && level_forbids_dtls10(ssl)) {
    if (!failure.detail.empty()) failure.detail += "; ";
    failure.detail += "DTLSv1 needs '@SECLEVEL=0' in 'ciphers' here";
  }
  return failure;
}

// What to call it when the peer did not finish the handshake in time.
Failure Handshake::timeout_failure() const {
  const Attempt& attempt = *attempt_;
  Failure failure;
  failure.kind = FailureKind::kHandshakeTimeout;
  // A client is asked for the key of a kept session before it has said anything.
  if (attempt.heard == Heard::kNothing && !attempt.question) {
    failure.kind = FailureKind::kNoResponse;
    return failure;
  }
  if (attempt.question) {
    failure.kind = FailureKind::kLookupTimeout;
    return failure;
  }
  if (ssl_ && is_psk_suite(SSL_get_pending_cipher(ssl_.get()))) {
    // Different keys show as Finished messages that nobody can decrypt, and RFC 6347
    // section 4.1.2.7 has such records dropped in silence: the server sees them, the client only
    // hears nothing. One that does hear something protected, an alert perhaps, has a server that
    // could read its Finished.
    const bool mismatch = role_ == Role::kServer
                              ? attempt.messages.took(HandshakeType::kClientKeyExchange) &&
                                    attempt.change_cipher_spec_received && attempt.undecrypted > 0
                              : attempt.sent == Sent::kFinished &&
                                    attempt.heard != Heard::kProtected &&
                                    !attempt.change_cipher_spec_received;
    if (mismatch) {
      failure.kind = FailureKind::kPskMismatch;
      return failure;
    }
  }
  if (ssl_ && attempt.certificate_withheld) {
    failure.certificate_withheld = true;  // GnuTLS's server says so in its log, and to nobody else
    failure.detail = withheld_certificate(ssl_.get());
    return failure;
  }
  if (attempt.hellos && attempt.hellos->cookies() > 1) {
    failure.detail = "the server took none of " + std::to_string(attempt.hellos->cookies()) +
                     " cookies: several servers behind one address need the same 'cookieSecret'";
    if (attempt.doubted_alert) {
      failure.detail += std::string("; the alert ") +
                        SSL_alert_desc_string_long(*attempt.doubted_alert) + " came";
    }
    return failure;
  }
  // Dropped when it came: the peer, or somebody else, may have sent a better one.
  if (const char* complaint = attempt.messages.complaint()) {
    if (complaint == MessageAssembly::kLongCertificate) {
      failure.kind = FailureKind::kPeerCertificateTooBig;
    }
    failure.detail = std::string("what came of the handshake was refused: ") + complaint;
  }
  return failure;
}

}  // namespace dtls
