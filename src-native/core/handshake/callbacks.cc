// What OpenSSL calls, in the middle of what it does: notes things down, answers from what is there
// already, and never calls back.

#include <algorithm>
#include <cstring>

#include "core/handshake/handshake.h"
#include "core/handshake/psk_binding.h"
#include "core/handshake/session_rules.h"
#include "core/identity/raw_public_key.h"

namespace dtls {

Handshake* Handshake::of(const SSL* ssl) { return static_cast<Handshake*>(SSL_get_app_data(ssl)); }

void Handshake::install_callbacks(SSL_CTX* ctx) {
  SSL_CTX_set_cert_verify_callback(ctx, verify_callback, nullptr);
  SSL_CTX_set_cert_cb(ctx, certificate_callback, nullptr);
  SSL_CTX_set_tlsext_status_cb(ctx, status_callback);
  SSL_CTX_set_cookie_generate_cb(ctx, make_cookie_callback);
  SSL_CTX_set_cookie_verify_cb(ctx, verify_cookie_callback);
  SSL_CTX_set_client_hello_cb(ctx, client_hello_callback, nullptr);
  SSL_CTX_set_tlsext_servername_callback(ctx, server_name_callback);
  SSL_CTX_set_alpn_select_cb(ctx, protocols_callback, nullptr);
  SSL_CTX_set_keylog_callback(ctx, keylog_callback);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, ticket_key_callback);
  SSL_CTX_set_session_ticket_cb(ctx, nullptr, ticket_opened_callback, nullptr);
  SSL_CTX_sess_set_get_cb(ctx, get_session_callback);
  SSL_CTX_add_custom_ext(ctx, kHeartbeatExtension,
                         SSL_EXT_CLIENT_HELLO | SSL_EXT_TLS1_2_SERVER_HELLO, heartbeat_add_callback,
                         nullptr, nullptr, heartbeat_parse_callback, nullptr);
}

void Handshake::message_callback(int write, int /*version*/, int content_type, const void* bytes,
                                 size_t size, SSL* ssl, void* /*arg*/) {
  // OpenSSL has pseudo types above a byte, for what is no record's content.
  if (content_type < 0 || content_type > UINT8_MAX) return;
  of(ssl)->on_message(write != 0, static_cast<ContentType>(content_type),
                      {static_cast<const uint8_t*>(bytes), size});
}

void Handshake::on_message(bool out, ContentType type, Bytes bytes) {
  if (attempt_->speech != Speech::kMeant) return;
  if (!out && (type == ContentType::kHandshake || type == ContentType::kAlert)) ++heard_;
  switch (type) {
    case ContentType::kHandshake:
      on_handshake_message(out, bytes);
      return;
    case ContentType::kChangeCipherSpec:
      on_change_cipher_spec(out);
      return;
    case ContentType::kAlert:
      if (bytes.size == 2) outlet_.alert(out, bytes.data[0], bytes.data[1]);
      return;
    default:
      return;
  }
}

// A ChangeCipherSpec is no handshake message, but a part of the exchange.
void Handshake::on_change_cipher_spec(bool out) {
  // It has no sequence number: a second one is a repetition.
  const bool retransmit = out && attempt_->sent != Sent::kInClear;
  if (out) {
    attempt_->sent = std::max(attempt_->sent, Sent::kChangeCipherSpec);
  } else {
    attempt_->change_cipher_spec_received = true;
  }
  note_message(out, retransmit, {kChangeCipherSpecMessage, 1});
}

void Handshake::note_message(bool out, bool retransmit, MessageName message) {
  if (out && !retransmit) attempt_->written_messages.push_back(message);
  outlet_.message(out, retransmit, static_cast<uint8_t>(message.type), message.length);
}

void Handshake::on_handshake_message(bool out, Bytes message) {
  if (message.size < kHandshakeHeaderSize) return;
  const auto type = static_cast<HandshakeType>(message.data[0]);
  const uint32_t length = read_u24(message.data + fragment_at::kMessageLength);
  const uint32_t sequence = read_u16(message.data + fragment_at::kMessageSequence);
  bool retransmit = false;
  if (out) {
    retransmit = sequence < attempt_->next_sequence_out;
    if (!retransmit) attempt_->next_sequence_out = sequence + 1;
    if (type == HandshakeType::kFinished) attempt_->sent = Sent::kFinished;
    // RFC 5246 section 7.4.6: the length of a list, and no list. A client sends it only where it
    // was asked.
    if (type == HandshakeType::kCertificate && length == 3 && role_ == Role::kClient) {
      attempt_->certificate_withheld = true;
    }
    if (type == HandshakeType::kCertificateRequest) attempt_->certificate_requested = true;
  } else {
    if (type == HandshakeType::kNewSessionTicket) attempt_->ticket_received = true;
    attempt_->peers_turn_since = now_;  // OpenSSL takes each message once
    attempt_->messages.on_taken(type, static_cast<uint16_t>(sequence));
  }
  note_message(out, retransmit, {type, length});
}

int Handshake::verify_callback(X509_STORE_CTX* store, void* /*arg*/) {
  SSL* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  if (of(ssl) == nullptr) return 0;
  Handshake& handshake = *of(ssl);
  const bool tolerant = !handshake.policy_->reject_unauthorized;
  if (!handshake.fits_ticket(X509_STORE_CTX_get0_cert(store))) {
    handshake.attempt_->cause = FailureKind::kPeerCertificateTooBig;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
  }
  if (handshake.policy_->fingerprints.expected()) {
    const bool match = handshake.policy_->fingerprints.match(X509_STORE_CTX_get0_cert(store));
    X509_STORE_CTX_set_error(store, match ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
    return match || tolerant ? 1 : 0;
  }
  const auto& public_keys = handshake.policy_->public_keys;
  if (!public_keys.empty()) {
    const bool match = std::find(public_keys.begin(), public_keys.end(),
                                 rpk::to_der(rpk::of_store(store))) != public_keys.end();
    X509_STORE_CTX_set_error(store, match ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
    return match || tolerant ? 1 : 0;
  }
  PeerIdentity& identity = handshake.attempt_->peer_identity;
  switch (identity) {
    case PeerIdentity::kUnasked:
      if (!verify_chain(store, ssl, handshake.role_, *handshake.context_)) return tolerant ? 1 : 0;
      if (!handshake.policy_->ask_identity) return 1;
      identity = PeerIdentity::kAsked;
      [[fallthrough]];
    case PeerIdentity::kAsked:
      // The chain is good. OpenSSL pauses and calls again when the consumer has judged the name.
      return SSL_set_retry_verify(ssl) ? 1 : 0;
    case PeerIdentity::kAccepted:
      return 1;
    case PeerIdentity::kRejected:
      X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
      return tolerant ? 1 : 0;
  }
  return 0;
}

// A client that knows DTLS 1.3 lists its versions in an extension (RFC 9147 section 5.3), and names
// DTLS 1.2 where older servers look, also when it would not speak that.
void Handshake::look_at_versions(SSL* ssl) {
  const unsigned char* list = nullptr;
  size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &list, &size) != 1) return;
  if (size < 3 || list[0] != size - 1 || size % 2 == 0) return;
  bool knows_dtls13 = false;
  for (size_t at = 1; at < size; at += 2) {
    const int version = static_cast<int>(read_u16(list + at));
    if (version == DTLS1_2_VERSION || version == DTLS1_VERSION) return;
    knows_dtls13 = knows_dtls13 || version == kDtls13;
  }
  if (!knows_dtls13) return;
  attempt_->later_version = kDtls13;
  attempt_->cause = FailureKind::kVersionMismatch;
}

// The hello was answered with a refusal: OpenSSL knows how to say so.
int Handshake::client_hello_callback(SSL* ssl, int* alert, void* /*arg*/) {
  if (of(ssl) == nullptr) return SSL_CLIENT_HELLO_ERROR;
  Handshake& handshake = *of(ssl);
  FailureKind& cause = handshake.attempt_->cause;
  if (cause == FailureKind::kNone && handshake.lacks_required_master_secret()) {
    cause = FailureKind::kExtendedMasterSecretRequired;
  }
  if (cause == FailureKind::kNone) handshake.look_at_versions(ssl);
  switch (cause) {
    case FailureKind::kVersionMismatch:
      *alert = SSL_AD_PROTOCOL_VERSION;
      return SSL_CLIENT_HELLO_ERROR;
    case FailureKind::kExtendedMasterSecretRequired:
      *alert = SSL_AD_HANDSHAKE_FAILURE;  // RFC 7627 section 5.2
      return SSL_CLIENT_HELLO_ERROR;
    case FailureKind::kSessionRefused:
      *alert = SSL_AD_INTERNAL_ERROR;
      return SSL_CLIENT_HELLO_ERROR;
    case FailureKind::kServerNameRefused:
      *alert = SSL_AD_UNRECOGNIZED_NAME;  // RFC 6066 section 3
      return SSL_CLIENT_HELLO_ERROR;
    case FailureKind::kProtocolsRefused:
      *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
      return SSL_CLIENT_HELLO_ERROR;
    default:
      return SSL_CLIENT_HELLO_SUCCESS;
  }
}

// Whatever the name, there is a context for it. A server says so only when it has used the name to
// choose that context (RFC 6066 section 3): some clients cannot read the empty answer. OpenSSL
// keeps an acknowledged name in the session, where one that is resumed finds it; this keeps any.
int Handshake::server_name_callback(SSL* ssl, int* /*alert*/, void* /*arg*/) {
  if (SSL_is_server(ssl) == 0) return SSL_TLSEXT_ERR_NOACK;
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
  if (SSL_session_reused(ssl) == 0 && SSL_SESSION_set1_hostname(SSL_get_session(ssl), name) != 1) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  const Handshake* handshake = of(ssl);
  return handshake != nullptr && handshake->attempt_->name_used ? SSL_TLSEXT_ERR_OK
                                                                : SSL_TLSEXT_ERR_NOACK;
}

// RFC 7301 section 3.2: the server's order decides, and without a protocol in common it refuses.
int Handshake::protocols_callback(SSL* ssl, const unsigned char** out, unsigned char* out_size,
                                  const unsigned char* in, unsigned in_size, void* /*arg*/) {
  if (of(ssl) == nullptr) return SSL_TLSEXT_ERR_ALERT_FATAL;
  const Handshake& handshake = *of(ssl);
  Attempt& attempt = *handshake.attempt_;
  const bool answered = attempt.protocols.has_value();
  const std::vector<uint8_t>& own = answered ? *attempt.protocols : handshake.policy_->protocols;
  if (own.empty() && !answered) return SSL_TLSEXT_ERR_NOACK;
  unsigned char* chosen = nullptr;
  if (!own.empty() &&
      SSL_select_next_proto(&chosen, out_size, own.data(), static_cast<unsigned>(own.size()), in,
                            in_size) == OPENSSL_NPN_NEGOTIATED) {
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
  }
  attempt.refused_protocols.assign(in, in + in_size);
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

int Handshake::make_cookie_callback(SSL* /*ssl*/, unsigned char* cookie, unsigned* size) {
  cookie[0] = 0;  // goes nowhere, see pass_cookie_exchange
  *size = 1;
  return 1;
}

int Handshake::verify_cookie_callback(SSL* /*ssl*/, const unsigned char* /*cookie*/,
                                      unsigned /*size*/) {
  return 1;  // an SSL is made only for a peer whose cookie the endpoint has verified
}

unsigned Handshake::psk_server_callback(SSL* ssl, const char* identity, unsigned char* psk,
                                        unsigned capacity) {
  if (of(ssl) == nullptr) return 0;
  const Handshake& handshake = *of(ssl);
  const Attempt& attempt = *handshake.attempt_;
  // What was looked up must be what OpenSSL read: a forged fragment may have come in between.
  if (attempt.psk != Psk::kFound || !handshake.psk_identity_) return 0;
  const Bytes key = attempt.psk_key.view();
  if (key.size == 0 || key.size > capacity) return 0;
  const std::vector<uint8_t>& asked = *handshake.psk_identity_;
  if (asked.size() != std::strlen(identity) ||
      !std::equal(asked.begin(), asked.end(), reinterpret_cast<const uint8_t*>(identity))) {
    return 0;
  }
  // A session that cannot tell its key later is not resumed.
  bind_to_psk(SSL_get_session(ssl), {asked.data(), asked.size()}, key);
  std::memcpy(psk, key.data, key.size);
  return static_cast<unsigned>(key.size);
}

unsigned Handshake::psk_client_callback(SSL* ssl, const char* /*hint*/, char* identity,
                                        unsigned identity_capacity, unsigned char* psk,
                                        unsigned capacity) {
  if (of(ssl) == nullptr) return 0;
  Attempt& attempt = *of(ssl)->attempt_;
  const std::vector<uint8_t>& offered = attempt.offered_identity;
  const Bytes key = attempt.psk_key.view();
  if (attempt.psk != Psk::kFound || key.size == 0 || key.size > capacity) {
    attempt.cause = FailureKind::kPskRequired;
    return 0;
  }
  // OpenSSL takes a C string: it would send another identity than was meant.
  if (offered.size() > identity_capacity ||
      std::find(offered.begin(), offered.end(), 0) != offered.end()) {
    attempt.cause = FailureKind::kPskIdentityInvalid;
    return 0;
  }
  // OpenSSL's buffer is zeroed, and has a byte more than it says for the NUL.
  std::copy(offered.begin(), offered.end(), identity);
  // A session that cannot tell its key later is not offered.
  bind_to_psk(SSL_get_session(ssl), {offered.data(), offered.size()}, key);
  std::memcpy(psk, key.data, key.size);
  return static_cast<unsigned>(key.size);
}

// RFC 6347 section 4.2.4.1: start with the initial value, then double (or as configured).
// A client that begins anew keeps the wait that it had come to.
unsigned Handshake::timer_callback(SSL* ssl, unsigned previous) {
  Handshake& handshake = *of(ssl);
  const SessionPolicy& policy = *handshake.policy_;
  double next = static_cast<double>(previous) * policy.retransmit_backoff;
  if (previous == 0) {
    const bool anew = handshake.role_ == Role::kClient && handshake.first_sequence_ != 0 &&
                      handshake.last_wait_ != 0;
    next = anew ? handshake.last_wait_ : policy.retransmit_initial * 1000;
  }
  constexpr double kHour = 3600e6;  // OpenSSL counts microseconds in 32 bits
  // OpenSSL takes less than 15 ms for a time that has passed, and would repeat a flight twelve
  // times in one call.
  constexpr double kShortest = 20e3;
  handshake.last_wait_ = static_cast<unsigned>(
      std::max(kShortest, std::min({next, policy.retransmit_max * 1000, kHour})));
  return handshake.last_wait_;
}

void Handshake::keylog_callback(const SSL* ssl, const char* line) {
  Handshake* handshake = of(ssl);
  if (handshake == nullptr || !handshake->policy_->keylog) return;
  handshake->outlet_.append(RecordType::kKeylog, 0, 0,
                            {reinterpret_cast<const uint8_t*>(line), std::strlen(line)});
}

}  // namespace dtls
