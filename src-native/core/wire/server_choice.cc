#include "core/wire/server_choice.h"

#include <cstring>

#include "core/wire/retry_random.h"

namespace dtls {

namespace {

constexpr size_t kVersionSize = 2;

// RFC 6347 section 4.2.1.
bool is_verify_request(Bytes body) {
  constexpr size_t kFront = kVersionSize + 1;
  return body.size >= kFront && body.data[0] == 0xfe && body.size == kFront + body.data[2];
}

enum class Selected { kNone, kDtls13, kMalformed };

// What supported_versions says, of a list of extensions.
Selected selected_version(Bytes extensions) {
  Selected selected = Selected::kNone;
  while (extensions.size != 0) {
    if (extensions.size < 4) return Selected::kMalformed;
    const Extension type{static_cast<uint16_t>(read_u16(extensions.data))};
    const size_t size = read_u16(extensions.data + 2);
    if (extensions.size - 4 < size) return Selected::kMalformed;
    if (type == Extension::kSupportedVersions) {
      // RFC 8446 section 4.2.1: a server that names an older version here is at fault, too.
      if (selected != Selected::kNone || size != kVersionSize ||
          read_u16(extensions.data + 4) != kDtls13) {
        return Selected::kMalformed;
      }
      selected = Selected::kDtls13;
    }
    extensions = extensions.from(4 + size);
  }
  return selected;
}

struct ServerHello {
  uint32_t version = 0;
  Bytes random;
  Bytes extensions;
};

bool read_fields(Bytes body, ServerHello& hello) {
  constexpr size_t kRandomAt = kVersionSize;
  constexpr size_t kSessionIdAt = kRandomAt + kRandomSize;
  constexpr size_t kMaxSessionId = 32;
  constexpr size_t kSuiteAndCompression = 2 + 1;
  if (body.size <= kSessionIdAt) return false;
  hello.version = read_u16(body.data);
  hello.random = {body.data + kRandomAt, kRandomSize};
  const size_t session_id = body.data[kSessionIdAt];
  const size_t extensions_at = kSessionIdAt + 1 + session_id + kSuiteAndCompression;
  if (session_id > kMaxSessionId || body.size < extensions_at) return false;
  if (body.size == extensions_at) return true;
  if (body.size - extensions_at < 2) return false;
  hello.extensions = body.from(extensions_at + 2);
  return read_u16(body.data + extensions_at) == hello.extensions.size;
}

ServerChoice read_server_hello(Bytes body) {
  ServerHello hello;
  if (!read_fields(body, hello)) return ServerChoice::kMalformed;
  const uint32_t version = hello.version;
  const Bytes random = hello.random;
  const bool is_retry = std::memcmp(random.data, kRetryRandom.data(), kRandomSize) == 0;
  switch (selected_version(hello.extensions)) {
    case Selected::kMalformed:
      return ServerChoice::kMalformed;
    case Selected::kDtls13:
      // RFC 9147 section 5.4: legacy_version says 1.2.
      if (version != kDtls12) return ServerChoice::kMalformed;
      return is_retry ? ServerChoice::kRetry13 : ServerChoice::kDtls13;
    case Selected::kNone:
      break;
  }
  if (is_retry || (version != kDtls12 && version != kDtls10)) return ServerChoice::kMalformed;
  return is_downgraded(random) ? ServerChoice::kDowngraded : ServerChoice::kDtls12;
}

}  // namespace

ServerChoice read_server_choice(HandshakeType type, Bytes body) {
  switch (type) {
    case HandshakeType::kHelloVerifyRequest:
      return is_verify_request(body) ? ServerChoice::kVerify12 : ServerChoice::kMalformed;
    case HandshakeType::kServerHello:
      return read_server_hello(body);
    default:
      return ServerChoice::kMalformed;
  }
}

bool begins_as_retry(Bytes front) {
  return front.size >= kVersionSize + kRandomSize &&
         std::memcmp(front.data + kVersionSize, kRetryRandom.data(), kRandomSize) == 0;
}

bool has_cookie(Bytes retry) {
  ServerHello hello;
  if (!read_fields(retry, hello)) return false;
  for (Bytes rest = hello.extensions; rest.size >= 4;) {
    if (Extension{static_cast<uint16_t>(read_u16(rest.data))} == Extension::kCookie) return true;
    const size_t size = 4 + read_u16(rest.data + 2);
    if (size > rest.size) return false;
    rest = rest.from(size);
  }
  return false;
}

bool is_downgraded(Bytes server_random) {
  // The last byte is 1 for 1.2 and 0 for what is older.
  constexpr char kSentinel[] = "DOWNGRD";
  constexpr size_t kSize = sizeof kSentinel - 1;
  if (server_random.size != kRandomSize) return false;
  const uint8_t* const end = server_random.data + kRandomSize - kSize - 1;
  return std::memcmp(end, kSentinel, kSize) == 0 && end[kSize] <= 1;
}

}  // namespace dtls
