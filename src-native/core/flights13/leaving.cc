// What leaves: ACKs, and what of our messages is due.

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/flights13/ack.h"
#include "core/flights13/flights.h"

namespace dtls {

std::vector<OutgoingDatagram> Flights::leave(double now, const LeaveLimits& limits) {
  mtu_ = limits.mtu;
  LeaveLimits within = limits;
  within.mtu = path_mtu();
  DatagramPacker packer(within);
  pack_acks(packer, now);
  pack_flights(packer, now);
  return packer.take();
}

void Flights::left(const OutgoingRecord& record, uint64_t number, double now) {
  if (record.type == ContentType::kHandshake) {
    sent_.add({record.epoch, number}, record.piece, now);
  }
}

// ---- ACKs ----

// An ACK that names nothing asks for what is missing: section 7.1.
void Flights::pack_acks(DatagramPacker& packer, double now) {
  if (ack_at_ > now) return;
  ack_at_ = kNever;
  const bool asked = std::exchange(ask_, false);
  const bool half_a_hello = write_epoch_ == kClearEpoch && incoming_.holds_any();
  if (!receipts_.has_new(next_in())) {
    if (!asked && !half_a_hello) return;
    pack_ack(packer, {});
    asked_ = std::min(asked_ + 1, uint32_t{16});
    return;
  }
  // The longest flight has more records than one ACK has room for.
  constexpr int kAcks = 4;
  for (int acks = 0; acks < kAcks && receipts_.has_new(next_in()); ++acks) {
    const size_t room = packer.most(write_epoch_);
    const size_t most = room < ack_size(1) ? 1 : (room - ack_size(0)) / kAckNumberSize;
    pack_ack(packer, receipts_.name(most, next_in()));
  }
  if (receipts_.has_new(next_in())) ack_at_ = now;
  if (complete_) receipts_.forget_named();
}

void Flights::pack_ack(DatagramPacker& packer, std::vector<RecordNumber> numbers) {
  OutgoingRecord record;
  record.epoch = write_epoch_;
  record.type = ContentType::kAck;
  record.plaintext = write_ack(std::move(numbers));
  packer.begin_datagram();
  packer.put(std::move(record));
  ++stats_.acks_sent;
}

// ---- messages ----

// A long flight at once would be more than the buffer of the peer's socket holds, and each
// repetition would lose the same end of it. So it leaves in bursts, and with longer pauses when it
// is repeated: section 5.8.3.
void Flights::pack_flights(DatagramPacker& packer, double now) {
  if (now < burst_at_ || !any_due()) return;
  size_t records = kBurst;
  uint32_t repetitions = 0;
  for (SentFlight& flight : flights_) {
    if (records == 0) break;
    if (is_held(flight) || !flight.is_due()) continue;
    repetitions = std::max(repetitions, flight.repetitions());
    packer.begin_longest();
    for (SentMessage& message : flight.messages()) {
      if (!flight.in_handshake() && !message.begun()) message.set_epoch(write_epoch_);
      stats_.repeated_records += message.pack(packer, records, now);
    }
    flight.on_left(now, packer.longest());
  }
  constexpr uint32_t kSlowest = 3;  // 64 milliseconds
  burst_at_ =
      any_due() ? now + std::ldexp(1, static_cast<int>(2 * std::min(repetitions, kSlowest))) : 0;
}

}  // namespace dtls
