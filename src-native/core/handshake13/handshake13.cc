#include "core/handshake13/handshake13.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/base/timer_queue.h"
#include "core/handshake/failure_words.h"
#include "core/handshake/psk_binding.h"
#include "core/handshake/srtp.h"
#include "core/hello13/dtls12_suites.h"
#include "core/identity/raw_public_key.h"

namespace dtls {

namespace {

// The numbers of the profiles that a policy names, behind one another and with colons between.
std::vector<uint16_t> srtp_ids(const std::string& names) {
  std::vector<uint16_t> ids;
  for (size_t at = 0; at < names.size();) {
    const size_t end = std::min(names.find(':', at), names.size());
    const std::string name = names.substr(at, end - at);
    for (const SrtpProfile& profile : kSrtpProfiles) {
      if (name == profile.name) ids.push_back(profile.id);
    }
    at = end + 1;
  }
  return ids;
}

}  // namespace

Handshake13::Handshake13(Outlet& outlet, Role role, std::shared_ptr<const SecureContext> context,
                         std::shared_ptr<const SessionPolicy> policy, double now)
    : outlet_(outlet),
      role_(role),
      context_(std::move(context)),
      policy_(std::move(policy)),
      state_(role == Role::kServer ? HandshakeState::kHello : HandshakeState::kExchange),
      records_(std::make_unique<Records13>(records_options(*policy_, 0))),
      flights_(std::make_unique<Flights>(flights_config(role, *policy_, 0, 0))),
      now_(now),
      deadline_(policy_->handshake_timeout > 0 ? now + policy_->handshake_timeout : kNever),
      peers_turn_since_(now),
      mtu_(policy_->mtu) {}

// OpenSSL forbids to resume a session whose SSL is freed without a close_notify, or this.
Handshake13::~Handshake13() {
  if (engine_) SSL_set_shutdown(engine_->ssl(), SSL_SENT_SHUTDOWN);
}

std::shared_ptr<const EngineContext> Handshake13::engine_context(const SecureContext& context,
                                                                 Failure& failure) {
  return EngineContext::of(context, install_callbacks, failure);
}

void Handshake13::fail(Failure failure) {
  if (over()) return;
  state_ = HandshakeState::kFailed;
  failure_ = std::move(failure);
}

// For a reason of this side's own.
void Handshake13::fail_with(FailureKind kind, uint8_t alert) {
  if (over()) return;
  Departures{outlet_, *flights_, *records_, next_untold_}.alert(SSL3_AL_FATAL, alert);
  Failure failure = failure_from_openssl(kind);
  failure.kind = kind;
  failure.alert = alert;
  fail(std::move(failure));
}

void Handshake13::leave(double now) {
  if (failed_or_old()) return;
  Departures departures{outlet_, *flights_, *records_, next_untold_};
  departures.leave(mtu_, kMaxPlaintext, now);
  next_untold_ = departures.next_untold;
  mtu_ = static_cast<uint32_t>(std::min<size_t>(mtu_, flights_->path_mtu()));
}

void Handshake13::park(LookupKind kind, Bytes about) {
  question_ = kind;
  outlet_.append(RecordType::kLookup, static_cast<uint32_t>(kind), 0, about);
}

// ---- the engine ----

// What OpenSSL says about a failure stays in its queue for the caller.
bool Handshake13::make_engine(double now) {
  now_ = now;
  Failure failure;
  EngineConfig config;
  config.server = role_ == Role::kServer;
  config.context = engine_context(*context_, failure);
  if (!config.context) {
    fail(std::move(failure));
    return false;
  }
  config.owner = this;
  config.srtp_profiles = srtp_ids(policy_->srtp_profiles);
  if (role_ == Role::kClient && offers_dtls12()) {
    config.additions.versions = {kDtls12 >> 8, kDtls12 & 0xff};
    if (context_->allows(kDtls10)) {
      config.additions.versions.insert(config.additions.versions.end(),
                                       {kDtls10 >> 8, kDtls10 & 0xff});
    }
    config.additions.suites = dtls12_suites(context_->get(), policy_->ask_psk);
  }
  config.first_hello_hash = std::move(hello_.first_hello_hash);
  config.retry_request = std::move(hello_.retry);
  config.suite = hello_.suite;
  config.group = hello_.group;
  if (!keep_to_context(config)) return false;
  engine_ = dtls::make_engine(std::move(config));
  if (!engine_) return false;
  SSL* ssl = engine_->ssl();
  return role_ == Role::kClient ? configure_client(ssl) : configure_server(ssl);
}

// The listener's context has chosen suite and group, and a server name another context: what that
// does not have is not taken. Where no HelloRetryRequest has promised it OpenSSL chooses anew.
bool Handshake13::keep_to_context(EngineConfig& config) {
  const auto has = [](const std::vector<uint16_t>& list, uint16_t number) {
    return number == 0 || std::find(list.begin(), list.end(), number) != list.end();
  };
  const bool has_suite = has(config.context->suites(), config.suite);
  const bool has_group = has(config.context->groups(), config.group);
  if (has_suite && has_group) return true;
  if (config.retry_request.empty()) {
    config.suite = config.group = 0;
    return true;
  }
  fail_with(has_suite ? FailureKind::kNoSharedParameters : FailureKind::kNoSharedCipher,
            SSL_AD_HANDSHAKE_FAILURE);
  failure_.detail =
      has_suite ? "the context that was chosen for this client has another group"
                : "the context that was chosen for this client has " + context_->dtls13().suites;
  return false;
}

bool Handshake13::configure_client(SSL* ssl) {
  // The client always judges the server's certificate, unless a pre-shared key stands in for it.
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
  if (policy_->ask_psk) SSL_set_psk_use_session_callback(ssl, psk_use_callback);
  return !((context_->shows_raw_key() && !rpk::show(ssl, context_->has_certificate())) ||
           (!policy_->public_keys.empty() && !rpk::expect(ssl)));
}

bool Handshake13::configure_server(SSL* ssl) {
  int mode = SSL_VERIFY_NONE;
  if (policy_->request_certificate) {
    mode = SSL_VERIFY_PEER;
    if (policy_->reject_unauthorized) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  }
  SSL_set_verify(ssl, mode, nullptr);
  // One ticket for each handshake: each is a datagram that has to be acknowledged.
  // The engine's context has none of the options about tickets.
  const bool wanted = (SSL_CTX_get_options(context_->get()) & SSL_OP_NO_TICKET) == 0;
  const bool tickets = policy_->ticket_keys && wanted;
  if (!tickets) SSL_set_options(ssl, SSL_OP_NO_TICKET);
  if (SSL_set_num_tickets(ssl, tickets ? 1 : 0) != 1 || !bind_sessions()) return false;
  if (policy_->ask_psk) SSL_set_psk_find_session_callback(ssl, psk_find_callback);
  return !((context_->shows_raw_key() && !rpk::show(ssl, context_->has_certificate())) ||
           (!policy_->public_keys.empty() && !rpk::expect(ssl)));
}

// ---- how it begins ----

void Handshake13::connect(double now) {
  const ErrorQueueScope errors;
  if (!make_engine(now)) {
    fail(failure_from_openssl(FailureKind::kInternal));
    return;
  }
  begin_client(now);
  leave(now);
}

// A client's questions come before its hello, which shows what they are about.
void Handshake13::begin_client(double now) {
  if (!session_considered_) {
    session_considered_ = true;
    if (policy_->session && offer_session()) return;
  }
  if (policy_->ask_psk && !keys_considered_ && SSL_get0_session(engine_->ssl()) == nullptr) {
    keys_considered_ = true;
    park(LookupKind::kPskClient, {});
    return;
  }
  peers_turn_since_ = now;
  drive(engine_->start(), now);
}

void Handshake13::accept_hello(Hello hello, double now) {
  const ErrorQueueScope errors;
  hello_ = std::move(hello);
  const uint16_t sequence = hello_.message_sequence;
  flights_ =
      std::make_unique<Flights>(flights_config(role_, *policy_, uint32_t{sequence} + 1, sequence));
  records_ = std::make_unique<Records13>(records_options(*policy_, hello_.record_number + 1));
  // Told of as 1.2's are: the HelloRetryRequest came from nobody's session.
  next_untold_ = sequence;
  constexpr size_t kHeader = 4;
  constexpr size_t kRandomAt = kHeader + 2;
  std::copy_n(hello_.message.data() + kRandomAt, kRandomSize, hello_random_.data());
  outlet_.message(false, false, static_cast<uint8_t>(HandshakeType::kClientHello),
                  static_cast<uint32_t>(hello_.message.size() - kHeader));
  heard_ = true;
  on_hello(now);
  leave(now);
}

// What the hello asks about has been answered.
void Handshake13::begin_server(double now) {
  state_ = HandshakeState::kExchange;
  if (cause_ != FailureKind::kNone) {
    fail_with(cause_, cause_ == FailureKind::kServerNameRefused ? SSL_AD_UNRECOGNIZED_NAME
                                                                : SSL_AD_NO_APPLICATION_PROTOCOL);
    return;
  }
  if (context_->says_versions() && !context_->allows(kDtls13)) {
    fail_with(FailureKind::kVersionMismatch, SSL_AD_PROTOCOL_VERSION);
    failure_.detail = "the context that was chosen for this client has no DTLSv1.3";
    return;
  }
  if (!make_engine(now)) {
    if (!over()) fail(failure_from_openssl(FailureKind::kInternal));
    return;
  }
  peers_turn_since_ = now;
  drive(engine_->start(), now);
  if (over()) return;
  const std::vector<uint8_t> hello = std::move(hello_.message);
  drive(engine_->receive(0, {hello.data(), hello.size()}), now);
}

// ---- how it ends ----

// A key that was asked about may not have been used: the other side may not have it, or a
// certificate was chosen.
void Handshake13::complete(double /*now*/) {
  psk_identity_.reset();
  if (by_external_key()) {
    psk_identity_ = external_->identity;
  } else if (const std::vector<uint8_t> key = resumed_key(); !key.empty()) {
    const Bytes identity = bound_identity(key);
    psk_identity_.emplace(identity.data, identity.data + identity.size);
  }
  state_ = HandshakeState::kComplete;
}

std::unique_ptr<SessionFacts> Handshake13::facts() const {
  if (!engine_) return nullptr;
  SSL* ssl = engine_->ssl();
  Dtls13Facts facts;
  facts.suite = engine_->suite();
  facts.srtp_profile = engine_->srtp_profile();
  const bool external = by_external_key();
  facts.reused = SSL_session_reused(ssl) != 0 && !external;
  facts.psk = external || !resumed_key().empty();
  if (state_ == HandshakeState::kComplete) facts.exporter_secret = engine_->take_exporter_secret();
  return std::make_unique<SessionFacts>(ssl, context_->alike(), std::move(facts));
}

Handshake13::Handover Handshake13::hand_over(double now) {
  Handover handover;
  handover.facts = facts();
  handover.records = std::move(records_);
  handover.held = held_.take();
  SSL* ssl = engine_->ssl();
  SSL_set_app_data(ssl, nullptr);
  const char* const withheld = certificate_withheld_ ? withheld_certificate(ssl) : nullptr;
  if (role_ == Role::kServer) {
    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN);
    engine_.reset();
  }
  handover.late =
      std::make_unique<LateHandshake13>(outlet_, role_, *handover.records, *policy_,
                                        std::move(flights_), std::move(engine_), next_untold_, now);
  handover.late->note_withheld_certificate(withheld);
  return handover;
}

void Handshake13::say_goodbye(double now) {
  break_off();
  static_cast<void>(now);
}

// Not user_canceled before it: the version at hand may have been chosen by an older peer, which
// takes that badly.
void Handshake13::break_off() {
  if (failed_or_old()) return;
  const ErrorQueueScope errors;
  if (role_ == Role::kClient && flights_->next_out() == 0) return;  // it has said nothing yet
  Departures{outlet_, *flights_, *records_, next_untold_}.alert(SSL3_AL_WARNING,
                                                                SSL_AD_CLOSE_NOTIFY);
}

// ---- time ----

double Handshake13::deadline() const {
  if (parked()) return deadline_;
  return std::min({deadline_, flights_->due(), records_->deadline()});
}

void Handshake13::advance(double now) {
  const ErrorQueueScope errors;
  if (now >= deadline_) {
    const Failure failure = timeout_failure();
    if (failure.kind == FailureKind::kLookupTimeout && heard_) {
      // The peer did nothing wrong.
      Departures{outlet_, *flights_, *records_, next_untold_}.alert(SSL3_AL_FATAL,
                                                                    SSL_AD_INTERNAL_ERROR);
    }
    fail(failure);
    return;
  }
  records_->advance(now);
  // While a question is open nothing is repeated: the peer's flight has arrived, the answer is ours
  // to give.
  if (parked()) return;
  if (flights_->advance(now).flight_lost) {
    fail(timeout_failure());
    return;
  }
  leave(now);
}

// ---- the rest ----

// A hello's random stays the same in all its repetitions and both ends get to see both: the greater
// one goes on.
bool Handshake13::beats(Bytes random) {
  std::array<uint8_t, kRandomSize> own{};
  if (!engine_ || SSL_get_client_random(engine_->ssl(), own.data(), own.size()) != own.size()) {
    return false;
  }
  const int order = std::memcmp(random.data, own.data(), kRandomSize);
  if (order > 0) return false;
  if (order == 0) return true;  // our own, sent back
  std::copy_n(random.data, kRandomSize, hello_random_.begin());
  // A peer that repeats its hello and never answers ours does not serve; then it may have its way.
  constexpr uint32_t kPatience = 3;
  return heard_ || ++hellos_turned_away_ < kPatience;
}

bool Handshake13::set_mtu(uint32_t mtu) {
  // OpenSSL's own at 1.2: the smallest MTU of a link, less the longest headers of IP and UDP.
  constexpr uint32_t kSmallest = 256 - 48;
  if (mtu < kSmallest) return false;
  mtu_ = mtu;
  flights_->forget_path_mtu();
  return true;
}

void Handshake13::on_moved(double now) {
  set_mtu(policy_->mtu);
  flights_->on_moved();
  // While a question is open the peer's flight has arrived, and the answer is ours to give.
  if (!parked()) leave(now);
}

}  // namespace dtls
