#include "core/records/last_flight.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <vector>

namespace dtls {

LastFlight::LastFlight(Flight flight, Bytes finished, double until) : until_(until) {
  flight.drop_protected();
  uint64_t number = 0;  // others are given when it leaves
  const std::deque<std::vector<uint8_t>> datagrams = flight.datagrams({SIZE_MAX}, number);
  for (const auto& datagram : datagrams) in_clear_ += static_cast<uint32_t>(datagram.size());
  kept_ = SecretBytes(in_clear_ + finished.size);
  uint8_t* at = kept_.data();
  for (const auto& datagram : datagrams) at = std::copy(datagram.begin(), datagram.end(), at);
  std::copy_n(finished.data, finished.size, at);
}

MessageName LastFlight::finished() const {
  Bytes rest = plain_finished();
  FragmentView message;
  take_fragment(rest, message);
  return {HandshakeType::kFinished, message.message_length};
}

std::optional<Flight> LastFlight::repeat(Records& records, double now) {
  if (over(now)) return std::nullopt;
  std::vector<uint8_t> sealed(records.sealed_size(plain_finished().size));
  sealed.resize(records.seal(ContentType::kHandshake, plain_finished(), sealed.data()));
  if (sealed.empty()) return std::nullopt;
  ++repeated_;
  Flight flight;
  for (Bytes rest : {in_clear(), Bytes{sealed.data(), sealed.size()}}) {
    RecordView record;
    while (take_record(rest, record)) flight.add(record);
  }
  return flight;
}

}  // namespace dtls
