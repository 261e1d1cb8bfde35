// Records that come: each is opened, and what is in it has its way by its content type.

#include <openssl/err.h>

#include <algorithm>
#include <array>

#include "core/session/session.h"

namespace dtls {

void Session::receive(Bytes datagram, uint8_t* scratch, double now) {
  if (state_ == SessionState::kClosed) return;
  outlet_.count_datagram(datagram.size);
  stir(now);
  if (late13_ || handshake13_ != nullptr) {
    receive13(datagram, scratch, now);
    return;
  }
  if (handshake12_ != nullptr) handshake12_->begin_datagram();
  RecordView record;
  while (state_ != SessionState::kClosed && take_record(datagram, record)) {
    if (handshake12_ != nullptr) {
      if (is_answer_to_newer(record) && return_to_newer(false, now)) {
        // Its records, and what is behind it.
        receive13({record.whole.data, record.whole.size + datagram.size}, scratch, now);
        return;
      }
      handshake12_->receive(record, now);
      conclude(scratch, now);
      // The newer one, which has begun anew: what is behind this is the older one's.
      if (handshake13_ != nullptr) break;
    } else {
      const RecordOutcome outcome = on_record(record, scratch, now);
      note_outcome(outcome);
      // Who forges one record forges the next one as well, and each is another attempt at the keys.
      // With an SSL it may have been a message without content.
      if (outcome == RecordOutcome::kForged && ssl() == nullptr) break;
    }
  }
  if (datagram.size != 0) drop();  // no record, behind the session's end, or behind a forgery
}

// Without renegotiation there is one epoch that is protected, and the handshake's is over.
RecordOutcome Session::on_record(const RecordView& record, uint8_t* scratch, double now) {
  if (record.epoch != 1) return RecordOutcome::kDiscarded;
  const bool message = record.type == ContentType::kApplicationData;
  if (!message) {
    switch (record.type) {
      case ContentType::kHeartbeat:
        if (!heartbeat_ || !heartbeat_->negotiated()) return RecordOutcome::kDiscarded;
        if (records_->ssl() != nullptr) return RecordOutcome::kHeartbeatDiscarded;
        break;
      case ContentType::kChangeCipherSpec:
      case ContentType::kAlert:
      case ContentType::kHandshake:
        break;
      default:
        return RecordOutcome::kDiscarded;
    }
  }
  // A message is opened where it is to lie. What is in other records is looked at here alone, and
  // other records are written meanwhile.
  uint8_t* const room =
      message ? outlet_.room(std::min(record.whole.size, kMaxPlaintext), scratch) : scratch;
  size_t size = 0;
  const RecordOutcome outcome = opened(record, room, size);
  if (outcome != RecordOutcome::kTaken || state_ == SessionState::kClosed) return outcome;
  return on_plaintext(record.type, {room, size}, now);
}

RecordOutcome Session::opened(const RecordView& record, uint8_t* room, size_t& size) {
  switch (records_->open(record, room, size)) {
    case Opened::kTaken:
      return RecordOutcome::kTaken;
    case Opened::kBad:
      return RecordOutcome::kBad;
    case Opened::kReplayed:
      return RecordOutcome::kReplayed;
    case Opened::kForged:
      return RecordOutcome::kForged;
    case Opened::kUnwanted:
      return RecordOutcome::kDiscarded;
    case Opened::kBroken:
      fail_as_openssl_says(FailureKind::kProtocolError);
      return RecordOutcome::kTaken;
  }
  return RecordOutcome::kDiscarded;
}

void Session::note_outcome(RecordOutcome outcome) {
  outlet_.count_outcome(outcome);
  if (outcome == RecordOutcome::kForged) on_forged_record();
}

// Forged records are dropped, until there were too many for the suite.
void Session::on_forged_record() {
  const Wear wear = records_->wear_of_opening();
  tell_wear(false, wear);
  if (wear == Wear::kSpent) end_worn_out(FailureKind::kIntegrityLimit);
}

RecordOutcome Session::on_plaintext(ContentType type, Bytes plaintext, double now) {
  // RFC 6066 section 4. It is authentic: the peer breaks what was agreed on, as OpenSSL has it.
  if (plaintext.size > max_fragment_ && ssl() == nullptr) {
    send_alert(SSL3_AL_FATAL, SSL_AD_RECORD_OVERFLOW);
    ERR_raise(ERR_LIB_SSL, SSL_R_DATA_LENGTH_TOO_LONG);
    fail_as_openssl_says(FailureKind::kProtocolError);
    return RecordOutcome::kTaken;
  }
  switch (type) {
    case ContentType::kApplicationData:
      last_activity_ = last_heard_ = now;
      emit_message(plaintext);
      return RecordOutcome::kTaken;
    case ContentType::kAlert:
      return on_alert(plaintext, now);
    case ContentType::kHandshake:
      // OpenSSL has dealt with it.
      return records_->ssl() != nullptr ? RecordOutcome::kTaken : on_late_message(plaintext, now);
    case ContentType::kHeartbeat:
      return on_heartbeat(plaintext, now);
    default:
      return RecordOutcome::kDiscarded;
  }
}

void Session::emit_message(Bytes message) {
  outlet_.count<&TrafficStats::messagesReceived>();
  outlet_.count<&TrafficStats::messageBytesReceived>(message.size);
  outlet_.append(RecordType::kMessage, 0, 0, message);
}

// RFC 5246 section 7.2. What fails the session is put as OpenSSL puts it.
RecordOutcome Session::on_alert(Bytes alert, double now) {
  if (alert.size == 0) return RecordOutcome::kDiscarded;
  const uint8_t level = alert.data[0];
  if (alert.size != 2 || (level != SSL3_AL_WARNING && level != SSL3_AL_FATAL)) {
    send_alert(SSL3_AL_FATAL,
               alert.size != 2 ? SSL_AD_UNEXPECTED_MESSAGE : SSL_AD_ILLEGAL_PARAMETER);
    ERR_raise(ERR_LIB_SSL, alert.size != 2 ? SSL_R_INVALID_ALERT : SSL_R_UNKNOWN_ALERT_TYPE);
    fail_as_openssl_says(FailureKind::kProtocolError);
    return RecordOutcome::kTaken;
  }
  const uint8_t description = alert.data[1];
  outlet_.alert(false, level, description);
  last_activity_ = last_heard_ = now;
  if (description == SSL_AD_CLOSE_NOTIFY) {
    close();  // answers the peer's close_notify with ours, section 7.2.1
  } else if (level == SSL3_AL_FATAL || (late13_ && description != SSL_AD_USER_CANCELLED)) {
    // In DTLS 1.3 the level says nothing: RFC 8446 section 6.
    facts_->forbid_resumption(context_->get());
    ERR_raise(ERR_LIB_SSL, SSL_AD_REASON_OFFSET + description);
    Failure failure = failure_from_openssl(FailureKind::kProtocolError);
    if (late13_) late13_->explain_alert(failure);
    fail(std::move(failure));
  }
  return RecordOutcome::kTaken;
}

// A handshake message behind the end of the handshake: the peer has not got this side's last
// flight, or it wishes to negotiate anew.
RecordOutcome Session::on_late_message(Bytes message, double now) {
  Bytes rest = message;
  FragmentView fragment;
  if (!take_fragment(rest, fragment) || fragment.offset != 0) return RecordOutcome::kDiscarded;
  if (fragment.type == HandshakeType::kFinished) return repeat_last_flight(now);
  last_activity_ = last_heard_ = now;
  const HandshakeType wish =
      role_ == Role::kServer ? HandshakeType::kClientHello : HandshakeType::kHelloRequest;
  if (fragment.type != wish) return RecordOutcome::kDiscarded;
  outlet_.message(false, false, static_cast<uint8_t>(fragment.type), fragment.message_length);
  send_alert(SSL3_AL_WARNING, SSL_AD_NO_RENEGOTIATION);  // RFC 5246 section 7.2.2
  return RecordOutcome::kTaken;
}

// Whose flight was not the last has nothing to say to a repeated Finished.
RecordOutcome Session::repeat_last_flight(double now) {
  if (!said_last_) return RecordOutcome::kTaken;
  SaidLast& last = *said_last_;
  const std::optional<Flight> flight = last.flight.repeat(*records_, now);
  if (!flight) return RecordOutcome::kDiscarded;
  const auto tell = [this](const MessageName& message) {
    outlet_.message(true, true, static_cast<uint8_t>(message.type), message.length);
  };
  for (const MessageName& message : flight->messages_in_clear()) tell(message);
  tell(last.flight.finished());
  if (last.repetitions++ >= Flight::kInVain) {
    if (const std::optional<uint32_t> smaller = flight->smaller_mtu({mtu_, max_fragment_})) {
      mtu_ = *smaller;
      last.repetitions = 0;
    }
  }
  for (const auto& datagram : flight->datagrams({mtu_, max_fragment_}, last.next_number)) {
    outlet_.transmit({datagram.data(), datagram.size()});
  }
  return RecordOutcome::kTaken;
}

}  // namespace dtls
