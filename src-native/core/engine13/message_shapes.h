#ifndef DGRAM_DTLS_CORE_ENGINE13_MESSAGE_SHAPES_H_
#define DGRAM_DTLS_CORE_ENGINE13_MESSAGE_SHAPES_H_

#include <array>
#include <vector>

#include "core/base/bytes.h"
#include "core/engine13/hello_additions.h"

// OpenSSL's handshake speaks TLS 1.3 and asks for the extension of QUIC (57); the wire has
// DTLS 1.3. Three messages differ: ClientHello, ServerHello (and with it HelloRetryRequest) and
// EncryptedExtensions, in their versions (RFC 9147 sections 5.3 and 5.4), the byte of
// legacy_cookie, that extension, and use_srtp, which OpenSSL refuses outside of its DTLS.
//
// The transcript (RFC 8446 section 4.4.1) is over the bytes of the wire. So extension 57, which
// never leaves the process, carries what turns a message back: for one of OpenSSL's own, what is to
// be added; for one of the peer's, the very bytes that came. transcript.h reads it.
//
// Pure functions over bytes; all of them read strictly, whoever wrote the bytes.
namespace dtls {

constexpr size_t kMessageHeaderSize = 4;  // type(1), length(3): as messages are in the transcript

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

// From OpenSSL to the wire: a whole message. A type that does not differ stays as it is. False: it
// is not in the shape that OpenSSL writes.
bool to_wire(const ProcessMark& mark, Bytes message, std::vector<uint8_t>& out);
// The same for the transcript: a message of the peer's becomes what came, behind what was before
// it.
bool to_transcript(const ProcessMark& mark, Bytes message, std::vector<uint8_t>& out);
// And for a ClientHello that is cut in the list of binders of its pre_shared_key, `front.size`
// bytes of it (RFC 8446 section 4.2.11.2).
bool to_transcript_cut(const ProcessMark& mark, Bytes front, std::vector<uint8_t>& out);

// What a peer's message says that does not reach OpenSSL. Borrowed from it; `data` null: nothing.
struct TakenOut {
  Bytes srtp;  // use_srtp, its data
};
// From the wire to OpenSSL: a whole message. 0, or the alert that is due (RFC 8446 section 6.2).
// `before`: what the transcript has ahead of a ClientHello.
uint8_t to_openssl(const ProcessMark& mark, Bytes message, Bytes before, std::vector<uint8_t>& out,
                   TakenOut& taken);

// What a ServerHello in either shape says.
struct ServerHelloView {
  bool retry = false;  // a HelloRetryRequest
  uint16_t suite = 0;
  uint16_t group = 0;  // 0: it has no key_share
};
// `message`: whole. False: it is none.
bool read_server_hello(Bytes message, ServerHelloView& hello);

// The lists of a ClientHello in the shape of the wire; numbers of two bytes.
struct HelloLists {
  Bytes suites;
  Bytes groups;
  Bytes signature_algorithms;
};
bool read_hello_lists(Bytes message, HelloLists& lists);

// use_srtp (RFC 5764 section 4.1.1): the profiles, two bytes each; MKIs are not in use here, and
// one that is asked for is left out of the answer. False: malformed.
bool read_srtp_profiles(Bytes extension, Bytes& profiles, bool& has_mki);
std::vector<uint8_t> write_srtp(const std::vector<uint16_t>& profiles);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_ENGINE13_MESSAGE_SHAPES_H_
