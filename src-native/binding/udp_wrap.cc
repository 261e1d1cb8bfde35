#include "binding/udp_wrap.h"

#ifdef __linux__

#include <algorithm>
#include <cerrno>
#include <utility>

#include "binding/environment.h"
#include "binding/guarded_call.h"

namespace dtls::binding {

namespace {

// One wake-up of JavaScript is for at most so many calls of recvmmsg: the rest of the event loop
// has its turn, too, and what there is to say has room in the outbox. After this long no second
// call is made: sixteen steps of handshakes would take several milliseconds.
constexpr int kReceiveCalls = 2;
constexpr double kReceiveTime = 1;  // milliseconds

// Milliseconds until the next try, when a queue below the socket is full: nobody tells when there
// is room again.
constexpr uint64_t kFirstRetry = 1;
constexpr uint64_t kLastRetry = 64;

void throw_errno(Napi::Env env, int error, const char* call) {
  Napi::Error thrown = Napi::Error::New(env, call);
  thrown.Set("errno", Napi::Number::New(env, -error));
  thrown.Set("syscall", Napi::String::New(env, call));
  thrown.ThrowAsJavaScriptException();
}

std::unique_ptr<io::UdpSocket> bind(const Napi::Value& source, int& error) {
  io::UdpConfig config;
  if (!io::parse_address(text_of(property_of(source, "address")),
                         static_cast<uint16_t>(int_of(property_of(source, "port"))),
                         config.address)) {
    error = EINVAL;
    return nullptr;
  }
  config.ipv6_only = flag_of(property_of(source, "ipv6Only"));
  config.reuse_address = flag_of(property_of(source, "reuseAddress"));
  config.reuse_port = flag_of(property_of(source, "reusePort"));
  config.receive_buffer = int_of(property_of(source, "receiveBuffer"));
  config.send_buffer = int_of(property_of(source, "sendBuffer"));
  return io::UdpSocket::open(config, error);
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
                         InstanceMethod<&UdpWrap::block>("block"),
                         InstanceMethod<&UdpWrap::connect>("connect"),
                         InstanceMethod<&UdpWrap::address>("address"),
                         InstanceMethod<&UdpWrap::peer>("peer"),
                         InstanceMethod<&UdpWrap::index_of>("indexOf"),
                         InstanceMethod<&UdpWrap::descriptor>("descriptor"),
                         InstanceMethod<&UdpWrap::set_ttl>("setTtl"),
                         InstanceMethod<&UdpWrap::counters>("counters"),
                         InstanceMethod<&UdpWrap::send_unprotected>("sendUnprotected"),
                         InstanceMethod<&UdpWrap::flush>("flush"),
                         InstanceMethod<&UdpWrap::close>("close"),
                         InstanceMethod<&UdpWrap::ref>("ref"),
                         InstanceMethod<&UdpWrap::unref>("unref"),
                     });
}

UdpWrap::UdpWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  // An environment that is being ended has not wrapped this: nobody would ever free a descriptor.
  if (IsEmpty()) return;
  const Napi::Env env = info.Env();
  int error = 0;
  const Napi::Value source = info[0];
  share_queued(info[1]);
  const std::string kind = text_of(property_of(source, "kind"));
  const int given = int_of(property_of(source, "descriptor"));
  if (kind == "adopt") {
    // A descriptor that this thread polls for somebody else already (EEXIST) stays that one's:
    // nothing is set on it, and nobody here closes it.
    const int receive_buffer = int_of(property_of(source, "receiveBuffer"));
    const int send_buffer = int_of(property_of(source, "sendBuffer"));
    if (!open_handles(env, given)) return;
    socket_ = io::UdpSocket::adopt(given, receive_buffer, send_buffer, error);
    if (socket_) return;
    close_handles(handles_);
    throw_errno(env, error, "open");
    return;
  }
  if (kind == "share") {
    socket_ = io::UdpSocket::share(given, error);
    if (!socket_) throw_errno(env, error, "dup");
  } else if (kind == "bind") {
    socket_ = bind(source, error);
    if (!socket_) throw_errno(env, error, "bind");
  }
  if (socket_ && !open_handles(env, socket_->descriptor())) socket_.reset();
}

UdpWrap::~UdpWrap() { stop(); }

void UdpWrap::share_queued(const Napi::Value& value) {
  auto queued = value.As<Napi::Uint32Array>();
  queued_memory_ = Napi::Persistent(queued.As<Napi::Object>());
  queued_ = queued.Data();
}

void UdpWrap::publish_queued() {
  queued_[0] = static_cast<uint32_t>(socket_->queued_bytes());
  queued_[1] = static_cast<uint32_t>(socket_->queued_datagrams());
}

void UdpWrap::attach(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  endpoint_ = unwrap<EndpointWrap>(info[0]);
  outbox_ = unwrap<OutboxWrap>(info[1]);
  // There is no socket when the environment was ending and the constructor could not throw.
  if (endpoint_ == nullptr || outbox_ == nullptr || !socket_) return;
  endpoint_object_ = Napi::Persistent(info[0].As<Napi::Object>());
  outbox_object_ = Napi::Persistent(info[1].As<Napi::Object>());
  begin_ = Napi::Persistent(info[2].As<Napi::Function>());
  wake_ = Napi::Persistent(info[3].As<Napi::Function>());
  context_ = std::make_unique<Napi::AsyncContext>(env, "DGRAM_DTLS_UDP");
  endpoint_->endpoint().use(this);
  poll();
}

// False when it has thrown: the descriptor is then as it was.
bool UdpWrap::open_handles(Napi::Env env, int descriptor) {
  uv_loop_t* loop = nullptr;
  auto made = std::make_unique<Handles>();
  const int failed = napi_get_uv_event_loop(env, &loop) == napi_ok
                         ? uv_poll_init(loop, &made->poll, descriptor)
                         : UV_EBADF;
  if (failed != 0) {
    throw_errno(env, -failed, "open");
    return false;
  }
  handles_ = made.release();
  handles_->owner = this;
  handles_->open = 2;
  uv_timer_init(loop, &handles_->retry);
  uv_unref(reinterpret_cast<uv_handle_t*>(&handles_->retry));
  handles_->poll.data = handles_->retry.data = handles_;
  // An environment that ends closes the handles before it closes its loop.
  napi_add_async_cleanup_hook(
      env,
      [](napi_async_cleanup_hook_handle /*hook*/, void* handles) {
        close_handles(static_cast<Handles*>(handles));
      },
      handles_, &handles_->hook);
  return true;
}

void UdpWrap::close_handles(Handles* handles) {
  if (handles->owner != nullptr) handles->owner->handles_ = nullptr;
  handles->owner = nullptr;
  if (handles->closing) return;
  handles->closing = true;
  uv_poll_stop(&handles->poll);
  uv_timer_stop(&handles->retry);
  uv_close(reinterpret_cast<uv_handle_t*>(&handles->poll), on_handle_closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&handles->retry), on_handle_closed);
}

void UdpWrap::on_handle_closed(uv_handle_t* handle) {
  auto* handles = static_cast<Handles*>(handle->data);
  if (--handles->open != 0) return;
  const std::unique_ptr<Handles> closed(handles);
  napi_remove_async_cleanup_hook(closed->hook);
}

void UdpWrap::stop() {
  if (handles_ != nullptr) {
    // A handler that closes the socket is in a callback of this context: that of Node's own sockets
    // ends with the handle, too.
    handles_->context = std::move(context_);
    close_handles(handles_);
  }
  socket_.reset();
  // These functions know this socket: while it holds them, neither would ever be collected.
  begin_.Reset();
  wake_.Reset();
  which_blocked_.Reset();
  endpoint_object_.Reset();
  outbox_object_.Reset();
}

void UdpWrap::poll() {
  if (handles_ == nullptr) return;
  const int events = wants_to_write_ ? UV_READABLE | UV_WRITABLE : UV_READABLE;
  uv_poll_start(&handles_->poll, events, [](uv_poll_t* handle, int status, int what) {
    UdpWrap* owner = static_cast<Handles*>(handle->data)->owner;
    if (owner != nullptr) owner->on_poll(status, what);
  });
}

void UdpWrap::on_poll(int status, int events) {
  const Napi::Env env = Env();
  const Napi::HandleScope scope(env);
  // Whatever JavaScript is called may close this socket and forget it: it lives on in this scope,
  // as do those that it knows.
  static_cast<void>(Value());
  static_cast<void>(endpoint_object_.Value());
  static_cast<void>(outbox_object_.Value());
  if (outbox_->outbox().empty()) peers_.clear();
  if (status < 0) {
    // libuv stops polling at an error on the socket: an ICMP message, as a rule.
    socket_->keep_errors(*this);
    poll();
  }
  if (status < 0 || (events & UV_READABLE) != 0) {
    call_guarded(env, begin_, {});
    if (socket_) receive_some();
  }
  if (socket_) send_queued();
  endpoint_->publish_deadline();
  wake_up(env);
}

// A handler or a tick of the user's that throws ends the call, and what is left in the outbox needs
// another one. Its error is reported while the callback is still open: Node then forgets the tick
// that it was in, which at the end of the callback it would take for a broken stack, and abort.
void UdpWrap::wake_up(Napi::Env env) {
  if (!context_) return;
  const Napi::CallbackScope callback(env, *context_);
  bool threw = false;
  do {
    wake_.Call({});
    napi_value thrown = nullptr;
    threw = env.IsExceptionPending() &&
            napi_get_and_clear_last_exception(env, &thrown) == napi_ok &&
            napi_fatal_exception(env, thrown) == napi_ok;
  } while (threw && !wake_.IsEmpty() && !outbox_->outbox().empty());
}

void UdpWrap::receive_some() {
  for (int call = 0; call < kReceiveCalls; ++call) {
    int error = 0;
    batch_time_ = now();
    const io::UdpSocket::Received received = socket_->receive(outbox_->buffers(), *this, error);
    if (!came_.empty()) take_those_not_blocked();
    if (!socket_) return;
    switch (received) {
      case io::UdpSocket::Received::kNothing:
      case io::UdpSocket::Received::kAll:
        return;
      case io::UdpSocket::Received::kSome:
        if (now() - batch_time_ > kReceiveTime) return;
        continue;
      case io::UdpSocket::Received::kFailed:
        endpoint_->endpoint().transport_broke(error);
        uv_poll_stop(&handles_->poll);
        return;
    }
  }
}

// Where there is a block list, what came waits until the list has been asked: JavaScript runs only
// when the socket is done, which it may close.
void UdpWrap::on_datagrams(Bytes datagrams, size_t segment, const io::SocketAddress& from,
                           const PeerAddress& peer) {
  if (which_blocked_.IsEmpty()) {
    take(datagrams, segment, from, peer, false);
  } else {
    came_.push_back({datagrams, segment, from, peer});
  }
}

void UdpWrap::take(Bytes datagrams, size_t segment, const io::SocketAddress& from,
                   const PeerAddress& peer, bool blocked) {
  // A session names its peer itself; only records without one need this.
  peers_.push_back(from);
  const size_t before = outbox_->outbox().named_peers();
  const auto index = static_cast<uint32_t>(peers_.size() - 1);
  Endpoint& endpoint = endpoint_->endpoint();
  if (blocked) {
    endpoint.drop(datagrams, segment, peer, index, Endpoint::Unheard::kBlocked);
  } else if (from.port() == 0) {
    endpoint.drop(datagrams, segment, peer, index, Endpoint::Unheard::kUnanswerable);
  } else {
    endpoint.receive_merged(datagrams, segment, peer, index, batch_time_);
  }
  if (outbox_->outbox().named_peers() == before) peers_.pop_back();
}

// Asks Node's own BlockList, which may change at any time, and can be asked in JavaScript only.
// Once for datagrams that came merged, and for all of them that one system call brought. When it
// cannot be asked nobody is heard.
void UdpWrap::take_those_not_blocked() {
  static_assert(io::ReceiveBuffers::kMessages < 32, "each has a bit in a number of JavaScript's");
  const Napi::HandleScope scope(Env());
  const std::vector<Came> came = std::exchange(came_, {});
  const std::vector<std::pair<PeerAddress, int>> errors = std::exchange(errors_, {});
  std::vector<napi_value> addresses;
  addresses.reserve(came.size());
  for (const Came& one : came) {
    const std::string host = one.from.host();
    napi_value address = nullptr;
    // Fails where the environment is being ended: then nobody is to be heard any more.
    if (napi_create_string_utf8(Env(), host.data(), host.size(), &address) != napi_ok) return;
    addresses.push_back(address);
  }
  napi_value answer = call_guarded(Env(), which_blocked_, addresses);
  uint32_t blocked = UINT32_MAX;
  if (answer == nullptr || napi_get_value_uint32(Env(), answer, &blocked) != napi_ok) {
    blocked = UINT32_MAX;
  }
  if (!socket_) return;
  for (size_t at = 0; at < came.size(); ++at) {
    const Came& one = came[at];
    take(one.datagrams, one.segment, one.from, one.peer, (blocked >> at & 1) != 0);
  }
  for (const auto& [peer, error] : errors) on_error(peer, error);
}

// It comes after the datagrams that came before it.
void UdpWrap::on_error(const PeerAddress& peer, int error) {
  if (came_.empty()) {
    endpoint_->endpoint().transport_error(peer, error);
  } else {
    errors_.emplace_back(peer, error);
  }
}

void UdpWrap::on_sent(SessionId from, uint32_t token, int error) {
  Outbox& outbox = outbox_->outbox();
  if (token != 0) {
    outbox.append(RecordType::kSent, from, token, static_cast<uint32_t>(error));
  }
  // Only what is none of DTLS has a token and no session: whoever sent it is told, and nobody else.
  if (error != 0 && (token == 0 || from.slot != kNoSlot)) {
    outbox.append(RecordType::kTransportError, from, static_cast<uint32_t>(error),
                  kTransportRefused.put(true));
  }
}

void UdpWrap::transmit(const PeerAddress& to, SessionId from, uint32_t token, Bytes datagram) {
  if (!socket_) return;
  if (!socket_->queue(to, from, token, datagram)) on_sent(from, token, ENOBUFS);
  publish_queued();
}

void UdpWrap::send_queued() {
  const io::UdpSocket::Flushed flushed = socket_->flush(*this);
  publish_queued();
  if (flushed == io::UdpSocket::Flushed::kLater) {
    retry_later();
  } else {
    retry_delay_ = 0;
  }
  // What has been taken from the system makes the socket readable no more.
  if (socket_->keeps_errors()) wake_after(0);
  const bool full = flushed == io::UdpSocket::Flushed::kFull;
  if (full == wants_to_write_) return;
  wants_to_write_ = full;
  poll();
}

// The socket is writable all the while: it would only be tried over and over.
void UdpWrap::retry_later() {
  if (handles_ == nullptr || uv_is_active(reinterpret_cast<uv_handle_t*>(&handles_->retry)) != 0) {
    return;
  }
  retry_delay_ = retry_delay_ == 0 ? kFirstRetry : std::min(2 * retry_delay_, kLastRetry);
  wake_after(retry_delay_);
}

// The next wake-up comes by then, whatever the system has to say.
void UdpWrap::wake_after(uint64_t milliseconds) {
  if (handles_ == nullptr) return;
  uv_timer_start(
      &handles_->retry,
      [](uv_timer_t* timer) {
        UdpWrap* owner = static_cast<Handles*>(timer->data)->owner;
        if (owner != nullptr) owner->on_poll(0, UV_READABLE | UV_WRITABLE);
      },
      milliseconds, 0);
}

// In the queue, as all else that leaves by this socket: ICMP about other datagrams, which the
// system reports in place of sending this one, is told apart there.
Napi::Value UdpWrap::send_unprotected(const Napi::CallbackInfo& info) {
  io::SocketAddress to;
  const bool parsed =
      io::parse_address(text_of(info[0]), static_cast<uint16_t>(int_of(info[1])), to);
  if (!parsed || !socket_ || endpoint_ == nullptr) {
    return Napi::Number::New(info.Env(), parsed ? EBADF : EINVAL);
  }
  const auto token = info[3].As<Napi::Number>().Uint32Value();
  transmit(io::to_peer(to), {endpoint_->endpoint().id(), kNoSlot, 0}, token, bytes_of(info[2]));
  return Napi::Number::New(info.Env(), 0);
}

void UdpWrap::flush(const Napi::CallbackInfo& /*info*/) {
  if (socket_) send_queued();
}

void UdpWrap::block(const Napi::CallbackInfo& info) {
  which_blocked_.Reset();
  if (socket_ && info[0].IsFunction()) {
    which_blocked_ = Napi::Persistent(info[0].As<Napi::Function>());
  }
}

Napi::Value UdpWrap::connect(const Napi::CallbackInfo& info) {
  io::SocketAddress peer;
  const bool parsed = io::parse_address(info[0].As<Napi::String>().Utf8Value(),
                                        static_cast<uint16_t>(int_of(info[1])), peer);
  return Napi::Number::New(info.Env(), parsed && socket_ ? socket_->connect(peer) : EINVAL);
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

// For records about a peer of which no datagram is being received.
Napi::Value UdpWrap::index_of(const Napi::CallbackInfo& info) {
  if (outbox_ == nullptr || outbox_->outbox().empty()) peers_.clear();
  io::SocketAddress peer;
  io::parse_address(text_of(info[0]), static_cast<uint16_t>(int_of(info[1])), peer);
  peers_.push_back(peer);
  return Napi::Number::New(info.Env(), static_cast<double>(peers_.size() - 1));
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
  if (stats.buffersDropped) put("buffersDropped", *stats.buffersDropped);
  result.Set("gso", socket_ && socket_->gso());
  result.Set("gro", socket_ && socket_->gro());
  return result;
}

void UdpWrap::close(const Napi::CallbackInfo& /*info*/) {
  if (socket_) socket_->abandon(*this);
  queued_[0] = queued_[1] = 0;
  stop();
}

void UdpWrap::ref(const Napi::CallbackInfo& /*info*/) {
  if (handles_ != nullptr) uv_ref(reinterpret_cast<uv_handle_t*>(&handles_->poll));
}

void UdpWrap::unref(const Napi::CallbackInfo& /*info*/) {
  if (handles_ != nullptr) uv_unref(reinterpret_cast<uv_handle_t*>(&handles_->poll));
}

}  // namespace dtls::binding

#endif
