#ifndef DGRAM_DTLS_BENCH_ADDON_H_
#define DGRAM_DTLS_BENCH_ADDON_H_

#include <napi.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "bare_keys.h"
#include "tls.h"
#include "udp.h"

// What the functions of the addon share, and the functions, by the file that has them. What each
// takes and does stands there. They throw std::exception; addon.cc makes it JavaScript's.
namespace bench {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxDatagram = 20000;
// Each session of open_sessions and seal_sessions comes from an address of its own: 127.1.0.1 and
// up.
constexpr uint32_t kFirstHost = 0x7f010001;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// A peer among many, and what it has to say: datagrams of one size, sealed beforehand, so that the
// SSL could go.
struct Speaker {
  std::unique_ptr<HostLink> link;
  std::vector<uint8_t> sealed;
  size_t size = 0;
};

struct UdpSession {
  explicit UdpSession(uint32_t host = INADDR_LOOPBACK) : socket(host) {}
  UdpSocket socket;
  std::unique_ptr<UdpLink> link;
  SslPtr ssl;
  std::unique_ptr<BareKeys> keys;  // in place of the SSL, once they are there
};

// One of each per process is enough.
struct State {
  SslCtxPtr server_ctx;
  SslCtxPtr client_ctx;
  std::map<uint32_t, UdpSession> sessions;
  uint32_t next_session = 1;
  // The sessions that are held, by peer; all are over one link.
  std::unordered_map<uint64_t, SslPtr> held;
  OneDatagramLink held_link;
  std::unique_ptr<UdpSocket> speaking;
  std::vector<Speaker> speakers;
  uint64_t spoken = 0;
};

State& state();

inline uint32_t u32(const Napi::CallbackInfo& info, size_t index) {
  return info[index].As<Napi::Number>().Uint32Value();
}

inline UdpSession& session(const Napi::CallbackInfo& info) {
  return state().sessions.at(u32(info, 0));
}

UdpSession& add_session();

// { count, seconds }
Napi::Value amount(Napi::Env env, uint64_t count, double seconds);

// senders.cc
Napi::Value connect(const Napi::CallbackInfo& info);
Napi::Value connect_plain(const Napi::CallbackInfo& info);
Napi::Value blast(const Napi::CallbackInfo& info);
Napi::Value blast_bare(const Napi::CallbackInfo& info);
Napi::Value blast_mixed(const Napi::CallbackInfo& info);

// receivers.cc
Napi::Value open_sink(const Napi::CallbackInfo& info);
void accept(const Napi::CallbackInfo& info);
Napi::Value count_messages(const Napi::CallbackInfo& info);
Napi::Value count_merged(const Napi::CallbackInfo& info);
Napi::Value count_bare(const Napi::CallbackInfo& info);
Napi::Value count_datagrams(const Napi::CallbackInfo& info);
void echo(const Napi::CallbackInfo& info);
Napi::Value ping(const Napi::CallbackInfo& info);

// handshakes.cc
Napi::Value shake_hands(const Napi::CallbackInfo& info);
Napi::Value serve_handshakes(const Napi::CallbackInfo& info);
Napi::Value handshakes(const Napi::CallbackInfo& info);
Napi::Value handshakes_over_loopback(const Napi::CallbackInfo& info);

// many_sessions.cc
void open_sessions(const Napi::CallbackInfo& info);
void seal_sessions(const Napi::CallbackInfo& info);
void speak(const Napi::CallbackInfo& info);
void hold_sessions(const Napi::CallbackInfo& info);
Napi::Value count_of_held(const Napi::CallbackInfo& info);
Napi::Value receive_from_many(const Napi::CallbackInfo& info);

// memory_client.cc
Napi::Function define_memory_client(Napi::Env env);

// memory.cc
Napi::Value idle_memory(const Napi::CallbackInfo& info);
Napi::Value resident_bytes(const Napi::CallbackInfo& info);
Napi::Value allocated_bytes(const Napi::CallbackInfo& info);

}  // namespace bench

#endif  // DGRAM_DTLS_BENCH_ADDON_H_
