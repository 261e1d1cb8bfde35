#ifndef DGRAM_DTLS_CORE_WIRE_SERVER_CHOICE_H_
#define DGRAM_DTLS_CORE_WIRE_SERVER_CHOICE_H_

#include "core/base/bytes.h"
#include "core/wire/wire.h"

// Which version a server has chosen, told from its first message: for a client that offers both.
namespace dtls {

enum class ServerChoice : uint8_t {
  kDtls13,
  kRetry13,     // a HelloRetryRequest: 1.3, and a second hello is due
  kDtls12,      // or older, by a ServerHello
  kVerify12,    // a HelloVerifyRequest: 1.2 or older (RFC 9147 section 5.1)
  kDowngraded,  // a ServerHello of 1.2 that says that its server has 1.3: alert illegal_parameter
  kMalformed,   // none of these; it is dropped
};

// `type` and `body` of a whole message. Nothing in it is authenticated yet.
ServerChoice read_server_choice(HandshakeType type, Bytes body);

// Whether a ServerHello, of which these bytes are the front, is a HelloRetryRequest.
bool begins_as_retry(Bytes front);

// Whether a HelloRetryRequest, which read_server_choice() has read, brings a cookie.
bool has_cookie(Bytes retry);

// The sentinel of RFC 8446 section 4.1.3: whether the random of a ServerHello of 1.2 or older says
// that its server has a newer version. A client that offered 1.3 ends with illegal_parameter then.
bool is_downgraded(Bytes server_random);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_WIRE_SERVER_CHOICE_H_
