#include "memory_link.h"

#include <algorithm>
#include <cstring>

namespace bench {

int MemoryLink::read(uint8_t* out, int capacity) {
  if (in_.empty()) return -1;
  const Datagram datagram = std::move(in_.front());
  in_.pop_front();
  const int size = std::min(capacity, static_cast<int>(datagram.size()));
  std::memcpy(out, datagram.data(), static_cast<size_t>(size));
  return size;
}

void MemoryLink::write(const uint8_t* data, int size) { out_.emplace_back(data, data + size); }

void MemoryLink::deliver_from(MemoryLink& other) {
  for (Datagram& datagram : other.take_written()) deliver(std::move(datagram));
}

MemoryPair::MemoryPair(SSL_CTX* client_ctx, SSL_CTX* server_ctx)
    : client(make_ssl(client_ctx, Side::kClient, client_link)),
      server(make_ssl(server_ctx, Side::kServer, server_link)) {}

void MemoryPair::carry() {
  server_link.deliver_from(client_link);
  client_link.deliver_from(server_link);
}

void MemoryPair::handshake() {
  handshake_in_turns(client.get(), server.get(), [this] { carry(); });
}

void MemoryPair::close() {
  close_in_turns(client.get(), server.get(), [this] { carry(); });
}

}  // namespace bench
