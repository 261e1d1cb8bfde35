// What sessions take.

#include <malloc.h>
#include <unistd.h>
#include <array>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "addon.h"
#include "memory_link.h"

namespace bench {

namespace {

// What is left once the allocator has given back what it can.
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

}  // namespace

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

// residentBytes()
Napi::Value resident_bytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), resident());
}

// allocatedBytes(): what malloc has given out, its rounding included.
Napi::Value allocated_bytes(const Napi::CallbackInfo& info) {
  const struct mallinfo2 all = ::mallinfo2();
  return Napi::Number::New(info.Env(), static_cast<double>(all.uordblks + all.hblkhd));
}

}  // namespace bench
