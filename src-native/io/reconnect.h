#ifndef DGRAM_DTLS_IO_RECONNECT_H_
#define DGRAM_DTLS_IO_RECONNECT_H_

#include <cstddef>

struct sockaddr;

namespace dtls::io {

// Connects a UDP socket, which is connected, to another peer, an address of its own family. Its
// port stays, and what it has received waits to be read. `any_address`: it was bound to none, so
// that it is to have the address from which the new peer is reached. An error number, or 0; on an
// error it is connected as before, unless somebody has taken its port meanwhile. ENOTSUP where the
// system has no such thing.
int reconnect(int descriptor, const sockaddr* peer, size_t size, bool any_address);

}  // namespace dtls::io

#endif  // DGRAM_DTLS_IO_RECONNECT_H_
