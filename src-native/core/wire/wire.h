#ifndef DGRAM_DTLS_CORE_WIRE_WIRE_H_
#define DGRAM_DTLS_CORE_WIRE_WIRE_H_

#include "core/base/bytes.h"

// The few fields of DTLS that travel in clear and that the core reads before OpenSSL does: record
// headers (RFC 6347 section 4.1, RFC 9147 section 4), handshake fragment headers (4.2.2, 5.2), and
// the front of some messages.
namespace dtls {

// Protocol versions as the wire has them; OpenSSL's names are the same numbers.
constexpr uint16_t kDtls10 = 0xfeff;
constexpr uint16_t kDtls12 = 0xfefd;
constexpr uint16_t kDtls13 = 0xfefc;  // RFC 9147

// The content types of records: RFC 5246 section 6.2.1, RFC 6520 for heartbeats, and RFC 9147
// section 4 for ACKs. What a peer sends may have any other value of a byte.
enum class ContentType : uint8_t {
  kChangeCipherSpec = 20,
  kAlert = 21,
  kHandshake = 22,
  kApplicationData = 23,
  kHeartbeat = 24,
  kAck = 26,
};

// The types of handshake messages: RFC 5246 section 7.4, RFC 8446 section 4, and the RFCs of what
// came later. What a peer sends may have any other value of a byte.
enum class HandshakeType : uint8_t {
  kHelloRequest = 0,
  kClientHello = 1,
  kServerHello = 2,
  kHelloVerifyRequest = 3,  // RFC 6347 section 4.2.1
  kNewSessionTicket = 4,    // RFC 5077 section 3.3
  kEndOfEarlyData = 5,      // RFC 8446; DTLS has none
  kEncryptedExtensions = 8,
  kRequestConnectionId = 9,  // RFC 9147 section 9
  kNewConnectionId = 10,
  kCertificate = 11,
  kServerKeyExchange = 12,
  kCertificateRequest = 13,
  kServerHelloDone = 14,
  kCertificateVerify = 15,
  kClientKeyExchange = 16,
  kFinished = 20,
  kCertificateStatus = 22,      // RFC 6066 section 8
  kKeyUpdate = 24,              // RFC 8446 section 4.6.3
  kCompressedCertificate = 25,  // RFC 8879
};

// The extensions of hellos that are read or written here: IANA's registry.
enum class Extension : uint16_t {
  kServerName = 0,
  kMaxFragmentLength = 1,
  kStatusRequest = 5,
  kSupportedGroups = 10,
  kSignatureAlgorithms = 13,
  kUseSrtp = 14,
  kHeartbeat = 15,
  kApplicationProtocols = 16,
  kClientCertificateType = 19,
  kServerCertificateType = 20,
  kExtendedMasterSecret = 23,
  kRecordSizeLimit = 28,  // RFC 8449
  kSessionTicket = 35,
  kPreSharedKey = 41,
  kEarlyData = 42,
  kSupportedVersions = 43,
  kCookie = 44,
  kPskKeyExchangeModes = 45,
  kCertificateAuthorities = 47,
  kSignatureAlgorithmsCert = 50,
  kKeyShare = 51,
  kConnectionId = 54,             // RFC 9146
  kQuicTransportParameters = 57,  // RFC 9001; here it never leaves the process
};

// A ChangeCipherSpec where it is told of among the handshake messages, of which it is none.
// lib/errors/names.ts has the same number.
constexpr HandshakeType kChangeCipherSpecMessage{254};

// What is told of a message of a handshake.
struct MessageName {
  HandshakeType type;
  uint32_t length;
};

constexpr size_t kRecordHeaderSize = 13;
constexpr size_t kHandshakeHeaderSize = 12;
constexpr size_t kMaxPlaintext = 16384;
constexpr size_t kRandomSize = 32;
// The longest ClientHello that is put together: one that goes into one record.
constexpr size_t kMaxHello = kMaxPlaintext - kHandshakeHeaderSize;
// The highest message_seq that a ClientHello with a cookie may have. A client's first hello, which
// has no cookie, is number 0, and each HelloVerifyRequest is followed by a hello with the next
// number.
constexpr uint16_t kMaxHelloNumber = 8;
// The highest number of a record that a ClientHello comes in. The server goes on from that number
// (RFC 6347 section 4.2.1), and numbers must not wrap (section 4.1): so much room is left for those
// of a handshake. An honest client begins with 0 and gets nowhere near it.
constexpr uint64_t kMaxHelloRecordNumber = uint64_t{1} << 47;

inline uint32_t read_u16(const uint8_t* p) { return static_cast<uint32_t>(p[0]) << 8 | p[1]; }
inline uint32_t read_u24(const uint8_t* p) {
  return static_cast<uint32_t>(p[0]) << 16 | read_u16(p + 1);
}
inline uint64_t read_u48(const uint8_t* p) {
  return static_cast<uint64_t>(read_u24(p)) << 24 | read_u24(p + 3);
}
inline void write_u16(uint8_t* p, uint32_t value) {
  p[0] = static_cast<uint8_t>(value >> 8);
  p[1] = static_cast<uint8_t>(value);
}
inline void write_u24(uint8_t* p, uint32_t value) {
  p[0] = static_cast<uint8_t>(value >> 16);
  write_u16(p + 1, value);
}
inline void write_u48(uint8_t* p, uint64_t value) {
  write_u24(p, static_cast<uint32_t>(value >> 24));
  write_u24(p + 3, static_cast<uint32_t>(value));
}

// RFC 6066 section 4: 512 bytes have the code 1, and each next one twice as many; 0 for all others.
inline uint8_t max_fragment_code(size_t bytes) {
  for (uint8_t code = 1; code <= 4; ++code) {
    if (bytes == size_t{256} << code) return code;
  }
  return 0;
}

// Where the fields of a record's header are, behind its type: RFC 6347 section 4.1.
namespace record_at {
constexpr size_t kVersion = 1;
constexpr size_t kEpoch = 3;
constexpr size_t kNumber = 5;
constexpr size_t kLength = 11;
}  // namespace record_at

// Where those of a handshake fragment's header are, behind its type: RFC 6347 section 4.2.2.
namespace fragment_at {
constexpr size_t kMessageLength = 1;
constexpr size_t kMessageSequence = 4;
constexpr size_t kOffset = 6;
constexpr size_t kLength = 9;
}  // namespace fragment_at

struct RecordView {
  ContentType type{};
  uint16_t version = 0;
  uint16_t epoch = 0;
  uint64_t sequence = 0;
  Bytes whole;     // header and fragment
  Bytes fragment;  // what the header announces
};

// Takes the first record off the front of `datagram`. False: no whole DTLS record is left; RFC 6347
// section 4.1.2.7 has the rest discarded.
// Inline, because every datagram goes through it.
inline bool take_record(Bytes& datagram, RecordView& record) {
  if (datagram.size < kRecordHeaderSize) return false;
  const uint8_t* p = datagram.data;
  // Every DTLS version so far has a major version byte of 254.
  if (p[record_at::kVersion] != 0xfe) return false;
  const size_t length = read_u16(p + record_at::kLength);
  if (length > datagram.size - kRecordHeaderSize) return false;
  record.type = static_cast<ContentType>(p[0]);
  record.version = static_cast<uint16_t>(read_u16(p + record_at::kVersion));
  record.epoch = static_cast<uint16_t>(read_u16(p + record_at::kEpoch));
  record.sequence = read_u48(p + record_at::kNumber);
  record.whole = datagram.first(kRecordHeaderSize + length);
  record.fragment = {p + kRecordHeaderSize, length};
  datagram = datagram.from(kRecordHeaderSize + length);
  return true;
}

// Writes the header of a record in clear: one of epoch 0.
void write_clear_header(uint8_t* header, ContentType type, uint16_t version, uint64_t number,
                        size_t length);
// Gives a record another number.
inline void renumber(uint8_t* record, uint64_t number) {
  write_u48(record + record_at::kNumber, number);
}

struct FragmentView {
  HandshakeType type{};
  uint32_t message_length = 0;
  uint16_t message_sequence = 0;
  uint32_t offset = 0;
  Bytes body;
};

// Takes the first handshake fragment off the front of a record's fragment.
bool take_fragment(Bytes& record_fragment, FragmentView& fragment);

struct FragmentHeader {
  HandshakeType type{};
  uint32_t message_length = 0;
  uint16_t message_sequence = 0;
  uint32_t offset = 0;
  uint32_t length = 0;
};

void write_fragment_header(uint8_t* to, const FragmentHeader& header);

// The front of a ClientHello: all that a stateless answer needs. RFC 6347 section 4.2.1.
struct ClientHelloFront {
  Bytes random;
  Bytes cookie;
};

// False when the fragment is malformed or ends before the cookie does.
bool parse_client_hello_front(Bytes body, ClientHelloFront& hello);

// The first byte of a datagram says which protocol shares the port. RFC 7983 section 7.
inline bool is_dtls(Bytes datagram) {
  return datagram.size >= 1 && datagram.data[0] >= 20 && datagram.data[0] <= 63;
}

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_WIRE_WIRE_H_
