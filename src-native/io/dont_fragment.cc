#include "io/dont_fragment.h"

#ifdef __linux__
#include <netinet/in.h>
#include <sys/socket.h>
#endif

namespace dtls::io {

#ifdef __linux__

bool set_dont_fragment(int fd, bool ipv6, bool on) {
  const int v4 = on ? IP_PMTUDISC_PROBE : IP_PMTUDISC_WANT;
  const int v6 = on ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_WANT;
  // A dual-stack socket sends both; on one without IPv4 the first call fails and does no harm.
  const bool v4_set = setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &v4, sizeof v4) == 0;
  if (!ipv6) return v4_set;
  return setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &v6, sizeof v6) == 0;
}

#else

bool set_dont_fragment(int /*fd*/, bool /*ipv6*/, bool /*on*/) { return false; }

#endif

}  // namespace dtls::io
