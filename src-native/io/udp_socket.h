#ifndef DGRAM_DTLS_IO_UDP_SOCKET_H_
#define DGRAM_DTLS_IO_UDP_SOCKET_H_

#ifdef __linux__

#include <memory>
#include <optional>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/peer_address_hash.h"
#include "core/outbox/outbox.h"
#include "io/send_queue.h"
#include "io/socket_address.h"

namespace dtls::io {

struct UdpConfig {
  SocketAddress address;
  bool ipv6_only = false;
  bool reuse_address = false;
  bool reuse_port = false;
  int receive_buffer = 0;  // 0: the system's
  int send_buffer = 0;
};

struct UdpStats {
  uint64_t receiveCalls = 0;    // recvmmsg that brought something
  uint64_t receivedMerged = 0;  // datagrams that came merged with others (UDP_GRO)
  uint64_t sendCalls = 0;       // sendmmsg that took something
  uint64_t sentMerged = 0;      // datagrams that left merged with others (UDP_SEGMENT)
  uint64_t sendErrors = 0;      // datagrams that the system refused
  uint64_t truncated = 0;       // datagrams that came cut, and were dropped
  // Buffers that the system dropped, as the socket's was full: each held one datagram, or several
  // that it had merged. None where it does not tell.
  std::optional<uint64_t> buffersDropped = 0;
};

// What receive() writes into: one for a thread is enough. A datagram that the kernel merged from
// several has at most 64 KiB, as has any.
class ReceiveBuffers {
 public:
  static constexpr size_t kMessages = 8;

  explicit ReceiveBuffers(size_t message_size = size_t{64} * 1024)
      : message_size_(message_size), bytes_(kMessages * message_size) {}

  size_t message_size() const { return message_size_; }
  uint8_t* at(size_t index) { return bytes_.data() + index * message_size_; }

 private:
  size_t message_size_;
  std::vector<uint8_t> bytes_;
};

// Takes what a socket has to say. Borrowed for a call.
class UdpListener {
 public:
  virtual ~UdpListener() = default;
  // Datagrams from one peer behind one another, each `segment` bytes, the last perhaps fewer.
  virtual void on_datagrams(Bytes datagrams, size_t segment, const SocketAddress& from,
                            const PeerAddress& peer) = 0;
  // ICMP, or the like, about a datagram to `peer`.
  virtual void on_error(const PeerAddress& peer, int error) = 0;
  // The system has taken a datagram (error 0), or refused it.
  virtual void on_sent(SessionId from, uint32_t token, int error) = 0;
};

// A UDP socket that moves many datagrams with one system call: recvmmsg with UDP_GRO, sendmmsg with
// UDP_SEGMENT, and without them where the kernel or a device refuses. Never blocks. Owns its
// descriptor.
class UdpSocket {
 public:
  // Null, and `error` an error number, when it cannot be had.
  static std::unique_ptr<UdpSocket> open(const UdpConfig& config, int& error);
  // The same of a socket that somebody else has bound, by a descriptor of its own. What is set on
  // the one is set on both: its owner must not receive any more, for datagrams come merged.
  static std::unique_ptr<UdpSocket> share(int descriptor, int& error);
  // The same of a socket that somebody else has bound and gives away: once it is adopted, it is
  // this object's to close. Buffers as in UdpConfig.
  static std::unique_ptr<UdpSocket> adopt(int descriptor, int receive_buffer, int send_buffer,
                                          int& error);
  ~UdpSocket();
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;

  // Hears of nobody else from now on. An error number, or 0.
  int connect(const SocketAddress& peer);
  int descriptor() const { return descriptor_; }
  // An error number, or 0.
  int local_address(SocketAddress& address) const;
  int set_ttl(int ttl) const;

  // kAll: some, and there was no more; kSome: there may be.
  enum class Received { kNothing, kSome, kAll, kFailed };
  // One system call's worth. kFailed: the descriptor is of no use any more; `error` says why.
  Received receive(ReceiveBuffers& buffers, UdpListener& listener, int& error);
  // What ICMP said is taken from the system, and kept: the system tells it ahead of datagrams that
  // came before it, and an alert among them says more. receive() tells it when all that has come
  // has been read, or when it has read much. False: ICMP said nothing.
  bool keep_errors(UdpListener& listener);
  // Somebody has to call receive(), also where no datagram comes.
  bool keeps_errors() const { return !kept_.empty(); }

  // See Transmitter.
  uint8_t* room(const PeerAddress& to, size_t size);
  // Kept until flush(). The caller's bytes are copied. False: too much waits already.
  bool queue(const PeerAddress& to, SessionId from, uint32_t token, Bytes datagram);
  // Sends what is queued. What is not sent stays queued: until the socket is writable (kFull), or
  // for a while (kLater: a queue further down is full, which the socket does not know of, or ICMP
  // about other datagrams comes faster than the system can be asked).
  enum class Flushed { kAll, kFull, kLater };
  Flushed flush(UdpListener& listener);
  // Gives up what is queued.
  void abandon(UdpListener& listener);
  size_t queued_datagrams() const { return queue_.datagrams(); }
  size_t queued_bytes() const { return queue_.bytes(); }

  bool gso() const { return gso_; }
  bool gro() const { return gro_; }
  UdpStats stats() const;

 private:
  struct Batch;
  // Of the first datagram that waits, to a system that reported an error instead.
  struct Offers {
    int made = 0;
    int unproven = 0;
  };
  struct Kept {
    PeerAddress peer;
    int error;
  };
  // Datagrams of so many bytes and more were refused in a merged message to this peer.
  struct Refusal {
    PeerAddress to;
    size_t segment = SIZE_MAX;
  };

  UdpSocket(int descriptor, const SocketAddress& address);
  void prepare();
  void fill(Batch& batch);
  bool may_merge(const SendQueue::Run& run) const;
  Received read_datagrams(ReceiveBuffers& buffers, UdpListener& listener, int& error);
  void tell_errors(UdpListener& listener);
  void settle(size_t count, int error, UdpListener& listener);
  bool on_send_error(size_t count, int error, UdpListener& listener);
  // The first run leaves datagram by datagram, as will those like it to its peer.
  void split(int error);

  int descriptor_;
  bool ipv6_;
  bool connected_ = false;
  bool any_address_;  // bound to all addresses: which one a datagram came to is kept
  bool gso_ = true;
  bool gro_ = false;
  PeerAddressHash hash_;
  std::vector<Refusal> refusals_;  // by hash; empty until there is one
  SendQueue queue_;
  Offers offers_;
  std::vector<Kept> kept_;   // errors that nobody has heard of yet
  int reads_with_kept_ = 0;  // calls of receive() since the first of them
  UdpStats stats_;
};

}  // namespace dtls::io

#endif

#endif  // DGRAM_DTLS_IO_UDP_SOCKET_H_
