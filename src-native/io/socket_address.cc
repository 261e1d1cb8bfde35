#include "io/socket_address.h"

#ifdef __linux__

#include <arpa/inet.h>
#include <net/if.h>

#include <array>
#include <charconv>
#include <cstring>

namespace dtls::io {

namespace {

constexpr size_t kIpv4Size = 4;
constexpr size_t kIpv6Size = 16;

const sockaddr_in& ipv4(const SocketAddress& address) {
  return *reinterpret_cast<const sockaddr_in*>(&address.storage);
}
const sockaddr_in6& ipv6(const SocketAddress& address) {
  return *reinterpret_cast<const sockaddr_in6*>(&address.storage);
}

// The kernel asks for the interface of such, and of no others.
bool needs_zone(const in6_addr& address) {
  return IN6_IS_ADDR_LINKLOCAL(&address) || IN6_IS_ADDR_MC_LINKLOCAL(&address) ||
         IN6_IS_ADDR_MC_NODELOCAL(&address);
}

std::string zone_of(const sockaddr_in6& address) {
  std::array<char, IF_NAMESIZE> name{};
  if (!needs_zone(address.sin6_addr) || address.sin6_scope_id == 0 ||
      if_indextoname(address.sin6_scope_id, name.data()) == nullptr) {
    return {};
  }
  return std::string("%") + name.data();
}

// A zone is an interface's name, or its number (RFC 4007 section 11.2); 0 for neither.
uint32_t zone_index(const std::string& zone) {
  if (const uint32_t index = if_nametoindex(zone.c_str()); index != 0) return index;
  uint32_t index = 0;
  const auto [end, error] = std::from_chars(zone.data(), zone.data() + zone.size(), index);
  return error == std::errc() && end == zone.data() + zone.size() ? index : 0;
}

}  // namespace

uint16_t SocketAddress::port() const {
  return ntohs(is_ipv6() ? ipv6(*this).sin6_port : ipv4(*this).sin_port);
}

std::string SocketAddress::host() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* bytes = is_ipv6() ? static_cast<const void*>(&ipv6(*this).sin6_addr)
                                : static_cast<const void*>(&ipv4(*this).sin_addr);
  if (inet_ntop(storage.ss_family, bytes, text.data(), text.size()) == nullptr) return {};
  return is_ipv6() ? text.data() + zone_of(ipv6(*this)) : std::string(text.data());
}

bool parse_address(const std::string& host, uint16_t port, SocketAddress& address) {
  address = {};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address.size = sizeof *v4;
    return true;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  const size_t percent = host.find('%');
  if (inet_pton(AF_INET6, host.substr(0, percent).c_str(), &v6->sin6_addr) != 1) return false;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  if (percent != std::string::npos) {
    v6->sin6_scope_id = zone_index(host.substr(percent + 1));
    if (v6->sin6_scope_id == 0) return false;
  }
  address.size = sizeof *v6;
  return true;
}

PeerAddress to_peer(const SocketAddress& address) {
  PeerAddress peer;
  if (!address.is_ipv6()) {
    peer.assign({reinterpret_cast<const uint8_t*>(&ipv4(address).sin_addr), kIpv4Size},
                address.port());
    return peer;
  }
  const sockaddr_in6& v6 = ipv6(address);
  const uint8_t* bytes = v6.sin6_addr.s6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    peer.assign({bytes + kIpv6Size - kIpv4Size, kIpv4Size}, address.port());
    return peer;
  }
  if (!needs_zone(v6.sin6_addr)) {
    peer.assign_ipv6({bytes, kIpv6Size}, address.port());
    return peer;
  }
  std::string host(reinterpret_cast<const char*>(bytes), kIpv6Size);
  host += zone_of(v6);
  peer.assign_ipv6({reinterpret_cast<const uint8_t*>(host.data()), host.size()}, address.port());
  return peer;
}

bool to_socket_address(const PeerAddress& peer, bool ipv6_socket, SocketAddress& address) {
  const Bytes bytes = peer.bytes();
  if (bytes.size < 2) return false;
  const Bytes host = bytes.first(bytes.size - 2);
  uint16_t port = 0;  // network byte order, as it is in `bytes`
  std::memcpy(&port, bytes.data + host.size, sizeof port);
  address = {};
  if (host.size == kIpv4Size && !ipv6_socket) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
    v4->sin_family = AF_INET;
    v4->sin_port = port;
    std::memcpy(&v4->sin_addr, host.data, kIpv4Size);
    address.size = sizeof *v4;
    return true;
  }
  if (!ipv6_socket || (host.size != kIpv4Size && host.size < kIpv6Size)) return false;
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  v6->sin6_family = AF_INET6;
  v6->sin6_port = port;
  address.size = sizeof *v6;
  uint8_t* out = v6->sin6_addr.s6_addr;
  if (host.size == kIpv4Size) {
    out[10] = out[11] = 0xff;
    std::memcpy(out + kIpv6Size - kIpv4Size, host.data, kIpv4Size);
    return true;
  }
  std::memcpy(out, host.data, kIpv6Size);
  if (host.size > kIpv6Size + 1) {
    const std::string zone(reinterpret_cast<const char*>(host.data) + kIpv6Size + 1,
                           host.size - kIpv6Size - 1);
    v6->sin6_scope_id = if_nametoindex(zone.c_str());
  }
  return true;
}

}  // namespace dtls::io

#endif
