#include <napi.h>
#include <openssl/crypto.h>
#include <uv.h>

#include "binding/environment.h"
#include "binding/udp_wrap.h"
#include "binding/wraps.h"
#include "core/base/error.h"
#include "core/engine13/engine.h"
#include "core/handshake/srtp.h"
#include "core/identity/certificate_maker.h"
#include "core/identity/offers.h"
#include "core/identity/raw_public_key.h"
#include "core/records/key_block.h"
#include "io/dont_fragment.h"
#include "io/reconnect.h"
#include "io/udp_descriptor.h"

namespace dtls::binding {

namespace {

Napi::Array names_of(Napi::Env env, std::initializer_list<const char*> names) {
  Napi::Array array = Napi::Array::New(env);
  uint32_t at = 0;
  for (const char* name : names) array.Set(at++, name);
  return array;
}

// What lib/core/native.ts has of DTLS 1.3: either of the two.
Napi::Value dtls13(const Napi::CallbackInfo& info) {
  const EngineSupport& support = engine_support();
  Napi::Object result = Napi::Object::New(info.Env());
  if (support) {
    result.Set("engine", support.name);
  } else {
    result.Set("missing", support.missing);
  }
  return result;
}

Napi::Array failure_table(Napi::Env env) {
  Napi::Array table = Napi::Array::New(env);
  for (uint32_t kind = 0; kind < kFailureKinds; ++kind) {
    const FailureInfo info = describe(static_cast<FailureKind>(kind));
    Napi::Object row = Napi::Object::New(env);
    row.Set("code", info.code);
    row.Set("category", info.category);
    row.Set("hint", info.hint);
    table.Set(kind, row);
  }
  return table;
}

Napi::Value prf(const Napi::CallbackInfo& info) {
  const ErrorQueueScope errors;
  SecretBytes out(info[4].As<Napi::Number>().Uint32Value());
  if (!tls1_prf(info[0].As<Napi::String>().Utf8Value(), bytes_of(info[1]),
                info[2].As<Napi::String>().Utf8Value(), bytes_of(info[3]), out.data(),
                out.size())) {
    throw_failure(info.Env(), failure_from_openssl(FailureKind::kInternal));
    return info.Env().Undefined();
  }
  return to_buffer(info.Env(), out.view());
}

// Whether OpenSSL offers the thing of that name: `Offers` is a function of core/identity/offers.h.
template <bool (*Offers)(const char*)>
Napi::Value offers_name(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), Offers(info[0].As<Napi::String>().Utf8Value().c_str()));
}

Napi::Value offers_number(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), offers_version(info[0].As<Napi::Number>().Int32Value()));
}

Napi::Value cipher_names(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  for (const std::string& name : offered_ciphers()) names.Set(names.Length(), name);
  return names;
}

// Makes the certificate that lib/core/native.ts has as NativeCertificateRequest.
Napi::Value certificate(const Napi::CallbackInfo& info) {
  CertificateRequest request;
  const auto given = [&info](const char* name) { return property_of(info[0], name); };
  const std::vector<std::string> subject = texts_of(given("subject"));
  for (size_t i = 0; i + 1 < subject.size(); i += 2) {
    request.subject.emplace_back(subject[i], subject[i + 1]);
  }
  request.dns_names = texts_of(given("dnsNames"));
  request.ip_addresses = texts_of(given("ipAddresses"));
  request.not_before = number_of(given("notBefore"));
  request.not_after = number_of(given("notAfter"));
  const std::string usage = text_of(given("usage"));
  request.authority = usage == "authority";
  request.for_servers = usage != "client";
  request.for_clients = usage != "server";
  request.key = bytes_of(given("key"));
  request.issuer_certificate = bytes_of(given("issuerCertificate"));
  request.issuer_key = bytes_of(given("issuerKey"));
  std::vector<uint8_t> made;
  if (const Failure failure = make_certificate(request, made)) {
    throw_failure(info.Env(), failure);
    return info.Env().Undefined();
  }
  return to_buffer(info.Env(), {made.data(), made.size()});
}

Napi::Value signature(const Napi::CallbackInfo& info) {
  const auto [key, digest] = signature_of(bytes_of(info[0]));
  Napi::Array names = Napi::Array::New(info.Env());
  names.Set(uint32_t{0}, key);
  names.Set(uint32_t{1}, digest);
  return names;
}

// The socket's peer is another one from now on. An error number, or 0.
Napi::Value reconnect(const Napi::CallbackInfo& info) {
  const std::string host = text_of(info[1]);
  const int port = int_of(info[2]);
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  int error = EINVAL;
  const int descriptor = int_of(info[0]);
  const bool any_address = flag_of(info[3]);
  if (uv_ip4_addr(host.c_str(), port, &v4) == 0) {
    error = io::reconnect(descriptor, reinterpret_cast<sockaddr*>(&v4), sizeof v4, any_address);
  } else if (uv_ip6_addr(host.c_str(), port, &v6) == 0) {
    error = io::reconnect(descriptor, reinterpret_cast<sockaddr*>(&v6), sizeof v6, any_address);
  }
  return Napi::Number::New(info.Env(), error);
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("openssl", OpenSSL_version(OPENSSL_VERSION_STRING));
  exports.Set("rawPublicKeys", rpk::supported());
#ifdef DTLS_STATIC_OPENSSL
  exports.Set("ownOpenssl", true);
#else
  exports.Set("ownOpenssl", false);
#endif
  exports.Set("offersVersion", Napi::Function::New(env, offers_number));
  exports.Set("offersGroup", Napi::Function::New(env, offers_name<offers_group>));
  exports.Set("offersSigalg", Napi::Function::New(env, offers_name<offers_sigalg>));
  exports.Set("offeredCiphers", Napi::Function::New(env, cipher_names));
  exports.Set("dtls13", Napi::Function::New(env, dtls13));
  exports.Set("failures", failure_table(env));
#define DTLS_STAT(name) #name,
  exports.Set("trafficCounters", names_of(env, {
#include "core/outbox/stats.def"
// And behind these:
#include "core/outbox/seldom_stats.def"
                                               }));
  exports.Set("endpointCounters", names_of(env, {
#include "core/outbox/endpoint_stats.def"
                                                }));
#undef DTLS_STAT
#define DTLS_DROP(whose, name) #name,
  exports.Set("dropReasons", names_of(env, {
#include "core/outbox/drops.def"
                                           }));
#undef DTLS_DROP
  Napi::Array profiles = Napi::Array::New(env);
  for (const SrtpProfile& profile : kSrtpProfiles) profiles.Set(profiles.Length(), profile.name);
  exports.Set("srtpProfiles", profiles);
  exports.Set("now", Napi::Function::New(env, [](const Napi::CallbackInfo& info) -> Napi::Value {
                return Napi::Number::New(info.Env(), now());
              }));
  exports.Set("prf", Napi::Function::New(env, prf));
  exports.Set("makeCertificate", Napi::Function::New(env, certificate));
  exports.Set("certificateSignature", Napi::Function::New(env, signature));
  exports.Set("setDontFragment",
              Napi::Function::New(env, [](const Napi::CallbackInfo& info) -> Napi::Value {
                const bool done = io::set_dont_fragment(info[0].As<Napi::Number>().Int32Value(),
                                                        info[1].As<Napi::Boolean>().Value(),
                                                        info[2].As<Napi::Boolean>().Value());
                return Napi::Boolean::New(info.Env(), done);
              }));
  exports.Set("reconnect", Napi::Function::New(env, reconnect));
  exports.Set("udpFamily",
              Napi::Function::New(env, [](const Napi::CallbackInfo& info) -> Napi::Value {
                const int family = io::udp_family(info[0].As<Napi::Number>().Int32Value());
                return Napi::Number::New(info.Env(), family);
              }));
  exports.Set("Outbox", OutboxWrap::define(env));
  exports.Set("SecureContext", SecureContextWrap::define(env));
  exports.Set("TicketKeys", TicketKeysWrap::define(env));
  exports.Set("KeptSession", KeptSessionWrap::define(env));
  exports.Set("SessionPolicy", SessionPolicyWrap::define(env));
  exports.Set("Endpoint", EndpointWrap::define(env));
#ifdef __linux__
  exports.Set("UdpSocket", UdpWrap::define(env));
#endif
  return exports;
}

}  // namespace

NODE_API_MODULE(dgram_dtls, init)

}  // namespace dtls::binding
