#include "binding/environment.h"
#include "binding/wraps.h"

namespace dtls::binding {

namespace {

void throw_if_failed(Napi::Env env, const Failure& failure) {
  if (failure) throw_failure(env, failure);
}

}  // namespace

// ---- Outbox ----

Napi::Function OutboxWrap::define(Napi::Env env) {
  return DefineClass(env, "Outbox", {InstanceMethod<&OutboxWrap::reset>("reset")});
}

OutboxWrap::OutboxWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  auto control = info[0].As<Napi::Uint32Array>();
  auto records = info[1].As<Napi::Uint32Array>();
  auto arena = info[2].As<Napi::Uint8Array>();
  control_ = Napi::Persistent(control.As<Napi::Object>());
  records_ = Napi::Persistent(records.As<Napi::Object>());
  arena_ = Napi::Persistent(arena.As<Napi::Object>());
  outbox_.attach(reinterpret_cast<Outbox::Control*>(control.Data()),
                 reinterpret_cast<Record*>(records.Data()),
                 records.ElementLength() * sizeof(uint32_t) / sizeof(Record), arena.Data(),
                 arena.ElementLength());
}

void OutboxWrap::reset(const Napi::CallbackInfo& /*info*/) { outbox_.reset(); }

// ---- SecureContext ----

Napi::Function SecureContextWrap::define(Napi::Env env) {
  return DefineClass(
      env, "SecureContext",
      {
          InstanceMethod<&SecureContextWrap::set_versions>("setVersions"),
          InstanceMethod<&SecureContextWrap::set_dtls13>("setDtls13"),
          InstanceMethod<&SecureContextWrap::set_ciphers>("setCiphers"),
          InstanceMethod<&SecureContextWrap::needs_psk>("needsPsk"),
          InstanceMethod<&SecureContextWrap::set_groups>("setGroups"),
          InstanceMethod<&SecureContextWrap::set_sigalgs>("setSigalgs"),
          InstanceMethod<&SecureContextWrap::set_dhparam>("setDhparam"),
          InstanceMethod<&SecureContextWrap::set_options>("setOptions"),
          InstanceMethod<&SecureContextWrap::set_session_id_context>("setSessionIdContext"),
          InstanceMethod<&SecureContextWrap::add_certificate>("addCertificate"),
          InstanceMethod<&SecureContextWrap::add_key>("addKey"),
          InstanceMethod<&SecureContextWrap::add_pfx>("addPfx"),
          InstanceMethod<&SecureContextWrap::show_raw_key>("showRawKey"),
          InstanceMethod<&SecureContextWrap::check_identities>("checkIdentities"),
          InstanceMethod<&SecureContextWrap::prepare_dtls13>("prepareDtls13"),
          InstanceMethod<&SecureContextWrap::own_certificates>("ownCertificates"),
          InstanceMethod<&SecureContextWrap::add_ca>("addCa"),
          InstanceMethod<&SecureContextWrap::add_crl>("addCrl"),
          InstanceMethod<&SecureContextWrap::set_session_timeout>("setSessionTimeout"),
          InstanceMethod<&SecureContextWrap::allow_partial_chain>("allowPartialChain"),
      });
}

SecureContextWrap::SecureContextWrap(const Napi::CallbackInfo& info)
    : ObjectWrap(info), context_(std::make_shared<SecureContext>(Handshake::install_callbacks)) {
  if (!context_->valid()) {
    throw_failure(info.Env(), failure_from_openssl(FailureKind::kInternal));
  }
}

void SecureContextWrap::set_versions(const Napi::CallbackInfo& info) {
  throw_if_failed(info.Env(), context_->set_versions(static_cast<int>(number_of(info[0])),
                                                     static_cast<int>(number_of(info[1]))));
  if (flag_of(info[2])) context_->say_versions();
}

void SecureContextWrap::set_dtls13(const Napi::CallbackInfo& info) {
  context_->set_dtls13({text_of(info[0]), text_of(info[1]), text_of(info[2])});
}

void SecureContextWrap::set_ciphers(const Napi::CallbackInfo& info) {
  throw_if_failed(info.Env(), context_->set_ciphers(text_of(info[0]).c_str()));
}

Napi::Value SecureContextWrap::needs_psk(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), context_->needs_psk());
}

void SecureContextWrap::set_groups(const Napi::CallbackInfo& info) {
  throw_if_failed(info.Env(), context_->set_groups(text_of(info[0]).c_str()));
}

void SecureContextWrap::set_sigalgs(const Napi::CallbackInfo& info) {
  throw_if_failed(info.Env(), context_->set_sigalgs(text_of(info[0]).c_str()));
}

void SecureContextWrap::set_dhparam(const Napi::CallbackInfo& info) {
  throw_if_failed(info.Env(), context_->set_dhparam(bytes_of(info[0])));
}

void SecureContextWrap::set_options(const Napi::CallbackInfo& info) {
  context_->set_options(static_cast<uint64_t>(number_of(info[0])));
}

void SecureContextWrap::set_session_id_context(const Napi::CallbackInfo& info) {
  throw_if_failed(info.Env(), context_->set_session_id_context(bytes_of(info[0])));
}

void SecureContextWrap::allow_partial_chain(const Napi::CallbackInfo& /*info*/) {
  context_->allow_partial_chain();
}

void SecureContextWrap::add_certificate(const Napi::CallbackInfo& info) {
  throw_if_failed(info.Env(), context_->add_certificate(bytes_of(info[0])));
}

void SecureContextWrap::add_key(const Napi::CallbackInfo& info) {
  throw_if_failed(info.Env(), context_->add_key(bytes_of(info[0]), bytes_of(info[1])));
}

void SecureContextWrap::add_pfx(const Napi::CallbackInfo& info) {
  throw_if_failed(info.Env(),
                  context_->add_pfx(bytes_of(info[0]), bytes_of(info[1]), flag_of(info[2])));
}

void SecureContextWrap::show_raw_key(const Napi::CallbackInfo& /*info*/) {
  context_->show_raw_key();
}

void SecureContextWrap::check_identities(const Napi::CallbackInfo& info) {
  throw_if_failed(info.Env(), context_->check_identities());
}

void SecureContextWrap::prepare_dtls13(const Napi::CallbackInfo& info) {
  Failure failure;
  if (!Handshake13::engine_context(*context_, failure)) throw_if_failed(info.Env(), failure);
}

Napi::Value SecureContextWrap::own_certificates(const Napi::CallbackInfo& info) {
  Napi::Array leaves = Napi::Array::New(info.Env());
  uint32_t at = 0;
  for (const std::vector<uint8_t>& der : context_->own_certificates()) {
    leaves.Set(at++, to_buffer(info.Env(), {der.data(), der.size()}));
  }
  return leaves;
}

void SecureContextWrap::add_ca(const Napi::CallbackInfo& info) {
  throw_if_failed(info.Env(),
                  context_->add_ca(bytes_of(info[0]), info[1].As<Napi::Boolean>().Value()));
}

void SecureContextWrap::add_crl(const Napi::CallbackInfo& info) {
  throw_if_failed(info.Env(), context_->add_crl(bytes_of(info[0])));
}

void SecureContextWrap::set_session_timeout(const Napi::CallbackInfo& info) {
  context_->set_session_timeout(static_cast<long>(number_of(info[0])));
}

// ---- TicketKeys ----

Napi::Function TicketKeysWrap::define(Napi::Env env) {
  return DefineClass(env, "TicketKeys",
                     {
                         InstanceMethod<&TicketKeysWrap::replace>("replace"),
                         InstanceMethod<&TicketKeysWrap::current>("current"),
                     });
}

TicketKeysWrap::TicketKeysWrap(const Napi::CallbackInfo& info)
    : ObjectWrap(info), keys_(std::make_shared<TicketKeys>(number_of(info[0]))) {}

void TicketKeysWrap::replace(const Napi::CallbackInfo& info) {
  if (keys_->replace(bytes_of(info[0]), now())) return;
  throw_failure(info.Env(), failure_from_openssl(FailureKind::kInternal));
}

Napi::Value TicketKeysWrap::current(const Napi::CallbackInfo& info) {
  const SecretBytes keys = keys_->current(now());
  if (keys.empty()) throw_failure(info.Env(), failure_from_openssl(FailureKind::kInternal));
  return to_buffer(info.Env(), keys.view());
}

// ---- KeptSession ----

Napi::Function KeptSessionWrap::define(Napi::Env env) {
  return DefineClass(env, "KeptSession", {InstanceMethod<&KeptSessionWrap::name>("name")});
}

KeptSessionWrap::KeptSessionWrap(const Napi::CallbackInfo& info)
    : ObjectWrap(info), session_(KeptSession::parse(bytes_of(info[0]))) {
  if (session_) return;
  Failure failure;
  failure.kind = FailureKind::kInvalidSession;
  throw_failure(info.Env(), failure);
}

Napi::Value KeptSessionWrap::name(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), session_ ? session_->name() : std::string());
}

// ---- SessionPolicy ----

Napi::Function SessionPolicyWrap::define(Napi::Env env) {
  return DefineClass(
      env, "SessionPolicy",
      {
          InstanceMethod<&SessionPolicyWrap::set_timeouts>("setTimeouts"),
          InstanceMethod<&SessionPolicyWrap::set_retransmission>("setRetransmission"),
          InstanceMethod<&SessionPolicyWrap::set_mtu>("setMtu"),
          InstanceMethod<&SessionPolicyWrap::set_replay_window>("setReplayWindow"),
          InstanceMethod<&SessionPolicyWrap::set_peer_certificate>("setPeerCertificate"),
          InstanceMethod<&SessionPolicyWrap::ask_psk>("askPsk"),
          InstanceMethod<&SessionPolicyWrap::ask_identity>("askIdentity"),
          InstanceMethod<&SessionPolicyWrap::set_authorities>("setAuthorities"),
          InstanceMethod<&SessionPolicyWrap::report_keys>("reportKeys"),
          InstanceMethod<&SessionPolicyWrap::set_server_name>("setServerName"),
          InstanceMethod<&SessionPolicyWrap::set_heartbeat>("setHeartbeat"),
          InstanceMethod<&SessionPolicyWrap::set_srtp_profiles>("setSrtpProfiles"),
          InstanceMethod<&SessionPolicyWrap::require_extended_master_secret>(
              "requireExtendedMasterSecret"),
          InstanceMethod<&SessionPolicyWrap::set_hello_questions>("setHelloQuestions"),
          InstanceMethod<&SessionPolicyWrap::set_protocols>("setProtocols"),
          InstanceMethod<&SessionPolicyWrap::set_ticket_keys>("setTicketKeys"),
          InstanceMethod<&SessionPolicyWrap::set_session>("setSession"),
          InstanceMethod<&SessionPolicyWrap::request_ocsp>("requestOcsp"),
          InstanceMethod<&SessionPolicyWrap::set_max_fragment_length>("setMaxFragmentLength"),
          InstanceMethod<&SessionPolicyWrap::for_one_peer>("forOnePeer"),
          InstanceMethod<&SessionPolicyWrap::add_fingerprint>("addFingerprint"),
          InstanceMethod<&SessionPolicyWrap::add_public_key>("addPublicKey"),
      });
}

SessionPolicyWrap::SessionPolicyWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {}

void SessionPolicyWrap::set_timeouts(const Napi::CallbackInfo& info) {
  policy_->handshake_timeout = number_of(info[0]);
  policy_->idle_timeout = number_of(info[1]);
}

void SessionPolicyWrap::set_retransmission(const Napi::CallbackInfo& info) {
  policy_->retransmit_initial = number_of(info[0]);
  policy_->retransmit_max = number_of(info[1]);
  policy_->retransmit_backoff = number_of(info[2]);
}

void SessionPolicyWrap::set_mtu(const Napi::CallbackInfo& info) {
  policy_->mtu = static_cast<uint32_t>(number_of(info[0]));
}

void SessionPolicyWrap::set_replay_window(const Napi::CallbackInfo& info) {
  policy_->replay_window = static_cast<uint32_t>(number_of(info[0]));
}

void SessionPolicyWrap::set_peer_certificate(const Napi::CallbackInfo& info) {
  policy_->request_certificate = flag_of(info[0]);
  policy_->reject_unauthorized = flag_of(info[1]);
}

void SessionPolicyWrap::ask_psk(const Napi::CallbackInfo& info) {
  policy_->ask_psk = true;
  policy_->psk_identity_hint = text_of(info[0]);
}

void SessionPolicyWrap::ask_identity(const Napi::CallbackInfo& /*info*/) {
  policy_->ask_identity = true;
}

void SessionPolicyWrap::set_authorities(const Napi::CallbackInfo& info) {
  const auto* authorities = unwrap<SecureContextWrap>(info[0]);
  if (authorities != nullptr) policy_->authorities = authorities->context();
}

void SessionPolicyWrap::report_keys(const Napi::CallbackInfo& /*info*/) { policy_->keylog = true; }

void SessionPolicyWrap::set_server_name(const Napi::CallbackInfo& info) {
  policy_->server_name = text_of(info[0]);
}

void SessionPolicyWrap::set_heartbeat(const Napi::CallbackInfo& info) {
  policy_->heartbeat = static_cast<HeartbeatMode>(number_of(info[0]));
  policy_->heartbeat_interval = number_of(info[1]);
  policy_->heartbeat_timeout = number_of(info[2]);
  policy_->heartbeat_retries = static_cast<uint32_t>(number_of(info[3]));
}

void SessionPolicyWrap::require_extended_master_secret(const Napi::CallbackInfo& /*info*/) {
  policy_->require_extended_master_secret = true;
}

void SessionPolicyWrap::set_srtp_profiles(const Napi::CallbackInfo& info) {
  policy_->srtp_profiles = text_of(info[0]);
}

void SessionPolicyWrap::set_hello_questions(const Napi::CallbackInfo& info) {
  policy_->hello_questions = static_cast<uint32_t>(number_of(info[0]));
}

void SessionPolicyWrap::set_protocols(const Napi::CallbackInfo& info) {
  const Bytes protocols = bytes_of(info[0]);
  policy_->protocols.assign(protocols.data, protocols.data + protocols.size);
}

void SessionPolicyWrap::set_ticket_keys(const Napi::CallbackInfo& info) {
  if (const auto* keys = unwrap<TicketKeysWrap>(info[0])) policy_->ticket_keys = keys->keys();
}

void SessionPolicyWrap::set_session(const Napi::CallbackInfo& info) {
  if (const auto* kept = unwrap<KeptSessionWrap>(info[0])) policy_->session = kept->session();
}

void SessionPolicyWrap::request_ocsp(const Napi::CallbackInfo& /*info*/) {
  policy_->request_ocsp = true;
}

void SessionPolicyWrap::set_max_fragment_length(const Napi::CallbackInfo& info) {
  policy_->max_fragment_length = static_cast<uint32_t>(number_of(info[0]));
}

void SessionPolicyWrap::for_one_peer(const Napi::CallbackInfo& /*info*/) {
  policy_->for_one_peer = true;
}

void SessionPolicyWrap::add_public_key(const Napi::CallbackInfo& info) {
  const Bytes key = bytes_of(info[0]);
  policy_->public_keys.emplace_back(key.data, key.data + key.size);
}

void SessionPolicyWrap::add_fingerprint(const Napi::CallbackInfo& info) {
  const Bytes value = bytes_of(info[0]);
  Fingerprints& fingerprints = policy_->fingerprints;
  fingerprints.hash = value.size == 32   ? EVP_sha256()
                      : value.size == 48 ? EVP_sha384()
                                         : EVP_sha512();
  fingerprints.values.emplace_back(value.data, value.data + value.size);
}

}  // namespace dtls::binding
