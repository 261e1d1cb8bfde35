#ifndef DGRAM_DTLS_CORE_OUTBOX_RECORD_FIELDS_H_
#define DGRAM_DTLS_CORE_OUTBOX_RECORD_FIELDS_H_

#include <cstdint>

// What is packed into the numbers `a` and `b` of a record. lib/core/record-fields.ts has the same
// list; test/unit/outbox.test.ts compares them.
namespace dtls {

// Some neighbouring bits of such a number.
struct RecordField {
  uint32_t shift;
  uint32_t bits;

  // The number with this value in the field, and 0 everywhere else.
  constexpr uint32_t put(uint32_t value) const { return (value & mask()) << shift; }
  constexpr uint32_t put(bool value) const { return put(value ? 1U : 0U); }
  // What a number has in the field. For tests: JavaScript reads records.
  constexpr uint32_t of(uint32_t packed) const { return packed >> shift & mask(); }
  constexpr bool in(uint32_t packed) const { return of(packed) != 0; }

 private:
  constexpr uint32_t mask() const { return (1U << bits) - 1; }
};

// The `a` of HANDSHAKE, ALERT and HEARTBEAT: this side has sent it. Of KEY_LIMIT: it is about what
// this side sends.
constexpr RecordField kOut{0, 1};

// The `a` of TRANSMIT, of a datagram that is none of DTLS: kTransmitPeer is the number of whom it
// is for (Endpoint::number_of) where no session says so.
constexpr RecordField kTransmitPeer{0, 31};
constexpr RecordField kTransmitPacket{31, 1};

// The `a` of HANDSHAKE.
constexpr RecordField kRetransmit{1, 1};
constexpr RecordField kMessageType{8, 8};  // HandshakeType, or kChangeCipherSpecMessage

// The `a` of ALERT: RFC 5246 section 7.2.
constexpr RecordField kAlertLevel{8, 8};
constexpr RecordField kAlertDescription{16, 8};

// The `a` of HEARTBEAT: HeartbeatType, or 0 when nobody has answered this side's request.
constexpr RecordField kHeartbeatType{8, 8};

// The `a` of SECURE.
constexpr RecordField kSecureVersion{0, 16};
constexpr RecordField kSecurePeerCertificate{16, 1};
constexpr RecordField kSecurePsk{17, 1};
constexpr RecordField kSecureReused{18, 1};
constexpr RecordField kSecureEncryptThenMac{20, 1};
constexpr RecordField kSecureExtendedMasterSecret{21, 1};
constexpr RecordField kSecureMaxFragment{24, 3};  // the code of RFC 6066 section 4; 0 for none

// The `b` of CLOSE.
constexpr RecordField kCloseAlert{0, 8};
constexpr RecordField kCloseVerifyResult{8, 16};
constexpr RecordField kCloseCertificateWithheld{30, 1};
constexpr RecordField kCloseCompletedHandshake{31, 1};

// The `b` of TRANSPORT_ERROR: the transport is of no use any more; the system would not send a
// datagram, where it is otherwise about one that has left.
constexpr RecordField kTransportBroke{0, 1};
constexpr RecordField kTransportRefused{1, 1};

// What is in kCloseAlert where there was no alert.
constexpr uint32_t kCloseNoAlert = 255;

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_OUTBOX_RECORD_FIELDS_H_
