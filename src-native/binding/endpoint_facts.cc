// What can be asked of a session: calls of EndpointWrap that change nothing but a limit, the MTU.

#include "binding/environment.h"
#include "binding/wraps.h"
#include "core/base/encoding.h"
#include "core/handshake/session_facts.h"
#include "core/handshake/srtp.h"
#include "core/identity/issuer_chain.h"

namespace dtls::binding {

namespace {

Napi::Value to_string(Napi::Env env, const std::string& text) {
  return Napi::String::New(env, text);
}

Napi::Value to_buffer_or_undefined(Napi::Env env, Bytes bytes) {
  if (bytes.size == 0) return env.Undefined();
  return to_buffer(env, bytes);
}

Napi::Value to_buffer_or_undefined(Napi::Env env, const std::vector<uint8_t>& bytes) {
  return to_buffer_or_undefined(env, Bytes{bytes.data(), bytes.size()});
}

}  // namespace

std::shared_ptr<const SessionFacts> EndpointWrap::facts(const Napi::CallbackInfo& info) {
  const Session* found = session(info);
  return found != nullptr ? found->facts() : nullptr;
}

Napi::Value EndpointWrap::cipher(const Napi::CallbackInfo& info) {
  const auto known = facts(info);
  if (!known) return info.Env().Undefined();
  const CipherInfo cipher = known->cipher_info();
  if (cipher.name.empty()) return info.Env().Undefined();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("name", cipher.name);
  result.Set("standardName", cipher.standard_name);
  result.Set("version", cipher.version);
  return result;
}

Napi::Value EndpointWrap::peer_certificate(const Napi::CallbackInfo& info) {
  const auto known = facts(info);
  if (!known) return info.Env().Undefined();
  return to_buffer_or_undefined(info.Env(), known->peer_certificate());
}

Napi::Value EndpointWrap::peer_chain(const Napi::CallbackInfo& info) {
  const auto known = facts(info);
  Napi::Array chain = Napi::Array::New(info.Env());
  if (!known) return chain;
  uint32_t at = 0;
  for (const std::vector<uint8_t>& der : known->peer_chain(session(info)->trusted())) {
    chain.Set(at++, to_buffer(info.Env(), {der.data(), der.size()}));
  }
  return chain;
}

Napi::Value EndpointWrap::peer_is_host(const Napi::CallbackInfo& info) {
  const auto known = facts(info);
  if (!known) return Napi::Boolean::New(info.Env(), false);
  const std::string host = info[2].As<Napi::String>().Utf8Value();
  const bool is_address = info[3].As<Napi::Boolean>().Value();
  return Napi::Boolean::New(info.Env(),
                            is_address ? known->peer_is_address(host) : known->peer_is_host(host));
}

Napi::Value EndpointWrap::peer_may_serve(const Napi::CallbackInfo& info) {
  const auto known = facts(info);
  const bool may = known && known->peer_may_serve(session(info)->trusted());
  return Napi::Boolean::New(info.Env(), may);
}

Napi::Value EndpointWrap::certificate(const Napi::CallbackInfo& info) {
  const auto known = facts(info);
  if (!known) return info.Env().Undefined();
  return to_buffer_or_undefined(info.Env(), to_der(known->own_certificate()));
}

Napi::Value EndpointWrap::peer_public_key(const Napi::CallbackInfo& info) {
  const auto known = facts(info);
  if (!known) return info.Env().Undefined();
  return to_buffer_or_undefined(info.Env(), known->peer_public_key());
}

Napi::Value EndpointWrap::certificate_issuer(const Napi::CallbackInfo& info) {
  const auto known = facts(info);
  if (!known) return info.Env().Undefined();
  const Session& asked = *session(info);
  const X509Ptr issuer = own_issuer(asked.context(), known->own_certificate(), asked.trusted());
  return to_buffer_or_undefined(info.Env(), to_der(issuer.get()));
}

Napi::Value EndpointWrap::ephemeral_key(const Napi::CallbackInfo& info) {
  const auto known = facts(info);
  if (!known) return info.Env().Undefined();
  const EphemeralKeyInfo key = known->ephemeral_key();
  Napi::Object result = Napi::Object::New(info.Env());
  if (key.type.empty()) return result;
  result.Set("type", key.type);
  if (!key.name.empty()) result.Set("name", key.name);
  if (key.bits != 0) result.Set("size", key.bits);
  return result;
}

Napi::Value EndpointWrap::shared_group(const Napi::CallbackInfo& info) {
  const auto known = facts(info);
  const std::string group = known ? known->shared_group() : "";
  return group.empty() ? info.Env().Undefined() : to_string(info.Env(), group);
}

Napi::Value EndpointWrap::sigalgs(const Napi::CallbackInfo& info) {
  const auto known = facts(info);
  Napi::Array names = Napi::Array::New(info.Env());
  if (!known) return names;
  uint32_t at = 0;
  for (const std::string& name : known->shared_signature_algorithms()) names.Set(at++, name);
  return names;
}

Napi::Value EndpointWrap::finished(const Napi::CallbackInfo& info) {
  const auto known = facts(info);
  if (!known) return info.Env().Undefined();
  return to_buffer_or_undefined(info.Env(), known->finished(info[2].As<Napi::Boolean>().Value()));
}

Napi::Value EndpointWrap::export_keying_material(const Napi::CallbackInfo& info) {
  const auto known = facts(info);
  if (!known) return info.Env().Undefined();
  SecretBytes out(u32_of(info[2]));
  const Bytes context = bytes_of(info[4]);
  if (!known->export_keying_material(out, info[3].As<Napi::String>().Utf8Value(),
                                     info[4].IsUndefined() ? nullptr : &context)) {
    return info.Env().Undefined();
  }
  return to_buffer(info.Env(), out.view());
}

Napi::Value EndpointWrap::srtp(const Napi::CallbackInfo& info) {
  const auto known = facts(info);
  if (!known) return info.Env().Undefined();
  const SrtpKeys keys = srtp_keys(*known);
  if (keys.profile == nullptr) return info.Env().Undefined();
  const auto put = [&info](const SecretBytes& key) { return to_buffer(info.Env(), key.view()); };
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("profile", keys.profile->name);
  result.Set("localKey", put(keys.local_key));
  result.Set("localSalt", put(keys.local_salt));
  result.Set("remoteKey", put(keys.remote_key));
  result.Set("remoteSalt", put(keys.remote_salt));
  return result;
}

Napi::Value EndpointWrap::pack_session(const Napi::CallbackInfo& info) {
  const auto known = facts(info);
  if (!known) return info.Env().Undefined();
  const SecretBytes packed = known->pack(info[2].As<Napi::String>().Utf8Value());
  return to_buffer_or_undefined(info.Env(), packed.view());
}

Napi::Value EndpointWrap::session_ticket(const Napi::CallbackInfo& info) {
  const auto known = facts(info);
  if (!known) return info.Env().Undefined();
  return to_buffer_or_undefined(info.Env(), known->session_ticket());
}

Napi::Value EndpointWrap::server_name(const Napi::CallbackInfo& info) {
  const auto known = facts(info);
  const std::string name = known ? known->server_name() : "";
  return name.empty() ? info.Env().Undefined() : to_string(info.Env(), name);
}

Napi::Value EndpointWrap::psk_identity(const Napi::CallbackInfo& info) {
  const Session* found = session(info);
  if (found == nullptr || found->psk_identity() == nullptr) return info.Env().Undefined();
  return to_buffer(info.Env(), {found->psk_identity()->data(), found->psk_identity()->size()});
}

Napi::Value EndpointWrap::max_message_size(const Napi::CallbackInfo& info) {
  const Session* found = session(info);
  return Napi::Number::New(info.Env(),
                           found != nullptr ? static_cast<double>(found->max_message_size()) : 0);
}

Napi::Value EndpointWrap::mtu(const Napi::CallbackInfo& info) {
  const Session* found = session(info);
  return Napi::Number::New(info.Env(), found != nullptr ? found->mtu() : 0);
}

Napi::Value EndpointWrap::set_mtu(const Napi::CallbackInfo& info) {
  Session* found = session(info);
  return Napi::Boolean::New(info.Env(), found != nullptr && found->set_mtu(u32_of(info[2])));
}

}  // namespace dtls::binding
