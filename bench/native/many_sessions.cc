// Sessions by the thousand: those that speak, and those that are held.

#include <array>
#include <ctime>
#include <stdexcept>
#include <tuple>

#include "addon.h"
#include "memory_link.h"

namespace bench {

namespace {

uint64_t key_of(const sockaddr_in& peer) {
  return uint64_t{peer.sin_addr.s_addr} << 16 | peer.sin_port;
}

}  // namespace

// openSessions(port, count, first): sessions that stay open at the server and end here without a
// word.
void open_sessions(const Napi::CallbackInfo& info) {
  const uint32_t count = u32(info, 1);
  for (uint32_t i = 0; i < count; ++i) {
    UdpSession made(kFirstHost + u32(info, 2) + i);
    made.socket.connect(static_cast<uint16_t>(u32(info, 0)));
    made.link = std::make_unique<UdpLink>(made.socket, true);
    made.ssl = make_ssl(state().client_ctx.get(), Side::kClient, *made.link);
    connect_over(made.ssl.get());
  }
}

// sealSessions(port, count, first, each, size): handshakes, and then `each` messages of every
// session are made ready for `speak`.
void seal_sessions(const Napi::CallbackInfo& info) {
  const uint32_t each = u32(info, 3);
  const std::vector<uint8_t> message(u32(info, 4), 0x5a);
  State& own = state();
  if (!own.speaking) own.speaking = std::make_unique<UdpSocket>(INADDR_ANY);
  for (uint32_t i = 0; i < u32(info, 1); ++i) {
    Speaker made;
    made.link = std::make_unique<HostLink>(*own.speaking, kFirstHost + u32(info, 2) + i,
                                           static_cast<uint16_t>(u32(info, 0)));
    MemoryLink sealed;
    const SslPtr ssl = make_ssl(own.client_ctx.get(), Side::kClient, *made.link);
    connect_over(ssl.get());
    set_link(ssl.get(), sealed);
    for (uint32_t n = 0; n < each; ++n) {
      SSL_write(ssl.get(), message.data(), static_cast<int>(message.size()));
      for (const Datagram& datagram : sealed.take_written()) {
        made.size = datagram.size();
        made.sealed.insert(made.sealed.end(), datagram.begin(), datagram.end());
      }
      if (n == 0) made.sealed.reserve(made.size * each);
    }
    own.speakers.push_back(std::move(made));
  }
}

// speak(count): the next sealed messages, of all sessions in turn, with one system call each.
void speak(const Napi::CallbackInfo& info) {
  State& own = state();
  for (uint32_t left = u32(info, 0); left > 0; --left, ++own.spoken) {
    const Speaker& one = own.speakers.at(own.spoken % own.speakers.size());
    const size_t offset = own.spoken / own.speakers.size() * one.size;
    if (offset + one.size > one.sealed.size()) throw std::runtime_error("nothing more to say");
    one.link->write(one.sealed.data() + offset, static_cast<int>(one.size));
  }
}

// holdSessions(session, count): accepts sessions one after the other and keeps them.
void hold_sessions(const Napi::CallbackInfo& info) {
  UdpSession& at = session(info);
  for (uint32_t left = u32(info, 1); left > 0; --left) {
    UdpLink link(at.socket, false);
    SslPtr ssl = make_ssl(state().server_ctx.get(), Side::kServer, link);
    accept_over(ssl.get());
    set_link(ssl.get(), state().held_link);
    state().held.emplace(key_of(link.peer()), std::move(ssl));
  }
}

// countOfHeld(session, milliseconds): messages of all held sessions, until nothing has come for a
// while, or for so long.
Napi::Value count_of_held(const Napi::CallbackInfo& info) {
  State& own = state();
  const double limit = u32(info, 1) / 1000.0;
  std::array<uint8_t, kMaxDatagram> message{};
  Merged merged(session(info).socket.descriptor());
  uint64_t count = 0;
  const Clock::time_point start = Clock::now();
  while (seconds_since(start) < limit) {
    if (!merged.receive()) {
      if (count > 0) break;
      continue;
    }
    for (auto [data, size] = merged.next(); data != nullptr; std::tie(data, size) = merged.next()) {
      const auto found = own.held.find(key_of(merged.peer()));
      if (found == own.held.end()) continue;
      own.held_link.give(data, size);
      SSL* ssl = found->second.get();
      if (SSL_read(ssl, message.data(), static_cast<int>(message.size())) > 0) ++count;
    }
  }
  return amount(info.Env(), count, seconds_since(start));
}

// receiveFromMany(sessions, messages, size): nanoseconds of CPU time for each message, which come
// from all sessions in turn.
Napi::Value receive_from_many(const Napi::CallbackInfo& info) {
  const size_t sessions = u32(info, 0);
  const size_t each = u32(info, 1) / sessions;
  const std::vector<uint8_t> message(u32(info, 2), 0x5a);
  std::vector<std::unique_ptr<MemoryPair>> pairs;
  std::vector<std::vector<Datagram>> sealed;
  for (size_t i = 0; i < sessions; ++i) {
    auto pair = std::make_unique<MemoryPair>(state().client_ctx.get(), state().server_ctx.get());
    pair->handshake();
    for (size_t n = 0; n < each; ++n) {
      SSL_write(pair->client.get(), message.data(), static_cast<int>(message.size()));
    }
    sealed.push_back(pair->client_link.take_written());
    pair->client.reset();
    pairs.push_back(std::move(pair));
  }
  // What arrives lies in memory in the order of arrival, as from a socket.
  std::vector<Datagram> arriving;
  for (size_t n = 0; n < each; ++n) {
    for (size_t i = 0; i < sessions; ++i) arriving.push_back(sealed[i][n]);
  }
  sealed.clear();
  std::array<uint8_t, kMaxDatagram> out{};
  size_t received = 0;
  const std::clock_t start = std::clock();
  for (size_t n = 0; n < each * sessions; ++n) {
    MemoryPair& from = *pairs[n % sessions];
    from.server_link.deliver(std::move(arriving[n]));
    if (SSL_read(from.server.get(), out.data(), static_cast<int>(out.size())) > 0) ++received;
  }
  const double elapsed = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  if (received != each * sessions) throw std::runtime_error("messages were lost");
  return Napi::Number::New(info.Env(), elapsed * 1e9 / static_cast<double>(received));
}

}  // namespace bench
