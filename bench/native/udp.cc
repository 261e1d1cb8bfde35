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

// As many bytes as fit the largest datagram that the kernel cuts apart; its limit of datagrams
// is 64.
constexpr size_t kMaxBatchBytes = 65000;
constexpr int kMaxTurns = 100;

[[noreturn]] void fail(const char* what) {
  throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

const sockaddr* generic(const sockaddr_in& address) {
  return reinterpret_cast<const sockaddr*>(&address);
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

void Batch::add(const uint8_t* data, size_t size) {
  if (count_ != 0 && (size != size_ || count_ == most_ || bytes_.size() + size > kMaxBatchBytes)) {
    send();
  }
  size_ = size;
  ++count_;
  bytes_.insert(bytes_.end(), data, data + size);
}

void Batch::send() {
  if (count_ == 0) return;
  iovec part{bytes_.data(), bytes_.size()};
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
  bytes_.clear();
}

constexpr size_t kMergedMessages = 8;
constexpr size_t kMergedSize = size_t{64} * 1024;

Merged::Merged(int descriptor) : descriptor_(descriptor), bytes_(kMergedMessages * kMergedSize) {
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
  if (merged_ != nullptr) {
    const auto [data, length] = merged_->next();
    if (data == nullptr) return -1;
    std::memcpy(out, data, std::min(size, length));
    return static_cast<int>(std::min(size, length));
  }
  if (connected_) return static_cast<int>(::recv(descriptor_, out, size, 0));
  socklen_t length = sizeof peer_;
  return static_cast<int>(
      ::recvfrom(descriptor_, out, size, 0, reinterpret_cast<sockaddr*>(&peer_), &length));
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
