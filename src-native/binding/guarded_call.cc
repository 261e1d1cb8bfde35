#include "binding/guarded_call.h"

namespace dtls::binding {

namespace {

// In a callback's scope of its own, see UdpWrap::wake_up().
void report(napi_env env, napi_value thrown) {
  napi_value name = nullptr;
  napi_async_context context = nullptr;
  napi_callback_scope scope = nullptr;
  if (napi_create_string_utf8(env, "DGRAM_DTLS_UDP", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_async_init(env, nullptr, name, &context) != napi_ok) {
    return;
  }
  if (napi_open_callback_scope(env, nullptr, context, &scope) == napi_ok) {
    napi_fatal_exception(env, thrown);
    napi_close_callback_scope(env, scope);
  }
  napi_async_destroy(env, context);
}

}  // namespace

napi_value call_guarded(Napi::Env env, const Napi::FunctionReference& function,
                        const std::vector<napi_value>& arguments) {
  napi_value nobody = nullptr;
  napi_value callee = nullptr;
  napi_value answer = nullptr;
  if (napi_get_undefined(env, &nobody) != napi_ok ||
      napi_get_reference_value(env, function, &callee) != napi_ok || callee == nullptr) {
    return nullptr;
  }
  if (napi_call_function(env, nobody, callee, arguments.size(), arguments.data(), &answer) ==
      napi_ok) {
    return answer;
  }
  bool threw = false;
  napi_value thrown = nullptr;
  if (napi_is_exception_pending(env, &threw) != napi_ok || !threw ||
      napi_get_and_clear_last_exception(env, &thrown) != napi_ok) {
    return nullptr;
  }
  report(env, thrown);
  return nullptr;
}

}  // namespace dtls::binding
