#include "io/reconnect.h"

#include <cerrno>

#ifndef _WIN32
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#endif

namespace dtls::io {

#ifdef _WIN32

int reconnect(int /*descriptor*/, const sockaddr* /*peer*/, size_t /*size*/, bool /*any_address*/) {
  return ENOTSUP;
}

#else

#ifdef __linux__

namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }

  bool same_host(const Address& other) const {
    if (storage.ss_family != other.storage.ss_family) return false;
    if (storage.ss_family == AF_INET) {
      return reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr.s_addr ==
             reinterpret_cast<const sockaddr_in*>(&other.storage)->sin_addr.s_addr;
    }
    return std::memcmp(&reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr,
                       &reinterpret_cast<const sockaddr_in6*>(&other.storage)->sin6_addr,
                       sizeof(in6_addr)) == 0;
  }
};

int connect_to(int descriptor, const sockaddr* peer, size_t size) {
  return ::connect(descriptor, peer, static_cast<socklen_t>(size)) == 0 ? 0 : errno;
}

// The address from which the system would send there.
int source_for(const sockaddr* peer, size_t size, Address& source) {
  const int probe = ::socket(peer->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return errno;
  constexpr int kOff = 0;
  if (peer->sa_family == AF_INET6) {
    setsockopt(probe, IPPROTO_IPV6, IPV6_V6ONLY, &kOff, sizeof kOff);
  }
  int error = connect_to(probe, peer, size);
  if (error == 0 && ::getsockname(probe, source.get(), &source.size) != 0) error = errno;
  ::close(probe);
  return error;
}

// Linux gives a connected socket another address of its own only by way of none, and then takes
// back a port that it has chosen itself.
int connect_anew(int descriptor, Address own, const sockaddr* peer, size_t size) {
  Address none;
  none.storage.ss_family = AF_UNSPEC;
  if (const int error = connect_to(descriptor, none.get(), none.size)) return error;
  Address left;
  if (::getsockname(descriptor, left.get(), &left.size) != 0) return errno;
  const auto port = [](Address& address) -> in_port_t& {
    return address.storage.ss_family == AF_INET
               ? reinterpret_cast<sockaddr_in*>(&address.storage)->sin_port
               : reinterpret_cast<sockaddr_in6*>(&address.storage)->sin6_port;
  };
  if (port(left) != port(own)) {
    port(left) = port(own);
    if (::bind(descriptor, left.get(), left.size) != 0) return errno;
  }
  return connect_to(descriptor, peer, size);
}

}  // namespace

#endif

namespace {

int connect_to_other(int descriptor, const sockaddr* peer, size_t size, bool any_address) {
#ifdef __linux__
  Address own;
  Address before;
  if (::getsockname(descriptor, own.get(), &own.size) != 0 ||
      ::getpeername(descriptor, before.get(), &before.size) != 0) {
    return errno;
  }
  Address source;
  if (any_address) {
    if (const int error = source_for(peer, size, source)) return error;
  }
  if (!any_address || source.same_host(own)) return connect_to(descriptor, peer, size);
  const int error = connect_anew(descriptor, own, peer, size);
  if (error != 0) connect_anew(descriptor, own, before.get(), before.size);
  return error;
#else
  static_cast<void>(any_address);
  return ::connect(descriptor, peer, static_cast<socklen_t>(size)) == 0 ? 0 : errno;
#endif
}

}  // namespace

int reconnect(int descriptor, const sockaddr* peer, size_t size, bool any_address) {
  const int error = connect_to_other(descriptor, peer, size, any_address);
  if (error != 0) return error;
  // What ICMP has said of the peer before is nothing to the next one.
  int pending = 0;
  socklen_t pending_size = sizeof pending;
  ::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &pending, &pending_size);
  return 0;
}

#endif

}  // namespace dtls::io
