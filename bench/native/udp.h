#ifndef DGRAM_DTLS_BENCH_UDP_H_
#define DGRAM_DTLS_BENCH_UDP_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <utility>
#include <vector>

#include "tls.h"

namespace bench {

sockaddr_in loopback(uint32_t host, uint16_t port);

// A blocking UDP socket; reads give up after a while.
class UdpSocket {
 public:
  // Binds to 127.0.0.1, or another of the many addresses of the loopback interface.
  explicit UdpSocket(uint32_t host = INADDR_LOOPBACK);
  ~UdpSocket();
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;

  int descriptor() const { return descriptor_; }
  uint16_t port() const;
  void connect(uint16_t port);

 private:
  int descriptor_;
};

// Sends datagrams of equal size, many with one system call: the kernel cuts them apart
// (UDP_SEGMENT). This is what makes the sender faster than any receiver of single datagrams.
class Batch {
 public:
  // `most`: datagrams in one system call; 1 for none cut apart.
  Batch(int descriptor, size_t most);
  void add(const uint8_t* data, size_t size);
  // The same for a datagram that is written there before anything else is called.
  uint8_t* room(size_t size);
  void send();
  uint64_t sent() const { return sent_; }

 private:
  int descriptor_;
  size_t most_;
  size_t size_ = 0;  // of each datagram
  size_t count_ = 0;
  size_t filled_ = 0;
  uint64_t sent_ = 0;
  std::vector<uint8_t> bytes_;
};

// Receives datagrams of any size, many with one system call: the kernel merges them (UDP_GRO).
class Merged {
 public:
  explicit Merged(int descriptor);
  // Waits for more. False: none came.
  bool receive();
  // The next one, until there is none: { nullptr, 0 }.
  std::pair<const uint8_t*, size_t> next();
  // Where that one came from.
  const sockaddr_in& peer() const { return peers_[message_]; }

 private:
  int descriptor_;
  std::vector<uint8_t> bytes_;
  std::vector<size_t> sizes_;     // of the messages
  std::vector<size_t> segments_;  // of their datagrams
  std::vector<sockaddr_in> peers_;
  size_t message_ = 0;
  size_t offset_ = 0;
};

// An SSL's datagrams over a UDP socket: to the peer of the last one received, or to the one that
// the socket is connected to.
class UdpLink final : public Link {
 public:
  UdpLink(const UdpSocket& socket, bool connected)
      : descriptor_(socket.descriptor()), connected_(connected) {}
  int read(uint8_t* out, int capacity) override;
  void write(const uint8_t* data, int size) override;
  const sockaddr_in& peer() const { return peer_; }
  // Has the socket send to the peer only, and hear nobody else, from now on.
  void connect();
  // A read gives what is there, and waits for nothing.
  void never_wait() { flags_ = MSG_DONTWAIT; }
  // Datagrams are collected from now on.
  void collect_in(Batch* batch) { batch_ = batch; }
  // Datagrams are taken from there from now on.
  void take_from(Merged* merged) { merged_ = merged; }

 private:
  int descriptor_;
  bool connected_;
  int flags_ = 0;
  sockaddr_in peer_{};
  Batch* batch_ = nullptr;
  Merged* merged_ = nullptr;
};

// Gives each datagram once, and sends none: for sessions that share a socket.
class OneDatagramLink final : public Link {
 public:
  void give(const uint8_t* data, size_t size) { next_ = {data, size}; }
  int read(uint8_t* out, int capacity) override;
  void write(const uint8_t* /*data*/, int /*size*/) override {}

 private:
  std::pair<const uint8_t*, size_t> next_{nullptr, 0};
};

// One of many hosts that share a socket (bound to any address): what it sends comes from an address
// of its own, and it reads what was sent there (IP_PKTINFO). A hundred thousand sockets would be
// more than most systems let a process have.
class HostLink final : public Link {
 public:
  HostLink(const UdpSocket& socket, uint32_t host, uint16_t server_port);
  int read(uint8_t* out, int capacity) override;
  void write(const uint8_t* data, int size) override;

 private:
  int descriptor_;
  in_addr host_;
  sockaddr_in server_;
};

// Both block until the handshake is over, and retransmit; they throw when it fails.
void connect_over(SSL* ssl);
void accept_over(SSL* ssl);

}  // namespace bench

#endif  // DGRAM_DTLS_BENCH_UDP_H_
