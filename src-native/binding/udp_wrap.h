#ifndef DGRAM_DTLS_BINDING_UDP_WRAP_H_
#define DGRAM_DTLS_BINDING_UDP_WRAP_H_

#ifdef __linux__

#include <napi.h>
#include <uv.h>

#include <memory>
#include <vector>

#include "binding/wraps.h"
#include "core/transmitter.h"
#include "io/udp_socket.h"

namespace dtls::binding {

// A UDP socket that is polled by the environment's own event loop, and the endpoint that it brings
// datagrams to: no JavaScript runs for a datagram, and once for all that a wake-up brought.
class UdpWrap : public Napi::ObjectWrap<UdpWrap>, public Transmitter, private io::UdpListener {
 public:
  static Napi::Function define(Napi::Env env);
  explicit UdpWrap(const Napi::CallbackInfo& info);
  ~UdpWrap() override;
  UdpWrap(const UdpWrap&) = delete;
  UdpWrap& operator=(const UdpWrap&) = delete;

  void transmit(const PeerAddress& to, SessionId from, uint32_t token, Bytes datagram) override;

 private:
  // The poll handle outlives the socket until libuv has let go of it.
  struct Poll {
    uv_poll_t handle{};
    UdpWrap* owner = nullptr;
    napi_async_cleanup_hook_handle hook = nullptr;
    bool closing = false;
  };

  void attach(const Napi::CallbackInfo& info);
  Napi::Value connect(const Napi::CallbackInfo& info);
  Napi::Value address(const Napi::CallbackInfo& info);
  Napi::Value peer(const Napi::CallbackInfo& info);
  Napi::Value descriptor(const Napi::CallbackInfo& info);
  Napi::Value set_ttl(const Napi::CallbackInfo& info);
  Napi::Value counters(const Napi::CallbackInfo& info);
  void flush(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);
  void ref(const Napi::CallbackInfo& info);
  void unref(const Napi::CallbackInfo& info);

  void on_datagram(Bytes datagram, const io::SocketAddress& from, const PeerAddress& peer) override;
  void on_error(const PeerAddress& peer, int error) override;
  void on_sent(SessionId from, uint32_t token, int error) override;

  void on_poll(int status, int events);
  void receive_some();
  void send_queued();
  void poll();
  void stop();
  static void close_poll(Poll* poll);

  std::unique_ptr<io::UdpSocket> socket_;
  Poll* poll_ = nullptr;  // frees itself when libuv has closed it
  bool wants_to_write_ = false;
  EndpointWrap* endpoint_ = nullptr;  // kept alive by endpoint_object_
  OutboxWrap* outbox_ = nullptr;      // kept alive by outbox_object_
  Napi::ObjectReference endpoint_object_;
  Napi::ObjectReference outbox_object_;
  Napi::ObjectReference queued_memory_;
  uint32_t* queued_ = nullptr;  // bytes in the queue, for JavaScript to see
  Napi::FunctionReference wake_;
  std::unique_ptr<Napi::AsyncContext> context_;
  // Of the datagrams whose records JavaScript has not taken yet.
  std::vector<io::SocketAddress> peers_;
  double batch_time_ = 0;
};

}  // namespace dtls::binding

#endif

#endif  // DGRAM_DTLS_BINDING_UDP_WRAP_H_
