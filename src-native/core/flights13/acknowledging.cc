// ACKs: when one of ours is due, and what comes of the peer's.

#include <algorithm>
#include <cmath>

#include "core/flights13/ack.h"
#include "core/flights13/flights.h"

namespace dtls {

namespace {

// Parts of the timer that an ACK of a flight that has not come to its end waits for: the fourth is
// that of section 7.1. A record that came too early is most often overtaken by the one before it;
// when it was not, the peer hears of it sooner.
constexpr double kIncomplete = 4;
constexpr double kDisrupted = 16;

// The part of the time that an ACK took in which records of one flight count as sent together.
constexpr double kSoon = 4;

}  // namespace

// ---- ours ----

void Flights::acknowledge_by(double at) { ack_at_ = std::min(ack_at_, at); }

void Flights::on_taken(const RecordNumber& record, uint32_t ready_at, bool out_of_order,
                       double now) {
  receipts_.add(record, ready_at);
  const bool answered = level_of(record.epoch) < kApplicationEpoch;
  acknowledge_by(!answered ? now
                           : now + times_.initial / (out_of_order ? kDisrupted : kIncomplete));
}

// Whatever came before is known to be the peer's own under keys, and in clear it may be anybody's.
void Flights::on_repeated(const RecordNumber& record, uint32_t sequence, double now) {
  const uint64_t level = level_of(record.epoch);
  const bool no_answer_follows =
      level == kApplicationEpoch || (is_server_ && complete_ && level == kHandshakeEpoch);
  if (no_answer_follows) {
    receipts_.add(record, 0);
    acknowledge_by(now);
    return;
  }
  if (sequence >= flight_from_) {
    receipts_.add(record, 0);
    acknowledge_by(now + times_.initial / kDisrupted);
    return;
  }
  // The peer repeats the flight that ours answers, and nothing has come since: it has not got ours
  // (section 5.8.1). Our own timer may be much slower.
  for (SentFlight& flight : flights_) {
    const bool asked_for = flight.in_handshake() && flight.answers(sequence) &&
                           flight.answers() == next_in() && !incoming_.holds_any() &&
                           !flight.any_acknowledged();
    if (asked_for) flight.ask_again(kApplicationEpoch);
  }
}

void Flights::on_unreadable(double now) {
  if (complete_ || ask_) return;
  ask_ = true;
  acknowledge_by(now + std::ldexp(times_.initial / kDisrupted, static_cast<int>(asked_)));
}

// ---- the peer's ----

Flights::AckOutcome Flights::take_ack(uint64_t epoch, Bytes plaintext, double now) {
  const std::optional<std::vector<RecordNumber>> numbers = parse_ack(plaintext);
  if (!numbers) {
    AckOutcome outcome;
    outcome.malformed = true;
    return outcome;
  }
  ++stats_.acks_received;
  if (numbers->empty()) {
    for (SentFlight& flight : flights_) {
      // In clear it is of who has no keys, and lacks the message in clear.
      if (flight.in_handshake()) flight.ask_again(epoch);
    }
    return {};
  }
  count_numbers(*numbers, epoch, now);
  return end_acknowledged();
}

// An ACK comes in an epoch as high as those of the records that it names, or in a higher one
// (section 7): in clear nobody acknowledges what is under keys.
void Flights::count_numbers(const std::vector<RecordNumber>& numbers, uint64_t epoch, double now) {
  const bool proved = epoch != kClearEpoch;
  // Of what each flight has news, the time when the latest of it left.
  std::vector<double> newest(flights_.size(), -kNever);
  for (const RecordNumber& number : numbers) {
    const SentRecords::Sent* sent = sent_.find(number);
    if (sent == nullptr || level_of(epoch) < level_of(number.epoch)) continue;
    for (size_t i = 0; i < flights_.size(); ++i) {
      for (SentMessage& message : flights_[i].messages()) {
        if (message.message_seq() != sent->piece.message_seq) continue;
        if (message.acknowledge(sent->piece, proved))
          newest[i] = std::max(newest[i], sent->left_at);
      }
    }
  }
  for (size_t i = 0; i < flights_.size(); ++i) {
    if (newest[i] == -kNever) continue;
    if (proved) flights_[i].on_progress(now);
    // What left before it, or not long behind it, and was not named, is lost. An ACK in clear says
    // nothing of what is under keys, and a flight is much longer than an ACK that anybody can
    // write.
    const double soon = (now - newest[i]) / kSoon;
    if (flights_[i].repeat_until(newest[i] + soon, epoch)) ++stats_.repetitions;
  }
}

// A KeyUpdate counts when all before it has arrived, too: only then the peer has processed it, and
// reads with the next keys (erratum 8047 of RFC 9147).
Flights::AckOutcome Flights::end_acknowledged() {
  AckOutcome outcome;
  for (size_t i = 0; i < flights_.size();) {
    const FlightKind kind = flights_[i].kind();
    const bool ends = flights_[i].acknowledged() && (kind != FlightKind::kKeyUpdate || i == 0);
    if (!ends) {
      ++i;
      continue;
    }
    outcome.last_flight |= kind == FlightKind::kLast;
    if (kind == FlightKind::kKeyUpdate) outcome.key_update = switching_ = true;
    erase(i);
  }
  return outcome;
}

}  // namespace dtls
