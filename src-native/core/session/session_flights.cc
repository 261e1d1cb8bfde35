// What leaves. A handshake leaves in flights, which are gathered here from what OpenSSL writes, cut
// and numbered; everything else leaves as OpenSSL makes it.

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "core/session/session.h"

namespace dtls {

void Session::on_datagram(Bytes datagram) {
  if (handshake_ && handshake_->in_cookie_exchange) return;
  if (retype_) {
    // The record that OpenSSL made never leaves the process: one sealing for each nonce. When it
    // cannot be sealed anew nothing leaves at all.
    const ContentType type = *retype_;
    retype_.reset();
    std::vector<uint8_t> retyped;
    if (seal_as(type, datagram, retyped)) transmit(Bytes{retyped.data(), retyped.size()});
    return;
  }
  // OpenSSL writes a handshake through a buffer that cuts where it is full, also within a record.
  // When the handshake is over it makes one record of each write; of the flight that it may then
  // have to repeat, too.
  const bool of_flight = handshake_ ||
                         datagram.data[0] == static_cast<uint8_t>(ContentType::kHandshake) ||
                         datagram.data[0] == static_cast<uint8_t>(ContentType::kChangeCipherSpec);
  if (of_flight) {
    written_.insert(written_.end(), datagram.data, datagram.data + datagram.size);
  } else {
    transmit(datagram);
  }
}

// After each call of OpenSSL that may have written something of a handshake.
void Session::send_flight(double now) {
  if (written_.empty()) return;
  const std::vector<uint8_t> written = std::exchange(written_, {});
  Bytes rest{written.data(), written.size()};
  RecordView record;
  Flight flight;
  while (take_record(rest, record)) {
    // With a very short timer OpenSSL repeats a flight in the call in which it first wrote it.
    if (flight.has(record)) on_flight(std::exchange(flight, {}), now);
    flight.add(record);
  }
  on_flight(std::move(flight), now);
}

void Session::on_flight(Flight flight, double now) {
  const HandshakeMessage* hello = flight.only_message();
  if (handshake_ && role_ == Role::kClient && !handshake_->hello_taken && hello != nullptr &&
      hello->type() == HandshakeType::kClientHello) {
    on_own_hello(*hello, now);
  } else {
    send(std::move(flight), now);
  }
}

void Session::send(Flight flight, double now) {
  // With a short timer a long flight is to be repeated before all of it has left: the rest of it is
  // what the peer has not got.
  if (leaves() && flight.repeats(handshake_->flight)) return;
  if (!handshake_ || flight.repeats(handshake_->flight)) {
    reduce_mtu(flight);
    ++repetitions_;
  } else {
    repetitions_ = 0;
  }
  transmit(flight, now);
  if (!handshake_) {
    ++answered_again_;  // OpenSSL does that when a Finished comes again, and for nothing else
    return;
  }
  if (!flight.repeats(handshake_->flight)) {
    answered_again_ = 0;
    handshake_->answered_from = handshake_->answered_to;
    handshake_->answered_to = handshake_->messages.next_sequence();
    handshake_->flight_messages = std::exchange(handshake_->written_messages, {});
  }
  handshake_->flight = std::move(flight);
}

// RFC 6347 section 4.1.1.1: a path may drop long datagrams without a word. A flight that was
// repeated twice in vain is cut smaller from then on, where that makes a difference. What fits into
// a smaller datagram as it is says nothing about the path.
void Session::reduce_mtu(const Flight& flight) {
  constexpr uint32_t kInVain = 2;
  if (repetitions_ < kInVain) return;
  // Room for a tunnel in IPv6's smallest MTU; IPv4's, 576 bytes; the smallest that is allowed.
  constexpr std::array<uint32_t, 3> kSteps = {1200, 548, 256};
  const auto* const next =
      std::find_if(kSteps.begin(), kSteps.end(), [this](uint32_t step) { return step < mtu_; });
  if (next == kSteps.end() || flight.longest_datagram({mtu_, max_fragment()}) <= *next) return;
  if (set_mtu(*next)) repetitions_ = 0;
}

// ---- a peer that asks again ----

// A peer that repeats its flight has not got all of ours, which answers it: ours leaves again, at
// once (RFC 6347 section 4.2.4, in the state WAITING). Our own timer may be much slower.

// Whether no record in clear of a greater number has come before this one.
bool Session::comes_later(const RecordView& record) {
  std::optional<uint64_t>& latest = handshake_->latest_number_in;
  if (latest && record.sequence <= *latest) return false;
  latest = record.sequence;
  return true;
}

// A message that has been taken before is of the flight that ours answers, and nothing has come
// since: a peer that goes on has got ours.
bool Session::asks_again(const FragmentView& fragment) const {
  const Handshake& handshake = *handshake_;
  return fragment.message_sequence >= handshake.answered_from &&
         fragment.message_sequence < handshake.answered_to &&
         handshake.messages.next_sequence() == handshake.answered_to &&
         !handshake.messages.holds_any();
}

// In clear anybody can ask in the peer's name, and a flight is longer than the question. So each
// answer has to wait twice as long as the one before, and a handshake of 30 seconds has fewer than
// ten. Browsers ask after 50 ms for the first time, and twice as long later after each time.
bool Session::may_answer_again(double now) const {
  constexpr double kFirstWait = 40;
  return now >= flight_left_at_ + std::ldexp(kFirstWait, static_cast<int>(answered_again_));
}

// A Finished is authentic, and OpenSSL answers it itself; twelve times, and then it would end the
// session.
bool Session::may_repeat_finished() const {
  constexpr uint32_t kOften = 12;
  return answered_again_ < kOften;
}

void Session::answer_again(double now) {
  if (handshake_->flight.empty() || leaves() || !may_answer_again(now)) return;
  for (const MessageName& message : handshake_->flight_messages) note_message(true, true, message);
  ++answered_again_;
  ++repetitions_;
  transmit(handshake_->flight, now);
}

// ---- long flights ----

// A flight with a long certificate has hundreds of datagrams. At once they are more than the buffer
// of the peer's socket holds, and each repetition would lose the same end of it (RFC 9147 section
// 5.8.3 is about such flights). So it leaves in bursts, and with longer pauses when it is repeated.
void Session::send_burst(double now) {
  constexpr size_t kDatagrams = 32;
  constexpr size_t kBytes = size_t{32} * 1024;
  std::deque<std::vector<uint8_t>>& leaving = handshake_->leaving;
  size_t bytes = 0;
  for (size_t sent = 0; !leaving.empty() && sent < kDatagrams && bytes < kBytes; ++sent) {
    const std::vector<uint8_t> datagram = std::move(leaving.front());
    leaving.pop_front();
    transmit(Bytes{datagram.data(), datagram.size()});
    bytes += datagram.size();
  }
  flight_left_at_ = now;
  constexpr uint32_t kSlowest = 3;  // 64 milliseconds
  handshake_->burst_at =
      leaving.empty() ? kNever
                      : now + std::ldexp(1, static_cast<int>(2 * std::min(repetitions_, kSlowest)));
}

bool Session::leaves() const { return handshake_ && !handshake_->leaving.empty(); }

// ---- what all of it goes through ----

void Session::transmit(const Flight& flight, double now) {
  std::deque<std::vector<uint8_t>> datagrams =
      flight.datagrams({mtu_, max_fragment()}, next_number_out_);
  if (handshake_) {
    handshake_->leaving = std::move(datagrams);
    send_burst(now);
    return;
  }
  for (const auto& datagram : datagrams) transmit(Bytes{datagram.data(), datagram.size()});
  flight_left_at_ = now;
}

void Session::transmit(Bytes datagram) {
  count<&TrafficStats::datagramsSent>();
  count<&TrafficStats::bytesSent>(datagram.size);
  if (transmitter_ != nullptr) {
    transmitter_->transmit(peer_, id_, send_token_, datagram);
  } else {
    outbox_.append(RecordType::kTransmit, id_, 0, send_token_, datagram);
  }
}

// OpenSSL sends alerts for reasons of its own only. In clear, as all alerts of a handshake are
// before this side's ChangeCipherSpec; after it, and by a client that has said nothing, nothing
// leaves. A server begins with a hello whose cookie is valid, so its client waits for an answer.
void Session::send_alert(uint8_t level, uint8_t description) {
  if (!handshake_ || handshake_->change_cipher_spec_sent ||
      (role_ == Role::kClient && handshake_->flight.empty())) {
    return;
  }
  std::array<uint8_t, kRecordHeaderSize + 2> record{};
  record[0] = static_cast<uint8_t>(ContentType::kAlert);
  const bool agreed = ssl_ && SSL_get_pending_cipher(ssl_.get()) != nullptr;
  write_u16(record.data() + 1,
            agreed ? static_cast<uint32_t>(SSL_version(ssl_.get())) : DTLS1_VERSION);
  write_u48(record.data() + 5, next_number_out_++);
  write_u16(record.data() + 11, 2);
  record[kRecordHeaderSize] = level;
  record[kRecordHeaderSize + 1] = description;
  transmit(Bytes{record.data(), record.size()});
  on_alert(true, level, description);
}

}  // namespace dtls
