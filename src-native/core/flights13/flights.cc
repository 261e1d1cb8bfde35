#include "core/flights13/flights.h"

#include <algorithm>
#include <utility>

// The life of both sides' messages. What leaves when is in leaving.cc, what comes of ACKs in
// acknowledging.cc.
namespace dtls {

Flights::Flights(const FlightsConfig& config)
    : incoming_(config.next_in),
      times_(config.times),
      write_epoch_(config.complete ? kApplicationEpoch : kClearEpoch),
      next_out_(config.next_out),
      flight_from_(config.next_in),
      is_server_(config.is_server),
      until_deadline_(config.until_deadline),
      complete_(config.complete) {
  if (complete_) incoming_.set_epoch(kApplicationEpoch);
}

// ---- messages out ----

FlightKind Flights::kind_of(uint64_t epoch, HandshakeType type) const {
  if (level_of(epoch) == kApplicationEpoch) {
    return type == HandshakeType::kKeyUpdate ? FlightKind::kKeyUpdate : FlightKind::kMessage;
  }
  return epoch != kClearEpoch && !is_server_ ? FlightKind::kLast : FlightKind::kAnswered;
}

bool Flights::key_update_under_way() const {
  return switching_ || std::any_of(flights_.begin(), flights_.end(), [](const SentFlight& flight) {
           return flight.kind() == FlightKind::kKeyUpdate;
         });
}

bool Flights::flight_under_way() const {
  return std::any_of(flights_.begin(), flights_.end(),
                     [](const SentFlight& flight) { return flight.in_handshake(); });
}

size_t Flights::queued() const {
  size_t messages = 0;
  for (const SentFlight& flight : flights_) messages += flight.messages().size();
  return messages;
}

// The engine writes a flight message by message, with pauses where it has to ask.
SentFlight& Flights::flight_for(FlightKind kind) {
  SentFlight* last = flights_.empty() ? nullptr : &flights_.back();
  if (last != nullptr && last->kind() == kind) {
    const bool goes_on = last->in_handshake() ? last->answers() == next_in()
                                              : kind == FlightKind::kMessage && !last->has_left();
    if (goes_on) return *last;
  }
  flights_.emplace_back(kind, flight_from_, next_in(), times_);
  return flights_.back();
}

Flights::QueueOutcome Flights::send(uint64_t epoch, Bytes message) {
  if (!is_whole_message(message)) return QueueOutcome::kMalformed;
  const FlightKind kind = kind_of(epoch, message_type(message));
  if (kind == FlightKind::kKeyUpdate && key_update_under_way()) {
    return QueueOutcome::kKeyUpdateUnderWay;
  }
  if (next_out_ > kLastMessageSeq) return QueueOutcome::kUsedUp;
  if (queued() >= kMaxQueued) return QueueOutcome::kFull;
  SentFlight& flight = flight_for(kind);
  flight.messages().emplace_back(epoch, static_cast<uint16_t>(next_out_++), message);
  if (flight.in_handshake()) {
    // What the peer said is acknowledged by the answer: section 7.1.
    flight_from_ = next_in();
    receipts_.clear();
    ack_at_ = kNever;
    ask_ = false;
  }
  return QueueOutcome::kQueued;
}

void Flights::erase(size_t index) {
  for (const SentMessage& message : flights_[index].messages()) sent_.forget(message.message_seq());
  flights_.erase(flights_.begin() + static_cast<std::ptrdiff_t>(index));
  if (flights_.empty()) flights_ = {};  // sessions rest for hours, and there are many
}

// ---- messages in ----

Flights::TakeOutcome Flights::take(const RecordNumber& record, Bytes plaintext, double now) {
  Bytes rest = plaintext;
  FragmentView fragment;
  uint32_t latest = 0;
  uint32_t last = kLastMessageSeq;
  do {
    if (!take_fragment(rest, fragment)) {
      ++stats_.refused;
      return TakeOutcome::kMalformed;
    }
    const uint32_t sequence = fragment.message_sequence;
    latest = std::max(latest, sequence);
    if (fragment.type == HandshakeType::kFinished || fragment.type == HandshakeType::kKeyUpdate) {
      last = std::min(last, sequence);
    }
  } while (rest.size > 0);
  if (record.epoch != kClearEpoch && latest > last) {
    ++stats_.refused;
    return TakeOutcome::kPastKeys;
  }

  bool refused = false;
  bool new_message = false;
  bool out_of_order = false;
  uint32_t ready_at = 0;
  for (rest = plaintext; rest.size > 0;) {
    take_fragment(rest, fragment);
    const Incoming::Outcome outcome = incoming_.add(record.epoch, fragment);
    refused |= outcome == Incoming::Outcome::kRefused;
    if (outcome != Incoming::Outcome::kTaken) continue;
    new_message = true;
    out_of_order |= incoming_.out_of_order();
    // In clear what is kept may yet be let go of. And whoever sends a KeyUpdate takes its ACK for a
    // sign that it was processed.
    if (record.epoch == kClearEpoch || fragment.type == HandshakeType::kKeyUpdate) {
      ready_at = std::max(ready_at, uint32_t{fragment.message_sequence} + 1);
    }
  }
  if (refused) {
    ++stats_.refused;
    return TakeOutcome::kRefused;
  }
  if (!new_message) {
    on_repeated(record, latest, now);
    return TakeOutcome::kRepeated;
  }
  on_taken(record, ready_at, out_of_order, now);
  return TakeOutcome::kTaken;
}

std::optional<IncomingMessage> Flights::next(double now) {
  std::optional<IncomingMessage> message = incoming_.take_next();
  if (!message) return message;
  ask_ = false;
  asked_ = 0;
  for (size_t i = flights_.size(); i-- > 0;) {
    const SentFlight& flight = flights_[i];
    const bool answered =
        flight.kind() == FlightKind::kAnswered && flight.answers() <= message->message_seq;
    if (answered) erase(i);
  }
  if (completes(*message)) complete_ = true;
  if (complete_) acknowledge_by(now);
  return message;
}

void Flights::turn_away(bool ask) {
  incoming_.drop_next();
  for (SentFlight& flight : flights_) {
    if (ask && flight.kind() == FlightKind::kAnswered) flight.ask_again(kClearEpoch);
  }
}

// A server's handshake is complete by the client's Finished.
bool Flights::completes(const IncomingMessage& message) const {
  return is_server_ && message.epoch == kHandshakeEpoch &&
         message.type() == HandshakeType::kFinished;
}

void Flights::set_read_epoch(uint64_t epoch) {
  incoming_.set_epoch(epoch);
  receipts_.forget_unready(epoch, next_in());
  if (epoch >= kApplicationEpoch) complete_ = true;
}

void Flights::set_write_epoch(uint64_t epoch) {
  write_epoch_ = epoch;
  switching_ = false;
}

// ---- time ----

bool Flights::is_held(const SentFlight& flight) const {
  if (flight.in_handshake()) return false;
  // What follows the handshake leaves under its last keys, or later ones.
  if (switching_ || write_epoch_ < kApplicationEpoch) return true;
  for (const SentFlight& before : flights_) {
    if (&before == &flight) return false;
    if (before.kind() == FlightKind::kKeyUpdate) return true;
  }
  return false;
}

bool Flights::any_due() const {
  return std::any_of(flights_.begin(), flights_.end(), [this](const SentFlight& flight) {
    return flight.is_due() && !is_held(flight);
  });
}

double Flights::due() const {
  double at = std::min(ack_at_, any_due() ? burst_at_ : kNever);
  for (const SentFlight& flight : flights_) at = std::min(at, flight.due());
  return at;
}

void Flights::on_moved() {
  forget_path_mtu();
  burst_at_ = 0;
  for (SentFlight& flight : flights_) {
    if (flight.begin_anew()) ++stats_.repetitions;
  }
}

bool Flights::may_repeat(const SentFlight& flight) const {
  if (flight.kind() == FlightKind::kAnswered && until_deadline_) return true;
  return flight.repetitions() < (flight.kind() == FlightKind::kMessage ? kMessageOften : kOften);
}

Flights::Advanced Flights::advance(double now) {
  Advanced advanced;
  for (size_t i = 0; i < flights_.size();) {
    SentFlight& flight = flights_[i++];
    if (flight.due() > now) continue;
    if (flight.is_asked(now)) {
      if (flight.repeat_as_asked()) ++stats_.repetitions;
    } else if (may_repeat(flight)) {
      if (flight.repeat(now)) ++stats_.repetitions;
      reduce_mtu(flight);
    } else {
      advanced.flight_lost |= flight.in_handshake();
      advanced.key_update_lost |= flight.kind() == FlightKind::kKeyUpdate;
      erase(--i);
    }
  }
  advanced.key_update = end_acknowledged().key_update;
  return advanced;
}

// A path may drop long datagrams without a word. Nothing changes where it would make no difference:
// what fits into a smaller datagram as it is says nothing about the path.
void Flights::reduce_mtu(SentFlight& flight) {
  constexpr uint32_t kInVain = 2;  // and this is the next repetition
  if (flight.in_vain() <= kInVain) return;
  // Room for a tunnel in IPv6's smallest MTU; IPv4's, 576 bytes; the smallest that is allowed.
  for (const size_t step : {size_t{1200}, size_t{548}, size_t{256}}) {
    if (step >= path_mtu()) continue;
    if (flight.longest_datagram() <= step) return;
    smaller_mtu_ = step;
    flight.begin_smaller();
    return;
  }
}

bool Flights::at_rest() const {
  return flights_.empty() && !switching_ && !incoming_.holds_any() && receipts_.empty() &&
         ack_at_ == kNever;
}

}  // namespace dtls
