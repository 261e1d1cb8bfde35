#ifndef DGRAM_DTLS_IO_DONT_FRAGMENT_H_
#define DGRAM_DTLS_IO_DONT_FRAGMENT_H_

namespace dtls::io {

// Sets that the datagrams of a UDP socket leave whole or not at all, whatever the kernel believes
// of the path (Linux: IP_PMTUDISC_PROBE), or the system's default again. False where that cannot be
// set.
bool set_dont_fragment(int fd, bool ipv6, bool on);

}  // namespace dtls::io

#endif  // DGRAM_DTLS_IO_DONT_FRAGMENT_H_
