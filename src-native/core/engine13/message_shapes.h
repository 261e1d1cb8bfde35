#ifndef DGRAM_DTLS_CORE_ENGINE13_MESSAGE_SHAPES_H_
#define DGRAM_DTLS_CORE_ENGINE13_MESSAGE_SHAPES_H_

#include <vector>

#include "core/base/bytes.h"
#include "core/engine13/carried.h"

// OpenSSL's handshake speaks TLS 1.3 and asks for the extension of QUIC (57); the wire has
// DTLS 1.3. Three messages differ: ClientHello, ServerHello (and with it HelloRetryRequest) and
// EncryptedExtensions, in their versions (RFC 9147 sections 5.3 and 5.4), the byte of
// legacy_cookie, that extension, and use_srtp, which OpenSSL refuses outside of its DTLS.
//
// The transcript (RFC 8446 section 4.4.1) is over the bytes of the wire. So extension 57, which
// never leaves the process, carries what turns a message back: for one of OpenSSL's own, what is to
// be added; for one of the peer's, the very bytes that came (carried.h). transcript.h reads it.
//
// Pure functions over bytes; all of them read strictly, whoever wrote the bytes.
namespace dtls {

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

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_ENGINE13_MESSAGE_SHAPES_H_
