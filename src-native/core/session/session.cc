#include "core/session/session.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/records/openssl_records.h"

namespace dtls {

Session::Session(Outlets& outlets, uint32_t slot, uint32_t generation, Role role,
                 const PeerAddress& peer, std::shared_ptr<const SecureContext> context,
                 std::shared_ptr<const SessionPolicy> policy, bool dtls13, double now)
    : outlet_(outlets, slot, generation, peer), role_(role), last_activity_(now), last_heard_(now) {
  if (dtls13) {
    begin13(std::move(context), std::move(policy), now);
  } else {
    begin12(std::move(context), std::move(policy), now);
  }
}

Session::~Session() = default;

// ---- out ----

// False: nothing could be sealed, and nothing leaves.
bool Session::seal(ContentType type, Bytes plaintext, uint32_t token) {
  // Not cleared: what is read of it has been written.
  std::array<uint8_t, kRecordHeaderSize + kMaxPlaintext + SSL3_RT_MAX_ENCRYPTED_OVERHEAD> memory;
  uint8_t* const out = outlet_.datagram_room(records_->sealed_size(plaintext.size), memory.data());
  const size_t size = records_->seal(type, plaintext, out);
  if (size == 0) return false;
  outlet_.transmit({out, size}, token);
  tell_wear(true, records_->wear_of_sealing());
  return true;
}

// Says once for each limit that it comes near. Of one that was reached, CLOSE tells.
void Session::tell_wear(bool out, Wear wear) {
  Wear& told = out ? told_of_sealing_ : told_of_opening_;
  if (wear <= told) return;
  const Wear before = std::exchange(told, wear);
  if (wear == Wear::kSpent) return;
  if (late13_) {
    // There are others to be had, for the asking where they are the peer's. What is under way may
    // not ask for those: the next forgery tries again.
    const bool waits = late13_->update_keys(!out) == KeyUpdateOutcome::kUnderWay;
    if (waits && !out) told = before;
    return;
  }
  const KeyLimit limit = !out                  ? KeyLimit::kIntegrity
                         : wear == Wear::kWorn ? KeyLimit::kNumbers
                                               : KeyLimit::kConfidentiality;
  outlet_.append(RecordType::kKeyLimit, kOut.put(out), static_cast<uint32_t>(limit));
}

SendOutcome Session::send(Bytes message, uint32_t token, double now) {
  if (state_ != SessionState::kOpen) return SendOutcome::kNotOpen;
  if (message.size > max_fragment_) return SendOutcome::kTooBig;
  if (message.size == 0) return SendOutcome::kEmpty;
  stir(now);
  const Wear told = told_of_sealing_;
  if (told == Wear::kSpent) {
    end_worn_out(FailureKind::kNumbersSpent);
    return SendOutcome::kFailed;
  }
  if (!seal(ContentType::kApplicationData, message, token)) {
    fail_as_openssl_says(FailureKind::kInternal);
    return SendOutcome::kFailed;
  }
  if (told != told_of_sealing_) leave13(now);  // the update of keys that is due
  last_activity_ = now;
  outlet_.count<&TrafficStats::messagesSent>();
  outlet_.count<&TrafficStats::messageBytesSent>(message.size);
  return SendOutcome::kSent;
}

// RFC 5246 section 7.2.2: after a fatal alert nobody is to resume the session.
void Session::send_alert(uint8_t level, uint8_t description) {
  const ErrorQueueScope errors;
  const std::array<uint8_t, 2> alert = {level, description};
  if (level == SSL3_AL_FATAL) facts_->forbid_resumption(context_->get());
  if (seal(ContentType::kAlert, {alert.data(), alert.size()})) {
    outlet_.alert(true, level, description);
  }
}

void Session::say_goodbye() { send_alert(SSL3_AL_WARNING, SSL_AD_CLOSE_NOTIFY); }

// ---- the end ----

void Session::close(bool notify) {
  if (state_ == SessionState::kClosed) return;
  if (notify && handshake_) handshake_->say_goodbye(last_activity_);
  if (notify && !handshake_) say_goodbye();
  emit_close({});
}

// The keys bear no more, in one direction; the peer begins another session when it has been told.
void Session::end_worn_out(FailureKind kind) {
  say_goodbye();
  Failure failure;
  failure.kind = kind;
  fail(failure);
}

void Session::fail_as_openssl_says(FailureKind fallback) { fail(failure_from_openssl(fallback)); }

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
  if (handshake_) {
    keep_psk_identity(*handshake_);
    mtu_ = handshake_->mtu();
  }
  handshake12_ = nullptr;
  handshake13_ = nullptr;
  handshake_.reset();
  newer_.reset();
  late13_.reset();
  records_.reset();
  said_last_.reset();
  heartbeat_.reset();
}

// ---- time ----

double Session::deadline() const {
  if (state_ == SessionState::kClosed) return kNever;
  if (handshake_) return handshake_->deadline();
  double next = rest_at_;
  if (said_last_) next = std::min(next, said_last_->flight.until());
  if (late13_) next = std::min(next, late13_->due());
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
  if (said_last_ && said_last_->flight.over(now)) said_last_.reset();
  if (late13_ && now >= late13_->due()) {
    const ErrorQueueScope errors;
    on_late(late13_->advance(now));
    if (state_ == SessionState::kClosed) return;
    leave13(now);
  }
  if (now >= rest_at_) consider_rest(now);
  if (heartbeat_) advance_heartbeat(now);
}

// A session that has been idle for a while gives back what it can have again. Traffic only notes
// its time: the timer looks at that, and is moved once in a while, not for each message.
void Session::consider_rest(double now) {
  if (now < last_activity_ + kRestAfter) {
    rest_at_ = last_activity_ + kRestAfter;
    return;
  }
  rests_ = !(heartbeat_ && heartbeat_->in_flight) && (!late13_ || late13_->may_rest());
  rest_at_ = rests_ ? kNever : now + kRestAfter;
  if (!rests_) return;
  records_->rest();
  if (late13_) late13_->rest();
}

void Session::stir(double now) {
  if (!rests_) return;
  rests_ = false;
  rest_at_ = now + kRestAfter;
}

// ---- what can be asked ----

bool Session::set_mtu(uint32_t mtu) {
  if (handshake_) return handshake_->set_mtu(mtu);
  // OpenSSL's own: the smallest MTU of a link, less the longest headers of IP and UDP.
  constexpr uint32_t kSmallest = 256 - 48;
  if (state_ != SessionState::kOpen || mtu < kSmallest) return false;
  if (SSL* ssl = records_->ssl()) SSL_set_mtu(ssl, static_cast<long>(mtu));
  if (late13_) late13_->forget_path_mtu();
  mtu_ = mtu;
  return true;
}

void Session::on_moved(double now) {
  if (state_ == SessionState::kClosed) return;
  stir(now);
  if (handshake_) {
    handshake_->on_moved(now);
    return;
  }
  set_mtu(policy_->mtu);
  if (said_last_) {
    said_last_->repetitions = 0;
    // A peer that has not been heard since may still be waiting for it.
    if (last_heard_ <= said_last_->said_at) repeat_last_flight(now);
  }
  if (late13_) late13_->on_moved();
  leave13(now);
}

size_t Session::max_message_size() const {
  if (late13_) {
    const Records13& records = late13_->records();
    const size_t added = records.overhead_in(records.sealing_epoch());
    return mtu_ > added ? mtu_ - added : 0;
  }
  if (handshake13_ != nullptr) return 0;
  if (ssl() != nullptr) return DTLS_get_data_mtu(ssl());
  return facts_ ? facts_->data_mtu(mtu_) : 0;
}

std::shared_ptr<const SessionFacts> Session::facts() const {
  if (handshake13_ != nullptr) return handshake13_->facts();
  // Shared with nobody: it costs no memory.
  if (!handshake_ || handshake_->ssl() == nullptr) return {std::shared_ptr<void>(), facts_.get()};
  return std::make_shared<const SessionFacts>(handshake_->ssl(), handshake_->context()->alike());
}

X509_STORE* Session::trusted() const {
  const auto& context = handshake_ ? handshake_->context() : context_;
  if (!context) return nullptr;
  const auto& policy = handshake_ ? handshake_->policy() : policy_;
  const SecureContext& trusting = policy->authorities ? *policy->authorities : *context;
  return SSL_CTX_get_cert_store(trusting.get());
}

SSL_CTX* Session::context() const {
  const auto& context = handshake_ ? handshake_->context() : context_;
  return context ? context->get() : nullptr;
}

}  // namespace dtls
