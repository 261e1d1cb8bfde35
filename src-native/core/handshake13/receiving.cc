// Records in: each is opened, or waits for its keys, and what is in it goes to flights.

#include <openssl/err.h>

#include <array>

#include "core/handshake13/handshake13.h"

namespace dtls {

bool Handshake13::receive(Bytes& datagram, double now) {
  if (datagram.size == 0) return false;
  const ErrorQueueScope errors;
  if (is_of_old_hello_) return false;
  if (is_unified(datagram.data[0])) {
    CiphertextView record;
    if (!take_ciphertext(datagram, record)) return false;
    note_outcome(on_ciphertext(record, now));
  } else {
    RecordView record;
    if (!take_record(datagram, record)) return false;
    note_outcome(on_clear(record, now));
  }
  feed_messages(now);
  return true;
}

RecordOutcome Handshake13::on_ciphertext(const CiphertextView& record, double now) {
  if (!records_->may_open(record)) {
    heard_ = true;
    flights_->on_unreadable(now);
    return held_.hold(record.whole) ? RecordOutcome::kHeld : RecordOutcome::kDiscarded;
  }
  std::array<uint8_t, kMaxPlaintext> room;  // not cleared: what is read of it has been written
  Plaintext13 plaintext;
  switch (records_->open(record, room.data(), plaintext)) {
    case Opened::kTaken:
      break;
    case Opened::kReplayed:
      return RecordOutcome::kReplayed;
    case Opened::kForged:
      on_unopened(now);
      return RecordOutcome::kForged;
    case Opened::kBad:
      return RecordOutcome::kBad;
    case Opened::kUnwanted:
    case Opened::kBroken:
      return RecordOutcome::kDiscarded;
  }
  heard_ = heard_protected_ = true;
  const RecordNumber number{plaintext.epoch, plaintext.number};
  const Bytes bytes{room.data(), plaintext.size};
  switch (plaintext.type) {
    case ContentType::kHandshake:
      return on_handshake(number, bytes, now);
    case ContentType::kAck:
      return on_ack(number, bytes, now);
    case ContentType::kAlert:
      return on_alert(plaintext.epoch, bytes, now);
    default:
      // RFC 8446 section 5: no data before the handshake is over, and nothing that has no type.
      ERR_raise(ERR_LIB_SSL, SSL_R_UNEXPECTED_RECORD);
      fail_with(FailureKind::kProtocolError, SSL_AD_UNEXPECTED_MESSAGE);
      return RecordOutcome::kTaken;
  }
}

// In clear there are hellos, and what an older server answers them with. Of the next message the
// engine gets no other, as anybody may have sent it, and it would end the handshake: two ends that
// dial each other at once do, and who says back whatever it hears.
bool Handshake13::is_hello_for_us(Bytes fragments) const {
  FragmentView fragment;
  while (take_fragment(fragments, fragment)) {
    if (fragment.message_sequence != flights_->next_in()) continue;
    const bool fits = role_ == Role::kServer
                          ? fragment.type == HandshakeType::kClientHello
                          : fragment.type == HandshakeType::kServerHello ||
                                fragment.type == HandshakeType::kHelloVerifyRequest;
    if (!fits) return false;
  }
  return true;
}

// Anybody can write these: nothing here ends a handshake that has anything authentic to go by.
RecordOutcome Handshake13::on_clear(const RecordView& record, double now) {
  if (record.epoch != 0) return RecordOutcome::kDiscarded;
  const RecordNumber number{0, record.sequence};
  switch (record.type) {
    case ContentType::kHandshake:
      if (is_contradiction(record.fragment, now) || !is_hello_for_us(record.fragment))
        return RecordOutcome::kDiscarded;
      heard_ = true;
      return on_handshake(number, record.fragment, now);
    case ContentType::kAck:
      return on_ack(number, record.fragment, now);
    case ContentType::kAlert:
      return on_alert(0, record.fragment, now);
    default:
      return RecordOutcome::kDiscarded;
  }
}

RecordOutcome Handshake13::on_handshake(RecordNumber number, Bytes bytes, double now) {
  switch (flights_->take(number, bytes, now)) {
    case Flights::TakeOutcome::kTaken:
    case Flights::TakeOutcome::kRepeated:
      return RecordOutcome::kTaken;
    case Flights::TakeOutcome::kRefused:
      return RecordOutcome::kDiscarded;
    case Flights::TakeOutcome::kMalformed:
      if (number.epoch == 0) return RecordOutcome::kDiscarded;
      ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
      fail_with(FailureKind::kProtocolError, SSL_AD_DECODE_ERROR);
      return RecordOutcome::kTaken;
    case Flights::TakeOutcome::kPastKeys:
      ERR_raise(ERR_LIB_SSL, SSL_R_UNEXPECTED_MESSAGE);
      fail_with(FailureKind::kProtocolError, SSL_AD_UNEXPECTED_MESSAGE);
      return RecordOutcome::kTaken;
  }
  return RecordOutcome::kDiscarded;
}

RecordOutcome Handshake13::on_ack(RecordNumber number, Bytes bytes, double now) {
  if (!flights_->take_ack(number.epoch, bytes, now).malformed) return RecordOutcome::kTaken;
  if (number.epoch == 0) return RecordOutcome::kDiscarded;
  ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
  fail_with(FailureKind::kProtocolError, SSL_AD_DECODE_ERROR);
  return RecordOutcome::kTaken;
}

// RFC 8446 section 6: the level says nothing. One in clear is heard from who has no keys yet: from
// a server before its ServerHello, from a client that refuses that.
RecordOutcome Handshake13::on_alert(uint64_t epoch, Bytes alert, double now) {
  const bool in_time = role_ == Role::kClient ? records_->opening_epoch() == 0 : !heard_protected_;
  if (alert.size != 2 || (epoch == 0 && !in_time)) return RecordOutcome::kDiscarded;
  heard_ = true;
  const uint8_t description = alert.data[1];
  outlet_.alert(false, alert.data[0], description);
  if (description == SSL_AD_USER_CANCELLED) return RecordOutcome::kTaken;
  if (description == SSL_AD_ILLEGAL_PARAMETER && begin_anew_without_cookie(now)) {
    return RecordOutcome::kTaken;
  }
  Failure failure;
  failure.kind = FailureKind::kAlertReceived;
  failure.alert = description;
  if (description != SSL_AD_CLOSE_NOTIFY) {
    ERR_raise(ERR_LIB_SSL, SSL_AD_REASON_OFFSET + description);
    failure = engine_failure();
  }
  fail(std::move(failure));
  return RecordOutcome::kTaken;
}

// Held records have their turn when there are new keys, in the order in which they came.
void Handshake13::feed_held(double now) {
  if (held_.empty() || over()) return;
  for (const std::vector<uint8_t>& bytes : held_.take()) {
    Bytes rest{bytes.data(), bytes.size()};
    CiphertextView record;
    if (!take_ciphertext(rest, record)) continue;
    if (over() || !records_->may_open(record)) {
      held_.hold(record.whole);
      continue;
    }
    const Outlet::Drops before = outlet_.drops();
    note_outcome(on_ciphertext(record, now));
    if (!counts_early_) outlet_.uncount_drops(before);
  }
}

}  // namespace dtls
