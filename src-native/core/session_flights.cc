// What leaves. A handshake leaves in flights, which are gathered here from what OpenSSL writes, cut
// and numbered; everything else leaves as OpenSSL makes it.

#include <utility>

#include "core/session.h"

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
void Session::send_flight() {
  if (written_.empty()) return;
  const std::vector<uint8_t> written = std::exchange(written_, {});
  Bytes rest{written.data(), written.size()};
  RecordView record;
  Flight flight;
  while (take_record(rest, record)) {
    // With a very short timer OpenSSL repeats a flight in the call in which it first wrote it.
    if (flight.has(record)) on_flight(std::exchange(flight, {}));
    flight.add(record);
  }
  on_flight(std::move(flight));
}

void Session::on_flight(Flight flight) {
  transmit(flight);
  if (!handshake_) return;
  if (!flight.repeats(handshake_->flight)) {
    handshake_->flight_messages = std::exchange(handshake_->written_messages, {});
  }
  handshake_->flight = std::move(flight);
}

void Session::transmit(const Flight& flight) {
  for (const auto& datagram : flight.datagrams({mtu_, max_fragment()}, next_number_out_)) {
    transmit(Bytes{datagram.data(), datagram.size()});
  }
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
// before this side's ChangeCipherSpec; after it, and before anything has been sent, nothing leaves.
void Session::send_alert(uint8_t level, uint8_t description) {
  if (!handshake_ || handshake_->change_cipher_spec_sent || handshake_->flight.empty()) return;
  std::array<uint8_t, kRecordHeaderSize + 2> record{};
  record[0] = static_cast<uint8_t>(ContentType::kAlert);
  const bool agreed = SSL_get_pending_cipher(ssl_.get()) != nullptr;
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
