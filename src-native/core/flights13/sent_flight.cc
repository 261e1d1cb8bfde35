#include "core/flights13/sent_flight.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/flights13/record_number.h"

namespace dtls {

SentFlight::SentFlight(FlightKind kind, uint32_t answers_from, uint32_t answers,
                       const FlightTimes& times)
    : kind_(kind),
      answers_from_(answers_from),
      answers_(answers),
      times_(times),
      timeout_(times.initial) {}

bool SentFlight::is_due() const {
  return std::any_of(messages_.begin(), messages_.end(),
                     [](const SentMessage& message) { return message.is_due(); });
}

bool SentFlight::acknowledged() const {
  return std::all_of(messages_.begin(), messages_.end(),
                     [](const SentMessage& message) { return message.acknowledged(); });
}

bool SentFlight::any_acknowledged() const {
  return std::any_of(messages_.begin(), messages_.end(),
                     [](const SentMessage& message) { return message.any_acknowledged(); });
}

void SentFlight::on_left(double now, size_t longest) {
  left_at_ = now;
  timer_at_ = now + timeout_;
  again_at_ = kNever;
  longest_datagram_ = std::max(longest_datagram_, longest);
}

void SentFlight::on_progress(double now) {
  timeout_ = times_.initial;
  timer_at_ = acknowledged() ? kNever : now + timeout_;
  repetitions_ = 0;
  in_vain_ = 0;
}

bool SentFlight::repeat_missing(uint64_t epoch) {
  bool any = false;
  for (SentMessage& message : messages_) {
    if (level_of(message.epoch()) <= level_of(epoch)) any |= message.repeat();
  }
  return any;
}

bool SentFlight::repeat(double now) {
  timeout_ = std::min(timeout_ * times_.backoff, times_.longest);
  timer_at_ = now + timeout_;
  ++repetitions_;
  ++in_vain_;
  const bool any = repeat_missing(kApplicationEpoch);
  for (SentMessage& message : messages_) message.doubt();
  return any;
}

bool SentFlight::repeat_until(double left, uint64_t epoch) {
  bool any = false;
  for (SentMessage& message : messages_) {
    if (level_of(message.epoch()) <= level_of(epoch)) any |= message.repeat_until(left);
  }
  return any;
}

void SentFlight::ask_again(uint64_t epoch) {
  asked_epoch_ = std::max(asked_epoch_, epoch);
  again_at_ = std::min(again_at_, left_at_ + std::ldexp(kFirstAnswer, static_cast<int>(asked_)));
}

bool SentFlight::repeat_as_asked() {
  again_at_ = kNever;
  asked_ = std::min(asked_ + 1, uint32_t{24});
  return repeat_missing(std::exchange(asked_epoch_, kClearEpoch));
}

double SentFlight::due() const { return is_due() ? kNever : std::min(timer_at_, again_at_); }

void SentFlight::begin_smaller() {
  in_vain_ = 0;
  longest_datagram_ = 0;
}

bool SentFlight::begin_anew() {
  timeout_ = times_.initial;
  again_at_ = kNever;
  repetitions_ = 0;
  asked_ = 0;
  begin_smaller();
  if (!has_left()) return false;
  const bool any = repeat_missing(kApplicationEpoch);
  for (SentMessage& message : messages_) message.doubt();
  return any;
}

}  // namespace dtls
