// Protects: that nothing which goes through the UDP socket is lost, changed or reordered without a
// count, in whatever way the system refuses it. The conditions are real: other sockets, and network
// namespaces of the tests' own.
#include "io/udp_socket.h"

#ifdef __linux__

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <optional>
#include <thread>

#include "harness.h"

namespace dtls::test {
namespace {

using io::ReceiveBuffers;
using io::SocketAddress;
using io::UdpConfig;
using io::UdpSocket;
using Flushed = UdpSocket::Flushed;
using Received = UdpSocket::Received;

struct Sent {
  uint32_t token;
  int error;
};

struct Ear : io::UdpListener {
  std::vector<std::vector<uint8_t>> datagrams;
  std::vector<std::pair<PeerAddress, int>> errors;
  std::vector<size_t> heard_before;  // datagrams, for each of the errors
  std::vector<Sent> sent;

  void on_datagrams(Bytes merged, size_t segment, const SocketAddress& /*from*/,
                    const PeerAddress& /*peer*/) override {
    do {
      datagrams.push_back(copy(merged.first(segment)));
      merged = merged.from(segment);
    } while (merged.size != 0);
  }
  void on_error(const PeerAddress& peer, int error) override {
    errors.emplace_back(peer, error);
    heard_before.push_back(datagrams.size());
  }
  void on_sent(SessionId /*from*/, uint32_t token, int error) override {
    sent.push_back({token, error});
  }
};

struct Socket {
  explicit Socket(const char* host = "127.0.0.1", const UdpConfig& given = {}) {
    UdpConfig config = given;
    REQUIRE(io::parse_address(host, 0, config.address));
    int error = 0;
    udp = UdpSocket::open(config, error);
    REQUIRE(udp);
  }

  PeerAddress address() const {
    SocketAddress local;
    REQUIRE(udp->local_address(local) == 0);
    return io::to_peer(local);
  }

  bool wait(short events, int milliseconds = 5000) const {
    pollfd descriptor{udp->descriptor(), events, 0};
    return ::poll(&descriptor, 1, milliseconds) == 1 && (descriptor.revents & events) != 0;
  }

  // Takes what is there, until so many datagrams have come or nothing comes any more.
  void hear(size_t datagrams, int patience = 5000) {
    while (ear.datagrams.size() < datagrams && wait(POLLIN, patience)) {
      int error = 0;
      REQUIRE(udp->receive(buffers, ear, error) != Received::kFailed);
    }
  }

  void queue(const PeerAddress& to, const std::vector<uint8_t>& bytes, uint32_t token = 1) {
    REQUIRE(udp->queue(to, {}, token, view(bytes)));
  }

  size_t sent_with(int error) const {
    size_t count = 0;
    for (const Sent& one : ear.sent) count += one.error == error ? 1 : 0;
    return count;
  }

  std::unique_ptr<UdpSocket> udp;
  Ear ear;
  ReceiveBuffers buffers;
};

std::vector<uint8_t> numbered(size_t size, uint32_t number) {
  std::vector<uint8_t> bytes(size, static_cast<uint8_t>(number));
  bytes[0] = static_cast<uint8_t>(number >> 8);
  return bytes;
}

PeerAddress peer_of(const char* host, uint16_t port) {
  SocketAddress parsed;
  REQUIRE(io::parse_address(host, port, parsed));
  return io::to_peer(parsed);
}

// ---- a network of the test's own ----

bool run(const std::string& command) { return std::system(command.c_str()) == 0; }

// Calls `test` on a thread with a network namespace to itself, which ends with it. Only root can
// have one.
void in_own_network(const std::function<void()>& test) {
  std::thread([&test] {
    if (::unshare(CLONE_NEWNET) != 0 || !run("ip link set lo up")) {
      const bool must_run = std::getenv("CI") != nullptr && ::geteuid() == 0;
      if (must_run) FAIL("network namespaces cannot be made here");
      MESSAGE("skipped: network namespaces cannot be made here");
      return;
    }
    test();
  }).join();
}

// Calls `test` on a thread to which the system refuses, with this error and without a word of ICMP,
// to send two messages at once: the first of two that wait is refused as often as it is offered, as
// it is by a security module that does not like where it goes.
void where_two_are_refused_with(int error, const std::function<void()>& test) {
  std::thread([&] {
    const auto refuse = SECCOMP_RET_ERRNO | static_cast<uint32_t>(error);
    // The lower half of the third argument.
    constexpr uint32_t kCount = offsetof(seccomp_data, args) + 2 * sizeof(uint64_t) +
                                (__BYTE_ORDER == __BIG_ENDIAN ? sizeof(uint32_t) : 0);
    std::array<sock_filter, 6> filter{{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendmmsg, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kCount),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, refuse),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    }};
    const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
    REQUIRE(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    REQUIRE(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
    test();
  }).join();
}

// Two devices with a wire between them, both in this namespace: 10.78.0.1 is ours, and what is sent
// to another address of that network goes out of v0.
void add_wire() {
  REQUIRE(run("ip link add v0 type veth peer name v1"));
  REQUIRE(run("ip addr add 10.78.0.1/24 dev v0"));
  REQUIRE(run("ip link set v0 up && ip link set v1 up"));
}

// Sends a socket of this namespace ICMP that it has not deserved: anybody on the way could.
class Forger {
 public:
  explicit Forger(const PeerAddress& about) : socket_(::socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)) {
    REQUIRE(socket_ >= 0);
    const Bytes bytes = about.bytes();
    std::memcpy(&port_, bytes.data + bytes.size - sizeof port_, sizeof port_);
  }
  ~Forger() { ::close(socket_); }
  Forger(const Forger&) = delete;
  Forger& operator=(const Forger&) = delete;

  // "Destination unreachable", of a datagram to 127.0.0.77 that was never sent.
  void unreachable(uint8_t code) const {
    struct {
      icmphdr icmp;
      iphdr ip;
      udphdr udp;
    } message{};
    message.icmp.type = ICMP_DEST_UNREACH;
    message.icmp.code = code;
    message.icmp.un.frag.mtu = htons(1000);
    message.ip.version = 4;
    message.ip.ihl = 5;
    message.ip.ttl = 64;
    message.ip.tot_len = htons(100);
    message.ip.frag_off = htons(0x4000);
    message.ip.protocol = IPPROTO_UDP;
    message.ip.saddr = htonl(INADDR_LOOPBACK);
    message.ip.daddr = htonl(0x7f00004d);
    message.udp.source = port_;
    message.udp.dest = htons(4444);
    message.udp.len = htons(80);
    std::array<uint16_t, sizeof message / 2> words{};
    std::memcpy(words.data(), &message, sizeof message);
    uint32_t sum = 0;
    for (const uint16_t word : words) sum += word;
    while (sum > 0xffff) sum = (sum >> 16) + (sum & 0xffff);
    message.icmp.checksum = static_cast<uint16_t>(~sum);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::sendto(socket_, &message, sizeof message, 0, reinterpret_cast<const sockaddr*>(&to),
             sizeof to);
  }

 private:
  int socket_;
  uint16_t port_ = 0;  // network byte order
};

constexpr uint8_t kLastUnreachable = 15;

// ---- in ----

TEST_CASE("udp: no code of ICMP's makes a socket deaf") {
  in_own_network([] {
    Socket from;
    for (uint8_t code = 0; code <= kLastUnreachable; ++code) {
      CAPTURE(code);
      Socket to;
      const Forger forger(to.address());
      forger.unreachable(code);
      // Not polled: the error comes between that and the call, which then only reports it.
      int error = 0;
      CHECK(to.udp->receive(to.buffers, to.ear, error) != Received::kFailed);
      from.queue(to.address(), numbered(100, 1));
      CHECK(from.udp->flush(from.ear) == Flushed::kAll);
      to.hear(1);
      CHECK(to.ear.datagrams.size() == 1);
    }
  });
}

TEST_CASE("udp: merged datagrams come apart as they were, the last one smaller") {
  Socket from;
  Socket to;
  std::vector<std::vector<uint8_t>> all;
  for (uint32_t i = 0; i < 6; ++i) all.push_back(numbered(i == 5 ? 123 : 500, i));
  for (uint32_t i = 6; i < 9; ++i) all.push_back(numbered(700, i));
  for (const auto& bytes : all) from.queue(to.address(), bytes);
  CHECK(from.udp->flush(from.ear) == Flushed::kAll);
  to.hear(all.size());
  CHECK(to.ear.datagrams == all);
  CHECK(from.sent_with(0) == all.size());
  if (from.udp->gso()) {
    CHECK(from.udp->stats().sentMerged == 9);
    CHECK(from.udp->stats().sendCalls == 1);
    if (to.udp->gro()) CHECK(to.udp->stats().receivedMerged == 9);
  }
}

TEST_CASE("udp: 65,507 bytes are one datagram") {
  for (const char* host : {"127.0.0.1", "::1"}) {
    Socket from(host);
    Socket to(host);
    const auto bytes = numbered(65507, 7);
    from.queue(to.address(), bytes);
    CHECK(from.udp->flush(from.ear) == Flushed::kAll);
    to.hear(1);
    REQUIRE(to.ear.datagrams.size() == 1);
    CHECK(to.ear.datagrams[0] == bytes);
  }
}

TEST_CASE("udp: what comes cut is dropped and counted, merged or not") {
  Socket from;
  Socket to;
  to.buffers = ReceiveBuffers(2000);
  for (uint32_t i = 0; i < 10; ++i) from.queue(to.address(), numbered(1200, i));
  from.queue(to.address(), numbered(3000, 10));
  CHECK(from.udp->flush(from.ear) == Flushed::kAll);
  from.queue(to.address(), numbered(900, 11));
  CHECK(from.udp->flush(from.ear) == Flushed::kAll);
  while (to.udp->stats().truncated + to.ear.datagrams.size() < 12 && to.wait(POLLIN)) {
    int error = 0;
    REQUIRE(to.udp->receive(to.buffers, to.ear, error) != Received::kFailed);
  }
  CHECK(to.udp->stats().truncated + to.ear.datagrams.size() == 12);
  REQUIRE(to.ear.datagrams.size() != 0);
  CHECK(to.ear.datagrams.back() == numbered(900, 11));
  if (from.udp->gso() && to.udp->gro()) CHECK(to.udp->stats().truncated == 11);
}

TEST_CASE("udp: what finds the receive buffer full is counted") {
  UdpConfig small;
  small.receive_buffer = 4096;
  Socket to("127.0.0.1", small);
  Socket from;
  constexpr size_t kCount = 200;
  // Growing sizes: nothing of it can be merged, and each is one for the system, too.
  for (uint32_t i = 0; i < kCount; ++i) from.queue(to.address(), numbered(1000 + i, i));
  CHECK(from.udp->flush(from.ear) == Flushed::kAll);
  to.hear(kCount, 200);
  const std::optional<uint64_t> dropped = to.udp->stats().buffersDropped;
  REQUIRE(dropped.has_value());
  CHECK(*dropped > 0);
  CHECK(*dropped + to.ear.datagrams.size() == kCount);
}

// ---- out ----

TEST_CASE("udp: peers that take turns have their datagrams merged all the same") {
  Socket from;
  std::array<Socket, 3> to;
  constexpr uint32_t kEach = 30;
  std::vector<std::vector<uint8_t>> all;
  for (uint32_t i = 0; i < kEach; ++i) {
    all.push_back(numbered(400, i));
    for (const Socket& one : to) from.queue(one.address(), all.back());
  }
  CHECK(from.udp->flush(from.ear) == Flushed::kAll);
  for (Socket& one : to) {
    one.hear(kEach);
    CHECK(one.ear.datagrams == all);
  }
  if (from.udp->gso()) CHECK(from.udp->stats().sentMerged == 3 * kEach);
}

TEST_CASE("udp: merging that is refused half-way loses nothing and goes on datagram by datagram") {
  Socket from;
  Socket to;
  std::vector<std::vector<uint8_t>> all;
  const auto send = [&](uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      all.push_back(numbered(1000, static_cast<uint32_t>(all.size())));
      from.queue(to.address(), all.back());
    }
    CHECK(from.udp->flush(from.ear) == Flushed::kAll);
    to.hear(all.size());
  };
  send(20);
  // Linux refuses to cut a message apart on a socket that sends no checksums.
  const int on = 1;
  REQUIRE(::setsockopt(from.udp->descriptor(), SOL_SOCKET, SO_NO_CHECK, &on, sizeof on) == 0);
  const uint64_t merged = from.udp->stats().sentMerged;
  send(20);
  send(20);
  CHECK(to.ear.datagrams == all);
  CHECK(from.sent_with(0) == all.size());
  CHECK(from.udp->stats().sendErrors == 0);
  CHECK(from.udp->stats().sentMerged == merged);
}

TEST_CASE("udp: datagrams above the MTU leave in fragments, those below it merged") {
  in_own_network([] {
    REQUIRE(run("ip link set lo mtu 1300"));
    Socket from;
    Socket to;
    std::vector<std::vector<uint8_t>> all;
    for (uint32_t i = 0; i < 20; ++i) all.push_back(numbered(1400, i));
    for (uint32_t i = 20; i < 40; ++i) all.push_back(numbered(1200, i));
    for (const auto& bytes : all) from.queue(to.address(), bytes);
    CHECK(from.udp->flush(from.ear) == Flushed::kAll);
    to.hear(all.size());
    CHECK(to.ear.datagrams == all);
    CHECK(from.udp->stats().sendErrors == 0);
    // One of the smaller ones had joined the larger ones, as the last of a message.
    if (from.udp->gso()) CHECK(from.udp->stats().sentMerged == 19);
  });
}

TEST_CASE("udp: merging that the way to one peer refuses goes on with all others") {
  in_own_network([] {
    // As if ICMP had said that it takes no more.
    REQUIRE(run("ip route replace local 127.0.0.66 dev lo table local mtu 600"));
    Socket from;
    Socket to;
    const auto merged = [&](const PeerAddress& peer, uint32_t count) {
      const uint64_t before = from.udp->stats().sentMerged;
      for (uint32_t i = 0; i < count; ++i) from.queue(peer, numbered(1000, i));
      CHECK(from.udp->flush(from.ear) == Flushed::kAll);
      return from.udp->stats().sentMerged - before;
    };
    if (!from.udp->gso()) return;
    CHECK(merged(to.address(), 20) == 20);
    CHECK(merged(peer_of("127.0.0.66", 9), 20) == 0);
    CHECK(merged(to.address(), 20) == 20);
    // The system sends nothing to port 0, which is where a forged datagram may seem to come from.
    CHECK(merged(peer_of("127.0.0.1", 0), 20) == 0);
    CHECK(merged(to.address(), 20) == 20);
    CHECK(merged(peer_of("127.0.0.66", 9), 2) == 0);
  });
}

TEST_CASE("udp: a peer to whom a merged message was refused is not offered one of its size again") {
  in_own_network([] {
    constexpr const char* kNarrow = "ip route replace local 127.0.0.66 dev lo table local mtu 600";
    REQUIRE(run(kNarrow));
    Socket from;
    if (!from.udp->gso()) return;
    const PeerAddress peer = peer_of("127.0.0.66", 9);
    const auto merged = [&](size_t size) {
      const uint64_t before = from.udp->stats().sentMerged;
      for (uint32_t i = 0; i < 20; ++i) from.queue(peer, numbered(size, i));
      CHECK(from.udp->flush(from.ear) == Flushed::kAll);
      return from.udp->stats().sentMerged - before;
    };
    CHECK(merged(1000) == 0);
    // The way would take it now, so that only who does not offer it sends datagram by datagram.
    REQUIRE(run("ip route replace local 127.0.0.66 dev lo table local mtu 65536"));
    CHECK(merged(1000) == 0);
    CHECK(merged(1200) == 0);
    CHECK(merged(500) == 20);
    CHECK(from.udp->stats().sendErrors == 0);
  });
}

TEST_CASE("udp: EMSGSIZE is for the datagram that is too large, the others leave") {
  Socket from;
  Socket to;
  from.queue(to.address(), numbered(100, 1), 1);
  from.queue(to.address(), numbered(65508, 2), 2);
  from.queue(to.address(), numbered(100, 3), 3);
  CHECK(from.udp->flush(from.ear) == Flushed::kAll);
  to.hear(2);
  CHECK(to.ear.datagrams.size() == 2);
  REQUIRE(from.ear.sent.size() == 3);
  CHECK(from.ear.sent[0].error == 0);
  CHECK(from.ear.sent[1].token == 2);
  CHECK(from.ear.sent[1].error == EMSGSIZE);
  CHECK(from.ear.sent[2].error == 0);
  CHECK(from.udp->stats().sendErrors == 1);
}

TEST_CASE("udp: a peer of another family is an error of its own") {
  Socket from;
  Socket to;
  from.queue(to.address(), numbered(100, 1), 1);
  from.queue(peer_of("::1", 9), numbered(100, 2), 2);
  from.queue(peer_of("::1", 9), numbered(100, 3), 3);
  from.queue(to.address(), numbered(100, 4), 4);
  CHECK(from.udp->flush(from.ear) == Flushed::kAll);
  to.hear(2);
  CHECK(to.ear.datagrams.size() == 2);
  CHECK(from.sent_with(0) == 2);
  CHECK(from.sent_with(EAFNOSUPPORT) == 2);
}

TEST_CASE("udp: ECONNREFUSED names its peer, and takes no other datagram along") {
  for (const bool connected : {false, true}) {
    CAPTURE(connected);
    Socket from;
    PeerAddress gone;
    SocketAddress where;
    {
      const Socket closed;
      gone = closed.address();
      REQUIRE(closed.udp->local_address(where) == 0);
    }
    if (connected) REQUIRE(from.udp->connect(where) == 0);
    from.queue(gone, numbered(100, 1), 1);
    CHECK(from.udp->flush(from.ear) == Flushed::kAll);
    REQUIRE(from.wait(POLLERR));
    // The next call to the system only reports what became of the last one.
    UdpConfig again;
    again.address = where;
    int error = 0;
    Socket to;
    to.udp = UdpSocket::open(again, error);
    REQUIRE(to.udp);
    from.queue(gone, numbered(100, 2), 2);
    CHECK(from.udp->flush(from.ear) == Flushed::kAll);
    to.hear(1);
    CHECK(to.ear.datagrams.size() == 1);
    CHECK(from.sent_with(0) == 2);
    int nothing = 0;
    from.udp->keep_errors(from.ear);
    from.udp->receive(from.buffers, from.ear, nothing);
    REQUIRE(from.ear.errors.size() == 1);
    CHECK(from.ear.errors[0].first == gone);
    CHECK(from.ear.errors[0].second == ECONNREFUSED);
  }
}

TEST_CASE("udp: ICMP about peers that are gone takes no room from what comes in meanwhile") {
  in_own_network([] {
    Socket from;
    Socket other;
    constexpr uint32_t kCount = 3000;
    for (uint32_t i = 0; i < kCount; ++i) {
      const std::string gone = "127.1." + std::to_string(i >> 8) + "." + std::to_string(i & 255);
      from.queue(peer_of(gone.c_str(), 9), numbered(20, i), i + 1);
    }
    REQUIRE(from.udp->flush(from.ear) == Flushed::kAll);
    CHECK(from.sent_with(0) == kCount);
    other.queue(from.address(), numbered(200, 1));
    REQUIRE(other.udp->flush(other.ear) == Flushed::kAll);
    from.hear(1, 500);
    CHECK(from.ear.datagrams.size() == 1);
    CHECK(from.udp->stats().buffersDropped == 0);
  });
}

TEST_CASE("udp: ICMP about one peer takes no datagram to another along, however much of it comes") {
  in_own_network([] {
    for (uint8_t code = 0; code <= kLastUnreachable; ++code) {
      CAPTURE(code);
      Socket from;
      Socket to;
      const PeerAddress self = from.address();
      std::atomic<bool> enough{false};
      std::thread storm([&] {
        const Forger forger(self);
        while (!enough) forger.unreachable(code);
      });
      constexpr uint32_t kCount = 500;
      for (uint32_t i = 0; i < kCount; ++i) {
        from.queue(to.address(), numbered(100 + i % 2, i), i + 1);
        for (int turn = 0; turn < 1000 && from.udp->flush(from.ear) != Flushed::kAll; ++turn) {
          ::usleep(1000);
        }
      }
      enough = true;
      storm.join();
      CHECK(from.sent_with(0) == kCount);
      CHECK(from.udp->stats().sendErrors == 0);
    }
  });
}

TEST_CASE("udp: ICMP about one peer ends merging to no other, however much of it comes") {
  in_own_network([] {
    for (uint8_t code = 0; code <= kLastUnreachable; ++code) {
      CAPTURE(code);
      Socket from;
      if (!from.udp->gso()) return;
      // Nobody has to read it: the sizes of the messages are what counts.
      const Socket to;
      const PeerAddress self = from.address();
      std::atomic<bool> enough{false};
      std::thread storm([&] {
        const Forger forger(self);
        while (!enough) {
          forger.unreachable(code);
          ::usleep(50);
        }
      });
      constexpr uint32_t kRuns = 300;
      constexpr uint32_t kEach = 20;
      for (uint32_t i = 0; i < kRuns; ++i) {
        for (uint32_t j = 0; j < kEach; ++j) from.queue(to.address(), numbered(1000, j));
        for (int turn = 0; turn < 1000 && from.udp->flush(from.ear) != Flushed::kAll; ++turn) {
          ::usleep(1000);
        }
      }
      enough = true;
      storm.join();
      CHECK(from.udp->stats().sentMerged == kRuns * kEach);
      CHECK(from.udp->stats().sendErrors == 0);
    }
  });
}

TEST_CASE(
    "udp: a datagram that the system refuses holds up no other, whatever the error's number") {
  in_own_network([] {
    for (const int error : {ECONNREFUSED, ENOPROTOOPT, EPROTO, EOPNOTSUPP, ENONET, EHOSTDOWN,
                            EHOSTUNREACH, ENETUNREACH, EACCES, EMSGSIZE, EPERM}) {
      for (const bool storms : {false, true}) {
        CAPTURE(error);
        CAPTURE(storms);
        where_two_are_refused_with(error, [&] {
          Socket from;
          Socket to;
          const Socket other;
          const PeerAddress self = from.address();
          std::atomic<bool> enough{!storms};
          std::thread storm([&] {
            const Forger forger(self);
            while (!enough) forger.unreachable(3);
          });
          from.queue(other.address(), numbered(100, 1), 1);
          from.queue(to.address(), numbered(100, 2), 2);
          Flushed flushed = from.udp->flush(from.ear);
          for (int turn = 0; turn < 200 && flushed != Flushed::kAll; ++turn) {
            ::usleep(1000);
            flushed = from.udp->flush(from.ear);
          }
          enough = true;
          storm.join();
          CHECK(flushed == Flushed::kAll);
          CHECK(from.sent_with(error) == 1);
          CHECK(from.sent_with(0) == 1);
          CHECK(from.udp->stats().sendErrors == 1);
          to.hear(1);
          CHECK(to.ear.datagrams.size() == 1);
        });
      }
    }
  });
}

TEST_CASE("udp: what a peer has said is heard before the refusal that came after it") {
  for (const bool by_sending : {false, true}) {
    CAPTURE(by_sending);
    Socket from;
    PeerAddress gone;
    {
      Socket peer;
      gone = peer.address();
      // More than two calls of receive() bring.
      for (uint32_t i = 0; i < 20; ++i) peer.queue(from.address(), numbered(100 + i, i));
      REQUIRE(peer.udp->flush(peer.ear) == Flushed::kAll);
    }
    from.queue(gone, numbered(100, 1), 1);
    REQUIRE(from.udp->flush(from.ear) == Flushed::kAll);
    REQUIRE(from.wait(POLLERR));
    if (by_sending) {
      from.queue(gone, numbered(100, 2), 2);
      REQUIRE(from.udp->flush(from.ear) == Flushed::kAll);
    } else {
      from.udp->keep_errors(from.ear);
    }
    CHECK(from.ear.errors.empty());
    CHECK(from.udp->keeps_errors());
    for (int i = 0; i < 4; ++i) {
      int error = 0;
      REQUIRE(from.udp->receive(from.buffers, from.ear, error) != Received::kFailed);
    }
    CHECK(from.ear.datagrams.size() == 20);
    REQUIRE(!from.ear.errors.empty());
    CHECK(from.ear.errors[0].first == gone);
    CHECK(from.ear.errors[0].second == ECONNREFUSED);
    CHECK(from.ear.heard_before[0] == 20);
    CHECK_FALSE(from.udp->keeps_errors());
  }
}

TEST_CASE("udp: a peer that goes on sending keeps nobody from hearing of a refusal") {
  Socket from;
  Socket talker;
  PeerAddress gone;
  {
    const Socket closed;
    gone = closed.address();
  }
  from.queue(gone, numbered(100, 1), 1);
  REQUIRE(from.udp->flush(from.ear) == Flushed::kAll);
  REQUIRE(from.wait(POLLERR));
  from.udp->keep_errors(from.ear);
  for (int round = 0; round < 200 && from.ear.errors.empty(); ++round) {
    for (uint32_t i = 0; i < 2 * ReceiveBuffers::kMessages; ++i) {
      talker.queue(from.address(), numbered(100 + i, i));
    }
    REQUIRE(talker.udp->flush(talker.ear) == Flushed::kAll);
    int error = 0;
    CHECK(from.udp->receive(from.buffers, from.ear, error) == Received::kSome);
  }
  REQUIRE(from.ear.errors.size() == 1);
  CHECK(from.ear.errors[0].first == gone);
}

TEST_CASE("udp: a neighbour that does not answer makes EAGAIN, and what waits leaves later") {
  in_own_network([] {
    add_wire();
    UdpConfig small;
    small.send_buffer = 8192;
    Socket from("10.78.0.1", small);
    const PeerAddress silent = peer_of("10.78.0.2", 5684);
    constexpr uint32_t kCount = 60;
    for (uint32_t i = 0; i < kCount; ++i) from.queue(silent, numbered(900 + i, i), i + 1);
    CHECK(from.udp->flush(from.ear) == Flushed::kFull);
    CHECK(from.udp->queued_bytes() > 0);
    CHECK_FALSE(from.wait(POLLOUT, 0));
    REQUIRE(run("ip neigh replace 10.78.0.2 lladdr 02:00:00:00:00:02 dev v0"));
    for (int turn = 0; turn < 1000 && from.udp->queued_bytes() != 0; ++turn) {
      REQUIRE(from.wait(POLLOUT));
      from.udp->flush(from.ear);
    }
    CHECK(from.udp->queued_bytes() == 0);
    CHECK(from.sent_with(0) == kCount);
    for (uint32_t i = 0; i < kCount; ++i) CHECK(from.ear.sent[i].token == i + 1);
    CHECK(from.udp->stats().sendErrors == 0);
  });
}

TEST_CASE("udp: a full queue of the device is ENOBUFS, and what it refuses leaves later") {
  in_own_network([] {
    add_wire();
    REQUIRE(run("ip neigh replace 10.78.0.2 lladdr 02:00:00:00:00:02 dev v0"));
    // A queue with room for small datagrams only.
    REQUIRE(run("tc qdisc replace dev v0 root bfifo limit 500"));
    Socket from("10.78.0.1");
    const PeerAddress peer = peer_of("10.78.0.2", 5684);
    from.queue(peer, numbered(100, 1), 1);
    from.queue(peer, numbered(1000, 2), 2);
    from.queue(peer, numbered(100, 3), 3);
    CHECK(from.udp->flush(from.ear) == Flushed::kLater);
    // The socket itself has room: to wait for that would be to ask over and over.
    CHECK(from.wait(POLLOUT, 0));
    CHECK(from.sent_with(0) == 1);
    CHECK(from.udp->flush(from.ear) == Flushed::kLater);
    REQUIRE(run("tc qdisc replace dev v0 root bfifo limit 100000"));
    CHECK(from.udp->flush(from.ear) == Flushed::kAll);
    REQUIRE(from.ear.sent.size() == 3);
    CHECK(from.ear.sent[1].token == 2);
    CHECK(from.sent_with(0) == 3);
    CHECK(from.udp->stats().sendErrors == 0);
  });
}

TEST_CASE("udp: a descriptor that somebody closed is an error for each datagram, and no more") {
  Socket from;
  const Socket to;
  const int descriptor = from.udp->descriptor();
  for (uint32_t i = 0; i < 5; ++i) from.queue(to.address(), numbered(100, i));
  from.queue(to.address(), numbered(200, 5));
  REQUIRE(::close(descriptor) == 0);
  CHECK(from.udp->flush(from.ear) == Flushed::kAll);
  int error = 0;
  CHECK(from.udp->receive(from.buffers, from.ear, error) == Received::kFailed);
  CHECK(error == EBADF);
  CHECK(from.sent_with(EBADF) == 6);
  CHECK(from.udp->stats().sendErrors == 6);
  CHECK_FALSE(from.udp->stats().buffersDropped.has_value());
  // The socket will close this number once more: it must not be anybody else's.
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  REQUIRE(::dup2(nothing, descriptor) == descriptor);
  if (nothing != descriptor) ::close(nothing);
}

TEST_CASE("udp: what waits is bounded, and told when it is given up") {
  Socket from;
  const PeerAddress peer = peer_of("127.0.0.1", 9);
  const auto bytes = numbered(16384, 1);
  size_t taken = 0;
  while (taken < 10000 && from.udp->queue(peer, {}, 1, view(bytes))) ++taken;
  CHECK(taken == (size_t{32} << 20) / bytes.size());
  CHECK(from.udp->stats().sendErrors == 1);
  from.udp->abandon(from.ear);
  CHECK(from.sent_with(ECANCELED) == taken);
  CHECK(from.udp->queued_bytes() == 0);
  CHECK(from.udp->stats().sendErrors == 1 + taken);
}

}  // namespace
}  // namespace dtls::test

#endif
