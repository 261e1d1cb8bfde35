#ifndef DGRAM_DTLS_BENCH_MEMORY_LINK_H_
#define DGRAM_DTLS_BENCH_MEMORY_LINK_H_

#include <deque>
#include <vector>

#include "tls.h"

namespace bench {

using Datagram = std::vector<uint8_t>;

// Datagrams in queues.
class MemoryLink final : public Link {
 public:
  int read(uint8_t* out, int capacity) override;
  void write(const uint8_t* data, int size) override;

  void deliver(Datagram datagram) { in_.push_back(std::move(datagram)); }
  std::vector<Datagram> take_written() { return std::move(out_); }
  // What the other end has written comes in here.
  void deliver_from(MemoryLink& other);

 private:
  std::deque<Datagram> in_;
  std::vector<Datagram> out_;
};

// Both ends of one association in this thread.
struct MemoryPair {
  MemoryPair(SSL_CTX* client_ctx, SSL_CTX* server_ctx);
  // The cookie exchange and the whole handshake.
  void handshake();
  void close();
  // Delivers what either has written.
  void carry();

  MemoryLink client_link;
  MemoryLink server_link;
  SslPtr client;
  SslPtr server;
};

}  // namespace bench

#endif  // DGRAM_DTLS_BENCH_MEMORY_LINK_H_
