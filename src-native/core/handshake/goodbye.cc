// How a handshake that is not over says that it ends.

#include <array>
#include <utility>

#include "core/handshake/handshake.h"
#include "core/records/aead_records.h"

namespace dtls {

void Handshake::say_goodbye(double now) {
  if (!ssl_ || SSL_is_init_finished(ssl_.get()) != 1) {
    break_off();
    return;
  }
  // The peer has an open session, and this side's is being stored.
  const ErrorQueueScope errors;
  SSL_shutdown(ssl_.get());  // queues our close_notify; there is no second one to wait for
  send_flight(now);
}

void Handshake::break_off() {
  if (attempt_->sent != Sent::kInClear) {
    say_goodbye_under_keys();
  } else {
    // Not user_canceled before it, as RFC 5246 section 7.2.2 suggests: an OpenSSL that gets one
    // takes it for five, and ends the handshake for that.
    send_alert(SSL3_AL_WARNING, SSL_AD_CLOSE_NOTIFY);
  }
}

// close_notify behind this side's ChangeCipherSpec, when the handshake is not over: the peer may
// have an open session already, a client's of one that is resumed. OpenSSL makes none then.
void Handshake::say_goodbye_under_keys() {
  const ErrorQueueScope errors;
  attempt_->speech = Speech::kAbandoned;
  written_.clear();
  AeadKeys keys;
  if (!keys.derive(ssl_.get())) {
    provoke_alert();
    return;
  }
  // From now on nothing else is sealed: the SSL is not called any more.
  AeadRecords::Start start;
  start.next_number = sealed_.next_number;
  start.next_explicit_nonce = sealed_.next_explicit_nonce;
  AeadRecords records(keys, std::move(start));
  constexpr std::array<uint8_t, 2> kCloseNotify = {SSL3_AL_WARNING, SSL_AD_CLOSE_NOTIFY};
  std::vector<uint8_t> sealed(records.sealed_size(kCloseNotify.size()));
  sealed.resize(
      records.seal(ContentType::kAlert, {kCloseNotify.data(), kCloseNotify.size()}, sealed.data()));
  if (sealed.empty()) return;
  outlet_.transmit({sealed.data(), sealed.size()});
  outlet_.alert(true, kCloseNotify[0], kCloseNotify[1]);
}

// Suites without AEAD have to do with the alert that there is: OpenSSL ends a handshake for a
// message that has no place in it, by a fatal alert under the keys.
void Handshake::provoke_alert() {
  FragmentView misplaced;
  misplaced.type = HandshakeType::kServerHelloDone;
  misplaced.message_sequence = static_cast<uint16_t>(attempt_->messages.next_sequence());
  size_t offset = 0;
  const std::vector<uint8_t> cause =
      HandshakeMessage(static_cast<uint16_t>(SSL_version(ssl_.get())), misplaced)
          .record(offset, attempt_->next_number_in++);
  offer({cause.data(), cause.size()});
  SSL_do_handshake(ssl_.get());
  take_back();
  const std::vector<uint8_t> written = std::exchange(written_, {});
  Bytes rest{written.data(), written.size()};
  RecordView alert;
  if (!take_record(rest, alert) || alert.epoch == 0 || alert.type != ContentType::kAlert) return;
  outlet_.transmit(alert.whole);
  outlet_.alert(true, SSL3_AL_FATAL, SSL_AD_UNEXPECTED_MESSAGE);
}

// OpenSSL sends alerts for reasons of its own only. In clear, as all alerts of a handshake are
// before this side's ChangeCipherSpec; after it, and by a client that has said nothing, nothing
// leaves. A server begins with a hello whose cookie is valid, so its client waits for an answer.
void Handshake::send_alert(uint8_t level, uint8_t description) {
  if (attempt_->sent != Sent::kInClear || (role_ == Role::kClient && attempt_->flight.empty())) {
    return;
  }
  std::array<uint8_t, kRecordHeaderSize + 2> record{};
  const bool agreed = ssl_ && SSL_get_pending_cipher(ssl_.get()) != nullptr;
  const int version = agreed ? SSL_version(ssl_.get()) : DTLS1_VERSION;
  write_clear_header(record.data(), ContentType::kAlert, static_cast<uint16_t>(version),
                     next_number_out_++, 2);
  record[kRecordHeaderSize] = level;
  record[kRecordHeaderSize + 1] = description;
  outlet_.transmit({record.data(), record.size()});
  outlet_.alert(true, level, description);
}

}  // namespace dtls
