#include "core/engine13/message_shapes.h"

#include <openssl/ssl3.h>
#include <openssl/tls1.h>

#include <algorithm>
#include <cstring>

#include "core/wire/wire.h"

namespace dtls {

namespace {

constexpr uint16_t kTls12 = 0x0303;
constexpr uint16_t kTls13 = 0x0304;
constexpr size_t kVersionSize = 2;
constexpr size_t kMaxSessionId = 32;

// RFC 8446 section 4.1.3: the random that makes a ServerHello a HelloRetryRequest.
constexpr std::array<uint8_t, kRandomSize> kRetryRandom = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

using Out = std::vector<uint8_t>;

void append(Out& out, Bytes bytes) { out.insert(out.end(), bytes.data, bytes.data + bytes.size); }
void append(Out& out, const Out& bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }
Bytes view(const Out& bytes) { return {bytes.data(), bytes.size()}; }

void append_u8(Out& out, size_t value) { out.push_back(static_cast<uint8_t>(value)); }
void append_u16(Out& out, size_t value) {
  append_u8(out, value >> 8);
  append_u8(out, value);
}
void append_u24(Out& out, size_t value) {
  append_u8(out, value >> 16);
  append_u16(out, value);
}

uint16_t number(Extension type) { return static_cast<uint16_t>(type); }

void append_extension(Out& out, uint16_t type, Bytes data) {
  append_u16(out, type);
  append_u16(out, data.size);
  append(out, data);
}

// Takes so many bytes off the front.
bool take(Bytes& from, size_t size, Bytes& out) {
  if (from.size < size) return false;
  out = {from.data, size};
  from = {from.data + size, from.size - size};  // says where it ends, also when nothing is left
  return true;
}

// Takes a vector behind 1, 2 or 3 bytes of length off the front.
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

struct ExtensionView {
  uint16_t type = 0;
  Bytes data;
  bool is(Extension other) const { return type == number(other); }
};

bool take_extension(Bytes& from, ExtensionView& extension) {
  Bytes rest = from;
  Bytes type;
  if (!take(rest, 2, type) || !take_vector(rest, 2, extension.data)) return false;
  extension.type = static_cast<uint16_t>(read_u16(type.data));
  from = rest;
  return true;
}

// Whether a block of extensions is well formed, and no type is in it twice.
enum class Order : uint8_t { kGood, kMalformed, kTwice };
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

// A ClientHello or ServerHello in parts.
struct HelloParts {
  uint16_t version = 0;
  Bytes random;
  Bytes session_id;
  Bytes cookie;   // ClientHello in DTLS's shape
  Bytes choices;  // what lies between session id or cookie and the extensions, lengths included
  Bytes suites;
  Bytes extensions;
};

enum class Shape : uint8_t { kTls, kDtls };

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

// The body of a whole message. False: its header says otherwise.
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

bool read_carried(const ProcessMark& mark, Bytes data, Carried& carried) {
  Bytes prefix;
  Bytes kind;
  if (!take(data, mark.size(), prefix) || !std::equal(mark.begin(), mark.end(), prefix.data) ||
      !take(data, 1, kind)) {
    return false;
  }
  carried = {};
  carried.kind = static_cast<Carried::Kind>(kind.data[0]);
  switch (carried.kind) {
    case Carried::Kind::kAdditions:
      if (!take_vector(data, 2, carried.versions) || !take_vector(data, 2, carried.suites)) {
        return false;
      }
      carried.extensions = data;
      return true;
    case Carried::Kind::kOriginal:
      if (!take_vector(data, 3, carried.before)) return false;
      carried.original = data;
      return true;
  }
  return false;
}

// What extension 57 of a well-formed block carries. False: it has none with the mark.
bool find_carried(const ProcessMark& mark, Bytes extensions, Carried& carried) {
  ExtensionView extension;
  while (take_extension(extensions, extension)) {
    if (extension.is(Extension::kQuicTransportParameters)) {
      return read_carried(mark, extension.data, carried);
    }
  }
  return false;
}

// Between the two shapes the number of a version is another one; 0 for one that has no counterpart.
uint16_t to_dtls(uint32_t version) {
  return version == kTls13 ? kDtls13 : version == kTls12 ? kDtls12 : 0;
}

// ---- OpenSSL's own, to the wire ----

// supported_versions of OpenSSL's hello, which has 1.3 alone.
bool rewrite_offered_versions(Bytes data, Bytes more, Out& out) {
  Bytes list;
  if (!take_vector(data, 1, list) || data.size != 0 || list.size != 2 ||
      read_u16(list.data) != kTls13 || more.size % 2 != 0 || more.size > UINT8_MAX - 2) {
    return false;
  }
  append_u16(out, number(Extension::kSupportedVersions));
  append_u16(out, 1 + 2 + more.size);
  append_u8(out, 2 + more.size);
  append_u16(out, kDtls13);
  append(out, more);
  return true;
}

bool client_hello_to_wire(Bytes body, const Carried& carried, Out& out) {
  HelloParts parts;
  if (!split_client_hello(body, Shape::kTls, parts) || parts.version != kTls12 ||
      parts.session_id.size != 0 || carried.kind != Carried::Kind::kAdditions ||
      carried.suites.size % 2 != 0 || parts.suites.size + carried.suites.size > UINT16_MAX - 1) {
    return false;
  }
  Out front;
  Out extensions;
  Bytes rest = parts.extensions;
  ExtensionView extension;
  bool added = false;
  const auto add = [&] {
    if (!added) append(extensions, carried.extensions);
    added = true;
  };
  while (rest.size != 0) {
    if (!take_extension(rest, extension)) return false;
    if (extension.is(Extension::kQuicTransportParameters)) continue;
    if (extension.is(Extension::kCookie)) {
      // Ahead of the key shares: a server that keeps nothing before it has seen a cookie looks for
      // it in the first fragment of the hello.
      append_extension(front, extension.type, extension.data);
    } else if (extension.is(Extension::kSupportedVersions)) {
      if (!rewrite_offered_versions(extension.data, carried.versions, extensions)) return false;
    } else {
      if (extension.is(Extension::kPreSharedKey)) add();
      append_extension(extensions, extension.type, extension.data);
    }
  }
  add();
  append_u16(out, kDtls12);
  append(out, parts.random);
  append_u8(out, 0);  // legacy_session_id
  append_u8(out, 0);  // legacy_cookie
  append_u16(out, parts.suites.size + carried.suites.size);
  append(out, parts.suites);
  append(out, carried.suites);
  append(out, parts.choices.from(2 + parts.suites.size));
  if (front.size() + extensions.size() > UINT16_MAX) return false;
  append_u16(out, front.size() + extensions.size());
  append(out, front);
  append(out, extensions);
  return true;
}

// Both directions: a ServerHello has as many bytes in either shape.
bool rewrite_server_hello(const HelloParts& parts, uint16_t legacy, uint16_t from, uint16_t to,
                          Out& out) {
  append_u16(out, legacy);
  append(out, parts.random);
  append_u8(out, parts.session_id.size);
  append(out, parts.session_id);
  append(out, parts.choices);
  append_u16(out, parts.extensions.size);
  Bytes rest = parts.extensions;
  ExtensionView extension;
  bool chosen = false;
  while (rest.size != 0) {
    if (!take_extension(rest, extension)) return false;
    if (!extension.is(Extension::kSupportedVersions)) {
      append_extension(out, extension.type, extension.data);
      continue;
    }
    if (extension.data.size != 2 || read_u16(extension.data.data) != from) return false;
    append_u16(out, extension.type);
    append_u16(out, 2);
    append_u16(out, to);
    chosen = true;
  }
  return chosen;
}

bool server_hello_to_wire(Bytes body, Out& out) {
  HelloParts parts;
  return split_server_hello(body, parts) && parts.version == kTls12 &&
         rewrite_server_hello(parts, kDtls12, kTls13, kDtls13, out);
}

bool encrypted_extensions_to_wire(Bytes body, const Carried& carried, Out& out) {
  Bytes block;
  if (!take_vector(body, 2, block) || body.size != 0 || carried.kind != Carried::Kind::kAdditions) {
    return false;
  }
  Out extensions;
  ExtensionView extension;
  while (block.size != 0) {
    if (!take_extension(block, extension)) return false;
    if (extension.is(Extension::kQuicTransportParameters)) continue;
    append_extension(extensions, extension.type, extension.data);
  }
  append(extensions, carried.extensions);
  if (extensions.size() > UINT16_MAX) return false;
  append_u16(out, extensions.size());
  append(out, extensions);
  return true;
}

// The extensions of a ClientHello or EncryptedExtensions in OpenSSL's shape.
bool extensions_of(HandshakeType type, Bytes body, Bytes& extensions) {
  if (type == HandshakeType::kEncryptedExtensions) {
    return take_vector(body, 2, extensions) && body.size == 0;
  }
  HelloParts parts;
  if (!split_client_hello(body, Shape::kTls, parts)) return false;
  extensions = parts.extensions;
  return true;
}

bool own_to_wire(HandshakeType type, Bytes body, const Carried& carried, Out& out) {
  Out rewritten;
  const bool done = type == HandshakeType::kClientHello
                        ? client_hello_to_wire(body, carried, rewritten)
                        : encrypted_extensions_to_wire(body, carried, rewritten);
  if (!done) return false;
  append_message(out, type, rewritten);
  return true;
}

// ---- the peer's, to OpenSSL ----

// Of the versions that a client offers OpenSSL hears of 1.3 alone, and no hello comes this far
// without it.
uint8_t rewrite_peers_versions(Bytes data, Out& out) {
  Bytes list;
  if (!take_vector(data, 1, list) || data.size != 0 || list.size == 0 || list.size % 2 != 0) {
    return SSL_AD_DECODE_ERROR;
  }
  for (size_t at = 0; at < list.size; at += 2) {
    if (to_dtls(kTls13) != read_u16(list.data + at)) continue;
    static constexpr std::array<uint8_t, 3> kOnly = {2, kTls13 >> 8, kTls13 & 0xff};
    append_extension(out, number(Extension::kSupportedVersions), {kOnly.data(), kOnly.size()});
    return 0;
  }
  return SSL_AD_PROTOCOL_VERSION;
}

uint8_t alert_for(Order order) {
  switch (order) {
    case Order::kGood:
      return 0;
    case Order::kMalformed:
      return SSL_AD_DECODE_ERROR;
    case Order::kTwice:
      return SSL_AD_ILLEGAL_PARAMETER;
  }
  return SSL_AD_INTERNAL_ERROR;
}

// What of a client's extensions is none of OpenSSL's business: use_srtp and the extension of QUIC
// are done here; cookies before there is an engine; early data and max_fragment_length are not in
// use, and a server that ignores them refuses them.
bool stays_out(const ExtensionView& extension) {
  switch (static_cast<Extension>(extension.type)) {
    case Extension::kMaxFragmentLength:
    case Extension::kUseSrtp:
    case Extension::kEarlyData:
    case Extension::kCookie:
    case Extension::kQuicTransportParameters:
      return true;
    default:
      return false;
  }
}

uint8_t client_hello_to_openssl(Bytes body, const Out& carrying, Out& out, TakenOut& taken) {
  HelloParts parts;
  if (!split_client_hello(body, Shape::kDtls, parts)) return SSL_AD_DECODE_ERROR;
  if (const uint8_t alert = alert_for(check_extensions(parts.extensions))) return alert;
  // RFC 9147 section 5.3.
  if (parts.version != kDtls12 || parts.cookie.size != 0) return SSL_AD_ILLEGAL_PARAMETER;
  Out extensions;
  Bytes rest = parts.extensions;
  ExtensionView extension;
  bool has_versions = false;
  bool done = false;
  while (take_extension(rest, extension)) {
    if (done) return SSL_AD_ILLEGAL_PARAMETER;  // RFC 8446 section 4.2.11: it is the last one
    if (extension.is(Extension::kUseSrtp)) taken.srtp = extension.data;
    if (stays_out(extension)) continue;
    if (extension.is(Extension::kSupportedVersions)) {
      has_versions = true;
      if (const uint8_t alert = rewrite_peers_versions(extension.data, extensions)) return alert;
      continue;
    }
    if (extension.is(Extension::kPreSharedKey)) {
      append_extension(extensions, number(Extension::kQuicTransportParameters), view(carrying));
      done = true;
    }
    append_extension(extensions, extension.type, extension.data);
  }
  if (!has_versions) return SSL_AD_PROTOCOL_VERSION;
  if (!done) {
    append_extension(extensions, number(Extension::kQuicTransportParameters), view(carrying));
  }
  append_u16(out, kTls12);
  append(out, parts.random);
  append_u8(out, 0);  // a server of DTLS 1.3 echoes none: RFC 9147 section 5.4
  append(out, parts.choices);
  if (extensions.size() > UINT16_MAX) return SSL_AD_ILLEGAL_PARAMETER;
  append_u16(out, extensions.size());
  append(out, extensions);
  return 0;
}

uint8_t server_hello_to_openssl(Bytes body, Out& out) {
  HelloParts parts;
  if (!split_server_hello(body, parts)) return SSL_AD_DECODE_ERROR;
  if (const uint8_t alert = alert_for(check_extensions(parts.extensions))) return alert;
  Bytes rest = parts.extensions;
  ExtensionView extension;
  while (take_extension(rest, extension)) {
    if (extension.is(Extension::kQuicTransportParameters)) return SSL_AD_UNSUPPORTED_EXTENSION;
    if (extension.is(Extension::kUseSrtp)) return SSL_AD_ILLEGAL_PARAMETER;
  }
  // RFC 9147 section 5.4.
  if (parts.version != kDtls12 || parts.session_id.size != 0) return SSL_AD_ILLEGAL_PARAMETER;
  return rewrite_server_hello(parts, kTls12, kDtls13, kTls13, out) ? 0 : SSL_AD_PROTOCOL_VERSION;
}

uint8_t encrypted_extensions_to_openssl(Bytes body, const Out& carrying, Out& out,
                                        TakenOut& taken) {
  Bytes block;
  if (!take_vector(body, 2, block) || body.size != 0) return SSL_AD_DECODE_ERROR;
  if (const uint8_t alert = alert_for(check_extensions(block))) return alert;
  Out extensions;
  ExtensionView extension;
  while (take_extension(block, extension)) {
    if (extension.is(Extension::kQuicTransportParameters)) return SSL_AD_UNSUPPORTED_EXTENSION;
    if (extension.is(Extension::kUseSrtp)) {
      taken.srtp = extension.data;
    } else {
      append_extension(extensions, extension.type, extension.data);
    }
  }
  append_extension(extensions, number(Extension::kQuicTransportParameters), view(carrying));
  if (extensions.size() > UINT16_MAX) return SSL_AD_ILLEGAL_PARAMETER;
  append_u16(out, extensions.size());
  append(out, extensions);
  return 0;
}

}  // namespace

std::vector<uint8_t> carry_additions(const ProcessMark& mark, const HelloAdditions& additions) {
  Out data(mark.begin(), mark.end());
  append_u8(data, static_cast<size_t>(Carried::Kind::kAdditions));
  append_u16(data, additions.versions.size());
  append(data, additions.versions);
  append_u16(data, additions.suites.size());
  append(data, additions.suites);
  append(data, additions.extensions);
  return data;
}

std::vector<uint8_t> carry_original(const ProcessMark& mark, Bytes before, Bytes original) {
  Out data;
  data.reserve(mark.size() + 4 + before.size + original.size);
  append(data, Bytes{mark.data(), mark.size()});
  append_u8(data, static_cast<size_t>(Carried::Kind::kOriginal));
  append_u24(data, before.size);
  append(data, before);
  append(data, original);
  return data;
}

Found find_mark(const ProcessMark& mark, Bytes front) {
  // A field at a time; each of them may be the one that is not there yet.
  constexpr auto kHello = static_cast<uint8_t>(HandshakeType::kClientHello);
  if (front.size == 0) return Found::kMore;
  if (front.data[0] != kHello) return Found::kNo;
  if (front.size < kMessageHeaderSize) return Found::kMore;
  const size_t length = read_u24(front.data + 1);
  Bytes body{front.data + kMessageHeaderSize, std::min(front.size - kMessageHeaderSize, length)};
  const Found end = body.size == length ? Found::kNo : Found::kMore;
  Bytes version;
  if (!take(body, kVersionSize, version)) return end;
  if (read_u16(version.data) != kTls12) return Found::kNo;
  Bytes skipped;
  if (!take(body, kRandomSize, skipped)) return end;
  if (body.size != 0 && body.data[0] != 0) return Found::kNo;  // OpenSSL has no session id here
  Bytes block_size;
  if (!take_vector(body, 1, skipped) || !take_vector(body, 2, skipped) ||
      !take_vector(body, 1, skipped) || !take(body, 2, block_size)) {
    return end;
  }
  Bytes block = body;
  // The header's length and the block's say the same.
  const size_t before_block = static_cast<size_t>(block.data - front.data) - kMessageHeaderSize;
  if (before_block + read_u16(block_size.data) != length) return Found::kNo;
  ExtensionView extension;
  while (take_extension(block, extension)) {
    if (!extension.is(Extension::kQuicTransportParameters)) continue;
    Carried carried;
    return read_carried(mark, extension.data, carried) ? Found::kYes : Found::kNo;
  }
  return end;
}

bool to_wire(const ProcessMark& mark, Bytes message, std::vector<uint8_t>& out) {
  HandshakeType type{};
  Bytes body;
  Bytes extensions;
  Carried carried;
  if (!split_message(message, type, body)) return false;
  switch (type) {
    case HandshakeType::kClientHello:
    case HandshakeType::kEncryptedExtensions:
      return extensions_of(type, body, extensions) && find_carried(mark, extensions, carried) &&
             own_to_wire(type, body, carried, out);
    case HandshakeType::kServerHello: {
      Out rewritten;
      if (!server_hello_to_wire(body, rewritten)) return false;
      append_message(out, type, rewritten);
      return true;
    }
    default:
      append(out, message);
      return true;
  }
}

bool to_transcript(const ProcessMark& mark, Bytes message, std::vector<uint8_t>& out) {
  HandshakeType type{};
  Bytes body;
  Bytes extensions;
  Carried carried;
  if (!split_message(message, type, body)) return false;
  if (type != HandshakeType::kClientHello && type != HandshakeType::kEncryptedExtensions) {
    return to_wire(mark, message, out);
  }
  if (!extensions_of(type, body, extensions) || !find_carried(mark, extensions, carried)) {
    return false;
  }
  if (carried.kind == Carried::Kind::kAdditions) return own_to_wire(type, body, carried, out);
  append(out, carried.before);
  append(out, carried.original);
  return true;
}

bool to_transcript_cut(const ProcessMark& mark, Bytes front, std::vector<uint8_t>& out) {
  if (front.size < kMessageHeaderSize) return false;
  const size_t size = kMessageHeaderSize + read_u24(front.data + 1);
  if (size <= front.size) return false;
  const size_t missing = size - front.size;
  // What is missing is of the last extension, whose data is copied whatever it is.
  Out whole(front.data, front.data + front.size);
  if (missing > UINT16_MAX) return false;
  whole.resize(size);
  Bytes extensions;
  if (!extensions_of(HandshakeType::kClientHello, view(whole).from(kMessageHeaderSize),
                     extensions)) {
    return false;
  }
  ExtensionView extension;
  while (extensions.size != 0) {
    if (!take_extension(extensions, extension)) return false;
  }
  if (!extension.is(Extension::kPreSharedKey) || extension.data.size <= missing) return false;
  const size_t at = out.size();
  if (!to_transcript(mark, view(whole), out) || out.size() - at <= missing) {
    out.resize(at);
    return false;
  }
  out.resize(out.size() - missing);
  return true;
}

uint8_t to_openssl(const ProcessMark& mark, Bytes message, Bytes before, std::vector<uint8_t>& out,
                   TakenOut& taken) {
  HandshakeType type{};
  Bytes body;
  taken = {};
  if (!split_message(message, type, body)) return SSL_AD_DECODE_ERROR;
  Out rewritten;
  uint8_t alert = 0;
  switch (type) {
    case HandshakeType::kClientHello:
      alert =
          client_hello_to_openssl(body, carry_original(mark, before, message), rewritten, taken);
      break;
    case HandshakeType::kServerHello:
      alert = server_hello_to_openssl(body, rewritten);
      break;
    case HandshakeType::kEncryptedExtensions:
      alert = encrypted_extensions_to_openssl(body, carry_original(mark, {}, message), rewritten,
                                              taken);
      break;
    default:
      append(out, message);
      return 0;
  }
  if (alert == 0) append_message(out, type, rewritten);
  return alert;
}

bool read_server_hello(Bytes message, ServerHelloView& hello) {
  HandshakeType type{};
  Bytes body;
  HelloParts parts;
  if (!split_message(message, type, body) || type != HandshakeType::kServerHello ||
      !split_server_hello(body, parts)) {
    return false;
  }
  hello.retry = std::equal(kRetryRandom.begin(), kRetryRandom.end(), parts.random.data);
  hello.suite = static_cast<uint16_t>(read_u16(parts.choices.data));
  hello.group = 0;
  Bytes rest = parts.extensions;
  ExtensionView extension;
  while (take_extension(rest, extension)) {
    if (extension.is(Extension::kKeyShare) && extension.data.size >= 2) {
      hello.group = static_cast<uint16_t>(read_u16(extension.data.data));
    }
  }
  return rest.size == 0;
}

bool read_hello_lists(Bytes message, HelloLists& lists) {
  HandshakeType type{};
  Bytes body;
  HelloParts parts;
  if (!split_message(message, type, body) || type != HandshakeType::kClientHello ||
      !split_client_hello(body, Shape::kDtls, parts)) {
    return false;
  }
  lists.suites = parts.suites;
  Bytes rest = parts.extensions;
  ExtensionView extension;
  while (take_extension(rest, extension)) {
    Bytes* const list = extension.is(Extension::kSupportedGroups) ? &lists.groups
                        : extension.is(Extension::kSignatureAlgorithms)
                            ? &lists.signature_algorithms
                            : nullptr;
    if (list == nullptr) continue;
    if (!take_vector(extension.data, 2, *list) || extension.data.size != 0 || list->size % 2 != 0) {
      return false;
    }
  }
  return rest.size == 0;
}

bool read_srtp_profiles(Bytes extension, Bytes& profiles, bool& has_mki) {
  Bytes mki;
  if (!take_vector(extension, 2, profiles) || !take_vector(extension, 1, mki) ||
      extension.size != 0) {
    return false;
  }
  has_mki = mki.size != 0;
  return profiles.size != 0 && profiles.size % 2 == 0;
}

std::vector<uint8_t> write_srtp(const std::vector<uint16_t>& profiles) {
  Out data;
  append_u16(data, 2 * profiles.size());
  for (const uint16_t profile : profiles) append_u16(data, profile);
  append_u8(data, 0);  // no MKI
  Out extension;
  append_extension(extension, number(Extension::kUseSrtp), view(data));
  return extension;
}

}  // namespace dtls
