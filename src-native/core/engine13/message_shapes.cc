#include "core/engine13/message_shapes.h"

#include <openssl/ssl3.h>
#include <openssl/tls1.h>

#include <array>

#include "core/engine13/message_parts.h"
#include "core/wire/wire.h"

namespace dtls {

using parts::append;
using parts::append_extension;
using parts::append_message;
using parts::append_u16;
using parts::append_u8;
using parts::check_extensions;
using parts::ExtensionView;
using parts::HelloParts;
using parts::kTls12;
using parts::kTls13;
using parts::number;
using parts::Order;
using parts::Out;
using parts::Shape;
using parts::split_client_hello;
using parts::split_message;
using parts::split_server_hello;
using parts::take_extension;
using parts::take_vector;
using parts::view;

namespace {

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

}  // namespace dtls
