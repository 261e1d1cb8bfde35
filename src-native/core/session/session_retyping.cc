// Records of types that OpenSSL does not make, or would not bear, in an open session. OpenSSL makes
// and checks them as application data, so that its sequence numbers, MACs and replay window count
// for them too; record_protection changes their content type on the way out and on the way in. AEAD
// suites only.

#include <openssl/crypto.h>

#include <algorithm>

#include "core/session/session.h"

namespace dtls {

// Derived when first needed: most sessions never do.
bool Session::has_record_keys() {
  if (!record_keys_ && !no_record_keys_) {
    record_keys_ = std::make_unique<RecordKeys>();
    no_record_keys_ =
        !derive_record_protection(ssl_.get(), record_keys_->outgoing, record_keys_->incoming);
    if (no_record_keys_) record_keys_.reset();
  }
  return record_keys_ != nullptr;
}

// ---- out ----

bool Session::send_as(ContentType type, Bytes message) {
  const ErrorQueueScope errors;
  const uint64_t before = stats().datagramsSent;
  size_t written = 0;
  retype_ = type;
  const int result = SSL_write_ex(ssl_.get(), message.data, message.size, &written);
  retype_.reset();
  return result == 1 && stats().datagramsSent != before;
}

// From on_datagram: `datagram` is the one record that OpenSSL made of a message.
bool Session::seal_as(ContentType type, Bytes datagram, std::vector<uint8_t>& sealed) {
  RecordProtection& outgoing = record_keys_->outgoing;
  RecordView record;
  if (!take_record(datagram, record) || datagram.size != 0 ||
      record.type != ContentType::kApplicationData) {
    return false;
  }
  std::vector<uint8_t> plaintext(record.fragment.size);
  size_t size = 0;
  if (!outgoing.open(record, plaintext.data(), size)) return false;
  sealed.resize(outgoing.sealed_size(size));
  sealed.resize(outgoing.seal(type, record, {plaintext.data(), size}, sealed.data()));
  return !sealed.empty();
}

// ---- in ----

// False: the record is not authentic.
bool Session::open_record(const RecordView& record, std::vector<uint8_t>& plaintext) {
  plaintext.resize(record.fragment.size);
  size_t size = 0;
  if (!record_keys_->incoming.open(record, plaintext.data(), size)) return false;
  plaintext.resize(size);
  return true;
}

// Gives OpenSSL an opened record as application data, with the same number and nonce, so that it
// decides whether the record is a replay. This sealing stays in the process.
RecordOutcome Session::feed_as_data(const RecordView& record, Bytes plaintext, uint8_t* scratch) {
  RecordProtection& incoming = record_keys_->incoming;
  std::vector<uint8_t> resealed(incoming.sealed_size(plaintext.size));
  resealed.resize(incoming.seal(ContentType::kApplicationData, record, plaintext, resealed.data()));
  const ErrorQueueScope errors;
  offer({resealed.data(), resealed.size()});
  size_t read = 0;
  const int result = SSL_read_ex(ssl_.get(), scratch, kMaxPlaintext, &read);
  take_back();
  if (result != 1) {
    return replay_window_.has_seen(record.sequence) ? RecordOutcome::kReplayed
                                                    : RecordOutcome::kBad;
  }
  replay_window_.mark(record.sequence);
  const bool same = read == plaintext.size && CRYPTO_memcmp(scratch, plaintext.data, read) == 0;
  return same ? RecordOutcome::kTaken : RecordOutcome::kDiscarded;
}

// ---- alerts and handshake messages in an open session ----

// OpenSSL gets what ends a session, and a Finished, which is a repetition and its to answer. It
// does not bear the rest. A warning it reads over and over, until it is one too many. A handshake
// message makes it wait for a handshake, and end the session for the application data that comes
// instead.
RecordOutcome Session::on_control_record(const RecordView& record, uint8_t* scratch, double now) {
  std::vector<uint8_t> plaintext;
  if (!open_record(record, plaintext)) return RecordOutcome::kForged;
  const Bytes message{plaintext.data(), plaintext.size()};
  const bool handshake = record.type == ContentType::kHandshake;
  const bool alert = record.type == ContentType::kAlert;
  const bool warning = alert && message.size == 2 && message.data[0] == SSL3_AL_WARNING &&
                       message.data[1] != SSL_AD_CLOSE_NOTIFY;
  const bool finished = handshake && message.size != 0 &&
                        static_cast<HandshakeType>(message.data[0]) == HandshakeType::kFinished;
  if (finished && !may_repeat_finished()) return RecordOutcome::kDiscarded;
  if (finished || (alert && !warning)) return feed(record, scratch, now, true);
  if (message.size == 0 || message.size > kMaxPlaintext || !(alert || handshake)) {
    return RecordOutcome::kDiscarded;
  }
  const RecordOutcome outcome = feed_as_data(record, message, scratch);
  if (outcome != RecordOutcome::kTaken) return outcome;
  last_activity_ = last_heard_ = now;
  if (!warning) return on_late_handshake_message(message);
  outlet_.alert(false, message.data[0], message.data[1]);
  return RecordOutcome::kTaken;
}

RecordOutcome Session::on_late_handshake_message(Bytes message) {
  Bytes rest = message;
  FragmentView fragment;
  const HandshakeType wish =
      role_ == Role::kServer ? HandshakeType::kClientHello : HandshakeType::kHelloRequest;
  if (!take_fragment(rest, fragment) || fragment.type != wish || fragment.offset != 0) {
    return RecordOutcome::kDiscarded;
  }
  outlet_.message(false, false, message.data[0], read_u24(message.data + 1));
  // RFC 5246 section 7.2.2.
  constexpr std::array<uint8_t, 2> kAlert = {SSL3_AL_WARNING, SSL_AD_NO_RENEGOTIATION};
  if (send_as(ContentType::kAlert, {kAlert.data(), kAlert.size()})) {
    outlet_.alert(true, kAlert[0], kAlert[1]);
  }
  return RecordOutcome::kTaken;
}

}  // namespace dtls
