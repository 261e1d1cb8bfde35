#ifndef DGRAM_DTLS_CORE_PEER_ADDRESS_H_
#define DGRAM_DTLS_CORE_PEER_ADDRESS_H_

#include <array>
#include <cstdint>
#include <cstring>

#include "core/bytes.h"

namespace dtls {

// Where a datagram came from, as an opaque value: the host's bytes as the transport spells them (4
// or 16 for IP, anything up to kMaxHost for a transport of the user's own), then the port. The core
// compares, hashes and counts by host; it never interprets. It may carry the local address that the
// datagram was sent to, so that answers leave from there; that is no part of who the peer is.
class PeerAddress {
 public:
  static constexpr size_t kMaxHost = 61;
  static constexpr size_t kMaxLocal = 20;  // an IPv6 address and an interface

  PeerAddress() = default;

  // False when the host is longer than kMaxHost; nothing is truncated.
  bool assign(Bytes host, uint16_t port) {
    if (host.size > kMaxHost) return false;
    if (host.size != 0) std::memcpy(bytes_.data(), host.data, host.size);
    bytes_[host.size] = static_cast<uint8_t>(port >> 8);
    bytes_[host.size + 1] = static_cast<uint8_t>(port);
    size_ = static_cast<uint8_t>(host.size + 2);
    return true;
  }

  Bytes bytes() const { return {bytes_.data(), size_}; }

  // False when it is longer than kMaxLocal.
  bool set_local(Bytes local) {
    if (local.size > kMaxLocal) return false;
    if (local.size != 0) std::memcpy(local_.data(), local.data, local.size);
    local_size_ = static_cast<uint8_t>(local.size);
    return true;
  }
  Bytes local() const { return {local_.data(), local_size_}; }

  // The same peer, by the same way: from the same local address.
  bool same_path(const PeerAddress& other) const {
    return *this == other && local_size_ == other.local_size_ &&
           std::memcmp(local_.data(), other.local_.data(), local_size_) == 0;
  }

  // The same host with port 0: the key by which sessions for each host are counted.
  PeerAddress host_only() const {
    PeerAddress host = *this;
    if (size_ >= 2) host.bytes_[size_ - 2] = host.bytes_[size_ - 1] = 0;
    return host;
  }

  friend bool operator==(const PeerAddress& a, const PeerAddress& b) {
    return a.size_ == b.size_ && std::memcmp(a.bytes_.data(), b.bytes_.data(), a.size_) == 0;
  }

 private:
  // In this order the comparison of two IP addresses looks at one line of the cache.
  uint8_t size_ = 0;
  uint8_t local_size_ = 0;
  std::array<uint8_t, kMaxHost + 2> bytes_{};
  std::array<uint8_t, kMaxLocal> local_{};
};

// FNV-1a from a random start, so that nobody can choose addresses that fall into one bucket.
class PeerAddressHash {
 public:
  explicit PeerAddressHash(uint64_t seed = 0) : seed_(seed) {}

  size_t operator()(const PeerAddress& peer) const {
    uint64_t hash = seed_ ^ 0xcbf29ce484222325U;
    const Bytes bytes = peer.bytes();
    for (size_t i = 0; i < bytes.size; ++i) hash = (hash ^ bytes.data[i]) * 0x100000001b3U;
    return static_cast<size_t>(hash ^ (hash >> 29));
  }

 private:
  uint64_t seed_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_PEER_ADDRESS_H_
