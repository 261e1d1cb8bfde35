// A client of which JavaScript carries the datagrams.

#include "addon.h"
#include "memory_link.h"

namespace bench {

namespace {

// A client whose datagrams JavaScript carries.
class MemoryClient final : public Napi::ObjectWrap<MemoryClient> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "MemoryClient",
        {InstanceMethod<&MemoryClient::step>("step"), InstanceMethod<&MemoryClient::seal>("seal")});
  }

  explicit MemoryClient(const Napi::CallbackInfo& info)
      : ObjectWrap(info), ssl_(make_ssl(state().client_ctx.get(), Side::kClient, link_)) {}

 private:
  // step(datagrams): goes on with the handshake and gives the datagrams to send.
  Napi::Value step(const Napi::CallbackInfo& info) {
    const auto datagrams = info[0].As<Napi::Array>();
    for (uint32_t i = 0; i < datagrams.Length(); ++i) {
      const auto bytes = datagrams.Get(i).As<Napi::Buffer<uint8_t>>();
      link_.deliver({bytes.Data(), bytes.Data() + bytes.Length()});
    }
    handshake_step(ssl_.get());
    return written(info.Env());
  }

  // seal(size, count): messages as datagrams.
  Napi::Value seal(const Napi::CallbackInfo& info) {
    const std::vector<uint8_t> message(u32(info, 0), 0x5a);
    for (uint32_t left = u32(info, 1); left > 0; --left) {
      SSL_write(ssl_.get(), message.data(), static_cast<int>(message.size()));
    }
    return written(info.Env());
  }

  Napi::Value written(Napi::Env env) {
    Napi::Array result = Napi::Array::New(env);
    uint32_t at = 0;
    for (const Datagram& datagram : link_.take_written()) {
      result.Set(at++, Napi::Buffer<uint8_t>::Copy(env, datagram.data(), datagram.size()));
    }
    return result;
  }

  MemoryLink link_;
  SslPtr ssl_;
};

}  // namespace

Napi::Function define_memory_client(Napi::Env env) { return MemoryClient::define(env); }

}  // namespace bench
