#include <algorithm>
#include <array>

#include "binding/environment.h"
#include "binding/wraps.h"

namespace dtls::binding {

namespace {

// Numbers for JavaScript, or an empty value: an environment that is being ended gives no memory.
template <size_t Count>
Napi::Value to_numbers(Napi::Env env, const std::array<double, Count>& numbers) {
  auto out = Napi::Float64Array::New(env, Count);
  if (!out.IsEmpty()) std::copy(numbers.begin(), numbers.end(), out.Data());
  return out;
}

// Counters in the order of stats.def and seldom_stats.def: lib/core/native.ts gets the names from
// the same files.
// `out` has room for all of them; returns what is behind them.
double* put_traffic(double* out, const TrafficStats& stats) {
#define DTLS_STAT(name) *out++ = static_cast<double>(stats.name);
#include "core/outbox/stats.def"
// And behind these:
#include "core/outbox/seldom_stats.def"
#undef DTLS_STAT
  return out;
}

}  // namespace

Napi::Function EndpointWrap::define(Napi::Env env) {
  return DefineClass(
      env, "Endpoint",
      {
          InstanceMethod<&EndpointWrap::listen>("listen"),
          InstanceMethod<&EndpointWrap::set_limits>("setLimits"),
          InstanceMethod<&EndpointWrap::set_context>("setContext"),
          InstanceMethod<&EndpointWrap::set_policy>("setPolicy"),
          InstanceMethod<&EndpointWrap::stop_listening>("stopListening"),
          InstanceMethod<&EndpointWrap::set_busy>("setBusy"),
          InstanceMethod<&EndpointWrap::ask_peers>("askPeers"),
          InstanceMethod<&EndpointWrap::answer_peer>("answerPeer"),
          InstanceMethod<&EndpointWrap::forget_peer>("forgetPeer"),
          InstanceMethod<&EndpointWrap::report_drops>("reportDrops"),
          InstanceMethod<&EndpointWrap::report_packets>("reportPackets"),
          InstanceMethod<&EndpointWrap::receive>("receive"),
          InstanceMethod<&EndpointWrap::drop>("drop"),
          InstanceMethod<&EndpointWrap::connect>("connect"),
          InstanceMethod<&EndpointWrap::send>("send"),
          InstanceMethod<&EndpointWrap::send_batch>("sendBatch"),
          InstanceMethod<&EndpointWrap::number_of>("numberOf"),
          InstanceMethod<&EndpointWrap::forget_numbers>("forgetNumbers"),
          InstanceMethod<&EndpointWrap::send_packet>("sendPacket"),
          InstanceMethod<&EndpointWrap::heartbeat>("heartbeat"),
          InstanceMethod<&EndpointWrap::move>("move"),
          InstanceMethod<&EndpointWrap::may_move>("mayMove"),
          InstanceMethod<&EndpointWrap::update_keys>("updateKeys"),
          InstanceMethod<&EndpointWrap::close>("close"),
          InstanceMethod<&EndpointWrap::answer_hello>("answerHello"),
          InstanceMethod<&EndpointWrap::refuse_hello>("refuseHello"),
          InstanceMethod<&EndpointWrap::answer_session>("answerSession"),
          InstanceMethod<&EndpointWrap::answer_new_session>("answerNewSession"),
          InstanceMethod<&EndpointWrap::answer_psk>("answerPsk"),
          InstanceMethod<&EndpointWrap::answer_identity>("answerIdentity"),
          InstanceMethod<&EndpointWrap::answer_ocsp>("answerOcsp"),
          InstanceMethod<&EndpointWrap::release>("release"),
          InstanceMethod<&EndpointWrap::advance>("advance"),
          InstanceMethod<&EndpointWrap::counters>("counters"),
          InstanceMethod<&EndpointWrap::failures>("failures"),
          InstanceMethod<&EndpointWrap::session_counters>("sessionCounters"),
          InstanceMethod<&EndpointWrap::session_count>("sessionCount"),
          InstanceMethod<&EndpointWrap::cipher>("cipher"),
          InstanceMethod<&EndpointWrap::peer_certificate>("peerCertificate"),
          InstanceMethod<&EndpointWrap::peer_chain>("peerChain"),
          InstanceMethod<&EndpointWrap::peer_is_host>("peerIsHost"),
          InstanceMethod<&EndpointWrap::peer_may_serve>("peerMayServe"),
          InstanceMethod<&EndpointWrap::certificate>("certificate"),
          InstanceMethod<&EndpointWrap::peer_public_key>("peerPublicKey"),
          InstanceMethod<&EndpointWrap::certificate_issuer>("certificateIssuer"),
          InstanceMethod<&EndpointWrap::ephemeral_key>("ephemeralKey"),
          InstanceMethod<&EndpointWrap::shared_group>("sharedGroup"),
          InstanceMethod<&EndpointWrap::sigalgs>("sigalgs"),
          InstanceMethod<&EndpointWrap::finished>("finished"),
          InstanceMethod<&EndpointWrap::export_keying_material>("exportKeyingMaterial"),
          InstanceMethod<&EndpointWrap::srtp>("srtp"),
          InstanceMethod<&EndpointWrap::pack_session>("packSession"),
          InstanceMethod<&EndpointWrap::session_ticket>("sessionTicket"),
          InstanceMethod<&EndpointWrap::server_name>("serverName"),
          InstanceMethod<&EndpointWrap::psk_identity>("pskIdentity"),
          InstanceMethod<&EndpointWrap::max_message_size>("maxMessageSize"),
          InstanceMethod<&EndpointWrap::mtu>("mtu"),
          InstanceMethod<&EndpointWrap::set_mtu>("setMtu"),
      });
}

EndpointWrap::EndpointWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  auto deadline = info[2].As<Napi::Float64Array>();
  outbox_ = Napi::Persistent(info[0].As<Napi::Object>());
  deadline_memory_ = Napi::Persistent(deadline.As<Napi::Object>());
  deadline_ = deadline.Data();
  auto* outbox = unwrap<OutboxWrap>(info[0]);
  if (outbox == nullptr) return;
  endpoint_ = std::make_unique<Endpoint>(outbox->outbox(), u32_of(info[1]));
  publish_deadline();
}

void EndpointWrap::publish_deadline() { *deadline_ = endpoint_->deadline(); }

Session* EndpointWrap::session(const Napi::CallbackInfo& info) {
  return endpoint_->find(u32_of(info[0]), u32_of(info[1]));
}

void EndpointWrap::listen(const Napi::CallbackInfo& info) {
  const auto* context = unwrap<SecureContextWrap>(info[0]);
  const auto* policy = unwrap<SessionPolicyWrap>(info[1]);
  if (context == nullptr || policy == nullptr) return;
  ListenerConfig config;
  config.context = context->context();
  config.policy = policy->policy();
  config.cookie_exchange = info[2].As<Napi::Boolean>().Value();
  config.cookie_lifetime = info[3].As<Napi::Number>().DoubleValue();
  endpoint_->listen(std::move(config), bytes_of(info[4]));
}

void EndpointWrap::set_limits(const Napi::CallbackInfo& info) {
  ListenerLimits limits;
  limits.sessions = u32_of(info[0]);
  limits.pending_handshakes = u32_of(info[1]);
  limits.sessions_per_host = u32_of(info[2]);
  limits.pending_handshakes_per_host = u32_of(info[3]);
  endpoint_->set_limits(limits);
}

void EndpointWrap::set_context(const Napi::CallbackInfo& info) {
  const auto* context = unwrap<SecureContextWrap>(info[0]);
  if (context != nullptr) endpoint_->set_context(context->context());
}

void EndpointWrap::set_policy(const Napi::CallbackInfo& info) {
  const auto* policy = unwrap<SessionPolicyWrap>(info[0]);
  if (policy != nullptr) endpoint_->set_policy(policy->policy());
}

void EndpointWrap::stop_listening(const Napi::CallbackInfo& /*info*/) {
  endpoint_->stop_listening();
}

void EndpointWrap::set_busy(const Napi::CallbackInfo& info) {
  endpoint_->set_busy(info[0].As<Napi::Boolean>().Value());
}

void EndpointWrap::ask_peers(const Napi::CallbackInfo& info) {
  endpoint_->ask_peers(info[0].As<Napi::Number>().DoubleValue());
}

Napi::Value EndpointWrap::answer_peer(const Napi::CallbackInfo& info) {
  PeerRules rules;
  if (!info[2].IsUndefined()) {
    const auto* context = unwrap<SecureContextWrap>(info[2]);
    const auto* policy = unwrap<SessionPolicyWrap>(info[3]);
    if (context == nullptr || policy == nullptr) return info.Env().Undefined();
    rules.context = context->context();
    rules.policy = policy->policy();
  }
  const bool waited =
      endpoint_->answer_peer(u32_of(info[0]), std::move(rules), u32_of(info[1]), now());
  publish_deadline();
  return Napi::Boolean::New(info.Env(), waited);
}

Napi::Value EndpointWrap::forget_peer(const Napi::CallbackInfo& info) {
  PeerAddress peer;
  if (!peer_of(info[0], info[1], peer)) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), endpoint_->forget_peer(peer, u32_of(info[2]), now()));
}

void EndpointWrap::report_drops(const Napi::CallbackInfo& info) {
  endpoint_->report_drops(info[0].As<Napi::Boolean>().Value());
}

void EndpointWrap::report_packets(const Napi::CallbackInfo& info) {
  endpoint_->report_packets(info[0].As<Napi::Boolean>().Value());
}

void EndpointWrap::receive(const Napi::CallbackInfo& info) {
  PeerAddress peer;
  if (!peer_of(info[1], info[2], peer)) return;
  endpoint_->receive(bytes_of(info[0]), peer, u32_of(info[3]), now());
  publish_deadline();
}

void EndpointWrap::drop(const Napi::CallbackInfo& info) {
  PeerAddress peer;
  if (!peer_of(info[1], info[2], peer)) return;
  const Bytes datagram = bytes_of(info[0]);
  endpoint_->drop(
      datagram, datagram.size, peer, u32_of(info[3]),
      flag_of(info[4]) ? Endpoint::Unheard::kBlocked : Endpoint::Unheard::kUnanswerable);
}

Napi::Value EndpointWrap::connect(const Napi::CallbackInfo& info) {
  PeerAddress peer;
  if (!peer_of(info[0], info[1], peer)) return info.Env().Undefined();
  const auto* context = unwrap<SecureContextWrap>(info[2]);
  const auto* policy = unwrap<SessionPolicyWrap>(info[3]);
  if (context == nullptr || policy == nullptr) return info.Env().Undefined();
  const Session& session = endpoint_->connect(peer, context->context(), policy->policy(), now());
  publish_deadline();
  Napi::Array id = Napi::Array::New(info.Env(), 2);
  id.Set(0U, session.id().slot);
  id.Set(1U, session.id().generation);
  return id;
}

Napi::Value EndpointWrap::send(const Napi::CallbackInfo& info) {
  const SendOutcome outcome =
      endpoint_->send(u32_of(info[0]), u32_of(info[1]), bytes_of(info[2]), u32_of(info[3]), now());
  publish_deadline();
  return Napi::Number::New(info.Env(), static_cast<uint32_t>(outcome));
}

// What became of each does not come back: a session that has ended has said so, and nobody waits.
void EndpointWrap::send_batch(const Napi::CallbackInfo& info) {
  constexpr size_t kWords = 3;                     // slot, generation, length
  constexpr uint32_t kPacket = uint32_t{1} << 31;  // in the length: see send_packet()
  const uint32_t* header = info[0].As<Napi::Uint32Array>().Data();
  Bytes rest = bytes_of(info[1]);
  const double time = now();
  for (uint32_t left = u32_of(info[2]); left != 0; --left, header += kWords) {
    const Bytes message = rest.first(header[2] & ~kPacket);
    rest = rest.from(message.size);
    if ((header[2] & kPacket) != 0) {
      endpoint_->send_packet(header[0], header[1], message, 0);
    } else {
      endpoint_->send(header[0], header[1], message, 0, time);
    }
  }
  publish_deadline();
}

Napi::Value EndpointWrap::number_of(const Napi::CallbackInfo& info) {
  PeerAddress peer;
  if (!peer_of(info[0], info[1], peer)) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), endpoint_->number_of(peer));
}

void EndpointWrap::forget_numbers(const Napi::CallbackInfo& /*info*/) {
  endpoint_->forget_numbers();
}

Napi::Value EndpointWrap::send_packet(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), endpoint_->send_packet(u32_of(info[0]), u32_of(info[1]),
                                                               bytes_of(info[2]), u32_of(info[3])));
}

Napi::Value EndpointWrap::move(const Napi::CallbackInfo& info) {
  PeerAddress to;
  if (!peer_of(info[2], info[3], to)) return info.Env().Undefined();
  const MoveOutcome outcome = endpoint_->move(u32_of(info[0]), u32_of(info[1]), to, now());
  publish_deadline();
  return Napi::Number::New(info.Env(), static_cast<uint32_t>(outcome));
}

Napi::Value EndpointWrap::may_move(const Napi::CallbackInfo& info) {
  PeerAddress to;
  if (!peer_of(info[2], info[3], to)) return info.Env().Undefined();
  const MoveOutcome outcome = endpoint_->may_move(u32_of(info[0]), u32_of(info[1]), to, now());
  return Napi::Number::New(info.Env(), static_cast<uint32_t>(outcome));
}

Napi::Value EndpointWrap::update_keys(const Napi::CallbackInfo& info) {
  const KeyUpdateOutcome outcome =
      endpoint_->update_keys(u32_of(info[0]), u32_of(info[1]), flag_of(info[2]), now());
  publish_deadline();
  return Napi::Number::New(info.Env(), static_cast<uint32_t>(outcome));
}

Napi::Value EndpointWrap::heartbeat(const Napi::CallbackInfo& info) {
  const HeartbeatOutcome outcome =
      endpoint_->heartbeat(u32_of(info[0]), u32_of(info[1]), bytes_of(info[2]), u32_of(info[3]),
                           info[4].As<Napi::Number>().DoubleValue(), u32_of(info[5]), now());
  publish_deadline();
  return Napi::Number::New(info.Env(), static_cast<uint32_t>(outcome));
}

void EndpointWrap::close(const Napi::CallbackInfo& info) {
  endpoint_->close(u32_of(info[0]), u32_of(info[1]), info[2].As<Napi::Boolean>().Value());
  publish_deadline();
}

void EndpointWrap::answer_hello(const Napi::CallbackInfo& info) {
  HelloAnswer answer;
  if (!info[2].IsUndefined()) {
    const auto* context = unwrap<SecureContextWrap>(info[2]);
    if (context == nullptr) return;
    answer.context = context->context();
  }
  if (!info[3].IsUndefined()) {
    const auto* policy = unwrap<SessionPolicyWrap>(info[3]);
    if (policy == nullptr) return;
    answer.policy = policy->policy();
  }
  if (!info[4].IsUndefined()) {
    const Bytes protocols = bytes_of(info[4]);
    answer.protocols.emplace(protocols.data, protocols.data + protocols.size);
  }
  endpoint_->answer_hello(u32_of(info[0]), u32_of(info[1]), std::move(answer), now());
  publish_deadline();
}

void EndpointWrap::refuse_hello(const Napi::CallbackInfo& info) {
  HelloAnswer answer;
  answer.refusal = info[2].As<Napi::Boolean>().Value() ? FailureKind::kServerNameRefused
                                                       : FailureKind::kProtocolsRefused;
  endpoint_->answer_hello(u32_of(info[0]), u32_of(info[1]), std::move(answer), now());
  publish_deadline();
}

void EndpointWrap::answer_session(const Napi::CallbackInfo& info) {
  endpoint_->answer_session(u32_of(info[0]), u32_of(info[1]), bytes_of(info[2]),
                            info[3].As<Napi::Boolean>().Value(), now());
  publish_deadline();
}

void EndpointWrap::answer_new_session(const Napi::CallbackInfo& info) {
  endpoint_->answer_new_session(u32_of(info[0]), u32_of(info[1]), now());
  publish_deadline();
}

void EndpointWrap::answer_psk(const Napi::CallbackInfo& info) {
  const PskAnswer answer = info[3].IsNull()        ? PskAnswer::kRefused
                           : info[3].IsUndefined() ? PskAnswer::kUnknown
                                                   : PskAnswer::kFound;
  endpoint_->answer_psk(u32_of(info[0]), u32_of(info[1]), answer, bytes_of(info[2]),
                        bytes_of(info[3]), now());
  publish_deadline();
}

void EndpointWrap::answer_identity(const Napi::CallbackInfo& info) {
  endpoint_->answer_identity(u32_of(info[0]), u32_of(info[1]), info[2].As<Napi::Boolean>().Value(),
                             now());
  publish_deadline();
}

void EndpointWrap::answer_ocsp(const Napi::CallbackInfo& info) {
  endpoint_->answer_ocsp(u32_of(info[0]), u32_of(info[1]), info[2].As<Napi::Boolean>().Value(),
                         bytes_of(info[3]), now());
  publish_deadline();
}

void EndpointWrap::release(const Napi::CallbackInfo& info) {
  endpoint_->release(u32_of(info[0]), u32_of(info[1]));
  publish_deadline();
}

void EndpointWrap::advance(const Napi::CallbackInfo& /*info*/) {
  endpoint_->advance(now());
  publish_deadline();
}

Napi::Value EndpointWrap::counters(const Napi::CallbackInfo& info) {
  std::array<double, kTrafficStats + kEndpointStats> out{};
  double* rest = put_traffic(out.data(), endpoint_->traffic());
  const EndpointStats& stats = endpoint_->stats();
#define DTLS_STAT(name) *rest++ = static_cast<double>(stats.name);
#include "core/outbox/endpoint_stats.def"
#undef DTLS_STAT
  return to_numbers(info.Env(), out);
}

Napi::Value EndpointWrap::failures(const Napi::CallbackInfo& info) {
  std::array<double, kFailureKinds> out{};
  for (size_t i = 0; i < kFailureKinds; ++i) {
    out[i] = static_cast<double>(endpoint_->stats().failures[i]);
  }
  return to_numbers(info.Env(), out);
}

Napi::Value EndpointWrap::session_counters(const Napi::CallbackInfo& info) {
  const Session* found = session(info);
  if (found == nullptr) return info.Env().Undefined();
  std::array<double, kTrafficStats> out{};
  put_traffic(out.data(), found->stats());
  return to_numbers(info.Env(), out);
}

Napi::Value EndpointWrap::session_count(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), endpoint_->session_count());
}

}  // namespace dtls::binding
