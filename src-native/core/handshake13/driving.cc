// Messages to and from the engine, in order, and not before what they ask about has been answered.

#include <openssl/err.h>

#include "core/handshake13/handshake13.h"

namespace dtls {

namespace {

constexpr size_t kHeader = 4;

HandshakeType type_of(const IncomingMessage& message) {
  return static_cast<HandshakeType>(message.bytes[0]);
}

Bytes body_of(const IncomingMessage& message) {
  return Bytes{message.bytes.data(), message.bytes.size()}.from(kHeader);
}

}  // namespace

// After each call of the engine. What it failed for is in OpenSSL's queue.
void Handshake13::drive(EngineOutcome outcome, double now) {
  Failure failure;
  if (outcome == EngineOutcome::kFailed) failure = engine_failure();
  const bool taken = take_outputs();
  if (outcome != EngineOutcome::kFailed && !taken) {
    fail_with(FailureKind::kInternal, SSL_AD_INTERNAL_ERROR);
    return;
  }
  switch (outcome) {
    case EngineOutcome::kGoesOn:
      return;
    case EngineOutcome::kPaused:
      ask_what_engine_wants();
      return;
    case EngineOutcome::kComplete:
      complete(now);
      // Told of before the session is: its Finished is part of the handshake.
      if (role_ == Role::kClient) leave(now);
      return;
    case EngineOutcome::kFailed:
      Departures{outlet_, *flights_, *records_, next_untold_}.alert(SSL3_AL_FATAL,
                                                                    engine_->alert());
      if (failure.alert == Failure::kNoAlert) failure.alert = engine_->alert();
      fail(std::move(failure));
      return;
  }
}

// False: OpenSSL failed to make keys.
bool Handshake13::take_outputs() {
  EngineOutput output;
  bool made = true;
  while (engine_->take(output)) {
    if (!output.is_secret()) {
      const Bytes message{output.message.data(), output.message.size()};
      // RFC 8446 section 4.4.2: an empty context and an empty list.
      constexpr size_t kEmptyCertificate = kHeader + 4;
      if (role_ == Role::kClient && message.size == kEmptyCertificate &&
          message.data[0] == static_cast<uint8_t>(HandshakeType::kCertificate)) {
        certificate_withheld_ = true;
      }
      made = flights_->send(output.epoch, message) == Flights::QueueOutcome::kQueued && made;
      continue;
    }
    const uint64_t epoch = output.secret.epoch;
    const bool opens = output.secret.direction == TrafficSecret::Direction::kOpen;
    if (!records_->add(std::move(output.secret))) {
      made = false;
    } else if (opens) {
      flights_->set_read_epoch(epoch);
    } else {
      flights_->set_write_epoch(epoch);
    }
    output = {};
  }
  return made;
}

// Gives the engine the messages that are whole, in order, up to one that a question comes before.
void Handshake13::feed_messages(double now) {
  while (!over() && !parked() && engine_) {
    std::optional<IncomingMessage> message = std::move(waiting_);
    waiting_.reset();
    if (!message) {
      if (turns_away_next(now)) continue;
      message = flights_->next(now);
      if (!message) return;
      outlet_.message(false, false, message->bytes[0],
                      static_cast<uint32_t>(body_of(*message).size));
      peers_turn_since_ = now;
    }
    if (question_comes_first(*message)) {
      waiting_ = std::move(message);
      return;
    }
    const ErrorQueueScope errors;
    now_ = now;
    note_answer(*message);
    const EngineOutcome outcome =
        engine_->receive(message->epoch, {message->bytes.data(), message->bytes.size()});
    if (is_distrusted(outcome, *message, now)) continue;
    drive(outcome, now);
    feed_held(now);
  }
}

// Client: the verdict about what the server stapled is due before this side's flight leaves, and
// behind its certificate, whose extension it is.
bool Handshake13::question_comes_first(const IncomingMessage& message) {
  if (role_ != Role::kClient || type_of(message) != HandshakeType::kFinished ||
      !policy_->request_ocsp || ocsp_verdict_ != OcspVerdict::kUnasked || by_external_key() ||
      SSL_session_reused(engine_->ssl()) != 0) {
    return false;
  }
  ocsp_verdict_ = OcspVerdict::kAsked;
  const unsigned char* response = nullptr;
  const long size = SSL_get_tlsext_status_ocsp_resp(engine_->ssl(), &response);
  park(LookupKind::kOcspVerdict, {response, size > 0 ? static_cast<size_t>(size) : 0});
  return true;
}

void Handshake13::ask_what_engine_wants() {
  switch (engine_->want()) {
    case SSL_ERROR_WANT_RETRY_VERIFY:
      park(LookupKind::kPeerIdentity, {});
      return;
    case SSL_ERROR_WANT_X509_LOOKUP:
      park(LookupKind::kOcspResponse, {});
      return;
    default:
      fail_with(FailureKind::kInternal, SSL_AD_INTERNAL_ERROR);
      return;
  }
}

}  // namespace dtls
