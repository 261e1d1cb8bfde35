// Records of DTLS 1.3 that come: what is in them shows when they are open.

#include <openssl/err.h>

#include <algorithm>

#include "core/session/session.h"

namespace dtls {

void Session::receive13(Bytes datagram, uint8_t* scratch, double now) {
  if (handshake13_ != nullptr) {
    handshake13_->begin_datagram();
  } else {
    late13_->begin_datagram();
  }
  while (state_ != SessionState::kClosed && datagram.size != 0) {
    if (handshake13_ != nullptr) {
      if (!handshake13_->receive(datagram, now)) break;
      conclude(scratch, now);
      // An older handshake, which goes on with what comes next.
      if (handshake12_ != nullptr) return;
    } else if (!receive_one13(datagram, scratch, now)) {
      break;
    }
  }
  if (datagram.size != 0) drop();  // no record, behind the session's end, or behind a forgery
  leave13(now);
}

void Session::leave13(double now) {
  if (handshake13_ != nullptr) {
    handshake13_->end_datagram(now);
  } else if (late13_) {
    late13_->leave(mtu_, max_fragment_, now);
  }
}

// Takes the first record off the front. False: there is none, or the rest is not worth a look.
bool Session::receive_one13(Bytes& datagram, uint8_t* scratch, double now) {
  if (!is_unified(datagram.data[0])) {
    // In clear the peer may repeat what it said before there were keys, and anybody may say
    // anything.
    RecordView record;
    if (!take_record(datagram, record)) return false;
    note_outcome(RecordOutcome::kDiscarded);
    return true;
  }
  CiphertextView record;
  if (!take_ciphertext(datagram, record)) return false;
  const RecordOutcome outcome = on_ciphertext(record, scratch, now);
  note_outcome(outcome);
  // Who forges one record forges the next one as well, and each is another attempt at the keys.
  return outcome != RecordOutcome::kForged;
}

RecordOutcome Session::on_ciphertext(const CiphertextView& record, uint8_t* scratch, double now) {
  Records13& records = late13_->records();
  if (!records.may_open(record)) {
    late13_->on_unreadable(now);
    return RecordOutcome::kDiscarded;
  }
  // Most are messages, and opened where they are to lie.
  uint8_t* const room = outlet_.room(std::min(record.whole.size, kMaxPlaintext), scratch);
  Plaintext13 plaintext;
  switch (records.open(record, room, plaintext)) {
    case Opened::kTaken:
      break;
    case Opened::kReplayed:
      return RecordOutcome::kReplayed;
    case Opened::kForged:
      return RecordOutcome::kForged;
    case Opened::kBad:
      return RecordOutcome::kBad;
    case Opened::kUnwanted:
    case Opened::kBroken:
      return RecordOutcome::kDiscarded;
  }
  if (plaintext.first_of_epoch) late13_->on_first_of_epoch(plaintext.epoch, now);
  constexpr uint64_t kFirstDataEpoch = 3;
  if (plaintext.type == ContentType::kApplicationData && plaintext.epoch >= kFirstDataEpoch) {
    return on_plaintext(plaintext.type, {room, plaintext.size}, now);
  }
  // Of others records are written, which come to lie where these do.
  if (room != scratch) std::copy_n(room, plaintext.size, scratch);
  const Bytes bytes{scratch, plaintext.size};
  const RecordNumber number{plaintext.epoch, plaintext.number};
  switch (plaintext.type) {
    case ContentType::kHandshake:
      last_heard_ = now;
      return on_late(late13_->on_handshake(number, bytes, now));
    case ContentType::kAck:
      last_heard_ = now;
      return on_late(late13_->on_ack(number, bytes, now));
    case ContentType::kAlert:
      return on_plaintext(plaintext.type, bytes, now);
    default:
      ERR_raise(ERR_LIB_SSL, SSL_R_UNEXPECTED_RECORD);
      return end_with(SSL_AD_UNEXPECTED_MESSAGE);
  }
}

RecordOutcome Session::on_late(const LateHandshake13::Outcome& outcome) {
  if (outcome.alert != 0) return end_with(outcome.alert);
  if (outcome.peer_gone) {
    Failure failure;
    failure.kind = FailureKind::kHandshakeTimeout;
    fail(failure);
    return RecordOutcome::kTaken;
  }
  if (outcome.keys_updated) told_of_sealing_ = Wear::kNone;
  if (outcome.keys_read) told_of_opening_ = Wear::kNone;
  if (outcome.new_session) {
    if (SslSessionPtr session = late13_->session()) {
      facts_->renew_session(std::move(session));
      facts_->settle(policy_->session ? policy_->session->get() : nullptr);
      outlet_.append(RecordType::kSession, 0, 0);
    }
  }
  return outcome.dropped ? RecordOutcome::kDiscarded : RecordOutcome::kTaken;
}

// For a reason that is in OpenSSL's queue.
RecordOutcome Session::end_with(uint8_t alert) {
  const Failure failure = failure_from_openssl(FailureKind::kProtocolError);
  send_alert(SSL3_AL_FATAL, alert);
  fail(failure);
  return RecordOutcome::kTaken;
}

KeyUpdateOutcome Session::update_keys(bool both, double now) {
  if (state_ != SessionState::kOpen) return KeyUpdateOutcome::kNotOpen;
  if (!late13_) return KeyUpdateOutcome::kNotDtls13;
  stir(now);
  const KeyUpdateOutcome outcome = late13_->update_keys(both);
  leave13(now);
  return outcome;
}

}  // namespace dtls
