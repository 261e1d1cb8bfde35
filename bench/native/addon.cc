// The other half of the measurements: fast senders, sinks, and the same work in plain C. All
// functions block; bench/native.mjs runs them in processes of their own.

#include <malloc.h>
#include <napi.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <map>
#include <memory>
#include <stdexcept>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "memory_link.h"
#include "tls.h"
#include "udp.h"

namespace bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxDatagram = 20000;
// Each session of open_sessions and seal_sessions comes from an address of its own: 127.1.0.1 and
// up.
constexpr uint32_t kFirstHost = 0x7f010001;

double seconds_since(Clock::time_point start) {
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
};

// One of each per process is enough.
struct State {
  SslCtxPtr server_ctx;
  SslCtxPtr client_ctx;
  std::map<uint32_t, UdpSession> sessions;
  uint32_t next_session = 1;
  // By peer, all over one link.
  std::unordered_map<uint64_t, SslPtr> held;
  OneDatagramLink held_link;
  std::unique_ptr<UdpSocket> speaking;
  std::vector<Speaker> speakers;
  uint64_t spoken = 0;
};

State& state() {
  static State shared;
  return shared;
}

uint32_t u32(const Napi::CallbackInfo& info, size_t index) {
  return info[index].As<Napi::Number>().Uint32Value();
}

UdpSession& session(const Napi::CallbackInfo& info) { return state().sessions.at(u32(info, 0)); }

Napi::Value amount(Napi::Env env, uint64_t count, double seconds) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("count", static_cast<double>(count));
  result.Set("seconds", seconds);
  return result;
}

void set_credentials(const Napi::CallbackInfo& info) {
  const auto text = [&](size_t index) { return info[index].As<Napi::String>().Utf8Value(); };
  const Credentials credentials{text(0), text(1), text(2)};
  state().server_ctx = make_server_context(credentials);
  state().client_ctx = make_client_context(credentials);
}

// ---- senders ----

UdpSession& add_session() {
  State& own = state();
  return own.sessions.try_emplace(own.next_session++).first->second;
}

// connect(port): a session with a DTLS server.
Napi::Value connect(const Napi::CallbackInfo& info) {
  UdpSession& made = add_session();
  made.socket.connect(static_cast<uint16_t>(u32(info, 0)));
  made.link = std::make_unique<UdpLink>(made.socket, true);
  made.ssl = make_ssl(state().client_ctx.get(), Side::kClient, *made.link);
  connect_over(made.ssl.get());
  return Napi::Number::New(info.Env(), state().next_session - 1);
}

// connectPlain(port)
Napi::Value connect_plain(const Napi::CallbackInfo& info) {
  add_session().socket.connect(static_cast<uint16_t>(u32(info, 0)));
  return Napi::Number::New(info.Env(), state().next_session - 1);
}

// blast(session, size, milliseconds, merged): as many messages as will go, many or one with a
// system call.
Napi::Value blast(const Napi::CallbackInfo& info) {
  UdpSession& from = session(info);
  const std::vector<uint8_t> message(u32(info, 1), 0x5a);
  const double limit = u32(info, 2) / 1000.0;
  const bool merged = info[3].ToBoolean();
  Batch batch(from.socket.descriptor(), merged ? 60 : 1);
  if (from.link) {
    from.link->connect();
    from.link->collect_in(&batch);
  }
  const Clock::time_point start = Clock::now();
  while (seconds_since(start) < limit) {
    for (int i = 0; i < 128; ++i) {
      if (!from.ssl) {
        batch.add(message.data(), message.size());
      } else if (SSL_write(from.ssl.get(), message.data(), static_cast<int>(message.size())) <= 0) {
        throw std::runtime_error("SSL_write failed");
      }
    }
  }
  batch.send();
  if (from.link) from.link->collect_in(nullptr);
  return amount(info.Env(), batch.sent(), seconds_since(start));
}

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

// ---- receivers ----

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

// ---- the same work in plain C ----

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

uint64_t key_of(const sockaddr_in& peer) {
  return uint64_t{peer.sin_addr.s_addr} << 16 | peer.sin_port;
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

// ---- memory ----

double resident();

// idleMemory(count, setting): resident bytes for each of so many idle server sessions, with a
// setting that may shrink them: 'none', 'release' (SSL_MODE_RELEASE_BUFFERS), 'read'
// (SSL_CTX_set_default_read_buffer_len), 'fragment' (SSL_CTX_set_max_send_fragment), 'free'
// (SSL_free_buffers once idle).
Napi::Value idle_memory(const Napi::CallbackInfo& info) {
  const uint32_t count = u32(info, 0);
  const std::string setting = info[1].As<Napi::String>().Utf8Value();
  SSL_CTX* ctx = state().server_ctx.get();
  if (setting == "release") SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
  if (setting == "read") SSL_CTX_set_default_read_buffer_len(ctx, 2048);
  if (setting == "fragment") SSL_CTX_set_max_send_fragment(ctx, 1400);
  std::vector<std::unique_ptr<MemoryPair>> pairs;
  pairs.reserve(count + 10);
  double before = 0;
  std::array<uint8_t, 256> message{};
  for (uint32_t i = 0; i < count + 10; ++i) {
    if (i == 10) before = resident();
    auto pair = std::make_unique<MemoryPair>(state().client_ctx.get(), ctx);
    pair->handshake();
    // A session that was used: both ways.
    SSL_write(pair->client.get(), message.data(), 100);
    pair->server_link.deliver_from(pair->client_link);
    SSL_read(pair->server.get(), message.data(), static_cast<int>(message.size()));
    SSL_write(pair->server.get(), message.data(), 100);
    pair->server_link.take_written();
    pair->client.reset();
    if (setting == "free" && SSL_free_buffers(pair->server.get()) != 1) {
      throw std::runtime_error("SSL_free_buffers failed");
    }
    pairs.push_back(std::move(pair));
  }
  return Napi::Number::New(info.Env(), (resident() - before) / count);
}

// residentBytes(): what is left once the allocator has given back what it can.
double resident() {
  ::malloc_trim(0);
  long pages = 0;
  long resident = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  const bool read = file != nullptr && std::fscanf(file, "%ld %ld", &pages, &resident) == 2;
  if (file != nullptr) std::fclose(file);
  if (!read) throw std::runtime_error("/proc/self/statm cannot be read");
  return static_cast<double>(resident) * static_cast<double>(::getpagesize());
}

Napi::Value resident_bytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), resident());
}

template <auto Function>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  try {
    if constexpr (std::is_void_v<decltype(Function(info))>) {
      Function(info);
      return info.Env().Undefined();
    } else {
      return Function(info);
    }
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw Napi::Error::New(info.Env(), error.what());
  }
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("setCredentials", Napi::Function::New<guarded<set_credentials>>(env));
  exports.Set("connect", Napi::Function::New<guarded<connect>>(env));
  exports.Set("connectPlain", Napi::Function::New<guarded<connect_plain>>(env));
  exports.Set("blast", Napi::Function::New<guarded<blast>>(env));
  exports.Set("openSessions", Napi::Function::New<guarded<open_sessions>>(env));
  exports.Set("sealSessions", Napi::Function::New<guarded<seal_sessions>>(env));
  exports.Set("speak", Napi::Function::New<guarded<speak>>(env));
  exports.Set("serveHandshakes", Napi::Function::New<guarded<serve_handshakes>>(env));
  exports.Set("handshakesOverLoopback",
              Napi::Function::New<guarded<handshakes_over_loopback>>(env));
  exports.Set("countOfHeld", Napi::Function::New<guarded<count_of_held>>(env));
  exports.Set("shakeHands", Napi::Function::New<guarded<shake_hands>>(env));
  exports.Set("openSink", Napi::Function::New<guarded<open_sink>>(env));
  exports.Set("accept", Napi::Function::New<guarded<accept>>(env));
  exports.Set("countMessages", Napi::Function::New<guarded<count_messages>>(env));
  exports.Set("countMerged", Napi::Function::New<guarded<count_merged>>(env));
  exports.Set("echo", Napi::Function::New<guarded<echo>>(env));
  exports.Set("ping", Napi::Function::New<guarded<ping>>(env));
  exports.Set("countDatagrams", Napi::Function::New<guarded<count_datagrams>>(env));
  exports.Set("handshakes", Napi::Function::New<guarded<handshakes>>(env));
  exports.Set("holdSessions", Napi::Function::New<guarded<hold_sessions>>(env));
  exports.Set("receiveFromMany", Napi::Function::New<guarded<receive_from_many>>(env));
  exports.Set("idleMemory", Napi::Function::New<guarded<idle_memory>>(env));
  exports.Set("residentBytes", Napi::Function::New<guarded<resident_bytes>>(env));
  exports.Set("MemoryClient", MemoryClient::define(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(dgram_dtls_bench, init)

}  // namespace bench
