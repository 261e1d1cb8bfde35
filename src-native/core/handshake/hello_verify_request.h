#ifndef DGRAM_DTLS_CORE_HANDSHAKE_HELLO_VERIFY_REQUEST_H_
#define DGRAM_DTLS_CORE_HANDSHAKE_HELLO_VERIFY_REQUEST_H_

#include <array>
#include <cstdint>

#include "core/handshake/cookie.h"
#include "core/wire/wire.h"

namespace dtls {

constexpr size_t kHelloVerifyRequestBody = 2 + 1 + CookieJar::kSize;
using HelloVerifyRequest =
    std::array<uint8_t, kRecordHeaderSize + kHandshakeHeaderSize + kHelloVerifyRequestBody>;

// The record that asks for a cookie. RFC 6347 sections 4.2.1 and 4.2.2: server_version is DTLS 1.0
// whatever will be negotiated, and the record takes the number of the ClientHello's, so that no
// state is needed to choose one. The message takes that of the ClientHello, too: it is the server's
// n-th answer to the client's n-th message, and a client takes one with the number of the answer
// before for its repetition.
HelloVerifyRequest hello_verify_request(uint64_t record_number, uint16_t message_sequence,
                                        const CookieJar::Cookie& cookie);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HANDSHAKE_HELLO_VERIFY_REQUEST_H_
