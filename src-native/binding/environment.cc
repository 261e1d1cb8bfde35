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
