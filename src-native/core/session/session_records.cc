// Records of an open session: how they reach OpenSSL, one at a time, and what came of them.

#include "core/session/session.h"

namespace dtls {

void Session::receive(Bytes datagram, uint8_t* scratch, double now) {
  if (state_ == SessionState::kClosed) return;
  outlet_.count_datagram(datagram.size);
  if (!wake(now)) {
    drop();
    return;
  }
  if (handshake_) handshake_->begin_datagram();
  RecordView record;
  while (state_ != SessionState::kClosed && take_record(datagram, record)) {
    if (handshake_) {
      handshake_->receive(record, now);
      conclude(scratch, now);
    } else {
      note_outcome(on_record(record, scratch, now));
    }
  }
  if (datagram.size != 0) drop();  // no record, or behind the session's end
}

// Looks at the record's header alone. Records of other types are fatal to OpenSSL. Without
// renegotiation there is one epoch that is protected, and the handshake's is over.
Session::RecordKind Session::classify(const RecordView& record) const {
  if (record.epoch != 1) return RecordKind::kOutOfPlace;
  const bool is_short = record.fragment.size < shortest_record_;
  switch (record.type) {
    case ContentType::kHeartbeat:
      if (!heartbeat_ || !heartbeat_->negotiated()) return RecordKind::kOutOfPlace;
      return is_short ? RecordKind::kTooShort : RecordKind::kHeartbeat;
    case ContentType::kApplicationData:
      return is_short ? RecordKind::kTooShort : RecordKind::kMessage;
    case ContentType::kChangeCipherSpec:
    case ContentType::kAlert:
    case ContentType::kHandshake:
      return is_short ? RecordKind::kTooShort : RecordKind::kControl;
  }
  return RecordKind::kOutOfPlace;
}

RecordOutcome Session::on_record(const RecordView& record, uint8_t* scratch, double now) {
  switch (classify(record)) {
    case RecordKind::kOutOfPlace:
      return RecordOutcome::kDiscarded;
    case RecordKind::kTooShort:
      return RecordOutcome::kBad;
    case RecordKind::kMessage:
      return feed(record, scratch, now);
    case RecordKind::kHeartbeat:
      return on_heartbeat_record(record, scratch, now);
    case RecordKind::kControl:
      return has_record_keys() ? on_control_record(record, scratch, now)
                               : feed(record, scratch, now);
  }
  return RecordOutcome::kDiscarded;
}

void Session::note_outcome(RecordOutcome outcome) {
  outlet_.count_outcome(outcome);
  if (outcome == RecordOutcome::kForged) on_forged_record();
}

// A record that came before its time, in the handshake.
void Session::replay(const HeldRecords::Held& held, bool counts_early, uint8_t* scratch,
                     double now) {
  const Drops before = drops();
  Bytes rest{held.bytes.data(), held.bytes.size()};
  RecordView record;
  if (state_ == SessionState::kClosed) {
    drop();
  } else if (take_record(rest, record)) {
    note_outcome(on_record(record, scratch, now));
  }
  if (held.until != Until::kAnswer && !counts_early) uncount_drops(before);
}

// Gives a record to OpenSSL, which does not say what it drops: only what it does tells.
// `authentic`: that is known already.
RecordOutcome Session::feed(const RecordView& record, uint8_t* scratch, double now,
                            bool authentic) {
  if (checks_macs_) {
    const ErrorQueueScope errors;
    if ((!incoming_mac_.ready() && !incoming_mac_.derive(ssl_.get())) ||
        !incoming_mac_.verify(record)) {
      return RecordOutcome::kForged;
    }
    authentic = true;
  }
  // Where the suite is no AEAD nobody has looked into it: it is a repeated Finished, or nothing
  // that is of use.
  if (record.type == ContentType::kHandshake && !may_repeat_finished()) {
    return RecordOutcome::kDiscarded;
  }
  const bool replayed = replay_window_.has_seen(record.sequence);
  const uint64_t heard = heard_;
  offer(record.whole);
  read_message(scratch);
  take_back();
  send_last_flight();
  if (state_ == SessionState::kClosed) return RecordOutcome::kTaken;
  if (heard_ == heard && !replayed && is_empty_message(record, authentic)) emit_message({});
  if (heard_ == heard && (!authentic || replayed)) {
    return replayed ? RecordOutcome::kReplayed : RecordOutcome::kForged;
  }
  replay_window_.mark(record.sequence);
  if (record.type == ContentType::kApplicationData) last_activity_ = last_heard_ = now;
  return RecordOutcome::kTaken;
}

// Forged records are dropped, until there were too many for the suite.
void Session::on_forged_record() {
  if (++forged_ <= integrity_limit_) return;
  const ErrorQueueScope errors;
  SSL_shutdown(ssl_.get());  // the peer's keys are used up as well
  Failure failure;
  failure.kind = FailureKind::kIntegrityLimit;
  fail(failure);
}

// Whether a record of which OpenSSL has said nothing is a message without content (RFC 5246 section
// 6.2.1): from 3.2 on it takes those and drops them. Where MAC and plaintext are encrypted together
// nobody but OpenSSL can tell.
bool Session::is_empty_message(const RecordView& record, bool authentic) {
  if (record.type != ContentType::kApplicationData) return false;
  if (authentic) return true;
  std::vector<uint8_t> plaintext;
  return record.fragment.size == shortest_record_ && has_record_keys() &&
         open_record(record, plaintext);
}

void Session::emit_message(Bytes message) {
  ++heard_;
  outlet_.count<&TrafficStats::messagesReceived>();
  outlet_.count<&TrafficStats::messageBytesReceived>(message.size);
  outlet_.append(RecordType::kMessage, 0, 0, message);
}

// Takes the message of the record that OpenSSL was given, if it has one. The error queue is empty
// when it is called.
void Session::read_message(uint8_t* scratch) {
  size_t size = 0;
  uint8_t* const out = outlet_.room(kMaxPlaintext, scratch);
  const int result = SSL_read_ex(ssl_.get(), out, kMaxPlaintext, &size);
  if (result == 1) {
    emit_message({out, size});
    return;
  }
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      ErrorQueueScope::clear();  // why a record was dropped, where OpenSSL says so
      return;
    case SSL_ERROR_ZERO_RETURN:
      close();  // answers the peer's close_notify with ours, RFC 5246 section 7.2.1
      return;
    default:
      fail(openssl_failure(FailureKind::kProtocolError));
  }
}

}  // namespace dtls
