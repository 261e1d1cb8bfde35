#include "binding/environment.h"

#include <uv.h>

#include <array>
#include <chrono>
#include <cstring>

namespace dtls::binding {

double now() {
  static const double origin =
      std::chrono::duration<double, std::milli>(std::chrono::system_clock::now().time_since_epoch())
          .count() -
      static_cast<double>(uv_hrtime()) / 1e6;
  return origin + static_cast<double>(uv_hrtime()) / 1e6;
}

Bytes bytes_of(const Napi::Value& value) {
  void* data = nullptr;
  size_t size = 0;
  if (value.IsUndefined() || napi_get_buffer_info(value.Env(), value, &data, &size) != napi_ok) {
    return {};
  }
  return {static_cast<const uint8_t*>(data), size};
}

Napi::Value property_of(const Napi::Value& object, const char* name) {
  napi_value value = nullptr;
  if (napi_get_named_property(object.Env(), object, name, &value) != napi_ok) {
    return object.Env().Undefined();
  }
  return {object.Env(), value};
}

double number_of(const Napi::Value& value) {
  double number = 0;
  return napi_get_value_double(value.Env(), value, &number) == napi_ok ? number : 0;
}

int int_of(const Napi::Value& value) {
  int number = 0;
  return napi_get_value_int32(value.Env(), value, &number) == napi_ok ? number : 0;
}

bool flag_of(const Napi::Value& value) {
  bool flag = false;
  return napi_get_value_bool(value.Env(), value, &flag) == napi_ok && flag;
}

std::string text_of(const Napi::Value& value) {
  size_t size = 0;
  if (napi_get_value_string_utf8(value.Env(), value, nullptr, 0, &size) != napi_ok) return {};
  std::string text(size, '\0');
  napi_get_value_string_utf8(value.Env(), value, text.data(), size + 1, &size);
  return text;
}

std::vector<std::string> texts_of(const Napi::Value& value) {
  uint32_t count = 0;
  std::vector<std::string> texts;
  if (napi_get_array_length(value.Env(), value, &count) != napi_ok) return texts;
  for (uint32_t i = 0; i < count; ++i) {
    napi_value element = nullptr;
    if (napi_get_element(value.Env(), value, i, &element) != napi_ok) return texts;
    texts.push_back(text_of({value.Env(), element}));
  }
  return texts;
}

bool peer_of(const Napi::Value& address, const Napi::Value& port, PeerAddress& peer) {
  std::array<char, PeerAddress::kMaxHost + 2> text{};
  size_t length = 0;
  if (napi_get_value_string_utf8(address.Env(), address, text.data(), text.size(), &length) !=
          napi_ok ||
      length > PeerAddress::kMaxHost) {
    Napi::TypeError::New(address.Env(), "A peer's address is a string of at most 61 bytes")
        .ThrowAsJavaScriptException();
    return false;
  }
  const auto port_number = static_cast<uint16_t>(port.As<Napi::Number>().Uint32Value());
  std::array<uint8_t, PeerAddress::kMaxHost> host{};
  if (uv_inet_pton(AF_INET, text.data(), host.data()) == 0) {
    return peer.assign({host.data(), 4}, port_number);
  }
  if (uv_inet_pton(AF_INET6, text.data(), host.data()) == 0) {
    static constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (std::memcmp(host.data(), kMapped.data(), kMapped.size()) == 0) {
      return peer.assign({host.data() + kMapped.size(), 4}, port_number);
    }
    size_t size = 16;
    // A link-local address is only unique with its zone.
    if (const char* zone = std::strchr(text.data(), '%')) {
      const size_t zone_size = std::strlen(zone);
      if (size + zone_size <= host.size()) {
        std::memcpy(host.data() + size, zone, zone_size);
        size += zone_size;
      }
    }
    return peer.assign_ipv6({host.data(), size}, port_number);
  }
  return peer.assign({reinterpret_cast<const uint8_t*>(text.data()), length}, port_number);
}

Napi::Buffer<uint8_t> to_buffer(Napi::Env env, Bytes bytes) {
  return Napi::Buffer<uint8_t>::Copy(env, bytes.data, bytes.size);
}

void throw_failure(Napi::Env env, const Failure& failure) {
  const FailureInfo info = describe(failure.kind);
  Napi::Error error = Napi::Error::New(env, failure.reason.empty() ? info.code : failure.reason);
  error.Set("code", Napi::String::New(env, info.code));
  error.Set("category", Napi::String::New(env, info.category));
  error.Set("hint", Napi::String::New(env, info.hint));
  error.Set("reason", Napi::String::New(env, failure.reason));
  error.Set("library", Napi::String::New(env, failure.library));
  error.ThrowAsJavaScriptException();
}

}  // namespace dtls::binding
