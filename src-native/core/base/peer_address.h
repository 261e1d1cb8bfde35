#ifndef DGRAM_DTLS_CORE_BASE_PEER_ADDRESS_H_
#define DGRAM_DTLS_CORE_BASE_PEER_ADDRESS_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>

#include "core/base/bytes.h"

namespace dtls {

// Where a datagram came from, as an opaque value: the host's bytes as the transport spells them (4
// or 16 for IP, anything up to kMaxHost for a transport of the user's own), then the port. The core
// compares and hashes it, and interprets nothing but the host of an IPv6 address, to count by those
// who have it. It may carry the local address that the datagram was sent to, so that answers leave
// from there; that is no part of who the peer is.
class PeerAddress {
 public:
  static constexpr size_t kMaxHost = 61;
  static constexpr size_t kMaxSize = kMaxHost + 2;  // with the port
  static constexpr size_t kMaxLocal = 20;           // an IPv6 address and an interface

  PeerAddress() : size_(0), ipv6_(false), local_size_(0) {}
  PeerAddress(const PeerAddress& other)
      : size_(other.size_),
        ipv6_(other.ipv6_),
        local_size_(other.local_size_),
        here_(other.here_),
        elsewhere_(other.elsewhere_ ? std::make_unique<Long>(*other.elsewhere_) : nullptr) {}
  PeerAddress(PeerAddress&&) noexcept = default;
  PeerAddress& operator=(const PeerAddress& other) { return *this = PeerAddress(other); }
  PeerAddress& operator=(PeerAddress&&) noexcept = default;
  ~PeerAddress() = default;

  // False when the host is longer than kMaxHost; nothing is truncated.
  bool assign(Bytes host, uint16_t port) {
    if (host.size > kMaxHost) return false;
    uint8_t* const bytes = room(host.size + kPortSize);
    if (host.size != 0) std::memcpy(bytes, host.data, host.size);
    bytes[host.size] = static_cast<uint8_t>(port >> 8);
    bytes[host.size + 1] = static_cast<uint8_t>(port);
    size_ = static_cast<uint8_t>(host.size + kPortSize);
    return true;
  }

  // An IPv6 address in 16 bytes, and its zone where it needs one.
  bool assign_ipv6(Bytes host, uint16_t port) {
    ipv6_ = host.size >= kIpv6Size;
    return assign(host, port);
  }

  Bytes bytes() const { return {data(), size_}; }

  // Of an address that is assigned. False when it is longer than kMaxLocal.
  bool set_local(Bytes local) {
    if (local.size > kMaxLocal) return false;
    uint8_t* const bytes = room(size_ + local.size);
    if (local.size != 0) std::memcpy(bytes + size_, local.data, local.size);
    local_size_ = static_cast<uint8_t>(local.size);
    return true;
  }
  Bytes local() const { return {data() + size_, local_size_}; }

  // The same peer, by the same way: from the same local address.
  bool same_path(const PeerAddress& other) const {
    return *this == other && local_size_ == other.local_size_ &&
           std::memcmp(local().data, other.local().data, local_size_) == 0;
  }

  // Whoever has this address has others, too: the key by which the sessions of one host are
  // counted. Any port; of IPv6 the first 64 bits, which is what a link has and a host may choose
  // from (RFC 4291 section 2.5.1), and the zone. An IPv4 address that is written as an IPv6 one,
  // because the socket (::ffff:0:0/96) or a translator (64:ff9b::/96, RFC 6052) does so, is that
  // IPv4 address.
  PeerAddress host() const {
    PeerAddress host;
    Bytes bytes = this->bytes();
    bytes = bytes.first(bytes.size < kPortSize ? 0 : bytes.size - kPortSize);
    if (!ipv6_) {
      host.assign(bytes, 0);
    } else if (embeds_ipv4()) {
      host.assign(bytes.from(kIpv4At).first(kIpv6Size - kIpv4At), 0);
    } else {
      std::array<uint8_t, kMaxHost> key{};
      const Bytes zone = bytes.from(kIpv6Size);
      std::memcpy(key.data(), bytes.data, kNetworkSize);
      if (zone.size != 0) std::memcpy(key.data() + kNetworkSize, zone.data, zone.size);
      host.assign({key.data(), kNetworkSize + zone.size}, 0);
    }
    return host;
  }

  friend bool operator==(const PeerAddress& a, const PeerAddress& b) {
    return a.size_ == b.size_ && std::memcmp(a.data(), b.data(), a.size_) == 0;
  }

 private:
  static constexpr size_t kPortSize = 2;
  static constexpr size_t kIpv6Size = 16;
  static constexpr size_t kNetworkSize = 8;
  static constexpr size_t kIpv4At = 12;  // in an IPv6 address that embeds one

  bool embeds_ipv4() const {
    static constexpr std::array<uint8_t, kIpv4At> kMapped = {0, 0, 0, 0, 0,   0,
                                                             0, 0, 0, 0, 255, 255};
    static constexpr std::array<uint8_t, kIpv4At> kTranslated = {0, 0x64, 0xff, 0x9b, 0, 0,
                                                                 0, 0,    0,    0,    0, 0};
    return std::memcmp(data(), kMapped.data(), kIpv4At) == 0 ||
           std::memcmp(data(), kTranslated.data(), kIpv4At) == 0;
  }

  // An address of IP, and where it was sent to, lies in the object. What has a zone as well, or a
  // long name, lies elsewhere: each session has one of these.
  using Long = std::array<uint8_t, kMaxHost + kPortSize + kMaxLocal>;
  static constexpr size_t kHere = kIpv6Size + kPortSize + kMaxLocal;

  const uint8_t* data() const { return elsewhere_ ? elsewhere_->data() : here_.data(); }

  // Memory for so many bytes, of which the first are those that are there.
  uint8_t* room(size_t size) {
    if (size > kHere && !elsewhere_) {
      elsewhere_ = std::make_unique<Long>();
      std::copy(here_.begin(), here_.end(), elsewhere_->begin());
    }
    return elsewhere_ ? elsewhere_->data() : here_.data();
  }

  uint8_t size_ : 7;
  bool ipv6_ : 1;
  uint8_t local_size_;
  std::array<uint8_t, kHere> here_{};
  std::unique_ptr<Long> elsewhere_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_BASE_PEER_ADDRESS_H_
