#ifndef DGRAM_DTLS_BINDING_ENVIRONMENT_H_
#define DGRAM_DTLS_BINDING_ENVIRONMENT_H_

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/peer_address.h"

namespace dtls::binding {

// Milliseconds since the Unix epoch that never go back.
double now();

// What a JavaScript object wraps. Null when the environment is being ended (worker.terminate()):
// from then on, which may be in the middle of a call, Node-API refuses everything that might run
// JavaScript, and counts this among it. A call that gets null does nothing: nobody is left to see
// it.
template <typename Wrap>
Wrap* unwrap(const Napi::Value& value) {
  void* wrapped = nullptr;
  if (napi_unwrap(value.Env(), value, &wrapped) != napi_ok) return nullptr;
  return static_cast<Wrap*>(wrapped);
}

// A view of a Buffer or Uint8Array; empty for undefined. Valid until control returns to JavaScript.
Bytes bytes_of(const Napi::Value& value);

// A property of an object that lib/ has made. Undefined when the environment is being ended.
Napi::Value property_of(const Napi::Value& object, const char* name);
// What such a property or an argument is: 0, false or nothing when the environment is being ended.
double number_of(const Napi::Value& value);
int int_of(const Napi::Value& value);
bool flag_of(const Napi::Value& value);
std::string text_of(const Napi::Value& value);
std::vector<std::string> texts_of(const Napi::Value& value);
// A number that lib/ has made.
inline uint32_t u32_of(const Napi::Value& value) { return value.As<Napi::Number>().Uint32Value(); }

// The peer of a datagram. IP addresses become their 4 or 16 bytes (a mapped IPv4 address its 4), so
// that every spelling is one peer; anything else is kept as it is. False: a JavaScript error is
// pending.
bool peer_of(const Napi::Value& address, const Napi::Value& port, PeerAddress& peer);

Napi::Buffer<uint8_t> to_buffer(Napi::Env env, Bytes bytes);

// Throws an error that lib/errors/errors.ts turns into a DTLSError.
void throw_failure(Napi::Env env, const Failure& failure);

}  // namespace dtls::binding

#endif  // DGRAM_DTLS_BINDING_ENVIRONMENT_H_
