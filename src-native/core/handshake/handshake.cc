#include "core/handshake/handshake.h"

#include <openssl/srtp.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/identity/cipher_suites.h"
#include "core/identity/raw_public_key.h"

namespace dtls {

Handshake::Handshake(Outlet& outlet, Role role, std::shared_ptr<const SecureContext> context,
                     std::shared_ptr<const SessionPolicy> policy, double now)
    : outlet_(outlet),
      role_(role),
      context_(std::move(context)),
      policy_(std::move(policy)),
      state_(role == Role::kServer ? HandshakeState::kHello : HandshakeState::kExchange),
      attempt_(std::make_unique<Attempt>(now)),
      now_(now),
      deadline_(policy_->handshake_timeout > 0 ? now + policy_->handshake_timeout : kNever),
      mtu_(policy_->mtu),
      beside_dtls13_(context_->allows(kDtls13)) {}

// OpenSSL forbids to resume a session whose SSL is freed after the handshake without a
// close_notify, or this.
Handshake::~Handshake() {
  if (ssl_) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN);
}

void Handshake::fail(Failure failure) {
  if (over()) return;
  state_ = HandshakeState::kFailed;
  failure_ = std::move(failure);
  written_ = {};
}

// What OpenSSL says about a failure stays in its queue for the caller.
bool Handshake::create_ssl() {
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
  if (!(role_ == Role::kClient ? configure_client() : configure_server())) return false;
  return !((context_->shows_raw_key() && !rpk::show(ssl, context_->has_certificate())) ||
           (!policy_->public_keys.empty() && !rpk::expect(ssl)));
}

bool Handshake::configure_client() {
  SSL* ssl = ssl_.get();
  // The client asks for the server's certificate by choosing a suite, and always judges it.
  SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
  if (!bind_sessions()) return false;
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
  return true;
}

bool Handshake::configure_server() {
  SSL* ssl = ssl_.get();
  int mode = SSL_VERIFY_NONE;
  if (policy_->request_certificate) {
    mode = SSL_VERIFY_PEER;
    if (policy_->reject_unauthorized) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  }
  SSL_set_verify(ssl, mode, nullptr);
  if (!policy_->ticket_keys) SSL_set_options(ssl, SSL_OP_NO_TICKET);
  if (!bind_sessions()) return false;
  if (policy_->ask_psk) {
    SSL_set_psk_server_callback(ssl, psk_server_callback);
    if (!policy_->psk_identity_hint.empty() &&
        SSL_use_psk_identity_hint(ssl, policy_->psk_identity_hint.c_str()) != 1) {
      return false;
    }
  }
  SSL_set_accept_state(ssl);
  return true;
}

void Handshake::connect(double now) {
  if (!create_ssl()) {
    fail(failure_from_openssl(FailureKind::kInternal));
    return;
  }
  if (policy_->session && offer_session()) return;
  begin(now);
}

void Handshake::accept_hello(const RecordView& record, const FragmentView& fragment, Bytes random) {
  std::copy_n(random.data, kRandomSize, hello_random_.data());
  // RFC 6347 section 4.2.1: the ServerHello takes the number of the ClientHello.
  next_number_out_ = record.sequence;
  attempt_->hello = std::make_unique<HandshakeMessage>(record.version, fragment);
  attempt_->next_number_in = record.sequence;
}

bool Handshake::takes_hello(uint16_t sequence) const {
  return state_ == HandshakeState::kHello && attempt_ && attempt_->hello &&
         !attempt_->hello->complete() && attempt_->hello->sequence() == sequence;
}

void Handshake::begin(double now) {
  SSL_set_msg_callback(ssl_.get(), message_callback);
  attempt_->peers_turn_since = now;
  drive(now);
}

// OpenSSL gives a handshake up after twelve retransmissions without progress, however short the
// waits were. A client with time left begins again, as if it had restarted; a server takes it for
// that (RFC 6347 section 4.2.8) and gives the old attempt up. What belongs to the old attempt is
// told by its record number: the server's ServerHello and all that follows go on from the number
// of the ClientHello (section 4.2.1), so this attempt's are above all earlier ones. A server that
// numbers otherwise, as one on OpenSSL 3.2 to 3.5 does, is not heard any more: the handshake is
// lost, as it was before.
bool Handshake::begin_anew(double now) {
  if (role_ != Role::kClient || deadline_ == kNever || now >= deadline_) {
    return false;
  }
  const Heard heard = std::min(attempt_->heard, Heard::kSomething);
  take_back();
  ssl_.reset();
  attempt_ = std::make_unique<Attempt>(now);
  attempt_->heard = heard;
  held_ = {};
  sealed_ = {};
  first_sequence_ += kAttempt;
  next_number_out_ = first_sequence_;
  replay_window_ = {};
  forged_ = 0;
  if (!create_ssl()) return false;
  begin(now);
  return true;
}

void Handshake::fail_as_openssl_says(double now) {
  Failure failure = handshake_failure();
  if (failure.kind == FailureKind::kHandshakeTimeout) {
    const Failure named = timeout_failure();
    failure.kind = named.kind;
    failure.detail = named.detail;
    if (begin_anew(now)) return;
  }
  fail(failure);
}

void Handshake::drive(double now) {
  if (over() || parked() || !ssl_) return;
  const ErrorQueueScope errors;
  now_ = now;
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
      if (!tell_new_session()) complete(now);
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
      fail_as_openssl_says(now);
  }
}

void Handshake::complete(double now) {
  note_psk_identity();
  while (leaves()) send_burst(now);  // a last flight is short
  state_ = HandshakeState::kComplete;
}

// The message that this side's last flight ends with, as it is before it is sealed.
std::vector<uint8_t> Handshake::own_finished() const {
  std::vector<uint8_t> message(kHandshakeHeaderSize + EVP_MAX_MD_SIZE);
  const size_t size =
      SSL_get_finished(ssl_.get(), message.data() + kHandshakeHeaderSize, EVP_MAX_MD_SIZE);
  message.resize(kHandshakeHeaderSize + size);
  FragmentHeader header;
  header.type = HandshakeType::kFinished;
  header.message_length = header.length = static_cast<uint32_t>(size);
  header.message_sequence = static_cast<uint16_t>(attempt_->next_sequence_out - 1);
  write_fragment_header(message.data(), header);
  return message;
}

Handshake::Handover Handshake::hand_over() {
  Handover handover;
  handover.held = std::move(left_over_);
  for (HeldRecords::Held& held : held_.take({true, true, true})) {
    handover.held.push_back(std::move(held));
  }
  std::sort(
      handover.held.begin(), handover.held.end(),
      [](const HeldRecords::Held& a, const HeldRecords::Held& b) { return a.arrival < b.arrival; });
  handover.seen = std::move(replay_window_);
  handover.forged = forged_;
  handover.sealed = sealed_;
  handover.incoming_mac = std::move(incoming_mac_);
  SSL* ssl = ssl_.get();
  // Who is not the last to speak in a full handshake is so in one that is resumed.
  if ((role_ == Role::kServer) != (SSL_session_reused(ssl) != 0)) {
    handover.last_flight = std::move(attempt_->flight);
    handover.finished = own_finished();
  }
  handover.next_number_in_clear = next_number_out_;
  handover.repetitions = repetitions_;
  handover.answered_again = answered_again_;
  handover.peer_heartbeat = attempt_->peer_heartbeat;
  handover.new_session = has_session_to_keep();
  SSL_set_app_data(ssl, nullptr);
  SSL_set_msg_callback(ssl, nullptr);
  DTLS_set_timer_cb(ssl, nullptr);
  handover.ssl = std::move(ssl_);
  return handover;
}

double Handshake::deadline() const {
  return std::min({deadline_, retransmit_at_, attempt_->burst_at});
}

void Handshake::advance(double now) {
  if (now >= deadline_) {
    // The peer of a session that waits for its store has an open one, and no deadline; and so may
    // the client of a resumed one.
    const Failure failure = timeout_failure();
    const bool finished = ssl_ && SSL_is_init_finished(ssl_.get()) == 1;
    if (finished || (role_ == Role::kServer && attempt_->sent != Sent::kInClear)) {
      say_goodbye(now);
    } else if (failure.kind == FailureKind::kLookupTimeout && attempt_->heard != Heard::kNothing) {
      send_alert(SSL3_AL_FATAL, SSL_AD_INTERNAL_ERROR);  // the peer did nothing wrong
    }
    fail(failure);
    return;
  }
  if (leaves() && now >= attempt_->burst_at) {
    send_burst(now);
    // The peer answers what has left: the wait for its answer begins now.
    retransmit_at_ = std::max(retransmit_at_, now + last_wait_ / 1000.0);
  }
  if (now < retransmit_at_) return;
  if (leaves()) {
    // With a short timer a long flight would be repeated before all of it has left. OpenSSL would
    // count a repetition that is none, and it gives up after twelve.
    retransmit_at_ = attempt_->burst_at;
    return;
  }
  const ErrorQueueScope errors;
  const int repeated = DTLSv1_handle_timeout(ssl_.get());
  send_flight(now);
  if (repeated < 0) {
    fail_as_openssl_says(now);
    return;
  }
  update_retransmission(now);
}

// OpenSSL keeps the retransmission timer by its own clock; this reads what is left of it. While a
// question is open nothing is repeated: the peer's flight has arrived, the answer is ours to give.
void Handshake::update_retransmission(double now) {
  retransmit_at_ = kNever;
  if (!ssl_ || parked()) return;
  timeval left{};
  if (DTLSv1_get_timeout(ssl_.get(), &left) != 1) return;
  const double milliseconds =
      static_cast<double>(left.tv_sec) * 1000 + static_cast<double>(left.tv_usec) / 1000;
  retransmit_at_ = now + std::ceil(milliseconds);
  if (attempt_->hellos) {
    retransmit_at_ = std::max(retransmit_at_, attempt_->hello_due);
  }
}

// A hello's random stays the same in all its repetitions and both ends get to see both: the greater
// one goes on.
bool Handshake::beats(Bytes random) {
  std::array<uint8_t, kRandomSize> own{};
  if (!ssl_ || SSL_get_client_random(ssl_.get(), own.data(), own.size()) != own.size())
    return false;
  const int order = std::memcmp(random.data, own.data(), kRandomSize);
  if (order > 0) return false;
  if (order == 0) return true;  // our own, sent back
  std::copy_n(random.data, kRandomSize, hello_random_.begin());
  // A peer that repeats its hello and never answers ours does not serve; then it may have its way.
  constexpr uint32_t kPatience = 3;
  return attempt_->heard != Heard::kNothing || ++attempt_->hellos_turned_away < kPatience;
}

bool Handshake::set_mtu(uint32_t mtu) {
  if (!ssl_ || SSL_set_mtu(ssl_.get(), static_cast<long>(mtu)) == 0) return false;
  mtu_ = mtu;
  return true;
}

}  // namespace dtls
