#ifndef DGRAM_DTLS_IO_SOCKET_ADDRESS_H_
#define DGRAM_DTLS_IO_SOCKET_ADDRESS_H_

#ifdef __linux__

#include <netinet/in.h>
#include <sys/socket.h>

#include <string>

#include "core/base/peer_address.h"

namespace dtls::io {

// An IP address and port as the system has them.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  bool is_ipv6() const { return storage.ss_family == AF_INET6; }
  uint16_t port() const;
  // An IPv4 address that came over an IPv6 socket stays as it came: ::ffff:192.0.2.1.
  std::string host() const;
};

// `host`: an IP address, perhaps with a zone. False when it is none.
bool parse_address(const std::string& host, uint16_t port, SocketAddress& address);

// The same value for every spelling of a peer, as the binding makes it from text: a mapped IPv4
// address counts as its four bytes, a link-local one has its zone behind it.
PeerAddress to_peer(const SocketAddress& address);

// The address as a socket of that family takes it. False when the peer is no IP address, or none
// for such a socket.
bool to_socket_address(const PeerAddress& peer, bool ipv6_socket, SocketAddress& address);

}  // namespace dtls::io

#endif

#endif  // DGRAM_DTLS_IO_SOCKET_ADDRESS_H_
