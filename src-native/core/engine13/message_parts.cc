#include "core/engine13/message_parts.h"

#include <algorithm>

namespace dtls::parts {

namespace {

constexpr size_t kMaxSessionId = 32;

}  // namespace

bool take(Bytes& from, size_t size, Bytes& out) {
  if (from.size < size) return false;
  out = {from.data, size};
  from = {from.data + size, from.size - size};  // says where it ends, also when nothing is left
  return true;
}

bool take_vector(Bytes& from, size_t length_size, Bytes& out) {
  Bytes length;
  Bytes rest = from;
  if (!take(rest, length_size, length)) return false;
  size_t size = 0;
  for (size_t i = 0; i < length_size; ++i) size = size << 8 | length.data[i];
  if (!take(rest, size, out)) return false;
  from = rest;
  return true;
}

bool take_extension(Bytes& from, ExtensionView& extension) {
  Bytes rest = from;
  Bytes type;
  if (!take(rest, 2, type) || !take_vector(rest, 2, extension.data)) return false;
  extension.type = static_cast<uint16_t>(read_u16(type.data));
  from = rest;
  return true;
}

Order check_extensions(Bytes block) {
  std::vector<uint16_t> types;
  ExtensionView extension;
  while (block.size != 0) {
    if (!take_extension(block, extension)) return Order::kMalformed;
    types.push_back(extension.type);
  }
  std::sort(types.begin(), types.end());
  const bool twice = std::adjacent_find(types.begin(), types.end()) != types.end();
  return twice ? Order::kTwice : Order::kGood;
}

bool split_client_hello(Bytes body, Shape shape, HelloParts& parts) {
  Bytes version;
  if (!take(body, kVersionSize, version) || !take(body, kRandomSize, parts.random) ||
      !take_vector(body, 1, parts.session_id) || parts.session_id.size > kMaxSessionId) {
    return false;
  }
  parts.version = static_cast<uint16_t>(read_u16(version.data));
  if (shape == Shape::kDtls && !take_vector(body, 1, parts.cookie)) return false;
  const uint8_t* const begin = body.data;
  Bytes compressions;
  if (!take_vector(body, 2, parts.suites) || !take_vector(body, 1, compressions)) return false;
  parts.choices = {begin, static_cast<size_t>(body.data - begin)};
  return parts.suites.size % 2 == 0 && take_vector(body, 2, parts.extensions) && body.size == 0;
}

bool split_server_hello(Bytes body, HelloParts& parts) {
  Bytes version;
  if (!take(body, kVersionSize, version) || !take(body, kRandomSize, parts.random) ||
      !take_vector(body, 1, parts.session_id) || parts.session_id.size > kMaxSessionId ||
      !take(body, 3, parts.choices)) {
    return false;
  }
  parts.version = static_cast<uint16_t>(read_u16(version.data));
  return take_vector(body, 2, parts.extensions) && body.size == 0;
}

bool split_message(Bytes message, HandshakeType& type, Bytes& body) {
  if (message.size < kMessageHeaderSize) return false;
  type = static_cast<HandshakeType>(message.data[0]);
  body = message.from(kMessageHeaderSize);
  return read_u24(message.data + 1) == body.size;
}

void append_message(Out& out, HandshakeType type, const Out& body) {
  append_u8(out, static_cast<size_t>(type));
  append_u24(out, body.size());
  append(out, body);
}

}  // namespace dtls::parts
