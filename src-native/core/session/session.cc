#include "core/session/session.h"

#include <openssl/crypto.h>
#include <openssl/srtp.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/identity/cipher_suites.h"
#include "core/identity/raw_public_key.h"
#include "core/wire/client_hello.h"

namespace dtls {

Session::Handshake::~Handshake() = default;

Session::Session(Outbox& outbox, Transmitter* transmitter, TrafficStats& totals, SessionId id,
                 Role role, const PeerAddress& peer, std::shared_ptr<const SecureContext> context,
                 std::shared_ptr<const SessionPolicy> policy, double now)
    : outbox_(outbox),
      transmitter_(transmitter),
      totals_(totals),
      id_(id),
      role_(role),
      peer_(peer),
      context_(std::move(context)),
      handshake_(std::make_unique<Handshake>(now)),
      handshake_deadline_(policy->handshake_timeout > 0 ? now + policy->handshake_timeout : kNever),
      last_activity_(now),
      last_heard_(now) {
  use_policy(std::move(policy));
}

void Session::use_policy(std::shared_ptr<const SessionPolicy> policy) {
  policy_ = std::move(policy);
  mtu_ = policy_->mtu;
  heartbeat_.reset();
  if (policy_->heartbeat == HeartbeatMode::kOff) return;
  heartbeat_ = std::make_unique<Heartbeat>();
  heartbeat_->own = policy_->heartbeat;
}

Session::~Session() = default;

Session* Session::of(const SSL* ssl) { return static_cast<Session*>(SSL_get_app_data(ssl)); }

// What OpenSSL says about a failure stays in its queue for the caller.
bool Session::create_ssl() {
  ssl_.reset(SSL_new(context_->get()));
  BioPtr bio = make_bio();
  if (!ssl_ || !bio) return false;
  SSL* ssl = ssl_.get();
  SSL_set_app_data(ssl, this);
  SSL_set_bio(ssl, bio.get(), bio.get());
  static_cast<void>(bio.release());  // SSL_set_bio took the one reference for both directions
  if (DTLS_set_link_mtu(ssl, mtu_) != 1) return false;
  DTLS_set_timer_cb(ssl, timer_callback);
  SSL_set_tlsext_debug_callback(ssl, extension_callback);
  peer_encrypts_then_macs_ = peer_extends_master_secret_ = false;
  incoming_mac_.reset();
  demand_proof();
  // Unlike its neighbours, this one returns 0 when all is well.
  if (!policy_->srtp_profiles.empty() &&
      SSL_set_tlsext_use_srtp(ssl, policy_->srtp_profiles.c_str()) != 0) {
    return false;
  }
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
    if (!policy_->protocols.empty() &&
        SSL_set_alpn_protos(ssl, policy_->protocols.data(),
                            static_cast<unsigned>(policy_->protocols.size())) != 0) {
      return false;  // unlike its siblings it returns 0 for success
    }
    if (policy_->request_ocsp && SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp) != 1) {
      return false;
    }
    const uint8_t code = max_fragment_code(policy_->max_fragment_length);
    if (code != 0 && SSL_set_tlsext_max_fragment_length(ssl, code) != 1) return false;
    if (policy_->ask_psk) SSL_set_psk_client_callback(ssl, psk_client_callback);
    SSL_set_connect_state(ssl);
  } else {
    int mode = SSL_VERIFY_NONE;
    if (policy_->request_certificate) {
      mode = SSL_VERIFY_PEER;
      if (policy_->reject_unauthorized) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
    SSL_set_verify(ssl, mode, nullptr);
    if (!bind_sessions()) return false;
    if (policy_->ask_psk) {
      SSL_set_psk_server_callback(ssl, psk_server_callback);
      if (!policy_->psk_identity_hint.empty() &&
          SSL_use_psk_identity_hint(ssl, policy_->psk_identity_hint.c_str()) != 1) {
        return false;
      }
    }
    SSL_set_accept_state(ssl);
  }
  return !((context_->shows_raw_key() && !rpk::show(ssl, context_->has_certificate())) ||
           (!policy_->public_keys.empty() && !rpk::expect(ssl)));
}

void Session::begin_handshake(double now) {
  SSL_set_msg_callback(ssl_.get(), message_callback);
  handshake_->peers_turn_since = now;
  drive_handshake(now);
}

// OpenSSL gives a handshake up after twelve retransmissions without progress, however short the
// waits were. A client with time left begins again, as if it had restarted; a server takes it for
// that (RFC 6347 section 4.2.8) and gives the old attempt up. What belongs to the old attempt is
// told by its record number: the server's ServerHello and all that follows go on from the number
// of the ClientHello (section 4.2.1), so this attempt's are above all earlier ones. A server that
// numbers otherwise, as one on OpenSSL 3.2 to 3.5 does, is not heard any more: the handshake is
// lost, as it was before.
bool Session::begin_anew(double now) {
  constexpr uint64_t kAttempt = uint64_t{1} << 32;  // more records than any attempt has
  if (role_ != Role::kClient || handshake_deadline_ == kNever || now >= handshake_deadline_) {
    return false;
  }
  const bool heard_anything = handshake_->heard_anything;
  take_back();
  ssl_.reset();
  handshake_ = std::make_unique<Handshake>(now);
  handshake_->heard_anything = heard_anything;
  held_ = {};
  first_sequence_ += kAttempt;
  next_number_out_ = first_sequence_;
  replay_window_ = {};
  forged_ = 0;
  if (!create_ssl()) return false;
  begin_handshake(now);
  return true;
}

void Session::fail_handshake(double now) {
  Failure failure = handshake_failure();
  if (failure.kind == FailureKind::kHandshakeTimeout) {
    const Failure named = timeout_failure();
    failure.kind = named.kind;
    failure.detail = named.detail;
    if (begin_anew(now)) return;
  }
  fail(failure);
}

void Session::connect(double now) {
  if (!create_ssl()) {
    fail(failure_from_openssl(FailureKind::kInternal));
    return;
  }
  if (policy_->session && offer_session(now)) return;
  begin_handshake(now);
}

void Session::accept_hello(const RecordView& record, const FragmentView& fragment, Bytes random) {
  std::copy_n(random.data, kRandomSize, hello_random_.data());
  // RFC 6347 section 4.2.1: the ServerHello takes the number of the ClientHello.
  next_number_out_ = record.sequence;
  handshake_->hello = std::make_unique<HandshakeMessage>(record.version, fragment);
  handshake_->next_number_in = record.sequence;
}

// The hello is whole. There is no SSL yet: one that is made when the answer is known has all that
// its context says, and while the answer is open the peer costs no more than its hello.
void Session::on_hello(uint8_t* scratch, double now) {
  ClientHelloView hello;
  handshake_->questions = policy_->hello_questions;
  if (parse_client_hello(handshake_->hello->body(), hello)) {
    const Bytes name = hello.server_name;
    handshake_->server_name.assign(name.data, name.data + name.size);
    const auto asks = [this](uint32_t about) { return (policy_->hello_questions & about) != 0; };
    if (asks(kAskAlways) || (asks(kAskServerName) && name.size != 0) ||
        (asks(kAskProtocols) && hello.protocols.size != 0)) {
      const std::vector<uint8_t> about = pack_client_hello(hello);
      park(LookupKind::kClientHello, {about.data(), about.size()});
      return;
    }
  }
  consider_session(scratch, now);
}

void Session::answer_hello(HelloAnswer answer, uint8_t* scratch, double now) {
  if (!waits_for(LookupKind::kClientHello)) return;
  handshake_->question.reset();
  handshake_->cause = answer.refusal;
  handshake_->protocols = std::move(answer.protocols);
  handshake_->name_used = answer.context != nullptr && !handshake_->server_name.empty();
  if (answer.context) context_ = std::move(answer.context);
  if (answer.policy) use_policy(std::move(answer.policy));
  consider_session(scratch, now);
}

void Session::begin_server(uint8_t* scratch, double now) {
  const std::unique_ptr<HandshakeMessage> hello = std::move(handshake_->hello);
  if (!create_ssl()) {
    fail(failure_from_openssl(FailureKind::kInternal));
    return;
  }
  const ErrorQueueScope errors;
  if (!pass_cookie_exchange(*hello)) {
    fail(session_failure(FailureKind::kProtocolError));
    return;
  }
  size_t offset = 0;
  const std::vector<uint8_t> record = hello->record(offset, handshake_->next_number_in++);
  offer({record.data(), record.size()});
  begin_handshake(now);
  take_back();
  if (handshake_) feed_held(scratch, now);
}

bool Session::began_with(Bytes random) const {
  return role_ == Role::kServer && random.size == kRandomSize &&
         std::memcmp(random.data, hello_random_.data(), kRandomSize) == 0;
}

// Two ends that dial each other at once have both sent a ClientHello, from and to the same ports. A
// hello's random stays the same in all its repetitions and both ends get to see both: the greater
// one goes on, and whoever sent it stays the client.
bool Session::turns_away(Bytes random) {
  const bool away = is_beaten(random);
  if (away) drop();
  return away;
}

bool Session::is_beaten(Bytes random) {
  if (role_ != Role::kClient || state_ == SessionState::kClosed) return false;
  const bool again = std::memcmp(random.data, hello_random_.data(), kRandomSize) == 0;
  if (!handshake_) return again;  // a late repetition; another random is a peer that has restarted
  std::array<uint8_t, kRandomSize> own{};
  if (!ssl_ || SSL_get_client_random(ssl_.get(), own.data(), own.size()) != own.size())
    return false;
  const int order = std::memcmp(random.data, own.data(), kRandomSize);
  if (order > 0) return false;
  if (order == 0) return true;  // our own, sent back
  std::copy_n(random.data, kRandomSize, hello_random_.begin());
  // A peer that repeats its hello and never answers ours does not serve; then it may have its way.
  constexpr uint32_t kPatience = 3;
  return handshake_->heard_anything || ++handshake_->hellos_turned_away < kPatience;
}

void Session::park(LookupKind kind, Bytes about) {
  handshake_->question = kind;
  update_retransmission(0);
  outbox_.append(RecordType::kLookup, id_, static_cast<uint32_t>(kind), 0, about);
}

void Session::resume(uint8_t* scratch, double now) {
  handshake_->question.reset();
  begin_handshake(now);
  feed_messages(scratch, now);
  feed_held(scratch, now);
}

void Session::answer_psk(bool found, Bytes identity, Bytes key, uint8_t* scratch, double now) {
  if (!waits_for(role_ == Role::kServer ? LookupKind::kPskServer : LookupKind::kPskClient)) return;
  if (handshake_->hello) {  // there is no SSL yet: it is about a session
    handshake_->question.reset();
    if (found) confirm_session_psk(key);
    consider_session(scratch, now);
    return;
  }
  Handshake& handshake = *handshake_;
  handshake.psk_found = found;
  handshake.psk_key = SecretBytes(key);
  if (role_ == Role::kClient) {
    handshake.offered_identity.assign(identity.data, identity.data + identity.size);
    psk_identity_ = handshake.offered_identity;
  }
  resume(scratch, now);
}

void Session::answer_identity(bool accepted, uint8_t* scratch, double now) {
  if (waits_for(LookupKind::kSessionIdentity)) {
    // What is said of the name now must be what the session's own handshake came to.
    const bool accepted_then = SSL_get_verify_result(ssl_.get()) == X509_V_OK;
    if (accepted != accepted_then) withdraw_session();
    resume(scratch, now);
    return;
  }
  if (!waits_for(LookupKind::kPeerIdentity)) return;
  handshake_->peer_identity = accepted ? PeerIdentity::kAccepted : PeerIdentity::kRejected;
  resume(scratch, now);
}

void Session::drive_handshake(double now) {
  if (!handshake_ || handshake_->question || !ssl_) return;
  const ErrorQueueScope errors;
  handshake_->now = now;
  const int result = SSL_do_handshake(ssl_.get());
  const int error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), result);
  send_flight(now);
  const bool goes_on = error == SSL_ERROR_NONE || error == SSL_ERROR_WANT_READ ||
                       error == SSL_ERROR_WANT_RETRY_VERIFY || error == SSL_ERROR_WANT_X509_LOOKUP;
  if (goes_on && role_ == Role::kClient && lacks_required_master_secret()) {
    refuse_master_secret();
    return;
  }
  switch (error) {
    case SSL_ERROR_NONE:
      if (!tell_new_session()) established(now);
      return;
    case SSL_ERROR_WANT_READ:
      update_retransmission(now);
      return;
    case SSL_ERROR_WANT_RETRY_VERIFY:
      park(LookupKind::kPeerIdentity, {});
      return;
    case SSL_ERROR_WANT_X509_LOOKUP:
      park(LookupKind::kOcspResponse, {});
      return;
    case SSL_ERROR_ZERO_RETURN: {
      Failure closed;
      closed.kind = FailureKind::kAlertReceived;
      closed.alert = SSL_AD_CLOSE_NOTIFY;
      fail(closed);
      return;
    }
    default:
      fail_handshake(now);
  }
}

void Session::established(double now) {
  state_ = SessionState::kOpen;
  completed_handshake_ = true;
  handshake_deadline_ = kNever;
  last_activity_ = last_heard_ = now;
  rest_at_ = now + kRestAfter;
  SSL* ssl = ssl_.get();
  const bool showed_certificate =
      SSL_get0_peer_certificate(ssl) != nullptr || rpk::of_peer(ssl) != nullptr;
  const uint32_t what = kSecureVersion.put(static_cast<uint32_t>(SSL_version(ssl))) |
                        kSecurePeerCertificate.put(showed_certificate) |
                        kSecurePsk.put(is_psk_suite(SSL_get_current_cipher(ssl))) |
                        kSecureReused.put(SSL_session_reused(ssl) != 0) |
                        kSecureEncryptThenMac.put(encrypts_then_macs()) |
                        kSecureExtendedMasterSecret.put(SSL_get_extms_support(ssl) == 1) |
                        kSecureMaxFragment.put(uint32_t{max_fragment_code(max_fragment())});
  note_psk_identity();
  const bool new_session = has_session_to_keep();
  while (leaves()) send_burst(now);  // a last flight is short
  handshake_.reset();
  fix_suite();
  update_retransmission(now);
  const unsigned char* protocol = nullptr;
  unsigned protocol_size = 0;
  SSL_get0_alpn_selected(ssl, &protocol, &protocol_size);
  outbox_.append(RecordType::kSecure, id_, what, static_cast<uint32_t>(SSL_get_verify_result(ssl)),
                 {protocol, protocol_size});
  if (new_session) outbox_.append(RecordType::kSession, id_, 0, 0);
}

SendOutcome Session::send(Bytes message, uint32_t token, double now) {
  if (state_ != SessionState::kOpen) return SendOutcome::kNotOpen;
  if (message.size > max_fragment_) return SendOutcome::kTooBig;
  if (message.size == 0) return SendOutcome::kEmpty;
  size_t written = 0;
  send_token_ = token;
  const bool done =
      wake(now) && SSL_write_ex(ssl_.get(), message.data, message.size, &written) == 1;
  send_token_ = 0;
  if (!done) {
    fail(session_failure(FailureKind::kInternal));
    return SendOutcome::kFailed;
  }
  last_activity_ = now;
  count<&TrafficStats::messagesSent>();
  count<&TrafficStats::messageBytesSent>(message.size);
  return SendOutcome::kSent;
}

void Session::close(bool notify) {
  if (state_ == SessionState::kClosed) return;
  if (!notify) {
    // Nothing to say.
  } else if (ssl_ && SSL_is_init_finished(ssl_.get()) == 1) {
    say_goodbye();
  } else {
    break_off();
  }
  emit_close({});
}

void Session::break_off() {
  if (handshake_ && handshake_->change_cipher_spec_sent) {
    say_goodbye_early();
  } else {
    // Not user_canceled before it, as RFC 5246 section 7.2.2 suggests: an OpenSSL that gets one
    // takes it for five, and ends the handshake for that.
    send_alert(SSL3_AL_WARNING, SSL_AD_CLOSE_NOTIFY);
  }
}

void Session::say_goodbye() {
  const ErrorQueueScope errors;
  // One call: queues our close_notify. There is no second one to wait for the peer's.
  if (wake(last_activity_)) SSL_shutdown(ssl_.get());
  // While a new session is being stored, what is written is a handshake's still.
  send_flight(last_activity_);
}

void Session::fail(Failure failure) {
  if (state_ == SessionState::kClosed) return;
  if (failure.alert == Failure::kNoAlert) failure.alert = alert_sent_;
  emit_close(failure);
}

void Session::displace() {
  break_off();
  Failure failure;
  failure.kind = FailureKind::kDisplaced;
  fail(failure);
}

bool Session::is_unproven() const {
  return role_ == Role::kServer && handshake_ && !handshake_->question;
}

bool Session::gives_way(double now) const {
  return is_unproven() && now >= handshake_->peers_turn_since + policy_->retransmit_initial;
}

void Session::emit_close(const Failure& failure) {
  state_ = SessionState::kClosed;
  failure_ = failure.kind;
  handshake_deadline_ = retransmit_at_ = rest_at_ = kNever;
  rests_ = false;
  const uint32_t alert =
      failure.alert == Failure::kNoAlert ? kCloseNoAlert : static_cast<uint32_t>(failure.alert);
  const uint32_t detail = kCloseAlert.put(alert) |
                          kCloseVerifyResult.put(static_cast<uint32_t>(failure.verify_result)) |
                          kCloseCertificateWithheld.put(failure.certificate_withheld) |
                          kCloseCompletedHandshake.put(completed_handshake_);
  std::string text = failure.reason;
  text += '\0';
  text += failure.library;
  text += '\0';
  text += failure.detail;
  text += '\0';
  text += failure.line;
  outbox_.append(RecordType::kClose, id_, static_cast<uint32_t>(failure.kind), detail,
                 {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  // An SSL that is freed after a handshake without this would count as a broken session to be
  // evicted.
  if (ssl_) SSL_set_quiet_shutdown(ssl_.get(), 1);
  handshake_.reset();
  record_keys_.reset();
  written_ = {};
  ssl_.reset();
  context_.reset();
}

double Session::deadline() const {
  if (state_ == SessionState::kClosed) return kNever;
  double next = std::min({handshake_deadline_, retransmit_at_, rest_at_});
  if (handshake_) next = std::min(next, handshake_->burst_at);
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

void Session::advance(double now) {
  if (state_ == SessionState::kClosed) return;
  if (now >= handshake_deadline_) {
    // The peer of a session that waits for its store has an open one, and no deadline; and so may
    // the client of a resumed one.
    const Failure failure = timeout_failure();
    if (ssl_ && SSL_is_init_finished(ssl_.get()) == 1) {
      say_goodbye();
    } else if (role_ == Role::kServer && handshake_->change_cipher_spec_sent) {
      break_off();
    } else if (failure.kind == FailureKind::kLookupTimeout) {
      send_alert(SSL3_AL_FATAL, SSL_AD_INTERNAL_ERROR);  // the peer did nothing wrong
    }
    fail(failure);
    return;
  }
  if (state_ == SessionState::kOpen && policy_->idle_timeout > 0 &&
      now >= last_activity_ + policy_->idle_timeout) {
    const ErrorQueueScope errors;
    if (wake(now)) SSL_shutdown(ssl_.get());
    Failure failure;
    failure.kind = FailureKind::kIdleTimeout;
    fail(failure);
    return;
  }
  if (now >= rest_at_) consider_rest(now);
  if (leaves() && now >= handshake_->burst_at) {
    send_burst(now);
    // The peer answers what has left: the wait for its answer begins now.
    retransmit_at_ = std::max(retransmit_at_, now + last_wait_ / 1000.0);
  }
  if (state_ == SessionState::kOpen && heartbeat_) advance_heartbeat(now);
  if (state_ == SessionState::kClosed || now < retransmit_at_) return;
  if (leaves()) {
    // With a short timer a long flight would be repeated before all of it has left. OpenSSL would
    // count a repetition that is none, and it gives up after twelve.
    retransmit_at_ = handshake_->burst_at;
    return;
  }
  const ErrorQueueScope errors;
  const int repeated = DTLSv1_handle_timeout(ssl_.get());
  send_flight(now);
  if (repeated < 0) {
    if (state_ == SessionState::kHandshaking) {
      fail_handshake(now);
    } else {
      fail(session_failure(FailureKind::kProtocolError));
    }
    return;
  }
  update_retransmission(now);
}

// An SSL keeps a buffer for reading and one for writing, a quarter of all that it takes, also when
// it has nothing to do for hours. A session that has been idle for a while gives them back. Traffic
// only notes its time: the timer looks at that, and is moved once in a while, not for each message.
void Session::consider_rest(double now) {
  if (now < last_activity_ + kRestAfter) {
    rest_at_ = last_activity_ + kRestAfter;
    return;
  }
  const bool busy = retransmit_at_ != kNever || (heartbeat_ && heartbeat_->in_flight);
  // OpenSSL refuses while they hold something.
  rests_ = !busy && SSL_free_buffers(ssl_.get()) == 1;
  rest_at_ = rests_ ? kNever : now + kRestAfter;
}

// Before anything is written or read: OpenSSL makes itself a buffer for reading, but none for
// writing. False: there is no memory.
bool Session::wake(double now) {
  if (!rests_) return true;
  if (SSL_alloc_buffers(ssl_.get()) != 1) return false;
  rests_ = false;
  rest_at_ = now + kRestAfter;
  return true;
}

// OpenSSL keeps the retransmission timer by its own clock; this reads what is left of it. While a
// question is open nothing is repeated: the peer's flight has arrived, the answer is ours to give.
void Session::update_retransmission(double now) {
  retransmit_at_ = kNever;
  if (!ssl_ || parked()) return;
  timeval left{};
  if (DTLSv1_get_timeout(ssl_.get(), &left) != 1) return;
  const double milliseconds =
      static_cast<double>(left.tv_sec) * 1000 + static_cast<double>(left.tv_usec) / 1000;
  retransmit_at_ = now + std::ceil(milliseconds);
  if (handshake_ && handshake_->hellos) {
    retransmit_at_ = std::max(retransmit_at_, handshake_->hello_due);
  }
}

bool Session::set_mtu(uint32_t mtu) {
  if (!ssl_ || SSL_set_mtu(ssl_.get(), static_cast<long>(mtu)) == 0) return false;
  mtu_ = mtu;
  return true;
}

}  // namespace dtls
