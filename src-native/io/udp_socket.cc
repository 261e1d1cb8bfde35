#include "io/udp_socket.h"

#ifdef __linux__

#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/sock_diag.h>
#include <netinet/udp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

// These options came with Linux 4.18 and 5.0: the older headers that a build for old systems uses
// do not have them.
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace dtls::io {

namespace {

constexpr size_t kSendMessages = 64;
// What may wait for a system that takes nothing: whoever goes on sending is refused.
constexpr size_t kMostQueued = size_t{32} << 20;
// So many errors of ICMP are kept while datagrams are read, for so many calls of receive(): a peer
// that goes on sending cannot keep others from hearing that theirs has gone.
constexpr size_t kMostKept = 256;
constexpr int kReadsWithKept = 64;
// So many peers are remembered to whom merged messages were refused. Another one may take the place
// of any: then its datagrams are offered merged once more.
constexpr size_t kMostRefusals = 256;

bool set(int descriptor, int level, int option, int value) {
  return setsockopt(descriptor, level, option, &value, sizeof value) == 0;
}

bool is_any(const SocketAddress& address) {
  if (!address.is_ipv6()) {
    return reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_addr.s_addr == INADDR_ANY;
  }
  return IN6_IS_ADDR_UNSPECIFIED(
      &reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_addr);
}

// So often a datagram is offered again to a system that reports errors of earlier ones instead. A
// report that nothing in the error queue bears out may be the datagram's own, and is when it comes
// again and again: each time it is taken off the socket first, so that ICMP would have to come
// anew within the microsecond before the next offer, and find no room in the queue.
constexpr int kMostOffers = 64;
constexpr int kMostUnproven = 8;

// Errors of the descriptor, or of the call itself: the next one will fail in the same way. Every
// other error may be one that an earlier datagram caused and that a call only reports: anybody can
// have ICMP cause it (RFC 5927), and it says nothing of this socket.
bool is_lasting(int error) {
  return error == EBADF || error == ENOTSOCK || error == EFAULT || error == EINVAL ||
         error == ENOSYS || error == EPERM;
}

// Of ICMP about an earlier datagram, or of the one that is sent: it has no route, or is too large
// for it, or may not go there. No number is ICMP's alone: a security module or a BPF program
// refuses with the one that it likes (SELinux with ECONNREFUSED).
bool is_perhaps_of_icmp(int error) {
  return error == ECONNREFUSED || error == ENOPROTOOPT || error == EPROTO || error == EOPNOTSUPP ||
         error == ENONET || error == EHOSTDOWN || error == EHOSTUNREACH || error == ENETUNREACH ||
         error == EMSGSIZE || error == EACCES;
}

bool is_full(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

// What a merged message can be refused for while its datagrams alone would be taken: no checksum
// offload on the device (EIO), datagrams above its MTU, or a kernel without UDP_SEGMENT.
bool is_merge_refused(int error) { return error == EIO || error == EINVAL || error == EMSGSIZE; }

void append_control(msghdr& message, int level, int type, const void* data, size_t size) {
  auto* header = reinterpret_cast<cmsghdr*>(static_cast<uint8_t*>(message.msg_control) +
                                            message.msg_controllen);
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(size);
  std::memcpy(CMSG_DATA(header), data, size);
  message.msg_controllen += CMSG_SPACE(size);
}

// The local address in the form that PeerAddress keeps: its bytes, and for IPv6 the interface, too.
void keep_local(const cmsghdr* header, PeerAddress& peer) {
  if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
    in_pktinfo info{};
    std::memcpy(&info, CMSG_DATA(header), sizeof info);
    peer.set_local(
        {reinterpret_cast<const uint8_t*>(&info.ipi_spec_dst), sizeof info.ipi_spec_dst});
  } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
    in6_pktinfo info{};
    std::memcpy(&info, CMSG_DATA(header), sizeof info);
    // Only a link-local address needs its interface; routing decides for all others.
    if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) info.ipi6_ifindex = 0;
    peer.set_local({reinterpret_cast<const uint8_t*>(&info), sizeof info});
  }
}

void append_local(msghdr& message, Bytes local) {
  if (local.size == sizeof(in_addr)) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, local.data, local.size);
    append_control(message, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
  } else if (local.size == sizeof(in6_pktinfo)) {
    append_control(message, IPPROTO_IPV6, IPV6_PKTINFO, local.data, local.size);
  }
}
static_assert(sizeof(in6_pktinfo) <= PeerAddress::kMaxLocal, "a local address fits");

}  // namespace

UdpSocket::UdpSocket(int descriptor, const SocketAddress& address)
    : descriptor_(descriptor), ipv6_(address.is_ipv6()), any_address_(is_any(address)) {}

UdpSocket::~UdpSocket() { ::close(descriptor_); }

std::unique_ptr<UdpSocket> UdpSocket::open(const UdpConfig& config, int& error) {
  const bool ipv6 = config.address.is_ipv6();
  const int descriptor =
      ::socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) {
    error = errno;
    return nullptr;
  }
  // The constructor is private: nobody else can make one of a descriptor.
  std::unique_ptr<UdpSocket> made(new UdpSocket(descriptor, config.address));
  if ((ipv6 && !set(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, config.ipv6_only ? 1 : 0)) ||
      (config.reuse_address && !set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)) ||
      (config.reuse_port && !set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1)) ||
      (config.receive_buffer != 0 &&
       !set(descriptor, SOL_SOCKET, SO_RCVBUF, config.receive_buffer)) ||
      (config.send_buffer != 0 && !set(descriptor, SOL_SOCKET, SO_SNDBUF, config.send_buffer)) ||
      ::bind(descriptor, config.address.get(), config.address.size) != 0) {
    error = errno;
    return nullptr;
  }
  made->prepare();
  return made;
}

std::unique_ptr<UdpSocket> UdpSocket::share(int descriptor, int& error) {
  SocketAddress address;
  address.size = sizeof address.storage;
  const int own = ::getsockname(descriptor, address.get(), &address.size) == 0
                      ? ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
                      : -1;
  if (own < 0) {
    error = errno;
    return nullptr;
  }
  std::unique_ptr<UdpSocket> made(new UdpSocket(own, address));
  made->prepare();
  return made;
}

std::unique_ptr<UdpSocket> UdpSocket::adopt(int descriptor, int receive_buffer, int send_buffer,
                                            int& error) {
  SocketAddress address;
  address.size = sizeof address.storage;
  if (::getsockname(descriptor, address.get(), &address.size) != 0 ||
      (receive_buffer != 0 && !set(descriptor, SOL_SOCKET, SO_RCVBUF, receive_buffer)) ||
      (send_buffer != 0 && !set(descriptor, SOL_SOCKET, SO_SNDBUF, send_buffer)) ||
      // Whoever opened it need not have said so, and this class never waits.
      ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK) != 0) {
    error = errno;
    return nullptr;
  }
  std::unique_ptr<UdpSocket> made(new UdpSocket(descriptor, address));
  made->prepare();
  return made;
}

// Where one of these cannot be had, something is slower, or is not told: no reason to fail.
void UdpSocket::prepare() {
  gro_ = set(descriptor_, SOL_UDP, UDP_GRO, 1);
  gso_ = set(descriptor_, SOL_UDP, UDP_SEGMENT, 0);
  set(descriptor_, IPPROTO_IP, IP_RECVERR, 1);
  if (ipv6_) set(descriptor_, IPPROTO_IPV6, IPV6_RECVERR, 1);
  if (!any_address_) return;
  if (ipv6_) {
    set(descriptor_, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  } else {
    set(descriptor_, IPPROTO_IP, IP_PKTINFO, 1);
  }
}

int UdpSocket::connect(const SocketAddress& peer) {
  if (::connect(descriptor_, peer.get(), peer.size) != 0) return errno;
  connected_ = true;
  return 0;
}

int UdpSocket::local_address(SocketAddress& address) const {
  address.size = sizeof address.storage;
  return ::getsockname(descriptor_, address.get(), &address.size) == 0 ? 0 : errno;
}

int UdpSocket::set_ttl(int ttl) const {
  const bool done = set(descriptor_, IPPROTO_IP, IP_TTL, ttl);
  if (!ipv6_) return done ? 0 : errno;
  return set(descriptor_, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl) ? 0 : errno;
}

// ---- in ----

UdpSocket::Received UdpSocket::receive(ReceiveBuffers& buffers, UdpListener& listener, int& error) {
  const Received received = read_datagrams(buffers, listener, error);
  if (received != Received::kSome || ++reads_with_kept_ >= kReadsWithKept) tell_errors(listener);
  return received;
}

void UdpSocket::tell_errors(UdpListener& listener) {
  reads_with_kept_ = 0;
  for (const Kept& one : std::exchange(kept_, {})) listener.on_error(one.peer, one.error);
}

UdpSocket::Received UdpSocket::read_datagrams(ReceiveBuffers& buffers, UdpListener& listener,
                                              int& error) {
  constexpr size_t kControl =
      CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(in_pktinfo));
  std::array<mmsghdr, ReceiveBuffers::kMessages> messages{};
  std::array<iovec, ReceiveBuffers::kMessages> vectors{};
  std::array<SocketAddress, ReceiveBuffers::kMessages> names{};
  alignas(cmsghdr) std::array<std::array<uint8_t, kControl>, ReceiveBuffers::kMessages> control{};
  for (size_t i = 0; i < messages.size(); ++i) {
    vectors[i] = {buffers.at(i), buffers.message_size()};
    messages[i].msg_hdr.msg_name = names[i].get();
    messages[i].msg_hdr.msg_namelen = sizeof names[i].storage;
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    messages[i].msg_hdr.msg_control = control[i].data();
    messages[i].msg_hdr.msg_controllen = kControl;
  }
  const int received =
      ::recvmmsg(descriptor_, messages.data(), static_cast<unsigned>(messages.size()),
                 MSG_DONTWAIT | MSG_TRUNC, nullptr);
  if (received < 0) {
    error = errno;
    if (error == EINTR || is_full(error)) return Received::kNothing;
    if (is_lasting(error)) return Received::kFailed;
    keep_errors(listener);
    return Received::kSome;  // what the call would have brought is still there
  }
  if (received == 0) return Received::kNothing;
  ++stats_.receiveCalls;
  for (size_t i = 0; i < static_cast<size_t>(received); ++i) {
    msghdr& header = messages[i].msg_hdr;
    names[i].size = header.msg_namelen;
    PeerAddress peer = to_peer(names[i]);
    size_t segment = 0;
    for (cmsghdr* one = CMSG_FIRSTHDR(&header); one != nullptr; one = CMSG_NXTHDR(&header, one)) {
      if (one->cmsg_level == SOL_UDP && one->cmsg_type == UDP_GRO) {
        int size = 0;
        std::memcpy(&size, CMSG_DATA(one), sizeof size);
        segment = static_cast<size_t>(size);
      } else if (any_address_) {
        keep_local(one, peer);
      }
    }
    const Bytes datagrams{buffers.at(i), messages[i].msg_len};
    if ((header.msg_flags & MSG_TRUNC) != 0) {
      // The call has MSG_TRUNC, so that msg_len is the length that the datagram had.
      stats_.truncated += segment == 0 ? 1 : (datagrams.size + segment - 1) / segment;
      continue;
    }
    if (segment == 0 || segment >= datagrams.size) {
      segment = datagrams.size;
    } else {
      stats_.receivedMerged += (datagrams.size + segment - 1) / segment;
    }
    listener.on_datagrams(datagrams, segment, names[i], peer);
  }
  return static_cast<size_t>(received) < messages.size() ? Received::kAll : Received::kSome;
}

bool UdpSocket::keep_errors(UdpListener& listener) {
  constexpr int kMost = 64;
  if (kept_.size() > kMostKept - kMost) tell_errors(listener);
  if (kept_.empty()) reads_with_kept_ = 0;
  bool proof = false;
  for (int i = 0; i < kMost; ++i) {
    std::array<uint8_t, 1> nothing{};
    alignas(cmsghdr) std::array<uint8_t, 512> control{};
    SocketAddress to;
    iovec vector{nothing.data(), nothing.size()};
    msghdr message{};
    message.msg_name = to.get();
    message.msg_namelen = sizeof to.storage;
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(descriptor_, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) break;
    to.size = message.msg_namelen;
    for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
      const bool is_error = (one->cmsg_level == IPPROTO_IP && one->cmsg_type == IP_RECVERR) ||
                            (one->cmsg_level == IPPROTO_IPV6 && one->cmsg_type == IPV6_RECVERR);
      if (!is_error || to.size == 0) continue;
      sock_extended_err what{};
      std::memcpy(&what, CMSG_DATA(one), sizeof what);
      // What is too large for its way is told here, too, by this system itself.
      proof = proof || what.ee_origin != SO_EE_ORIGIN_LOCAL;
      kept_.push_back({to_peer(to), static_cast<int>(what.ee_errno)});
    }
  }
  // With an empty queue a pending error may be left on the socket itself.
  int pending = 0;
  socklen_t size = sizeof pending;
  ::getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &pending, &size);
  return proof;
}

// ---- out ----

uint8_t* UdpSocket::room(const PeerAddress& to, size_t size) {
  return queue_.room(to, size, gso_ ? SIZE_MAX : 0);
}

bool UdpSocket::queue(const PeerAddress& to, SessionId from, uint32_t token, Bytes datagram) {
  if (queue_.bytes() + datagram.size > kMostQueued) {
    ++stats_.sendErrors;
    return false;
  }
  queue_.push(to, from, token, datagram, gso_ ? SIZE_MAX : 0);
  return true;
}

void UdpSocket::settle(size_t count, int error, UdpListener& listener) {
  offers_ = {};
  for (; count != 0; --count) {
    const SendQueue::Waiting sent = queue_.settle_next();
    if (error != 0) ++stats_.sendErrors;
    if (error != 0 || sent.token != 0) listener.on_sent(sent.from, sent.token, error);
  }
}

// Only this peer pays for what the way to it does not take: anybody may have said so of it.
void UdpSocket::split(int error) {
  SendQueue::Run& run = queue_.run(0);
  run.split = true;
  if (refusals_.empty()) refusals_.resize(kMostRefusals);
  Refusal& place = refusals_[hash_(run.to) % kMostRefusals];
  // Without checksum offload on the device (EIO) no size will do.
  const size_t refused = error == EIO ? 0 : run.segment;
  place = {run.to, place.to == run.to ? std::min(place.segment, refused) : refused};
}

bool UdpSocket::may_merge(const SendQueue::Run& run) const {
  if (!gso_ || run.split) return false;
  if (refusals_.empty()) return true;
  const Refusal& place = refusals_[hash_(run.to) % kMostRefusals];
  return run.segment < place.segment || !(place.to == run.to);
}

// What one sendmmsg is given.
struct UdpSocket::Batch {
  static constexpr size_t kControl = CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(in6_pktinfo));

  std::array<mmsghdr, kSendMessages> messages;
  std::array<iovec, kSendMessages> vectors;
  std::array<sockaddr_storage, kSendMessages> names;
  alignas(cmsghdr) std::array<std::array<uint8_t, kControl>, kSendMessages> control;
  std::array<size_t, kSendMessages> datagrams;  // in each message
  size_t count = 0;
  bool unreachable = false;  // the first datagram has no address of this family
};

void UdpSocket::fill(Batch& batch) {
  batch.count = 0;
  batch.unreachable = false;
  for (size_t at = 0; at < queue_.runs() && batch.count < kSendMessages; ++at) {
    SendQueue::Run& run = queue_.run(at);
    SocketAddress name;
    if (!connected_ && !to_socket_address(run.to, ipv6_, name)) {
      batch.unreachable = batch.count == 0;
      return;  // what stands before it leaves first
    }
    const bool merged = run.left() > 1 && may_merge(run);
    size_t offset = run.settled_bytes;
    for (size_t next = run.settled; next < run.datagrams.size() && batch.count < kSendMessages;) {
      const size_t count = merged ? run.left() : 1;
      const size_t size = merged ? run.bytes.size() - offset : run.datagrams[next].size;
      const size_t slot = batch.count++;
      msghdr& header = batch.messages[slot].msg_hdr;
      header = {};
      batch.vectors[slot] = {run.bytes.data() + offset, size};
      header.msg_iov = &batch.vectors[slot];
      header.msg_iovlen = 1;
      header.msg_control = batch.control[slot].data();
      if (!connected_) {
        std::memcpy(&batch.names[slot], name.get(), name.size);
        header.msg_name = &batch.names[slot];
        header.msg_namelen = name.size;
        append_local(header, run.to.local());
      }
      if (merged) {
        const auto segment = static_cast<uint16_t>(run.segment);
        append_control(header, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment);
      }
      if (header.msg_controllen == 0) header.msg_control = nullptr;
      batch.datagrams[slot] = count;
      next += count;
      offset += size;
    }
  }
}

// False when there is no end of errors that are not of what is sent.
bool UdpSocket::on_send_error(size_t count, int error, UdpListener& listener) {
  if (is_perhaps_of_icmp(error)) {
    ++offers_.made;
    if (!keep_errors(listener)) ++offers_.unproven;
    if (offers_.unproven < kMostUnproven) {
      if (offers_.made < kMostOffers) return true;
      // What was unproven goes on counting: a datagram that is refused for itself has its end, and
      // those behind it their turn, also while ICMP comes without one.
      offers_.made = 0;
      return false;
    }
  }
  if (count > 1 && is_merge_refused(error)) {
    offers_ = {};
    split(error);
  } else {
    settle(count, error, listener);
  }
  return true;
}

UdpSocket::Flushed UdpSocket::flush(UdpListener& listener) {
  // The batch is not initialised as a whole: it is large, and mostly one message is sent.
  Batch batch;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  while (!queue_.empty()) {
    fill(batch);
    if (batch.unreachable) {
      settle(queue_.run(0).left(), EAFNOSUPPORT, listener);
      continue;
    }
    const int sent = ::sendmmsg(descriptor_, batch.messages.data(),
                                static_cast<unsigned>(batch.count), MSG_DONTWAIT);
    if (sent <= 0) {
      const int error = errno;
      if (error == EINTR) continue;
      if (is_full(error)) return Flushed::kFull;
      if (error == ENOBUFS) return Flushed::kLater;
      if (!on_send_error(batch.datagrams[0], error, listener)) return Flushed::kLater;
      continue;
    }
    ++stats_.sendCalls;
    for (size_t i = 0; i < static_cast<size_t>(sent); ++i) {
      if (batch.datagrams[i] > 1) stats_.sentMerged += batch.datagrams[i];
      settle(batch.datagrams[i], 0, listener);
    }
    // An error that is pending ends the call behind a datagram, and is not told. What waits in the
    // error queue takes room from what comes in.
    if (static_cast<size_t>(sent) < batch.count) keep_errors(listener);
  }
  return Flushed::kAll;
}

void UdpSocket::abandon(UdpListener& listener) {
  tell_errors(listener);
  while (!queue_.empty()) settle(queue_.run(0).left(), ECANCELED, listener);
}

UdpStats UdpSocket::stats() const {
  UdpStats stats = stats_;
  std::array<uint32_t, SK_MEMINFO_VARS> memory{};
  socklen_t size = sizeof memory;
  // Before Linux 4.12 and under emulators there is no such option, or less in it.
  const bool told = ::getsockopt(descriptor_, SOL_SOCKET, SO_MEMINFO, memory.data(), &size) == 0 &&
                    size > SK_MEMINFO_DROPS * sizeof(uint32_t);
  stats.buffersDropped = told ? std::optional<uint64_t>(memory[SK_MEMINFO_DROPS]) : std::nullopt;
  return stats;
}

}  // namespace dtls::io

#endif
