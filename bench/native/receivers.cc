// Sinks that count or answer what comes.

#include <sys/socket.h>
#include <algorithm>
#include <array>
#include <memory>
#include <tuple>
#include <vector>

#include "addon.h"

namespace bench {

// openSink(): [session, port]
Napi::Value open_sink(const Napi::CallbackInfo& info) {
  const UdpSession& made = add_session();
  Napi::Array result = Napi::Array::New(info.Env(), 2);
  result.Set(0U, state().next_session - 1);
  result.Set(1U, made.socket.port());
  return result;
}

// accept(session): serves one handshake.
void accept(const Napi::CallbackInfo& info) {
  UdpSession& to = session(info);
  to.ssl.reset();
  to.link = std::make_unique<UdpLink>(to.socket, false);
  to.ssl = make_ssl(state().server_ctx.get(), Side::kServer, *to.link);
  accept_over(to.ssl.get());
}

// countMessages(session, milliseconds): what SSL_read gives, one system call each.
Napi::Value count_messages(const Napi::CallbackInfo& info) {
  const UdpSession& to = session(info);
  const double limit = u32(info, 1) / 1000.0;
  std::array<uint8_t, kMaxDatagram> message{};
  uint64_t count = 0;
  const Clock::time_point start = Clock::now();
  while (seconds_since(start) < limit) {
    if (SSL_read(to.ssl.get(), message.data(), static_cast<int>(message.size())) > 0) ++count;
  }
  return amount(info.Env(), count, seconds_since(start));
}

// countMerged(session, milliseconds): the same, with UDP_GRO.
Napi::Value count_merged(const Napi::CallbackInfo& info) {
  const UdpSession& to = session(info);
  const double limit = u32(info, 1) / 1000.0;
  std::array<uint8_t, kMaxDatagram> message{};
  Merged merged(to.socket.descriptor());
  to.link->take_from(&merged);
  uint64_t count = 0;
  const Clock::time_point start = Clock::now();
  while (seconds_since(start) < limit) {
    if (!merged.receive()) continue;
    while (SSL_read(to.ssl.get(), message.data(), static_cast<int>(message.size())) > 0) ++count;
  }
  to.link->take_from(nullptr);
  return amount(info.Env(), count, seconds_since(start));
}

// countBare(session, milliseconds): the same, by the session's bare keys.
Napi::Value count_bare(const Napi::CallbackInfo& info) {
  UdpSession& to = session(info);
  if (!to.keys) to.keys = std::make_unique<BareKeys>(to.ssl.get());
  const double limit = u32(info, 1) / 1000.0;
  std::array<uint8_t, kMaxDatagram> message{};
  Merged merged(to.socket.descriptor());
  uint64_t count = 0;
  const Clock::time_point start = Clock::now();
  while (seconds_since(start) < limit) {
    if (!merged.receive()) continue;
    for (auto [data, size] = merged.next(); data != nullptr; std::tie(data, size) = merged.next()) {
      if (to.keys->open(data, size, message.data()) >= 0) ++count;
    }
  }
  return amount(info.Env(), count, seconds_since(start));
}

// countDatagrams(session, milliseconds): what arrives, unread. Merged where it was sent merged: or
// the kernel would cut it apart in the sender's time, as no network does.
Napi::Value count_datagrams(const Napi::CallbackInfo& info) {
  Merged merged(session(info).socket.descriptor());
  const double limit = u32(info, 1) / 1000.0;
  uint64_t count = 0;
  const Clock::time_point start = Clock::now();
  while (seconds_since(start) < limit) {
    if (!merged.receive()) continue;
    while (merged.next().first != nullptr) ++count;
  }
  return amount(info.Env(), count, seconds_since(start));
}

// echo(session, milliseconds): sends back what comes.
void echo(const Napi::CallbackInfo& info) {
  const UdpSession& to = session(info);
  const double limit = u32(info, 1) / 1000.0;
  std::array<uint8_t, kMaxDatagram> message{};
  const Clock::time_point start = Clock::now();
  while (seconds_since(start) < limit) {
    const int size = SSL_read(to.ssl.get(), message.data(), static_cast<int>(message.size()));
    if (size > 0) SSL_write(to.ssl.get(), message.data(), size);
  }
}

// ping(session, size, milliseconds): microseconds of each round trip, one after the other. Without
// DTLS where the session is plain.
Napi::Value ping(const Napi::CallbackInfo& info) {
  UdpSession& from = session(info);
  std::vector<uint8_t> message(u32(info, 1), 0x5a);
  std::array<uint8_t, kMaxDatagram> answer{};
  const double limit = u32(info, 2) / 1000.0;
  std::vector<double> times;
  const Clock::time_point start = Clock::now();
  while (seconds_since(start) < limit) {
    const Clock::time_point asked = Clock::now();
    ssize_t got = 0;
    if (from.ssl) {
      SSL_write(from.ssl.get(), message.data(), static_cast<int>(message.size()));
      got = SSL_read(from.ssl.get(), answer.data(), static_cast<int>(answer.size()));
    } else {
      ::send(from.socket.descriptor(), message.data(), message.size(), 0);
      got = ::recv(from.socket.descriptor(), answer.data(), answer.size(), 0);
    }
    if (got > 0) times.push_back(seconds_since(asked) * 1e6);
  }
  if (times.empty()) throw std::runtime_error("no answers came");
  std::sort(times.begin(), times.end());
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("median", times[times.size() / 2]);
  result.Set("p99", times[times.size() * 99 / 100]);
  return result;
}

}  // namespace bench
