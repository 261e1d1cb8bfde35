#include "core/wire/client_hello.h"

#include <openssl/tls1.h>

#include <cstring>

#include "core/wire/wire.h"

namespace dtls {

namespace {

// Takes a vector behind `size_bytes` (1 or 2) bytes of length off the front.
bool take_vector(Bytes& from, size_t size_bytes, Bytes& out) {
  if (from.size < size_bytes) return false;
  const size_t size = size_bytes == 1 ? from.data[0] : read_u16(from.data);
  if (from.size - size_bytes < size) return false;
  out = {from.data + size_bytes, size};
  from = from.from(size_bytes + size);
  return true;
}

// Takes what OpenSSL takes: one name, of type host_name.
bool read_server_name(Bytes extension, Bytes& name) {
  constexpr uint8_t kHostName = 0;
  Bytes list;
  if (!take_vector(extension, 2, list) || extension.size != 0) return false;
  if (list.size == 0 || list.data[0] != kHostName) return false;
  list = list.from(1);
  if (!take_vector(list, 2, name) || list.size != 0) return false;
  return name.size <= TLSEXT_MAXLEN_host_name && std::memchr(name.data, 0, name.size) == nullptr;
}

bool read_protocols(Bytes extension, Bytes& protocols) {
  if (!take_vector(extension, 2, protocols) || extension.size != 0) return false;
  if (protocols.size == 0) return false;
  Bytes rest = protocols;
  Bytes name;
  while (rest.size != 0) {
    if (!take_vector(rest, 1, name) || name.size == 0) return false;
  }
  return true;
}

}  // namespace

bool parse_client_hello(Bytes body, ClientHelloView& hello) {
  constexpr size_t kVersionSize = 2;
  if (body.size < kVersionSize + kRandomSize) return false;
  body = body.from(kVersionSize + kRandomSize);
  Bytes cookie;
  Bytes suites;
  Bytes compressions;
  if (!take_vector(body, 1, hello.session_id) || !take_vector(body, 1, cookie) ||
      !take_vector(body, 2, suites) || !take_vector(body, 1, compressions)) {
    return false;
  }
  if (body.size == 0) return true;
  Bytes extensions;
  if (!take_vector(body, 2, extensions) || body.size != 0) return false;
  bool seen_name = false;
  bool seen_protocols = false;
  while (extensions.size != 0) {
    if (extensions.size < 2) return false;
    const uint32_t type = read_u16(extensions.data);
    extensions = extensions.from(2);
    Bytes extension;
    if (!take_vector(extensions, 2, extension)) return false;
    switch (type) {
      case TLSEXT_TYPE_server_name:
        if (seen_name || !read_server_name(extension, hello.server_name)) return false;
        seen_name = true;
        break;
      case TLSEXT_TYPE_application_layer_protocol_negotiation:
        if (seen_protocols || !read_protocols(extension, hello.protocols)) return false;
        seen_protocols = true;
        break;
      case TLSEXT_TYPE_session_ticket:
        hello.ticket = extension;
        break;
      default:
        break;
    }
  }
  return true;
}

std::vector<uint8_t> pack_client_hello(const ClientHelloView& hello) {
  std::vector<uint8_t> packed;
  packed.reserve(3 + hello.session_id.size + hello.server_name.size + hello.protocols.size);
  const auto append = [&packed](Bytes bytes) {
    packed.insert(packed.end(), bytes.data, bytes.data + bytes.size);
  };
  packed.push_back(static_cast<uint8_t>(hello.session_id.size));
  append(hello.session_id);
  packed.push_back(static_cast<uint8_t>(hello.server_name.size >> 8));
  packed.push_back(static_cast<uint8_t>(hello.server_name.size));
  append(hello.server_name);
  append(hello.protocols);
  return packed;
}

}  // namespace dtls
