#ifndef DGRAM_DTLS_BINDING_UDP_WRAP_H_
#define DGRAM_DTLS_BINDING_UDP_WRAP_H_

#ifdef __linux__

#include <napi.h>
#include <uv.h>

#include <memory>
#include <utility>
#include <vector>

#include "binding/wraps.h"
#include "core/outbox/transmitter.h"
#include "io/udp_socket.h"

namespace dtls::binding {

// A UDP socket that is polled by the environment's own event loop, and the endpoint that it brings
// datagrams to. JavaScript runs once before the datagrams of a wake-up are read (`begin_`), and
// once for all that came of them (`wake_`). Where there is a block list it is asked about those
// that one system call brought (`which_blocked_`), when the call is over. No code of a user's is
// meant to run in the first and the last of these, and none that does can do harm: after each of
// them this socket may be closed.
class UdpWrap : public Napi::ObjectWrap<UdpWrap>, public Transmitter, private io::UdpListener {
 public:
  static Napi::Function define(Napi::Env env);
  explicit UdpWrap(const Napi::CallbackInfo& info);
  ~UdpWrap() override;
  UdpWrap(const UdpWrap&) = delete;
  UdpWrap& operator=(const UdpWrap&) = delete;

  uint8_t* room(const PeerAddress& to, size_t size) override {
    return socket_ ? socket_->room(to, size) : nullptr;
  }
  void transmit(const PeerAddress& to, SessionId from, uint32_t token, Bytes datagram) override;

 private:
  // libuv's handles outlive the socket until it has let go of them.
  struct Handles {
    uv_poll_t poll{};
    uv_timer_t retry{};
    int open = 0;
    UdpWrap* owner = nullptr;
    napi_async_cleanup_hook_handle hook = nullptr;
    std::unique_ptr<Napi::AsyncContext> context;
    bool closing = false;
  };

  void attach(const Napi::CallbackInfo& info);
  void block(const Napi::CallbackInfo& info);
  Napi::Value connect(const Napi::CallbackInfo& info);
  Napi::Value address(const Napi::CallbackInfo& info);
  Napi::Value peer(const Napi::CallbackInfo& info);
  Napi::Value index_of(const Napi::CallbackInfo& info);
  Napi::Value descriptor(const Napi::CallbackInfo& info);
  Napi::Value set_ttl(const Napi::CallbackInfo& info);
  Napi::Value counters(const Napi::CallbackInfo& info);
  Napi::Value send_unprotected(const Napi::CallbackInfo& info);
  void flush(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);
  void ref(const Napi::CallbackInfo& info);
  void unref(const Napi::CallbackInfo& info);

  void on_datagrams(Bytes datagrams, size_t segment, const io::SocketAddress& from,
                    const PeerAddress& peer) override;
  void on_error(const PeerAddress& peer, int error) override;
  void on_sent(SessionId from, uint32_t token, int error) override;

  bool open_handles(Napi::Env env, int descriptor);
  // Datagrams that one system call brought, in the buffers of the outbox.
  struct Came {
    Bytes datagrams;
    size_t segment;
    io::SocketAddress from;
    PeerAddress peer;
  };
  void take(Bytes datagrams, size_t segment, const io::SocketAddress& from, const PeerAddress& peer,
            bool blocked);
  void take_those_not_blocked();
  void share_queued(const Napi::Value& value);
  void publish_queued();
  void on_poll(int status, int events);
  void wake_up(Napi::Env env);
  void receive_some();
  void send_queued();
  void poll();
  void stop();
  void retry_later();
  void wake_after(uint64_t milliseconds);
  static void close_handles(Handles* handles);
  static void on_handle_closed(uv_handle_t* handle);

  std::unique_ptr<io::UdpSocket> socket_;
  Handles* handles_ = nullptr;  // free themselves when libuv has closed them
  bool wants_to_write_ = false;
  uint64_t retry_delay_ = 0;          // milliseconds; 0 when the last try went well
  EndpointWrap* endpoint_ = nullptr;  // kept alive by endpoint_object_
  OutboxWrap* outbox_ = nullptr;      // kept alive by outbox_object_
  Napi::ObjectReference endpoint_object_;
  Napi::ObjectReference outbox_object_;
  Napi::ObjectReference queued_memory_;
  uint32_t* queued_ = nullptr;  // the queue for JavaScript to see: bytes, datagrams
  Napi::FunctionReference begin_;
  Napi::FunctionReference wake_;
  Napi::FunctionReference which_blocked_;            // empty: nobody is
  std::vector<Came> came_;                           // waits for what it says
  std::vector<std::pair<PeerAddress, int>> errors_;  // and what ICMP said since
  std::unique_ptr<Napi::AsyncContext> context_;
  // The senders of the datagrams whose records JavaScript has not taken yet.
  std::vector<io::SocketAddress> peers_;
  double batch_time_ = 0;
};

}  // namespace dtls::binding

#endif

#endif  // DGRAM_DTLS_BINDING_UDP_WRAP_H_
