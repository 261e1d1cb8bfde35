// What leaves: flights, which are gathered here from what OpenSSL writes, cut and numbered.

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "core/handshake/handshake.h"

namespace dtls {

// OpenSSL writes a handshake through a buffer that cuts where it is full, also within a record.
void Handshake::on_datagram(Bytes datagram) {
  if (attempt_->speech == Speech::kRehearsed) return;
  written_.insert(written_.end(), datagram.data, datagram.data + datagram.size);
}

// Whoever seals the next record must know, whether this one leaves or not.
void Handshake::note_sealed(const RecordView& record) {
  if (record.epoch == 0) return;
  constexpr size_t kBlock = 16;
  sealed_.next_number = record.sequence + 1;
  sealed_.blocks += record.fragment.size / kBlock + 1;
  if (record.fragment.size < 8) return;
  const uint8_t* p = record.fragment.data;
  sealed_.next_explicit_nonce = (read_u48(p) << 16 | read_u16(p + 6)) + 1;
}

// After each call of OpenSSL that may have written something of a attempt.
void Handshake::send_flight(double now) {
  if (written_.empty()) return;
  const std::vector<uint8_t> written = std::exchange(written_, {});
  Bytes rest{written.data(), written.size()};
  RecordView record;
  Flight flight;
  while (take_record(rest, record)) {
    note_sealed(record);
    // With a very short timer OpenSSL repeats a flight in the call in which it first wrote it.
    if (flight.has(record)) on_flight(std::exchange(flight, {}), now);
    flight.add(record);
  }
  on_flight(std::move(flight), now);
}

void Handshake::on_flight(Flight flight, double now) {
  const HandshakeMessage* hello = flight.only_message();
  if (role_ == Role::kClient && !attempt_->hello_taken && hello != nullptr &&
      hello->type() == HandshakeType::kClientHello) {
    on_own_hello(*hello, now);
  } else {
    send(std::move(flight), now);
  }
}

void Handshake::send(Flight flight, double now) {
  const bool repeats = flight.repeats(attempt_->flight);
  // With a short timer a long flight is to be repeated before all of it has left: the rest of it is
  // what the peer has not got.
  if (leaves() && repeats) return;
  if (repeats) {
    reduce_mtu(flight);
    ++repetitions_;
  } else {
    repetitions_ = 0;
  }
  transmit(flight, now);
  if (!repeats) {
    answered_again_ = 0;
    attempt_->answered_from = attempt_->answered_to;
    attempt_->answered_to = attempt_->messages.next_sequence();
    attempt_->flight_messages = std::exchange(attempt_->written_messages, {});
  }
  attempt_->flight = std::move(flight);
}

// A flight that was repeated in vain is cut smaller from then on.
void Handshake::reduce_mtu(const Flight& flight) {
  if (repetitions_ < Flight::kInVain) return;
  const std::optional<uint32_t> smaller = flight.smaller_mtu({mtu_, max_fragment()});
  if (smaller && set_mtu(*smaller)) repetitions_ = 0;
}

// ---- a peer that asks again ----

// A peer that repeats its flight has not got all of ours, which answers it: ours leaves again, at
// once (RFC 6347 section 4.2.4, in the state WAITING). Our own timer may be much slower.

// Whether no record in clear of a greater number has come before this one.
bool Handshake::comes_later(const RecordView& record) {
  std::optional<uint64_t>& latest = attempt_->latest_number_in;
  if (latest && record.sequence <= *latest) return false;
  latest = record.sequence;
  return true;
}

// A message that has been taken before is of the flight that ours answers, and nothing has come
// since: a peer that goes on has got ours.
bool Handshake::asks_again(const FragmentView& fragment) const {
  const Attempt& attempt = *attempt_;
  return fragment.message_sequence >= attempt.answered_from &&
         fragment.message_sequence < attempt.answered_to &&
         attempt.messages.next_sequence() == attempt.answered_to && !attempt.messages.holds_any();
}

// In clear anybody can ask in the peer's name, and a flight is longer than the question. So each
// answer has to wait twice as long as the one before, and a handshake of 30 seconds has fewer than
// ten. Browsers ask after 50 ms for the first time, and twice as long later after each time.
bool Handshake::may_answer_again(double now) const {
  constexpr double kFirstWait = 40;
  return now >= flight_left_at_ + std::ldexp(kFirstWait, static_cast<int>(answered_again_));
}

void Handshake::answer_again(double now) {
  if (attempt_->flight.empty() || leaves() || !may_answer_again(now)) return;
  for (const MessageName& message : attempt_->flight_messages) note_message(true, true, message);
  ++answered_again_;
  ++repetitions_;
  transmit(attempt_->flight, now);
}

// ---- long flights ----

// A flight with a long certificate has hundreds of datagrams. At once they are more than the buffer
// of the peer's socket holds, and each repetition would lose the same end of it (RFC 9147 section
// 5.8.3 is about such flights). So it leaves in bursts, and with longer pauses when it is repeated.
void Handshake::send_burst(double now) {
  constexpr size_t kDatagrams = 32;
  constexpr size_t kBytes = size_t{32} * 1024;
  std::deque<std::vector<uint8_t>>& leaving = attempt_->leaving;
  size_t bytes = 0;
  for (size_t sent = 0; !leaving.empty() && sent < kDatagrams && bytes < kBytes; ++sent) {
    const std::vector<uint8_t> datagram = std::move(leaving.front());
    leaving.pop_front();
    outlet_.transmit({datagram.data(), datagram.size()});
    bytes += datagram.size();
  }
  flight_left_at_ = now;
  constexpr uint32_t kSlowest = 3;  // 64 milliseconds
  attempt_->burst_at =
      leaving.empty() ? kNever
                      : now + std::ldexp(1, static_cast<int>(2 * std::min(repetitions_, kSlowest)));
}

// OpenSSL's timer goes on as it was: this does not count as one of its repetitions, of which it
// makes twelve.
void Handshake::on_moved(double now) {
  repetitions_ = 0;
  answered_again_ = 0;
  set_mtu(policy_->mtu);
  if (attempt_->hellos) attempt_->hellos->on_moved();
  // While a question is open the peer's flight has arrived, and the answer is ours to give.
  if (over() || parked() || attempt_->flight.empty()) return;
  for (const MessageName& message : attempt_->flight_messages) note_message(true, true, message);
  if (attempt_->hellos) {
    send_hello(now);
  } else {
    transmit(attempt_->flight, now);
  }
}

void Handshake::transmit(const Flight& flight, double now) {
  attempt_->leaving = flight.datagrams({mtu_, max_fragment()}, next_number_out_);
  send_burst(now);
}

}  // namespace dtls
