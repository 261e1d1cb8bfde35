#include "core/wire/wire.h"

namespace dtls {

bool take_fragment(Bytes& record_fragment, FragmentView& fragment) {
  if (record_fragment.size < kHandshakeHeaderSize) return false;
  const uint8_t* p = record_fragment.data;
  const size_t length = read_u24(p + 9);
  if (length > record_fragment.size - kHandshakeHeaderSize) return false;
  fragment.type = static_cast<HandshakeType>(p[0]);
  fragment.message_length = read_u24(p + 1);
  fragment.message_sequence = static_cast<uint16_t>(read_u16(p + 4));
  fragment.offset = read_u24(p + 6);
  fragment.body = {p + kHandshakeHeaderSize, length};
  if (fragment.offset + length > fragment.message_length) return false;
  record_fragment = record_fragment.from(kHandshakeHeaderSize + length);
  return true;
}

bool parse_client_hello_front(Bytes body, ClientHelloFront& hello) {
  constexpr size_t kVersionSize = 2;
  if (body.size < kVersionSize + kRandomSize + 1) return false;
  hello.random = {body.data + kVersionSize, kRandomSize};
  body = body.from(kVersionSize + kRandomSize);
  const size_t session_id_size = body.data[0];
  if (session_id_size > 32 || body.size < 1 + session_id_size) return false;
  body = body.from(1 + session_id_size);
  if (body.size == 0) return false;
  const size_t cookie_size = body.data[0];
  if (body.size < 1 + cookie_size) return false;
  hello.cookie = {body.data + 1, cookie_size};
  return true;
}

}  // namespace dtls
