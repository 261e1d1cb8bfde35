#include "core/session/session.h"

#include <algorithm>
#include <cstring>

#include "core/identity/cipher_suites.h"
#include "core/records/aead_suite.h"
#include "core/records/integrity_limit.h"

namespace dtls {

Session::Session(Outbox& outbox, Transmitter* transmitter, TrafficStats& totals, SessionId id,
                 Role role, const PeerAddress& peer, std::shared_ptr<const SecureContext> context,
                 std::shared_ptr<const SessionPolicy> policy, double now)
    : outlet_(outbox, transmitter, totals, id, peer),
      role_(role),
      handshake_(
          std::make_unique<Handshake>(outlet_, role, std::move(context), std::move(policy), now)),
      last_activity_(now),
      last_heard_(now) {}

Session::~Session() = default;

// ---- its handshake ----

// Has `act` done with the handshake, if there is still one, and takes over what comes of it.
template <typename Act>
void Session::with_handshake(uint8_t* scratch, double now, const Act& act) {
  if (!handshake_) return;
  act(*handshake_);
  conclude(scratch, now);
}

void Session::conclude(uint8_t* scratch, double now) {
  switch (handshake_->state()) {
    case HandshakeState::kHello:
    case HandshakeState::kExchange:
      return;
    case HandshakeState::kComplete:
      established(scratch, now);
      return;
    case HandshakeState::kFailed:
      fail(handshake_->failure());
      return;
  }
}

void Session::connect(double now) {
  handshake_->connect(now);
  conclude(nullptr, now);
}

void Session::accept_hello(const RecordView& record, const FragmentView& fragment, Bytes random) {
  handshake_->accept_hello(record, fragment, random);
}

void Session::answer_hello(HelloAnswer answer, uint8_t* scratch, double now) {
  with_handshake(scratch, now,
                 [&](Handshake& handshake) { handshake.answer_hello(std::move(answer), now); });
}

void Session::answer_session(Bytes session, bool refused, uint8_t* scratch, double now) {
  with_handshake(scratch, now,
                 [&](Handshake& handshake) { handshake.answer_session(session, refused, now); });
}

void Session::answer_new_session(uint8_t* scratch, double now) {
  with_handshake(scratch, now, [&](Handshake& handshake) { handshake.answer_new_session(now); });
}

void Session::answer_psk(bool found, Bytes identity, Bytes key, uint8_t* scratch, double now) {
  with_handshake(scratch, now,
                 [&](Handshake& handshake) { handshake.answer_psk(found, identity, key, now); });
}

void Session::answer_identity(bool accepted, uint8_t* scratch, double now) {
  with_handshake(scratch, now,
                 [&](Handshake& handshake) { handshake.answer_identity(accepted, now); });
}

void Session::answer_ocsp(bool refused, Bytes response, uint8_t* scratch, double now) {
  with_handshake(scratch, now,
                 [&](Handshake& handshake) { handshake.answer_ocsp(refused, response, now); });
}

// The SSL has another end of its wire from now on, and what it says comes here.
bool Session::adopt(SslPtr ssl) {
  ssl_ = std::move(ssl);
  BioPtr bio = make_bio();
  if (!bio) return false;
  SSL_set_bio(ssl_.get(), bio.get(), bio.get());
  static_cast<void>(bio.release());  // SSL_set_bio took the one reference for both directions
  SSL_set_msg_callback(ssl_.get(), message_callback);
  SSL_set_msg_callback_arg(ssl_.get(), this);
  return true;
}

void Session::established(uint8_t* scratch, double now) {
  completed_handshake_ = true;
  state_ = SessionState::kOpen;
  last_activity_ = last_heard_ = now;
  rest_at_ = now + kRestAfter;
  const std::unique_ptr<Handshake> handshake = std::move(handshake_);
  checks_macs_ = handshake->encrypts_then_macs();
  max_fragment_ = handshake->max_fragment();
  Handshake::Legacy legacy = handshake->take_legacy();
  context_ = handshake->context();
  policy_ = handshake->policy();
  mtu_ = handshake->mtu();
  hello_random_ = handshake->hello_random();
  psk_identity_ = handshake->psk_identity();
  replay_window_ = std::move(legacy.window);
  forged_ = legacy.forged;
  incoming_mac_ = std::move(legacy.incoming_mac);
  next_number_out_ = legacy.next_number_out;
  repetitions_ = legacy.repetitions;
  answered_again_ = legacy.answered_again;
  if (policy_->heartbeat != HeartbeatMode::kOff) {
    heartbeat_ = std::make_unique<Heartbeat>();
    heartbeat_->own = policy_->heartbeat;
    heartbeat_->peer = legacy.peer_heartbeat;
  }
  if (!adopt(std::move(legacy.ssl))) {
    fail(openssl_failure(FailureKind::kInternal));
    return;
  }
  auto facts = std::make_shared<SessionFacts>(ssl_.get(), context_->alike());
  facts->settle(policy_->session ? policy_->session->get() : nullptr);
  shortest_record_ = shortest_protected_record(facts->cipher());
  integrity_limit_ = integrity_limit(facts->cipher());
  const uint32_t what = kSecureVersion.put(static_cast<uint32_t>(facts->version())) |
                        kSecurePeerCertificate.put(facts->peer_showed_key()) |
                        kSecurePsk.put(is_psk_suite(facts->cipher())) |
                        kSecureReused.put(facts->reused()) |
                        kSecureEncryptThenMac.put(checks_macs_) |
                        kSecureExtendedMasterSecret.put(facts->extended_master_secret()) |
                        kSecureMaxFragment.put(uint32_t{max_fragment_code(max_fragment_)});
  const std::vector<uint8_t> protocol = facts->protocol();
  outlet_.append(RecordType::kSecure, what, static_cast<uint32_t>(facts->verify_result()),
                 {protocol.data(), protocol.size()});
  facts_ = std::move(facts);
  if (legacy.new_session) outlet_.append(RecordType::kSession, 0, 0);
  for (const HeldRecords::Held& held : legacy.held) {
    replay(held, handshake->counts_early(), scratch, now);
  }
}

bool Session::gives_way(double now) const {
  return is_unproven() &&
         now >= handshake_->peers_turn_since() + handshake_->policy()->retransmit_initial;
}

bool Session::began_with(Bytes random) const {
  const auto& own = handshake_ ? handshake_->hello_random() : hello_random_;
  return role_ == Role::kServer && random.size == kRandomSize &&
         std::memcmp(random.data, own.data(), kRandomSize) == 0;
}

// Two ends that dial each other at once have both sent a ClientHello, from and to the same ports.
// Both get to see both, and whoever sent the one that goes on stays the client.
bool Session::turns_away(Bytes random) {
  const bool away = is_beaten(random);
  if (away) drop();
  return away;
}

bool Session::is_beaten(Bytes random) {
  if (role_ != Role::kClient || state_ == SessionState::kClosed) return false;
  if (handshake_) return handshake_->beats(random);
  // A late repetition; another random is a peer that has restarted.
  return std::memcmp(random.data, hello_random_.data(), kRandomSize) == 0;
}

// ---- open ----

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
    fail(openssl_failure(FailureKind::kInternal));
    return SendOutcome::kFailed;
  }
  last_activity_ = now;
  outlet_.count<&TrafficStats::messagesSent>();
  outlet_.count<&TrafficStats::messageBytesSent>(message.size);
  return SendOutcome::kSent;
}

void Session::close(bool notify) {
  if (state_ == SessionState::kClosed) return;
  if (notify) {
    if (handshake_) {
      handshake_->say_goodbye(last_activity_);
    } else {
      say_goodbye();
    }
  }
  emit_close({});
}

// One call: queues our close_notify. There is no second one to wait for the peer's.
void Session::say_goodbye() {
  const ErrorQueueScope errors;
  if (wake(last_activity_)) SSL_shutdown(ssl_.get());
}

void Session::displace() {
  handshake_->break_off();
  Failure failure;
  failure.kind = FailureKind::kDisplaced;
  fail(failure);
}

Failure Session::openssl_failure(FailureKind fallback) const {
  Failure failure = failure_from_openssl(fallback);
  if (failure.alert == Failure::kNoAlert) failure.alert = outlet_.alert_sent();
  return failure;
}

void Session::fail(Failure failure) {
  if (state_ == SessionState::kClosed) return;
  if (failure.alert == Failure::kNoAlert) failure.alert = outlet_.alert_sent();
  emit_close(failure);
}

void Session::emit_close(const Failure& failure) {
  state_ = SessionState::kClosed;
  failure_ = failure.kind;
  rest_at_ = kNever;
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
  outlet_.append(RecordType::kClose, static_cast<uint32_t>(failure.kind), detail,
                 {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  // OpenSSL forbids to resume a session whose SSL is freed without a close_notify, or this. A fatal
  // alert has forbidden it already.
  if (ssl_) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN);
  if (handshake_) {
    psk_identity_ = handshake_->psk_identity();
    hello_random_ = handshake_->hello_random();
    mtu_ = handshake_->mtu();
  }
  handshake_.reset();
  record_keys_.reset();
  facts_.reset();
  written_ = {};
  ssl_.reset();
  context_.reset();
}

double Session::deadline() const {
  if (state_ == SessionState::kClosed) return kNever;
  if (handshake_) return handshake_->deadline();
  double next = rest_at_;
  if (policy_->idle_timeout > 0) next = std::min(next, last_activity_ + policy_->idle_timeout);
  if (heartbeat_ && heartbeat_->in_flight) return std::min(next, heartbeat_->resend_at());
  return keep_alive_on() ? std::min(next, last_heard_ + policy_->heartbeat_interval) : next;
}

void Session::advance(double now) {
  if (state_ == SessionState::kClosed) return;
  if (handshake_) {
    handshake_->advance(now);
    conclude(nullptr, now);
    return;
  }
  if (policy_->idle_timeout > 0 && now >= last_activity_ + policy_->idle_timeout) {
    say_goodbye();
    Failure failure;
    failure.kind = FailureKind::kIdleTimeout;
    fail(failure);
    return;
  }
  if (now >= rest_at_) consider_rest(now);
  if (heartbeat_) advance_heartbeat(now);
}

// An SSL keeps a buffer for reading and one for writing, a quarter of all that it takes, also when
// it has nothing to do for hours. A session that has been idle for a while gives them back. Traffic
// only notes its time: the timer looks at that, and is moved once in a while, not for each message.
void Session::consider_rest(double now) {
  if (now < last_activity_ + kRestAfter) {
    rest_at_ = last_activity_ + kRestAfter;
    return;
  }
  const bool busy = heartbeat_ && heartbeat_->in_flight;
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

bool Session::set_mtu(uint32_t mtu) {
  if (handshake_) return handshake_->set_mtu(mtu);
  // OpenSSL's own: the smallest MTU of a link, less the longest headers of IP and UDP.
  constexpr uint32_t kSmallest = 256 - 48;
  if (state_ != SessionState::kOpen || mtu < kSmallest) return false;
  if (ssl_) SSL_set_mtu(ssl_.get(), static_cast<long>(mtu));
  mtu_ = mtu;
  return true;
}

// ---- what can be asked of it ----

size_t Session::max_message_size() const {
  if (facts_ && aead_suite(facts_->cipher()).valid()) return facts_->data_mtu(mtu_);
  return ssl() != nullptr ? DTLS_get_data_mtu(ssl()) : 0;
}

std::shared_ptr<const SessionFacts> Session::facts() const {
  if (facts_ || ssl() == nullptr) return facts_;
  return std::make_shared<const SessionFacts>(
      ssl(), (handshake_ ? handshake_->context() : context_)->alike());
}

X509_STORE* Session::trusted() const {
  if (state_ == SessionState::kClosed) return nullptr;
  const SessionPolicy& policy = handshake_ ? *handshake_->policy() : *policy_;
  return SSL_CTX_get_cert_store(policy.authorities ? policy.authorities->get() : context());
}

SSL_CTX* Session::context() const {
  if (handshake_) return handshake_->context()->get();
  return context_ ? context_->get() : nullptr;
}

}  // namespace dtls
