#ifndef DGRAM_DTLS_IO_UDP_DESCRIPTOR_H_
#define DGRAM_DTLS_IO_UDP_DESCRIPTOR_H_

namespace dtls::io {

// 4 or 6 for a descriptor of a UDP socket of that family, 0 for one of anything else, or of
// nothing. Windows has no such descriptors.
int udp_family(int descriptor);

}  // namespace dtls::io

#endif  // DGRAM_DTLS_IO_UDP_DESCRIPTOR_H_
