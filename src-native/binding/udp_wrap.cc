#include "binding/udp_wrap.h"

#ifdef __linux__

#include <cerrno>

#include "binding/environment.h"

namespace dtls::binding {

namespace {

// One wake-up of JavaScript is for at most so many calls of recvmmsg: the rest of the event loop
// has its turn, too, and what there is to say has room in the outbox.
constexpr int kReceiveCalls = 2;

int int_of(const Napi::Value& value) { return value.As<Napi::Number>().Int32Value(); }
bool flag_of(const Napi::Value& value) { return value.As<Napi::Boolean>().Value(); }

void throw_errno(Napi::Env env, int error, const char* call) {
  Napi::Error thrown = Napi::Error::New(env, call);
  thrown.Set("errno", Napi::Number::New(env, -error));
  thrown.Set("syscall", Napi::String::New(env, call));
  thrown.ThrowAsJavaScriptException();
}

Napi::Array to_array(Napi::Env env, const io::SocketAddress& address) {
  Napi::Array result = Napi::Array::New(env, 3);
  result.Set(0U, address.host());
  result.Set(1U, static_cast<uint32_t>(address.port()));
  result.Set(2U, address.is_ipv6());
  return result;
}

}  // namespace

Napi::Function UdpWrap::define(Napi::Env env) {
  return DefineClass(env, "UdpSocket",
                     {
                         InstanceMethod<&UdpWrap::attach>("attach"),
                         InstanceMethod<&UdpWrap::connect>("connect"),
                         InstanceMethod<&UdpWrap::address>("address"),
                         InstanceMethod<&UdpWrap::peer>("peer"),
                         InstanceMethod<&UdpWrap::descriptor>("descriptor"),
                         InstanceMethod<&UdpWrap::set_ttl>("setTtl"),
                         InstanceMethod<&UdpWrap::counters>("counters"),
                         InstanceMethod<&UdpWrap::flush>("flush"),
                         InstanceMethod<&UdpWrap::close>("close"),
                         InstanceMethod<&UdpWrap::ref>("ref"),
                         InstanceMethod<&UdpWrap::unref>("unref"),
                     });
}

UdpWrap::UdpWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  io::UdpConfig config;
  if (!io::parse_address(info[0].As<Napi::String>().Utf8Value(),
                         static_cast<uint16_t>(int_of(info[1])), config.address)) {
    throw_errno(info.Env(), EINVAL, "bind");
    return;
  }
  config.ipv6_only = flag_of(info[2]);
  config.reuse_address = flag_of(info[3]);
  config.reuse_port = flag_of(info[4]);
  config.receive_buffer = int_of(info[5]);
  config.send_buffer = int_of(info[6]);
  auto queued = info[7].As<Napi::Uint32Array>();
  queued_memory_ = Napi::Persistent(queued.As<Napi::Object>());
  queued_ = queued.Data();
  int error = 0;
  socket_ = io::UdpSocket::open(config, error);
  if (!socket_) throw_errno(info.Env(), error, "bind");
}

UdpWrap::~UdpWrap() { stop(); }

void UdpWrap::attach(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  endpoint_object_ = Napi::Persistent(info[0].As<Napi::Object>());
  endpoint_ = EndpointWrap::Unwrap(info[0].As<Napi::Object>());
  outbox_object_ = Napi::Persistent(info[1].As<Napi::Object>());
  outbox_ = OutboxWrap::Unwrap(info[1].As<Napi::Object>());
  wake_ = Napi::Persistent(info[2].As<Napi::Function>());
  context_ = std::make_unique<Napi::AsyncContext>(env, "DGRAM_DTLS_UDP");
  uv_loop_t* loop = nullptr;
  auto made = std::make_unique<Poll>();
  if (napi_get_uv_event_loop(env, &loop) != napi_ok ||
      uv_poll_init(loop, &made->handle, socket_->descriptor()) != 0) {
    throw_errno(env, EBADF, "poll");
    return;
  }
  poll_ = made.release();
  poll_->handle.data = poll_;
  poll_->owner = this;
  // An environment that ends closes the handle before it closes its loop.
  napi_add_async_cleanup_hook(
      env,
      [](napi_async_cleanup_hook_handle /*hook*/, void* poll) {
        close_poll(static_cast<Poll*>(poll));
      },
      poll_, &poll_->hook);
  endpoint_->endpoint().use(this);
  poll();
}

void UdpWrap::close_poll(Poll* poll) {
  if (poll->owner != nullptr) poll->owner->poll_ = nullptr;
  poll->owner = nullptr;
  if (poll->closing) return;
  poll->closing = true;
  uv_poll_stop(&poll->handle);
  uv_close(reinterpret_cast<uv_handle_t*>(&poll->handle), [](uv_handle_t* handle) {
    const std::unique_ptr<Poll> closed(static_cast<Poll*>(handle->data));
    napi_remove_async_cleanup_hook(closed->hook);
  });
}

void UdpWrap::stop() {
  if (poll_ != nullptr) close_poll(poll_);
  socket_.reset();
}

void UdpWrap::poll() {
  if (poll_ == nullptr) return;
  const int events = wants_to_write_ ? UV_READABLE | UV_WRITABLE : UV_READABLE;
  uv_poll_start(&poll_->handle, events, [](uv_poll_t* handle, int status, int what) {
    UdpWrap* owner = static_cast<Poll*>(handle->data)->owner;
    if (owner != nullptr) owner->on_poll(status, what);
  });
}

void UdpWrap::on_poll(int status, int events) {
  const Napi::Env env = Env();
  const Napi::HandleScope scope(env);
  if (outbox_->outbox().empty()) peers_.clear();
  if (status < 0) {
    // libuv stops polling at an error on the socket: an ICMP message, as a rule.
    socket_->read_errors(*this);
    poll();
  }
  if (status < 0 || (events & UV_READABLE) != 0) receive_some();
  if (socket_) send_queued();
  endpoint_->publish_deadline();
  wake_.MakeCallback(env.Global(), {}, *context_);
  // A handler of the user's has thrown: as from any event, it is for 'uncaughtException'.
  if (env.IsExceptionPending()) {
    napi_value thrown = nullptr;
    napi_get_and_clear_last_exception(env, &thrown);
    napi_fatal_exception(env, thrown);
  }
}

void UdpWrap::receive_some() {
  for (int call = 0; call < kReceiveCalls; ++call) {
    int error = 0;
    batch_time_ = now();
    switch (socket_->receive(outbox_->buffers(), *this, error)) {
      case io::UdpSocket::Received::kNothing:
        return;
      case io::UdpSocket::Received::kSome:
        continue;
      case io::UdpSocket::Received::kFailed:
        endpoint_->endpoint().transport_error(PeerAddress(), error);
        uv_poll_stop(&poll_->handle);
        return;
    }
  }
}

void UdpWrap::on_datagram(Bytes datagram, const io::SocketAddress& from, const PeerAddress& peer) {
  // A session names its peer itself; only records without one need this.
  peers_.push_back(from);
  const size_t before = outbox_->outbox().named_peers();
  endpoint_->endpoint().receive(datagram, peer, static_cast<uint32_t>(peers_.size() - 1),
                                batch_time_);
  if (outbox_->outbox().named_peers() == before) peers_.pop_back();
}

void UdpWrap::on_error(const PeerAddress& peer, int error) {
  endpoint_->endpoint().transport_error(peer, error);
}

void UdpWrap::on_sent(SessionId from, uint32_t token, int error) {
  Outbox& outbox = outbox_->outbox();
  if (token != 0) {
    outbox.append(RecordType::kSent, from, token, static_cast<uint32_t>(error));
  }
  if (error != 0) {
    outbox.append(RecordType::kTransportError, from, static_cast<uint32_t>(error), 0);
  }
}

void UdpWrap::transmit(const PeerAddress& to, SessionId from, uint32_t token, Bytes datagram) {
  if (!socket_) return;
  socket_->queue(to, from, token, datagram);
  *queued_ = static_cast<uint32_t>(socket_->queued_bytes());
}

void UdpWrap::send_queued() {
  const bool all = socket_->flush(*this);
  *queued_ = static_cast<uint32_t>(socket_->queued_bytes());
  if (all != wants_to_write_) return;
  wants_to_write_ = !all;
  poll();
}

void UdpWrap::flush(const Napi::CallbackInfo& /*info*/) {
  if (socket_) send_queued();
}

Napi::Value UdpWrap::connect(const Napi::CallbackInfo& info) {
  io::SocketAddress peer;
  const bool parsed = io::parse_address(info[0].As<Napi::String>().Utf8Value(),
                                        static_cast<uint16_t>(int_of(info[1])), peer);
  return Napi::Number::New(info.Env(), parsed ? socket_->connect(peer) : EINVAL);
}

Napi::Value UdpWrap::address(const Napi::CallbackInfo& info) {
  io::SocketAddress address;
  const int error = socket_ ? socket_->local_address(address) : EBADF;
  if (error == 0) return to_array(info.Env(), address);
  throw_errno(info.Env(), error, "getsockname");
  return info.Env().Undefined();
}

Napi::Value UdpWrap::peer(const Napi::CallbackInfo& info) {
  const auto index = static_cast<size_t>(info[0].As<Napi::Number>().Uint32Value());
  if (index >= peers_.size()) return info.Env().Undefined();
  return to_array(info.Env(), peers_[index]);
}

Napi::Value UdpWrap::descriptor(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), socket_ ? socket_->descriptor() : -1);
}

Napi::Value UdpWrap::set_ttl(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), socket_ ? socket_->set_ttl(int_of(info[0])) : EBADF);
}

Napi::Value UdpWrap::counters(const Napi::CallbackInfo& info) {
  const io::UdpStats stats = socket_ ? socket_->stats() : io::UdpStats();
  Napi::Object result = Napi::Object::New(info.Env());
  const auto put = [&](const char* name, uint64_t value) {
    result.Set(name, Napi::Number::New(info.Env(), static_cast<double>(value)));
  };
  put("receiveCalls", stats.receiveCalls);
  put("receivedMerged", stats.receivedMerged);
  put("sendCalls", stats.sendCalls);
  put("sentMerged", stats.sentMerged);
  put("sendErrors", stats.sendErrors);
  put("truncated", stats.truncated);
  result.Set("gso", socket_ && socket_->gso());
  result.Set("gro", socket_ && socket_->gro());
  return result;
}

void UdpWrap::close(const Napi::CallbackInfo& /*info*/) { stop(); }

void UdpWrap::ref(const Napi::CallbackInfo& /*info*/) {
  if (poll_ != nullptr) uv_ref(reinterpret_cast<uv_handle_t*>(&poll_->handle));
}

void UdpWrap::unref(const Napi::CallbackInfo& /*info*/) {
  if (poll_ != nullptr) uv_unref(reinterpret_cast<uv_handle_t*>(&poll_->handle));
}

}  // namespace dtls::binding

#endif
