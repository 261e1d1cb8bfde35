#include "core/session.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace dtls {

namespace {

// While a question is open the peer may retransmit, but what it has to say is bounded by a flight.
constexpr size_t kMaxWaitingRecords = 64;
constexpr size_t kMaxWaitingBytes = size_t{64} * 1024;

constexpr uint32_t kCloseNoAlert = 255;

struct BioAddrFree {
  void operator()(BIO_ADDR* address) const { BIO_ADDR_free(address); }
};

std::string cipher_names(const STACK_OF(SSL_CIPHER) * ciphers) {
  std::string names;
  for (int i = 0; ciphers != nullptr && i < sk_SSL_CIPHER_num(ciphers); ++i) {
    const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(ciphers, i);
    // TLS 1.3 suites are in the list, but not for DTLS 1.2.
    if (SSL_CIPHER_get_kx_nid(cipher) == NID_kx_any) continue;
    if (!names.empty()) names += ':';
    names += SSL_CIPHER_get_name(cipher);
  }
  return names.empty() ? "none" : names;
}

std::string supported_cipher_names(SSL* ssl) {
  STACK_OF(SSL_CIPHER)* ciphers = SSL_get1_supported_ciphers(ssl);
  std::string names = cipher_names(ciphers);
  sk_SSL_CIPHER_free(ciphers);
  return names;
}

const char* version_name(int version) {
  switch (version) {
    case DTLS1_2_VERSION:
      return "DTLSv1.2";
    case DTLS1_VERSION:
      return "DTLSv1";
    default:
      return "an unknown version";
  }
}

// Whether a record in clear is not what its type says. OpenSSL ends the handshake for it, where
// RFC 6347 section 4.1.2.7 has it dropped: anybody can send one.
bool is_malformed_in_clear(const RecordView& record) {
  if (record.epoch != 0) return false;
  switch (static_cast<ContentType>(record.type)) {
    case ContentType::kChangeCipherSpec:
      return record.fragment.size != 1 || record.fragment.data[0] != 1;
    case ContentType::kAlert:
      return record.fragment.size != 2;
    case ContentType::kHandshake: {
      Bytes rest = record.fragment;
      FragmentView fragment;
      do {
        if (!take_fragment(rest, fragment)) return true;
      } while (rest.size != 0);
      return false;
    }
    default:
      return false;
  }
}

// What a suite's nonce and tag, or MAC, take. A protected record below that is fatal to OpenSSL,
// where RFC 6347 section 4.1.2.7 has it dropped; before a suite is chosen it keeps such records for
// later, and no Finished message is that short.
size_t shortest_protected_record(const SSL* ssl) {
  constexpr size_t kTag = 16;
  constexpr size_t kNonceAndTag = 8 + kTag;
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
  if (cipher == nullptr) cipher = SSL_get_pending_cipher(ssl);
  if (cipher == nullptr) return kNonceAndTag;
  if (SSL_CIPHER_is_aead(cipher) != 1) {
    const EVP_MD* digest = EVP_get_digestbynid(SSL_CIPHER_get_digest_nid(cipher));
    return digest == nullptr ? 0 : static_cast<size_t>(EVP_MD_get_size(digest)) + 1;
  }
  const char* name = SSL_CIPHER_get_name(cipher);
  // ChaCha20-Poly1305 sends no nonce, and the tag of CCM_8 has 8 bytes.
  const bool shorter =
      std::strstr(name, "CHACHA20") != nullptr || std::strstr(name, "CCM8") != nullptr;
  return shorter ? kTag : kNonceAndTag;
}

}  // namespace

Session::Handshake::~Handshake() { OPENSSL_cleanse(psk_key.data(), psk_key.size()); }

Session::Session(Outbox& outbox, TrafficStats& totals, SessionId id, Role role,
                 const PeerAddress& peer, std::shared_ptr<const SecureContext> context,
                 std::shared_ptr<const SessionPolicy> policy, double now)
    : outbox_(outbox),
      totals_(totals),
      id_(id),
      role_(role),
      peer_(peer),
      context_(std::move(context)),
      policy_(std::move(policy)),
      handshake_(std::make_unique<Handshake>()),
      handshake_deadline_(policy_->handshake_timeout > 0 ? now + policy_->handshake_timeout
                                                         : kNever),
      last_activity_(now),
      last_heard_(now) {
  if (policy_->heartbeat == HeartbeatMode::kOff) return;
  heartbeat_ = std::make_unique<Heartbeat>();
  heartbeat_->own = policy_->heartbeat;
}

Session::~Session() = default;

Session* Session::of(const SSL* ssl) { return static_cast<Session*>(SSL_get_app_data(ssl)); }

void Session::install_callbacks(SSL_CTX* ctx) {
  SSL_CTX_set_cert_verify_callback(ctx, verify_callback, nullptr);
  SSL_CTX_set_cookie_verify_cb(ctx, verify_cookie_callback);
  SSL_CTX_set_keylog_callback(ctx, keylog_callback);
  SSL_CTX_add_custom_ext(ctx, kHeartbeatExtension,
                         SSL_EXT_CLIENT_HELLO | SSL_EXT_TLS1_2_SERVER_HELLO, heartbeat_add_callback,
                         nullptr, nullptr, heartbeat_parse_callback, nullptr);
}

// What OpenSSL says about a failure stays in its queue for the caller.
bool Session::create_ssl() {
  ssl_.reset(SSL_new(context_->get()));
  BioPtr bio = make_bio();
  if (!ssl_ || !bio) return false;
  SSL* ssl = ssl_.get();
  SSL_set_app_data(ssl, this);
  SSL_set_bio(ssl, bio.get(), bio.get());
  static_cast<void>(bio.release());  // SSL_set_bio took the one reference for both directions
  if (DTLS_set_link_mtu(ssl, policy_->mtu) != 1) return false;
  DTLS_set_timer_cb(ssl, timer_callback);
  if (role_ == Role::kClient) {
    // The client asks for the server's certificate by choosing a suite, and always judges it.
    SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
    if (policy_->authorities &&
        SSL_set1_verify_cert_store(ssl, SSL_CTX_get_cert_store(policy_->authorities->get())) != 1) {
      return false;
    }
    if (!policy_->server_name.empty() &&
        SSL_set_tlsext_host_name(ssl, policy_->server_name.c_str()) != 1) {
      return false;
    }
    if (policy_->ask_psk) {
      SSL_set_psk_client_callback(ssl, psk_client_callback);
      handshake_->psk_hint = std::make_unique<PskHintReader>();
    }
    SSL_set_connect_state(ssl);
  } else {
    int mode = SSL_VERIFY_NONE;
    if (policy_->request_certificate) {
      mode = SSL_VERIFY_PEER;
      if (policy_->reject_unauthorized) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
    SSL_set_verify(ssl, mode, nullptr);
    if (policy_->ask_psk) {
      SSL_set_psk_server_callback(ssl, psk_server_callback);
      if (!policy_->psk_identity_hint.empty() &&
          SSL_use_psk_identity_hint(ssl, policy_->psk_identity_hint.c_str()) != 1) {
        return false;
      }
      handshake_->psk_identity = std::make_unique<PskIdentityReader>();
    }
    SSL_set_accept_state(ssl);
  }
  return true;
}

void Session::begin_handshake(double now) {
  SSL_set_msg_callback(ssl_.get(), message_callback);
  drive_handshake(now);
}

void Session::connect(double now) {
  if (!create_ssl()) {
    fail(failure_from_openssl(FailureKind::kInternal));
    return;
  }
  begin_handshake(now);
}

void Session::accept_hello(const RecordView& record, const FragmentView& fragment, Bytes random,
                           double now) {
  note_datagram(record.whole.size);
  std::copy_n(random.data, kRandomSize, hello_random_.data());
  handshake_->heard_anything = true;
  handshake_->hello = std::make_unique<HelloAssembly>(record, fragment);
  if (handshake_->hello->complete()) listen(now);
}

void Session::accept_unverified(Bytes random, double now) {
  std::copy_n(random.data, kRandomSize, hello_random_.data());
  if (!create_ssl()) {
    fail(failure_from_openssl(FailureKind::kInternal));
    return;
  }
  begin_handshake(now);
}

// The endpoint has verified the cookie; DTLSv1_listen moves a fresh SSL behind the cookie exchange:
// it expects message 1 next and goes on from the hello's record number (RFC 6347 section 4.2.1).
void Session::listen(double now) {
  const std::unique_ptr<HelloAssembly> hello = std::move(handshake_->hello);
  if (!create_ssl()) {
    fail(failure_from_openssl(FailureKind::kInternal));
    return;
  }
  const ErrorQueueScope errors;
  const std::unique_ptr<BIO_ADDR, BioAddrFree> unused(BIO_ADDR_new());
  offer(hello->record());
  const int listened = unused ? DTLSv1_listen(ssl_.get(), unused.get()) : -1;
  take_back();
  if (listened != 1) {
    fail(session_failure(FailureKind::kProtocolError));
    return;
  }
  begin_handshake(now);
}

bool Session::began_with(Bytes random) const {
  return role_ == Role::kServer && random.size == kRandomSize &&
         std::memcmp(random.data, hello_random_.data(), kRandomSize) == 0;
}

void Session::receive(Bytes datagram, uint8_t* scratch, double now) {
  if (state_ == SessionState::kClosed) return;
  note_datagram(datagram.size);
  RecordView record;
  while (state_ != SessionState::kClosed && take_record(datagram, record)) {
    on_record(record, scratch, now);
  }
  if (datagram.size != 0 && state_ != SessionState::kClosed) {
    count<&TrafficStats::discardedRecords>();
  }
}

void Session::on_record(const RecordView& record, uint8_t* scratch, double now) {
  // An authentic record of another type is fatal to OpenSSL, RFC 6520 heartbeats among them; and
  // anybody can send one in clear during the handshake. So is application data that is in clear.
  const auto application_data = static_cast<uint8_t>(ContentType::kApplicationData);
  if (record.type == static_cast<uint8_t>(ContentType::kHeartbeat) && record.epoch != 0 &&
      state_ == SessionState::kOpen && heartbeat_ && heartbeat_->negotiated()) {
    on_heartbeat_record(record, scratch, now);
    return;
  }
  if (record.type < static_cast<uint8_t>(ContentType::kChangeCipherSpec) ||
      record.type > application_data || (record.type == application_data && record.epoch == 0) ||
      is_malformed_in_clear(record)) {
    count<&TrafficStats::discardedRecords>();
    return;
  }
  if (handshake_) {
    handshake_->heard_anything = true;
    if (handshake_->hello) {
      FragmentView fragment;
      Bytes rest = record.fragment;
      if (record.epoch != 0 || record.type != static_cast<uint8_t>(ContentType::kHandshake)) return;
      while (take_fragment(rest, fragment)) handshake_->hello->add(fragment);
      if (handshake_->hello->complete()) listen(now);
      return;
    }
    if (handshake_->parked) {
      keep(record);
      return;
    }
    if (question_comes_first(record)) return;
  }
  feed(record, scratch, now);
  if (handshake_ && !handshake_->held_done.empty() && !handshake_->parked) {
    const std::vector<uint8_t> held = std::move(handshake_->held_done);
    handshake_->held_done.clear();
    Bytes bytes{held.data(), held.size()};
    RecordView done;
    if (take_record(bytes, done)) on_record(done, scratch, now);
  }
}

// For resume().
void Session::keep(const RecordView& record) {
  if (handshake_->waiting.size() < kMaxWaitingRecords &&
      handshake_->waiting_bytes + record.whole.size <= kMaxWaitingBytes) {
    handshake_->waiting_bytes += record.whole.size;
    handshake_->waiting.emplace_back(record.whole.data, record.whole.data + record.whole.size);
  } else {
    count<&TrafficStats::discardedRecords>();
  }
}

// True: the record was put aside and must not reach OpenSSL yet.
bool Session::question_comes_first(const RecordView& record) {
  if (record.epoch != 0 || record.type != static_cast<uint8_t>(ContentType::kHandshake) || !ssl_) {
    return false;
  }
  Handshake& handshake = *handshake_;
  if (handshake.psk_identity) {
    if (handshake.psk_identity->before_feeding(ssl_.get(), record.fragment) !=
        PskIdentityReader::Next::kAsk) {
      return false;
    }
    const Bytes identity = handshake.psk_identity->identity();
    psk_identity_.assign(identity.data, identity.data + identity.size);
    // OpenSSL's callback sees a C string: it would look up another identity than the peer sent.
    if (std::find(psk_identity_.begin(), psk_identity_.end(), 0) != psk_identity_.end()) {
      handshake.cause = FailureKind::kPskIdentityInvalid;
      return false;
    }
    park(LookupKind::kPskServer, identity);
    keep(record);
    return true;
  }
  if (handshake.psk_hint) {
    switch (handshake.psk_hint->before_feeding(ssl_.get(), record.fragment)) {
      case PskHintReader::Next::kAsk:
        park(LookupKind::kPskClient, handshake.psk_hint->hint());
        keep(record);
        return true;
      case PskHintReader::Next::kHold:
        // OpenSSL would keep it too, and go on to the key without a pause.
        handshake.held_done.assign(record.whole.data, record.whole.data + record.whole.size);
        return true;
      case PskHintReader::Next::kFeed:
        return false;
    }
  }
  return false;
}

void Session::park(LookupKind kind, Bytes about) {
  handshake_->parked = true;
  update_retransmission(0);
  outbox_.append(RecordType::kLookup, id_, static_cast<uint32_t>(kind), 0, about);
}

void Session::resume(uint8_t* scratch, double now) {
  handshake_->parked = false;
  drive_handshake(now);
  while (handshake_ && !handshake_->parked && !handshake_->waiting.empty()) {
    const std::vector<uint8_t> waiting = std::move(handshake_->waiting.front());
    handshake_->waiting.pop_front();
    handshake_->waiting_bytes -= waiting.size();
    Bytes bytes{waiting.data(), waiting.size()};
    RecordView record;
    if (!take_record(bytes, record)) continue;
    on_record(record, scratch, now);
    if (state_ == SessionState::kClosed) return;
  }
}

void Session::answer_psk(bool found, Bytes identity, Bytes key, uint8_t* scratch, double now) {
  if (!handshake_ || !handshake_->parked || handshake_->peer_identity == PeerIdentity::kAsked) {
    return;
  }
  Handshake& handshake = *handshake_;
  handshake.psk_found = found;
  handshake.psk_key.assign(key.data, key.data + key.size);
  if (role_ == Role::kClient) {
    handshake.offered_identity.assign(identity.data, identity.data + identity.size);
    psk_identity_ = handshake.offered_identity;
  }
  resume(scratch, now);
}

void Session::answer_identity(bool accepted, uint8_t* scratch, double now) {
  if (!handshake_ || !handshake_->parked || handshake_->peer_identity != PeerIdentity::kAsked) {
    return;
  }
  handshake_->peer_identity = accepted ? PeerIdentity::kAccepted : PeerIdentity::kRejected;
  resume(scratch, now);
}

void Session::feed(const RecordView& record, uint8_t* scratch, double now) {
  const bool in_handshake = state_ == SessionState::kHandshaking;
  const bool application_data =
      record.type == static_cast<uint8_t>(ContentType::kApplicationData) && record.epoch != 0;
  const bool replay = application_data && replay_window_.has_seen(record.sequence);

  if (record.epoch != 0 && ssl_ && record.fragment.size < shortest_protected_record(ssl_.get())) {
    if (application_data && !in_handshake) {
      count<&TrafficStats::badRecords>();
    } else {
      count<&TrafficStats::discardedRecords>();
    }
    return;
  }

  offer(record.whole);
  if (in_handshake) drive_handshake(now);
  size_t messages = 0;
  if (state_ == SessionState::kOpen) messages = read_messages(scratch);
  take_back();

  if (in_handshake) {
    if (handshake_ && record.epoch != 0) ++handshake_->undecrypted;
    return;
  }
  if (!application_data) return;
  if (messages != 0) {
    replay_window_.mark(record.sequence);
    last_activity_ = last_heard_ = now;
  } else if (replay) {
    count<&TrafficStats::replays>();
  } else {
    count<&TrafficStats::badRecords>();
  }
}

void Session::drive_handshake(double now) {
  if (!handshake_ || handshake_->parked || !ssl_) return;
  const ErrorQueueScope errors;
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    established(now);
    return;
  }
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      update_retransmission(now);
      return;
    case SSL_ERROR_WANT_RETRY_VERIFY:
      park(LookupKind::kPeerIdentity, {});
      return;
    default:
      fail(handshake_failure());
  }
}

void Session::established(double now) {
  state_ = SessionState::kOpen;
  completed_handshake_ = true;
  handshake_deadline_ = kNever;
  last_activity_ = last_heard_ = now;
  handshake_.reset();
  update_retransmission(now);
  SSL* ssl = ssl_.get();
  uint32_t what = static_cast<uint32_t>(SSL_version(ssl));
  if (SSL_get0_peer_certificate(ssl) != nullptr) what |= kSecurePeerCertificate;
  if (is_psk_suite(SSL_get_current_cipher(ssl))) what |= kSecurePsk;
  outbox_.append(RecordType::kSecure, id_, what, static_cast<uint32_t>(SSL_get_verify_result(ssl)));
}

// Takes every message that OpenSSL has; returns how many there were.
size_t Session::read_messages(uint8_t* scratch) {
  size_t messages = 0;
  for (;;) {
    const ErrorQueueScope errors;
    size_t size = 0;
    const int result = SSL_read_ex(ssl_.get(), scratch, kMaxPlaintext, &size);
    if (result == 1) {
      ++messages;
      count<&TrafficStats::messagesReceived>();
      count<&TrafficStats::messageBytesReceived>(size);
      outbox_.append(RecordType::kMessage, id_, 0, 0, {scratch, size});
      // Records come in one by one: asking again would only go all the way to an empty BIO.
      if (SSL_has_pending(ssl_.get()) == 0) return messages;
      continue;
    }
    switch (SSL_get_error(ssl_.get(), result)) {
      case SSL_ERROR_WANT_READ:
        return messages;
      case SSL_ERROR_ZERO_RETURN:
        close();  // answers the peer's close_notify with ours, RFC 5246 section 7.2.1
        return messages;
      default:
        fail(session_failure(FailureKind::kProtocolError));
        return messages;
    }
  }
}

SendOutcome Session::send(Bytes message, uint32_t token, double now) {
  if (state_ != SessionState::kOpen) return SendOutcome::kNotOpen;
  if (message.size > kMaxPlaintext) return SendOutcome::kTooBig;
  if (message.size == 0) return SendOutcome::kEmpty;
  const ErrorQueueScope errors;
  size_t written = 0;
  send_token_ = token;
  const int result = SSL_write_ex(ssl_.get(), message.data, message.size, &written);
  send_token_ = 0;
  if (result != 1) {
    fail(session_failure(FailureKind::kInternal));
    return SendOutcome::kFailed;
  }
  last_activity_ = now;
  count<&TrafficStats::messagesSent>();
  count<&TrafficStats::messageBytesSent>(message.size);
  return SendOutcome::kSent;
}

void Session::close() {
  if (state_ == SessionState::kClosed) return;
  if (state_ == SessionState::kOpen) {
    const ErrorQueueScope errors;
    // One call: queues our close_notify. There is no second one to wait for the peer's.
    SSL_shutdown(ssl_.get());
  }
  emit_close({});
}

void Session::fail(Failure failure) {
  if (state_ == SessionState::kClosed) return;
  if (failure.alert == Failure::kNoAlert) failure.alert = alert_sent_;
  emit_close(failure);
}

void Session::emit_close(const Failure& failure) {
  state_ = SessionState::kClosed;
  failure_ = failure.kind;
  handshake_deadline_ = retransmit_at_ = kNever;
  const uint32_t alert =
      failure.alert == Failure::kNoAlert ? kCloseNoAlert : static_cast<uint32_t>(failure.alert);
  const uint32_t detail = alert | static_cast<uint32_t>(failure.verify_result) << 8 |
                          (completed_handshake_ ? 1U << 31 : 0);
  std::string text = failure.reason;
  text += '\0';
  text += failure.library;
  text += '\0';
  text += failure.detail;
  outbox_.append(RecordType::kClose, id_, static_cast<uint32_t>(failure.kind), detail,
                 {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  // An SSL that is freed after a handshake without this would count as a broken session to be
  // evicted.
  if (ssl_) SSL_set_quiet_shutdown(ssl_.get(), 1);
  handshake_.reset();
  ssl_.reset();
  context_.reset();
}

Failure Session::session_failure(FailureKind fallback) const {
  Failure failure = failure_from_openssl(fallback);
  if (failure.alert == Failure::kNoAlert) failure.alert = alert_sent_;
  return failure;
}

Failure Session::handshake_failure() {
  Failure failure = session_failure(FailureKind::kProtocolError);
  SSL* ssl = ssl_.get();
  if (handshake_->cause != FailureKind::kNone) failure.kind = handshake_->cause;
  // OpenSSL gives up by itself after twelve retransmissions, perhaps before the deadline.
  if (failure.kind == FailureKind::kHandshakeTimeout) failure.kind = timeout_kind();
  if (failure.kind == FailureKind::kCertificateRejected) {
    failure.verify_result = static_cast<int>(SSL_get_verify_result(ssl));
    failure.reason = X509_verify_cert_error_string(failure.verify_result);
    if (handshake_->peer_identity == PeerIdentity::kRejected) {
      failure.kind = FailureKind::kPeerIdentityRejected;
    }
  } else if (failure.kind == FailureKind::kNoSharedCipher) {
    failure.detail = "the client offers " + cipher_names(SSL_get_client_ciphers(ssl)) +
                     "; this side has " + supported_cipher_names(ssl);
  } else if (failure.kind == FailureKind::kVersionMismatch && role_ == Role::kServer) {
    failure.detail = std::string("the client offers at most ") +
                     version_name(SSL_client_version(ssl)) + "; this side accepts " +
                     version_name(static_cast<int>(SSL_get_min_proto_version(ssl))) + " to " +
                     version_name(static_cast<int>(SSL_get_max_proto_version(ssl)));
  } else if (failure.kind == FailureKind::kAlertReceived &&
             failure.alert == SSL_AD_HANDSHAKE_FAILURE && role_ == Role::kClient) {
    failure.detail = "this side offers " + supported_cipher_names(ssl);
  }
  return failure;
}

// What to call it when the peer did not finish the handshake in time.
FailureKind Session::timeout_kind() const {
  const Handshake& handshake = *handshake_;
  if (!handshake.heard_anything) return FailureKind::kNoResponse;
  if (ssl_ && is_psk_suite(SSL_get_pending_cipher(ssl_.get()))) {
    // Different keys show as Finished messages that nobody can decrypt, and RFC 6347
    // section 4.1.2.7 has such records dropped in silence: the server sees them, the client only
    // hears nothing.
    const bool mismatch = role_ == Role::kServer
                              ? handshake.change_cipher_spec_received && handshake.undecrypted > 0
                              : handshake.finished_sent && !handshake.change_cipher_spec_received;
    if (mismatch) return FailureKind::kPskMismatch;
  }
  return FailureKind::kHandshakeTimeout;
}

double Session::deadline() const {
  if (state_ == SessionState::kClosed) return kNever;
  double next = std::min(handshake_deadline_, retransmit_at_);
  if (state_ == SessionState::kOpen && policy_->idle_timeout > 0) {
    next = std::min(next, last_activity_ + policy_->idle_timeout);
  }
  if (state_ == SessionState::kOpen && heartbeat_) {
    if (heartbeat_->in_flight) {
      next = std::min(next, heartbeat_->resend_at());
    } else if (keep_alive_on()) {
      next = std::min(next, last_heard_ + policy_->heartbeat_interval);
    }
  }
  return next;
}

void Session::advance(uint8_t* scratch, double now) {
  if (state_ == SessionState::kClosed) return;
  if (now >= handshake_deadline_) {
    Failure failure;
    failure.kind = timeout_kind();
    fail(failure);
    return;
  }
  if (state_ == SessionState::kOpen && policy_->idle_timeout > 0 &&
      now >= last_activity_ + policy_->idle_timeout) {
    const ErrorQueueScope errors;
    SSL_shutdown(ssl_.get());
    Failure failure;
    failure.kind = FailureKind::kIdleTimeout;
    fail(failure);
    return;
  }
  if (state_ == SessionState::kOpen && heartbeat_) advance_heartbeat(now);
  if (state_ == SessionState::kClosed || now < retransmit_at_) return;
  const ErrorQueueScope errors;
  if (DTLSv1_handle_timeout(ssl_.get()) < 0) {
    fail(state_ == SessionState::kHandshaking ? handshake_failure()
                                              : session_failure(FailureKind::kProtocolError));
    return;
  }
  update_retransmission(now);
  static_cast<void>(scratch);
}

// OpenSSL keeps the retransmission timer by its own clock; this reads what is left of it. While a
// question is open nothing is repeated: the peer's flight has arrived, the answer is ours to give.
void Session::update_retransmission(double now) {
  retransmit_at_ = kNever;
  if (!ssl_ || (handshake_ && handshake_->parked)) return;
  timeval left{};
  if (DTLSv1_get_timeout(ssl_.get(), &left) != 1) return;
  const double milliseconds =
      static_cast<double>(left.tv_sec) * 1000 + static_cast<double>(left.tv_usec) / 1000;
  retransmit_at_ = now + std::ceil(milliseconds);
}

bool Session::set_mtu(uint32_t mtu) {
  return ssl_ && SSL_set_mtu(ssl_.get(), static_cast<long>(mtu)) != 0;
}

// ---- what OpenSSL calls ----

void Session::on_datagram(Bytes datagram) {
  std::vector<uint8_t> heartbeat;
  if (sealing_heartbeat_) {
    // The record that OpenSSL made never leaves the process: one sealing for each nonce. When the
    // heartbeat cannot be sealed nothing leaves at all.
    sealing_heartbeat_ = false;
    if (!seal_as_heartbeat(datagram, heartbeat)) return;
    datagram = {heartbeat.data(), heartbeat.size()};
  }
  count<&TrafficStats::datagramsSent>();
  count<&TrafficStats::bytesSent>(datagram.size);
  outbox_.append(RecordType::kTransmit, id_, 0, send_token_, datagram);
}

void Session::message_callback(int write, int /*version*/, int content_type, const void* bytes,
                               size_t size, SSL* ssl, void* /*arg*/) {
  of(ssl)->on_message(write != 0, content_type, {static_cast<const uint8_t*>(bytes), size});
}

void Session::on_message(bool out, int content_type, Bytes bytes) {
  switch (content_type) {
    case SSL3_RT_HANDSHAKE:
      on_handshake_message(out, bytes);
      return;
    case SSL3_RT_CHANGE_CIPHER_SPEC:
      on_change_cipher_spec(out);
      return;
    case SSL3_RT_ALERT: {
      if (bytes.size != 2) return;
      if (out) {
        count<&TrafficStats::alertsSent>();
        if (bytes.data[0] == SSL3_AL_FATAL) alert_sent_ = bytes.data[1];
      } else {
        count<&TrafficStats::alertsReceived>();
      }
      const uint32_t alert = (out ? 1U : 0U) | static_cast<uint32_t>(bytes.data[0]) << 8 |
                             static_cast<uint32_t>(bytes.data[1]) << 16;
      outbox_.append(RecordType::kAlert, id_, alert, 0);
      return;
    }
    default:
      return;
  }
}

// Not a handshake message by number, but part of the exchange: reported as type 254.
void Session::on_change_cipher_spec(bool out) {
  // It has no sequence number: a second one is a repetition.
  const bool retransmit = out && (!handshake_ || handshake_->change_cipher_spec_sent);
  if (handshake_) {
    (out ? handshake_->change_cipher_spec_sent : handshake_->change_cipher_spec_received) = true;
  }
  if (retransmit) count<&TrafficStats::retransmissions>();
  outbox_.append(RecordType::kHandshake, id_, (out ? 1U : 0U) | (retransmit ? 2U : 0U) | 254U << 8,
                 1);
}

void Session::on_handshake_message(bool out, Bytes message) {
  if (message.size < kHandshakeHeaderSize) return;
  const uint32_t type = message.data[0];
  const uint32_t length = read_u24(message.data + 1);
  const uint32_t sequence = read_u16(message.data + 4);
  bool retransmit = false;
  if (out) {
    if (handshake_) {
      retransmit = sequence < handshake_->next_sequence_out;
      if (!retransmit) handshake_->next_sequence_out = sequence + 1;
      if (type == SSL3_MT_FINISHED) handshake_->finished_sent = true;
    } else {
      retransmit = true;  // after the handshake only a lost last flight is sent again
    }
    if (retransmit) count<&TrafficStats::retransmissions>();
  } else if (handshake_ && handshake_->psk_hint) {
    handshake_->psk_hint->on_message(ssl_.get(), message);
  }
  outbox_.append(RecordType::kHandshake, id_, (out ? 1U : 0U) | (retransmit ? 2U : 0U) | type << 8,
                 length);
}

int Session::verify_callback(X509_STORE_CTX* store, void* /*arg*/) {
  SSL* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  Session& session = *of(ssl);
  const bool tolerant = !session.policy_->reject_unauthorized;
  if (!session.handshake_) return 0;
  PeerIdentity& identity = session.handshake_->peer_identity;
  switch (identity) {
    case PeerIdentity::kUnasked:
      if (X509_verify_cert(store) <= 0) return tolerant ? 1 : 0;
      if (!session.policy_->ask_identity) return 1;
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

int Session::verify_cookie_callback(SSL* /*ssl*/, const unsigned char* /*cookie*/,
                                    unsigned /*size*/) {
  return 1;  // an SSL is made only for a peer whose cookie the endpoint has verified
}

unsigned Session::psk_server_callback(SSL* ssl, const char* identity, unsigned char* psk,
                                      unsigned capacity) {
  Session& session = *of(ssl);
  Handshake* handshake = session.handshake_.get();
  const std::vector<uint8_t>& asked = session.psk_identity_;
  // What was looked up must be what OpenSSL read: a forged fragment may have come in between.
  if (handshake == nullptr || !handshake->psk_found || std::strlen(identity) != asked.size() ||
      std::memcmp(identity, asked.data(), asked.size()) != 0 ||
      handshake->psk_key.size() > capacity) {
    return 0;
  }
  std::memcpy(psk, handshake->psk_key.data(), handshake->psk_key.size());
  return static_cast<unsigned>(handshake->psk_key.size());
}

unsigned Session::psk_client_callback(SSL* ssl, const char* /*hint*/, char* identity,
                                      unsigned identity_capacity, unsigned char* psk,
                                      unsigned capacity) {
  Session& session = *of(ssl);
  Handshake* handshake = session.handshake_.get();
  if (handshake == nullptr) return 0;
  const std::vector<uint8_t>& offered = handshake->offered_identity;
  if (!handshake->psk_found || handshake->psk_key.size() > capacity) {
    handshake->cause = FailureKind::kPskRequired;
    return 0;
  }
  // OpenSSL takes a C string: it would send another identity than was meant.
  if (offered.size() > identity_capacity ||
      std::find(offered.begin(), offered.end(), 0) != offered.end()) {
    handshake->cause = FailureKind::kPskIdentityInvalid;
    return 0;
  }
  // OpenSSL's buffer is zeroed, and has a byte more than it says for the NUL.
  std::copy(offered.begin(), offered.end(), identity);
  std::memcpy(psk, handshake->psk_key.data(), handshake->psk_key.size());
  return static_cast<unsigned>(handshake->psk_key.size());
}

// RFC 6347 section 4.2.4.1: start with the initial value, then double (or as configured).
unsigned Session::timer_callback(SSL* ssl, unsigned previous) {
  const SessionPolicy& policy = *of(ssl)->policy_;
  const double next = previous == 0 ? policy.retransmit_initial * 1000
                                    : static_cast<double>(previous) * policy.retransmit_backoff;
  constexpr double kHour = 3600e6;  // OpenSSL counts microseconds in 32 bits
  return static_cast<unsigned>(std::min({next, policy.retransmit_max * 1000, kHour}));
}

void Session::keylog_callback(const SSL* ssl, const char* line) {
  Session* session = of(ssl);
  if (session == nullptr || !session->policy_->keylog) return;
  session->outbox_.append(RecordType::kKeylog, session->id_, 0, 0,
                          {reinterpret_cast<const uint8_t*>(line), std::strlen(line)});
}

}  // namespace dtls
