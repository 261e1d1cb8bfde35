// The other half of the measurements: fast senders, sinks, and the same work in plain C. All
// functions block; bench/native.mjs runs them in processes of their own.

#include "addon.h"

#include <exception>
#include <type_traits>

namespace bench {

State& state() {
  static State shared;
  return shared;
}

UdpSession& add_session() {
  State& own = state();
  return own.sessions.try_emplace(own.next_session++).first->second;
}

Napi::Value amount(Napi::Env env, uint64_t count, double seconds) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("count", static_cast<double>(count));
  result.Set("seconds", seconds);
  return result;
}

namespace {

void set_credentials(const Napi::CallbackInfo& info) {
  const auto text = [&](size_t index) { return info[index].As<Napi::String>().Utf8Value(); };
  const Credentials credentials{text(0), text(1), text(2)};
  state().server_ctx = make_server_context(credentials);
  state().client_ctx = make_client_context(credentials);
}

template <auto Function>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  try {
    if constexpr (std::is_void_v<decltype(Function(info))>) {
      Function(info);
      return info.Env().Undefined();
    } else {
      return Function(info);
    }
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw Napi::Error::New(info.Env(), error.what());
  }
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("setCredentials", Napi::Function::New<guarded<set_credentials>>(env));
  exports.Set("connect", Napi::Function::New<guarded<connect>>(env));
  exports.Set("connectPlain", Napi::Function::New<guarded<connect_plain>>(env));
  exports.Set("blast", Napi::Function::New<guarded<blast>>(env));
  exports.Set("blastBare", Napi::Function::New<guarded<blast_bare>>(env));
  exports.Set("blastMixed", Napi::Function::New<guarded<blast_mixed>>(env));
  exports.Set("openSessions", Napi::Function::New<guarded<open_sessions>>(env));
  exports.Set("sealSessions", Napi::Function::New<guarded<seal_sessions>>(env));
  exports.Set("speak", Napi::Function::New<guarded<speak>>(env));
  exports.Set("serveHandshakes", Napi::Function::New<guarded<serve_handshakes>>(env));
  exports.Set("handshakesOverLoopback",
              Napi::Function::New<guarded<handshakes_over_loopback>>(env));
  exports.Set("countOfHeld", Napi::Function::New<guarded<count_of_held>>(env));
  exports.Set("shakeHands", Napi::Function::New<guarded<shake_hands>>(env));
  exports.Set("openSink", Napi::Function::New<guarded<open_sink>>(env));
  exports.Set("accept", Napi::Function::New<guarded<accept>>(env));
  exports.Set("countMessages", Napi::Function::New<guarded<count_messages>>(env));
  exports.Set("countMerged", Napi::Function::New<guarded<count_merged>>(env));
  exports.Set("countBare", Napi::Function::New<guarded<count_bare>>(env));
  exports.Set("echo", Napi::Function::New<guarded<echo>>(env));
  exports.Set("ping", Napi::Function::New<guarded<ping>>(env));
  exports.Set("countDatagrams", Napi::Function::New<guarded<count_datagrams>>(env));
  exports.Set("handshakes", Napi::Function::New<guarded<handshakes>>(env));
  exports.Set("holdSessions", Napi::Function::New<guarded<hold_sessions>>(env));
  exports.Set("receiveFromMany", Napi::Function::New<guarded<receive_from_many>>(env));
  exports.Set("idleMemory", Napi::Function::New<guarded<idle_memory>>(env));
  exports.Set("residentBytes", Napi::Function::New<guarded<resident_bytes>>(env));
  exports.Set("allocatedBytes", Napi::Function::New<guarded<allocated_bytes>>(env));
  exports.Set("MemoryClient", define_memory_client(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(dgram_dtls_bench, init)

}  // namespace bench
