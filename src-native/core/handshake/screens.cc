// What is let through: what a record is to a handshake, by its header and what is in clear, before
// anybody has looked into it. Anybody can send such records, and OpenSSL would take many of them as
// fatal.

#include <cstring>

#include "core/handshake/handshake.h"

namespace dtls {

namespace {

// Whether the other role sends such handshake messages: RFC 5246 section 7.3.
bool is_for(Role receiver, HandshakeType type) {
  switch (type) {
    case HandshakeType::kClientHello:
    case HandshakeType::kCertificateVerify:
    case HandshakeType::kClientKeyExchange:
      return receiver == Role::kServer;
    case HandshakeType::kHelloRequest:
    case HandshakeType::kServerHello:
    case HandshakeType::kHelloVerifyRequest:
    case HandshakeType::kNewSessionTicket:
    case HandshakeType::kServerKeyExchange:
    case HandshakeType::kCertificateRequest:
    case HandshakeType::kServerHelloDone:
    case HandshakeType::kCertificateStatus:
      return receiver == Role::kClient;
    case HandshakeType::kCertificate:
    case HandshakeType::kFinished:
      return true;
    default:
      return false;  // what is none of all that, nobody sends at 1.2
  }
}

// Whether a record in clear is not what its type says, or is what only a peer of the same role
// would send (two ends that dialled each other at once do). OpenSSL ends the handshake for it,
// where RFC 6347 section 4.1.2.7 has it dropped: anybody can send one.
bool is_out_of_place_in_clear(const RecordView& record, Role receiver) {
  if (record.epoch != 0) return false;
  switch (record.type) {
    case ContentType::kChangeCipherSpec:
      return record.fragment.size != 1 || record.fragment.data[0] != 1;
    case ContentType::kAlert:
      // RFC 5246 section 7.2: there are two levels, and OpenSSL answers another with a fatal alert.
      return record.fragment.size != 2 || record.fragment.data[0] < SSL3_AL_WARNING ||
             record.fragment.data[0] > SSL3_AL_FATAL;
    case ContentType::kHandshake: {
      Bytes rest = record.fragment;
      FragmentView fragment;
      do {
        if (!take_fragment(rest, fragment) || !is_for(receiver, fragment.type)) {
          return true;
        }
      } while (rest.size != 0);
      return false;
    }
    default:
      return false;
  }
}

// RFC 5246 section 7.2: the handshake goes on. OpenSSL reads such an alert over and over until it
// is one too many, and gives up.
bool is_mere_warning(const RecordView& record) {
  return record.epoch == 0 && record.type == ContentType::kAlert && record.fragment.size == 2 &&
         record.fragment.data[0] == SSL3_AL_WARNING &&
         record.fragment.data[1] != SSL_AD_CLOSE_NOTIFY;
}

}  // namespace

// An authentic record of another type is fatal to OpenSSL, RFC 6520 heartbeats among them; and
// anybody can send one in clear during the handshake. So is application data that is in clear.
// Without renegotiation there is one epoch that is protected, and one before it.
bool Handshake::is_out_of_place(const RecordView& record) const {
  if (record.epoch > 1) return true;
  switch (record.type) {
    case ContentType::kApplicationData:
      return record.epoch == 0;
    case ContentType::kChangeCipherSpec:
    case ContentType::kAlert:
    case ContentType::kHandshake:
      return is_of_earlier_attempt(record) || is_out_of_place_in_clear(record, role_);
    default:
      return true;
  }
}

// OpenSSL reads protected records once it has the peer's ChangeCipherSpec, and what is no handshake
// message in them only when the handshake is over: until then it would keep messages and alerts,
// and not say what became of them. What comes before its time waits here.
Handshake::RecordKind Handshake::classify(const RecordView& record) const {
  if (is_out_of_place(record)) return RecordKind::kOutOfPlace;
  if (parked()) return RecordKind::kWhileAsked;
  if (state_ == HandshakeState::kHello) return RecordKind::kOfHello;
  if (record.epoch != 0) {
    return record.type != ContentType::kHandshake || !reads_protected() ? RecordKind::kEarly
                                                                        : RecordKind::kForOpenSsl;
  }
  if (is_mere_warning(record)) return RecordKind::kWarning;
  if (may_be_about_cookie(record)) return RecordKind::kDoubtfulAlert;
  return record.type == ContentType::kHandshake ? RecordKind::kMessages : RecordKind::kInClear;
}

bool Handshake::reads_protected() const {
  if (!ssl_) return false;
  // "Read ChangeCipherSpec", of either role. The numbers of these states are not the same in all
  // versions of OpenSSL, their names are.
  return SSL_is_init_finished(ssl_.get()) == 1 ||
         std::strcmp(SSL_state_string(ssl_.get()), "TRCCS") == 0;
}

size_t Handshake::max_fragment() const {
  const SSL_SESSION* session = SSL_get_session(ssl_.get());
  const uint8_t code = session == nullptr ? 0 : SSL_SESSION_get_max_fragment_length(session);
  return code >= 1 && code <= 4 ? size_t{256} << code : kMaxPlaintext;
}

}  // namespace dtls
