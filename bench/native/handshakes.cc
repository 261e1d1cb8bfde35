// Full handshakes: as client, as server, and both in one loop.

#include "addon.h"
#include "memory_link.h"

namespace bench {

// shakeHands(port, milliseconds): one handshake after the other, each from a port of its own. The
// sessions end without a word.
Napi::Value shake_hands(const Napi::CallbackInfo& info) {
  const double limit = u32(info, 1) / 1000.0;
  uint64_t count = 0;
  const Clock::time_point start = Clock::now();
  for (; seconds_since(start) < limit; ++count) {
    UdpSession made;
    made.socket.connect(static_cast<uint16_t>(u32(info, 0)));
    made.link = std::make_unique<UdpLink>(made.socket, true);
    made.ssl = make_ssl(state().client_ctx.get(), Side::kClient, *made.link);
    connect_over(made.ssl.get());
  }
  return amount(info.Env(), count, seconds_since(start));
}

// serveHandshakes(session, milliseconds): one after the other, for so long and then until nobody
// has come for a second: a client that began in time on a busy machine is not left alone.
Napi::Value serve_handshakes(const Napi::CallbackInfo& info) {
  const UdpSession& at = session(info);
  const double limit = u32(info, 1) / 1000.0;
  uint64_t count = 0;
  const Clock::time_point start = Clock::now();
  Clock::time_point last = start;
  const auto over = [&] { return seconds_since(start) > limit && seconds_since(last) > 1; };
  while (!over()) {
    UdpLink link(at.socket, false);
    const SslPtr ssl = make_ssl(state().server_ctx.get(), Side::kServer, link);
    bool listening = true;
    while (listening && !over()) listening = !listen_step(ssl.get());
    if (listening) break;
    connect_over(ssl.get());
    last = Clock::now();
    ++count;
  }
  return amount(info.Env(), count, seconds_since(start));
}

// handshakes(milliseconds): client and server in this thread, cookie exchange included.
Napi::Value handshakes(const Napi::CallbackInfo& info) {
  const double limit = u32(info, 0) / 1000.0;
  uint64_t count = 0;
  const Clock::time_point start = Clock::now();
  for (; seconds_since(start) < limit; ++count) {
    MemoryPair pair(state().client_ctx.get(), state().server_ctx.get());
    pair.handshake();
    pair.close();
  }
  return amount(info.Env(), count, seconds_since(start));
}

// handshakesOverLoopback(milliseconds): the same over UDP, one socket for the server and a new one
// for each client. What is sent over the loopback interface is there when the call returns.
Napi::Value handshakes_over_loopback(const Napi::CallbackInfo& info) {
  const double limit = u32(info, 0) / 1000.0;
  const UdpSocket serving;
  const auto nothing = [] {};
  uint64_t count = 0;
  const Clock::time_point start = Clock::now();
  for (; seconds_since(start) < limit; ++count) {
    UdpSocket own;
    own.connect(serving.port());
    UdpLink client_link(own, true);
    UdpLink server_link(serving, false);
    client_link.never_wait();
    server_link.never_wait();
    const SslPtr client = make_ssl(state().client_ctx.get(), Side::kClient, client_link);
    const SslPtr server = make_ssl(state().server_ctx.get(), Side::kServer, server_link);
    handshake_in_turns(client.get(), server.get(), nothing);
    close_in_turns(client.get(), server.get(), nothing);
  }
  return amount(info.Env(), count, seconds_since(start));
}

}  // namespace bench
