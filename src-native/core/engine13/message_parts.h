#ifndef DGRAM_DTLS_CORE_ENGINE13_MESSAGE_PARTS_H_
#define DGRAM_DTLS_CORE_ENGINE13_MESSAGE_PARTS_H_

#include <vector>

#include "core/base/bytes.h"
#include "core/wire/wire.h"

namespace dtls {

constexpr size_t kMessageHeaderSize = 4;  // type(1), length(3): as messages are in the transcript

}  // namespace dtls

// The messages that have two shapes, in parts: what is read of them is borrowed, and read strictly.
namespace dtls::parts {

constexpr uint16_t kTls12 = 0x0303;
constexpr uint16_t kTls13 = 0x0304;
constexpr size_t kVersionSize = 2;

using Out = std::vector<uint8_t>;

inline void append(Out& out, Bytes bytes) {
  out.insert(out.end(), bytes.data, bytes.data + bytes.size);
}
inline void append(Out& out, const Out& bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}
inline Bytes view(const Out& bytes) { return {bytes.data(), bytes.size()}; }

inline void append_u8(Out& out, size_t value) { out.push_back(static_cast<uint8_t>(value)); }
inline void append_u16(Out& out, size_t value) {
  append_u8(out, value >> 8);
  append_u8(out, value);
}
inline void append_u24(Out& out, size_t value) {
  append_u8(out, value >> 16);
  append_u16(out, value);
}

inline uint16_t number(Extension type) { return static_cast<uint16_t>(type); }

inline void append_extension(Out& out, uint16_t type, Bytes data) {
  append_u16(out, type);
  append_u16(out, data.size);
  append(out, data);
}

// Takes so many bytes off the front.
bool take(Bytes& from, size_t size, Bytes& out);
// Takes a vector behind 1, 2 or 3 bytes of length off the front.
bool take_vector(Bytes& from, size_t length_size, Bytes& out);

struct ExtensionView {
  uint16_t type = 0;
  Bytes data;
  bool is(Extension other) const { return type == number(other); }
};

bool take_extension(Bytes& from, ExtensionView& extension);

// Whether a block of extensions is well formed, and no type is in it twice.
enum class Order : uint8_t { kGood, kMalformed, kTwice };
Order check_extensions(Bytes block);

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

bool split_client_hello(Bytes body, Shape shape, HelloParts& parts);
bool split_server_hello(Bytes body, HelloParts& parts);
// The body of a whole message. False: its header says otherwise.
bool split_message(Bytes message, HandshakeType& type, Bytes& body);
void append_message(Out& out, HandshakeType type, const Out& body);

}  // namespace dtls::parts

#endif  // DGRAM_DTLS_CORE_ENGINE13_MESSAGE_PARTS_H_
