#include "udp.h"

#include <linux/udp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace bench {

namespace {

// The bytes that the largest datagram has that the kernel cuts apart; its limit of datagrams
// is 64.
constexpr size_t kMaxBatchBytes = 65000;
constexpr int kMaxTurns = 100;

[[noreturn]] void fail(const char* what) {
  throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

const sockaddr* generic(const sockaddr_in& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

// What a Link's read gives: -1 for no datagram.
int copy_out(std::pair<const uint8_t*, size_t> datagram, uint8_t* out, int capacity) {
  const auto [data, size] = datagram;
  if (data == nullptr) return -1;
  const size_t copied = std::min(size, static_cast<size_t>(capacity));
  std::memcpy(out, data, copied);
  return static_cast<int>(copied);
}

}  // namespace

sockaddr_in loopback(uint32_t host, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(host);
  address.sin_port = htons(port);
  return address;
}

UdpSocket::UdpSocket(uint32_t host) : descriptor_(::socket(AF_INET, SOCK_DGRAM, 0)) {
  if (descriptor_ < 0) fail("socket");
  const sockaddr_in address = loopback(host, 0);
  const timeval patience{0, 200000};
  if (::bind(descriptor_, generic(address), sizeof address) != 0 ||
      ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0) {
    ::close(descriptor_);
    fail("bind");
  }
}

UdpSocket::~UdpSocket() { ::close(descriptor_); }

uint16_t UdpSocket::port() const {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    fail("getsockname");
  }
  return ntohs(address.sin_port);
}

void UdpSocket::connect(uint16_t port) {
  const sockaddr_in address = loopback(INADDR_LOOPBACK, port);
  if (::connect(descriptor_, generic(address), sizeof address) != 0) fail("connect");
}

Batch::Batch(int descriptor, size_t most)
    : descriptor_(descriptor), most_(most), bytes_(kMaxBatchBytes) {}

void Batch::add(const uint8_t* data, size_t size) { std::memcpy(room(size), data, size); }

uint8_t* Batch::room(size_t size) {
  if (count_ != 0 && (size != size_ || count_ == most_ || filled_ + size > kMaxBatchBytes)) send();
  size_ = size;
  ++count_;
  uint8_t* const there = bytes_.data() + filled_;
  filled_ += size;
  return there;
}

void Batch::send() {
  if (count_ == 0) return;
  iovec part{bytes_.data(), filled_};
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(uint16_t))]{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (count_ > 1) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    const auto segment = static_cast<uint16_t>(size_);
    std::memcpy(CMSG_DATA(header), &segment, sizeof segment);
  }
  // ECONNREFUSED reports an earlier datagram, to a receiver that has just ended.
  if (::sendmsg(descriptor_, &message, 0) < 0 && errno != ECONNREFUSED) fail("sendmsg");
  sent_ += count_;
  count_ = 0;
  filled_ = 0;
}

constexpr size_t kMergedMessages = 8;
constexpr size_t kMergedSize = size_t{64} * 1024;

Merged::Merged(int descriptor)
    : descriptor_(descriptor), bytes_(kMergedMessages * kMergedSize), peers_(kMergedMessages) {
  const int on = 1;
  if (::setsockopt(descriptor_, IPPROTO_UDP, UDP_GRO, &on, sizeof on) != 0) fail("UDP_GRO");
}

bool Merged::receive() {
  std::array<mmsghdr, kMergedMessages> messages{};
  std::array<iovec, kMergedMessages> parts{};
  alignas(cmsghdr) std::array<std::array<uint8_t, CMSG_SPACE(sizeof(int))>, kMergedMessages>
      control{};
  for (size_t i = 0; i < kMergedMessages; ++i) {
    parts[i] = {bytes_.data() + i * kMergedSize, kMergedSize};
    messages[i].msg_hdr.msg_name = &peers_[i];
    messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_in);
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    messages[i].msg_hdr.msg_control = control[i].data();
    messages[i].msg_hdr.msg_controllen = control[i].size();
  }
  sizes_.clear();
  segments_.clear();
  message_ = offset_ = 0;
  const int got =
      ::recvmmsg(descriptor_, messages.data(), kMergedMessages, MSG_WAITFORONE, nullptr);
  for (int i = 0; i < got; ++i) {
    const mmsghdr& one = messages[static_cast<size_t>(i)];
    size_t segment = one.msg_len;
    const cmsghdr* header = CMSG_FIRSTHDR(&one.msg_hdr);
    if (header != nullptr && header->cmsg_level == IPPROTO_UDP && header->cmsg_type == UDP_GRO) {
      int size = 0;
      std::memcpy(&size, CMSG_DATA(header), sizeof size);
      segment = static_cast<size_t>(size);
    }
    sizes_.push_back(one.msg_len);
    segments_.push_back(segment);
  }
  return got > 0;
}

std::pair<const uint8_t*, size_t> Merged::next() {
  while (message_ < sizes_.size() && offset_ >= sizes_[message_]) {
    ++message_;
    offset_ = 0;
  }
  if (message_ >= sizes_.size()) return {nullptr, 0};
  const size_t size = std::min(segments_[message_], sizes_[message_] - offset_);
  const uint8_t* at = bytes_.data() + message_ * kMergedSize + offset_;
  offset_ += size;
  return {at, size};
}

int UdpLink::read(uint8_t* out, int capacity) {
  const auto size = static_cast<size_t>(capacity);
  if (merged_ != nullptr) return copy_out(merged_->next(), out, capacity);
  if (connected_) return static_cast<int>(::recv(descriptor_, out, size, flags_));
  socklen_t length = sizeof peer_;
  return static_cast<int>(
      ::recvfrom(descriptor_, out, size, flags_, reinterpret_cast<sockaddr*>(&peer_), &length));
}

void UdpLink::write(const uint8_t* data, int size) {
  const auto bytes = static_cast<size_t>(size);
  if (batch_ != nullptr) {
    batch_->add(data, bytes);
  } else if (connected_) {
    ::send(descriptor_, data, bytes, 0);
  } else {
    ::sendto(descriptor_, data, bytes, 0, generic(peer_), sizeof peer_);
  }
}

void UdpLink::connect() {
  if (connected_) return;
  if (::connect(descriptor_, generic(peer_), sizeof peer_) != 0) fail("connect");
  connected_ = true;
}

HostLink::HostLink(const UdpSocket& socket, uint32_t host, uint16_t server_port)
    : descriptor_(socket.descriptor()),
      host_{htonl(host)},
      server_(loopback(INADDR_LOOPBACK, server_port)) {
  const int on = 1;
  if (::setsockopt(descriptor_, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) != 0) fail("IP_PKTINFO");
}

int HostLink::read(uint8_t* out, int capacity) {
  for (;;) {
    iovec part{out, static_cast<size_t>(capacity)};
    alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(sizeof(in_pktinfo))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = ::recvmsg(descriptor_, &message, 0);
    if (got < 0) return -1;
    in_pktinfo info{};
    if (const cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr) {
      std::memcpy(&info, CMSG_DATA(header), sizeof info);
    }
    // Something late for the host before is passed over.
    if (info.ipi_addr.s_addr == host_.s_addr) return static_cast<int>(got);
  }
}

void HostLink::write(const uint8_t* data, int size) {
  iovec part{const_cast<uint8_t*>(data), static_cast<size_t>(size)};
  alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(sizeof(in_pktinfo))> control{};
  msghdr message{};
  message.msg_name = &server_;
  message.msg_namelen = sizeof server_;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = IPPROTO_IP;
  header->cmsg_type = IP_PKTINFO;
  header->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
  in_pktinfo info{};
  info.ipi_spec_dst = host_;
  std::memcpy(CMSG_DATA(header), &info, sizeof info);
  ::sendmsg(descriptor_, &message, 0);
}

int OneDatagramLink::read(uint8_t* out, int capacity) {
  return copy_out(std::exchange(next_, {nullptr, 0}), out, capacity);
}

void connect_over(SSL* ssl) {
  for (int turn = 0; turn < kMaxTurns; ++turn) {
    if (handshake_step(ssl)) return;
    DTLSv1_handle_timeout(ssl);
  }
  throw std::runtime_error("no answer from the server");
}

void accept_over(SSL* ssl) {
  for (int turn = 0; turn < kMaxTurns; ++turn) {
    if (listen_step(ssl)) {
      connect_over(ssl);
      return;
    }
  }
  throw std::runtime_error("no client came");
}

}  // namespace bench
