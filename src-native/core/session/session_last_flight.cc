// The last flight of a handshake, which OpenSSL repeats when the peer's Finished comes again (RFC
// 6347 section 4.2.4), and what else it says of an open session.

#include "core/session/session.h"
#include "core/wire/flight.h"

namespace dtls {

void Session::message_callback(int write, int /*version*/, int content_type, const void* bytes,
                               size_t size, SSL* /*ssl*/, void* arg) {
  // OpenSSL has pseudo types above a byte, for what is no record's content.
  if (content_type < 0 || content_type > UINT8_MAX) return;
  static_cast<Session*>(arg)->on_message(write != 0, static_cast<ContentType>(content_type),
                                         {static_cast<const uint8_t*>(bytes), size});
}

void Session::on_message(bool out, ContentType type, Bytes bytes) {
  if (!out && (type == ContentType::kHandshake || type == ContentType::kAlert)) ++heard_;
  switch (type) {
    case ContentType::kHandshake:
      if (bytes.size >= kHandshakeHeaderSize) {
        outlet_.message(out, out, bytes.data[0], read_u24(bytes.data + 1));
      }
      return;
    case ContentType::kChangeCipherSpec:
      outlet_.message(out, out, static_cast<uint8_t>(kChangeCipherSpecMessage), 1);
      return;
    case ContentType::kAlert:
      if (bytes.size == 2) outlet_.alert(out, bytes.data[0], bytes.data[1]);
      return;
    default:
      return;
  }
}

// OpenSSL makes one record of each write, of the flight that it has to repeat, too.
void Session::on_datagram(Bytes datagram) {
  if (retype_) {
    // The record that OpenSSL made never leaves the process: one sealing for each nonce. When it
    // cannot be sealed anew nothing leaves at all.
    const ContentType type = *retype_;
    retype_.reset();
    std::vector<uint8_t> retyped;
    if (seal_as(type, datagram, retyped)) outlet_.transmit({retyped.data(), retyped.size()});
    return;
  }
  const auto type = static_cast<ContentType>(datagram.data[0]);
  if (type == ContentType::kHandshake || type == ContentType::kChangeCipherSpec) {
    written_.insert(written_.end(), datagram.data, datagram.data + datagram.size);
  } else {
    outlet_.transmit(datagram, send_token_);
  }
}

// After each call of OpenSSL that may have written that flight.
void Session::send_last_flight() {
  if (written_.empty()) return;
  const std::vector<uint8_t> written = std::exchange(written_, {});
  Bytes rest{written.data(), written.size()};
  RecordView record;
  Flight flight;
  while (take_record(rest, record)) flight.add(record);
  if (repetitions_ >= Flight::kInVain) {
    const std::optional<uint32_t> smaller = flight.smaller_mtu({mtu_, max_fragment_});
    if (smaller && set_mtu(*smaller)) repetitions_ = 0;
  }
  ++repetitions_;
  for (const auto& datagram : flight.datagrams({mtu_, max_fragment_}, next_number_out_)) {
    outlet_.transmit({datagram.data(), datagram.size()});
  }
  ++answered_again_;
}

// A Finished is authentic, and OpenSSL answers it itself; twelve times, and then it would end the
// session.
bool Session::may_repeat_finished() const {
  constexpr uint32_t kOften = 12;
  return answered_again_ < kOften;
}

}  // namespace dtls
