#include "core/wire/wire.h"

namespace dtls {

void write_clear_header(uint8_t* header, ContentType type, uint16_t version, uint64_t number,
                        size_t length) {
  header[0] = static_cast<uint8_t>(type);
  write_u16(header + record_at::kVersion, version);
  write_u16(header + record_at::kEpoch, 0);
  renumber(header, number);
  write_u16(header + record_at::kLength, static_cast<uint32_t>(length));
}

void write_fragment_header(uint8_t* to, const FragmentHeader& header) {
  to[0] = static_cast<uint8_t>(header.type);
  write_u24(to + fragment_at::kMessageLength, header.message_length);
  write_u16(to + fragment_at::kMessageSequence, header.message_sequence);
  write_u24(to + fragment_at::kOffset, header.offset);
  write_u24(to + fragment_at::kLength, header.length);
}

bool take_fragment(Bytes& record_fragment, FragmentView& fragment) {
  if (record_fragment.size < kHandshakeHeaderSize) return false;
  const uint8_t* p = record_fragment.data;
  const size_t length = read_u24(p + fragment_at::kLength);
  if (length > record_fragment.size - kHandshakeHeaderSize) return false;
  fragment.type = static_cast<HandshakeType>(p[0]);
  fragment.message_length = read_u24(p + fragment_at::kMessageLength);
  fragment.message_sequence = static_cast<uint16_t>(read_u16(p + fragment_at::kMessageSequence));
  fragment.offset = read_u24(p + fragment_at::kOffset);
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
