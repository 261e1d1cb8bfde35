#ifndef DGRAM_DTLS_CORE_ENGINE13_HELLO_VIEWS_H_
#define DGRAM_DTLS_CORE_ENGINE13_HELLO_VIEWS_H_

#include <vector>

#include "core/base/bytes.h"

// What the engine reads of hellos, and the one extension that it writes itself.
namespace dtls {

// What a ServerHello in either shape says.
struct ServerHelloView {
  bool retry = false;  // a HelloRetryRequest
  uint16_t suite = 0;
  uint16_t group = 0;  // 0: it has no key_share
};
// `message`: whole. False: it is none.
bool read_server_hello(Bytes message, ServerHelloView& hello);

// The lists of a ClientHello in the shape of the wire; numbers of two bytes.
struct HelloLists {
  Bytes suites;
  Bytes groups;
  Bytes signature_algorithms;
};
bool read_hello_lists(Bytes message, HelloLists& lists);

// use_srtp (RFC 5764 section 4.1.1): the profiles, two bytes each; MKIs are not in use here, and
// one that is asked for is left out of the answer. False: malformed.
bool read_srtp_profiles(Bytes extension, Bytes& profiles, bool& has_mki);
std::vector<uint8_t> write_srtp(const std::vector<uint16_t>& profiles);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_ENGINE13_HELLO_VIEWS_H_
