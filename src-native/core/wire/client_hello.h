#ifndef DGRAM_DTLS_CORE_WIRE_CLIENT_HELLO_H_
#define DGRAM_DTLS_CORE_WIRE_CLIENT_HELLO_H_

#include <vector>

#include "core/base/bytes.h"

// Reads from a ClientHello what the answer to it may depend on, before there is an SSL: while such
// a question is open a peer costs no more than its hello.
namespace dtls {

struct ClientHelloView {
  Bytes session_id;   // to resume; empty for none
  Bytes server_name;  // RFC 6066 section 3; empty for none
  Bytes protocols;    // RFC 7301 section 3.1: the names, each behind its length
  Bytes ticket;       // RFC 5077 section 3.4: where there is one the session id names nothing
};

// `body`: the whole message without its header. False when it is malformed, or when OpenSSL will
// not take one of these extensions: then there is nothing to ask, and the refusal is OpenSSL's.
bool parse_client_hello(Bytes body, ClientHelloView& hello);

// Packs what a server may be asked about, in the form that lib/handshake/hello.ts reads: session id
// and server name behind one and two bytes of length, then the protocols.
std::vector<uint8_t> pack_client_hello(const ClientHelloView& hello);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_WIRE_CLIENT_HELLO_H_
