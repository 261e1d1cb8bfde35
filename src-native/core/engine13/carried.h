#ifndef DGRAM_DTLS_CORE_ENGINE13_CARRIED_H_
#define DGRAM_DTLS_CORE_ENGINE13_CARRIED_H_

#include <array>
#include <vector>

#include "core/base/bytes.h"
#include "core/engine13/hello_additions.h"

// Extension 57, which OpenSSL demands and which never leaves the process: it carries what turns a
// message in OpenSSL's shape back into that of the wire (message_shapes.h).
namespace dtls {

// Random, of this process: that an extension 57 is ours, and no bytes of a peer's choice that have
// come to be hashed.
using ProcessMark = std::array<uint8_t, 32>;

// The data of extension 57.
std::vector<uint8_t> carry_additions(const ProcessMark& mark, const HelloAdditions& additions);
std::vector<uint8_t> carry_original(const ProcessMark& mark, Bytes before, Bytes original);

// The same, read. Borrowed from the message.
struct Carried {
  enum class Kind : uint8_t { kAdditions, kOriginal };
  Kind kind = Kind::kAdditions;
  Bytes versions;
  Bytes suites;
  Bytes extensions;
  Bytes before;    // what the transcript has ahead of the message
  Bytes original;  // the message as it came
};

enum class Found : uint8_t { kNo, kYes, kMore };
// Looks for extension 57 with the mark in the front of a ClientHello in TLS's shape: `front` begins
// with the message's header, and may end anywhere. kMore: nothing has been seen yet that speaks
// against it.
Found find_mark(const ProcessMark& mark, Bytes front);

// What extension 57 of a well-formed block carries. False: it has none with the mark.
bool find_carried(const ProcessMark& mark, Bytes extensions, Carried& carried);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_ENGINE13_CARRIED_H_
