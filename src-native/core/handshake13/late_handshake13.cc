#include "core/handshake13/late_handshake13.h"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/timer_queue.h"
#include "core/handshake/failure_words.h"

namespace dtls {

namespace {

constexpr uint64_t kFirstDataEpoch = 3;

std::array<uint8_t, 5> key_update(bool both) {
  return {static_cast<uint8_t>(HandshakeType::kKeyUpdate), 0, 0, 1, static_cast<uint8_t>(both)};
}

}  // namespace

LateHandshake13::LateHandshake13(Outlet& outlet, Role role, Records13& records,
                                 const SessionPolicy& policy, std::unique_ptr<Flights> flights,
                                 std::unique_ptr<HandshakeEngine> engine, uint16_t next_untold,
                                 double now)
    : outlet_(outlet),
      records_(records),
      policy_(policy),
      flights_(std::move(flights)),
      engine_(std::move(engine)),
      engine_until_(engine_ ? now + kLinger : kNever),
      next_untold_(next_untold),
      role_(role) {}

// ---- rest ----

void LateHandshake13::rest() {
  engine_.reset();
  engine_until_ = kNever;
  if (flights_) put_flights_away();
}

// With nothing under way these two say all of it.
void LateHandshake13::put_flights_away() {
  next_in_ = flights_->next_in();
  next_out_ = flights_->next_out();
  flights_.reset();
}

Flights& LateHandshake13::flights() {
  if (!flights_) {
    FlightsConfig config = flights_config(role_, policy_, next_in_, next_out_);
    config.complete = true;
    flights_ = std::make_unique<Flights>(config);
    flights_->set_read_epoch(records_.opening_epoch());
    flights_->set_write_epoch(records_.sealing_epoch());
  }
  return *flights_;
}

// ---- messages ----

LateHandshake13::Outcome LateHandshake13::refuse(int reason, uint8_t alert) {
  ERR_raise(ERR_LIB_SSL, reason);
  Outcome outcome;
  outcome.alert = alert;
  return outcome;
}

// What may come behind a handshake is short. Other messages would be kept for as long as the
// session lasts, while the rest of them does not come.
bool LateHandshake13::may_come(const FragmentView& fragment) const {
  constexpr uint32_t kLongestTicket = 0xffff;
  if (fragment.type == HandshakeType::kKeyUpdate) return fragment.message_length == 1;
  return fragment.type == HandshakeType::kNewSessionTicket && role_ == Role::kClient &&
         fragment.message_length <= kLongestTicket;
}

LateHandshake13::Outcome LateHandshake13::on_handshake(RecordNumber number, Bytes bytes,
                                                       double now) {
  Outcome outcome;
  FragmentView fragment;
  for (Bytes rest = bytes; rest.size > 0 && take_fragment(rest, fragment);) {
    if (fragment.message_sequence < flights().next_in()) continue;  // repeated
    if (!may_come(fragment)) return refuse(SSL_R_UNEXPECTED_MESSAGE, SSL_AD_UNEXPECTED_MESSAGE);
    // Whoever sends a KeyUpdate has the keys that the one before it brought: no more of the old
    // ones count, which somebody may have got hold of since.
    if (fragment.type == HandshakeType::kKeyUpdate && number.epoch < records_.opening_epoch()) {
      outcome.dropped = true;
      return outcome;
    }
  }
  switch (flights().take(number, bytes, now)) {
    case Flights::TakeOutcome::kTaken:
      break;
    case Flights::TakeOutcome::kRepeated:
      return outcome;
    case Flights::TakeOutcome::kRefused:
      outcome.dropped = true;
      return outcome;
    case Flights::TakeOutcome::kMalformed:
      return refuse(SSL_R_BAD_LENGTH, SSL_AD_DECODE_ERROR);
    case Flights::TakeOutcome::kPastKeys:
      return refuse(SSL_R_UNEXPECTED_MESSAGE, SSL_AD_UNEXPECTED_MESSAGE);
  }
  while (const std::optional<IncomingMessage> message = flights().next(now)) {
    const Outcome one = on_message(*message, now);
    outcome.new_session = outcome.new_session || one.new_session;
    outcome.keys_read = outcome.keys_read || one.keys_read;
    if (one.alert != 0) return one;
  }
  return outcome;
}

// RFC 8446 section 4.6. Authentication behind the handshake is not offered.
LateHandshake13::Outcome LateHandshake13::on_message(const IncomingMessage& message, double now) {
  const auto type = static_cast<HandshakeType>(message.bytes[0]);
  const Bytes whole{message.bytes.data(), message.bytes.size()};
  constexpr size_t kHeader = 4;
  outlet_.message(false, false, message.bytes[0], static_cast<uint32_t>(whole.size - kHeader));
  if (message.epoch < kFirstDataEpoch) {
    return refuse(SSL_R_UNEXPECTED_MESSAGE, SSL_AD_UNEXPECTED_MESSAGE);
  }
  if (type == HandshakeType::kKeyUpdate) return on_key_update(whole.from(kHeader));
  if (type != HandshakeType::kNewSessionTicket || role_ == Role::kServer) {
    return refuse(SSL_R_UNEXPECTED_MESSAGE, SSL_AD_UNEXPECTED_MESSAGE);
  }
  Outcome outcome;
  if (!engine_) return outcome;  // too late for one
  // Its records may be of a later epoch than the engine knows.
  if (engine_->receive(kFirstDataEpoch, whole) == EngineOutcome::kFailed) {
    outcome.alert = engine_->alert();
    return outcome;
  }
  engine_until_ = std::min(engine_until_, now + kMoreTickets);
  outcome.new_session = true;
  return outcome;
}

// RFC 9147 section 8: the peer seals under its next keys when it has this side's acknowledgement.
LateHandshake13::Outcome LateHandshake13::on_key_update(Bytes body) {
  if (body.size != 1) return refuse(SSL_R_BAD_KEY_UPDATE, SSL_AD_DECODE_ERROR);
  if (body.data[0] > 1) return refuse(SSL_R_BAD_KEY_UPDATE, SSL_AD_ILLEGAL_PARAMETER);
  if (!records_.update_opening()) return refuse(SSL_R_BAD_KEY_UPDATE, SSL_AD_INTERNAL_ERROR);
  flights().set_read_epoch(records_.opening_epoch());
  if (body.data[0] == 1) answer_due_ = update_keys(false) == KeyUpdateOutcome::kUnderWay;
  Outcome outcome;
  outcome.keys_read = true;
  return outcome;
}

LateHandshake13::Outcome LateHandshake13::on_ack(RecordNumber number, Bytes bytes, double now) {
  const Flights::AckOutcome acknowledged = flights().take_ack(number.epoch, bytes, now);
  if (acknowledged.malformed) return refuse(SSL_R_BAD_LENGTH, SSL_AD_DECODE_ERROR);
  return acknowledged.key_update ? switch_keys() : Outcome();
}

// The peer reads with the next keys now.
LateHandshake13::Outcome LateHandshake13::switch_keys() {
  if (!records_.update_sealing()) return refuse(SSL_R_BAD_KEY_UPDATE, SSL_AD_INTERNAL_ERROR);
  flights().set_write_epoch(records_.sealing_epoch());
  // What is under way when the peer asks answers it, by the letter; one more does no harm.
  if (std::exchange(answer_due_, false)) update_keys(false);
  Outcome outcome;
  outcome.keys_updated = true;
  return outcome;
}

void LateHandshake13::on_first_of_epoch(uint64_t epoch, double now) {
  records_.retire(epoch, now + kLinger);
}

KeyUpdateOutcome LateHandshake13::update_keys(bool both) {
  if (!records_.may_update_sealing()) return KeyUpdateOutcome::kFailed;
  const auto message = key_update(both);
  switch (flights().send(records_.sealing_epoch(), {message.data(), message.size()})) {
    case Flights::QueueOutcome::kQueued:
      return KeyUpdateOutcome::kSent;
    case Flights::QueueOutcome::kKeyUpdateUnderWay:
      return KeyUpdateOutcome::kUnderWay;
    default:
      return KeyUpdateOutcome::kFailed;
  }
}

void LateHandshake13::leave(uint32_t& mtu, size_t max_plaintext, double now) {
  if (!flights_) return;
  if (flights_->may_leave(now)) {
    Departures departures{outlet_, *flights_, records_, next_untold_};
    departures.leave(mtu, max_plaintext, now);
    next_untold_ = departures.next_untold;
    mtu = static_cast<uint32_t>(std::min<size_t>(mtu, flights_->path_mtu()));
  }
  if (seals_handshake_ && !flights_->flight_under_way()) {
    seals_handshake_ = false;
    records_.drop_old_sealing();
  }
  if (flights_->at_rest()) put_flights_away();
}

void LateHandshake13::explain_alert(Failure& failure) const {
  if (withheld_certificate_ == nullptr || !may_miss_certificate(failure.alert)) return;
  failure.certificate_withheld = true;
  failure.detail = withheld_certificate_;
}

double LateHandshake13::due() const {
  return std::min({flights_ ? flights_->due() : kNever, engine_until_, records_.deadline()});
}

LateHandshake13::Outcome LateHandshake13::advance(double now) {
  if (now >= engine_until_) {
    engine_.reset();
    engine_until_ = kNever;
  }
  records_.advance(now);
  if (!flights_) return {};
  const Flights::Advanced advanced = flights_->advance(now);
  if (advanced.key_update) return switch_keys();
  Outcome outcome;
  outcome.peer_gone = advanced.flight_lost || advanced.key_update_lost;
  return outcome;
}

SslSessionPtr LateHandshake13::session() const {
  return SslSessionPtr(engine_ ? SSL_get1_session(engine_->ssl()) : nullptr);
}

}  // namespace dtls
