#include "core/handshake/hello_verify_request.h"

#include <algorithm>

namespace dtls {

HelloVerifyRequest hello_verify_request(uint64_t record_number, uint16_t message_sequence,
                                        const CookieJar::Cookie& cookie) {
  HelloVerifyRequest answer{};
  uint8_t* p = answer.data();
  write_clear_header(p, ContentType::kHandshake, DTLS1_VERSION, record_number,
                     kHandshakeHeaderSize + kHelloVerifyRequestBody);
  FragmentHeader header;
  header.type = HandshakeType::kHelloVerifyRequest;
  header.message_length = header.length = kHelloVerifyRequestBody;
  header.message_sequence = message_sequence;
  uint8_t* message = p + kRecordHeaderSize;
  write_fragment_header(message, header);
  uint8_t* body = message + kHandshakeHeaderSize;
  write_u16(body, DTLS1_VERSION);
  body[2] = CookieJar::kSize;
  std::copy(cookie.begin(), cookie.end(), body + 3);
  return answer;
}

}  // namespace dtls
