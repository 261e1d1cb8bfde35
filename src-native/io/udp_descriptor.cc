#include "io/udp_descriptor.h"

#ifndef _WIN32
#include <netinet/in.h>
#include <sys/socket.h>
#endif

namespace dtls::io {

#ifndef _WIN32

int udp_family(int descriptor) {
  int type = 0;
  socklen_t size = sizeof type;
  if (getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_DGRAM)
    return 0;
  sockaddr_storage address{};
  size = sizeof address;
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  // A socket that is not bound has no port: nobody could reach it.
  if (address.ss_family == AF_INET6) {
    return reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port != 0 ? 6 : 0;
  }
  if (address.ss_family != AF_INET) return 0;
  return reinterpret_cast<const sockaddr_in*>(&address)->sin_port != 0 ? 4 : 0;
}

#else

int udp_family(int /*descriptor*/) { return 0; }

#endif

}  // namespace dtls::io
