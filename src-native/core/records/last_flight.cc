#include "core/records/last_flight.h"

#include <cstdint>

namespace dtls {

LastFlight::LastFlight(Flight flight, Bytes finished, double until)
    : finished_(finished), until_(until) {
  flight.drop_protected();
  uint64_t number = 0;  // others are given when it leaves
  for (const auto& datagram : flight.datagrams({SIZE_MAX}, number)) {
    in_clear_.insert(in_clear_.end(), datagram.begin(), datagram.end());
  }
}

std::optional<Flight> LastFlight::repeat(Records& records, double now) {
  if (over(now)) return std::nullopt;
  std::vector<uint8_t> sealed(records.sealed_size(finished_.size()));
  sealed.resize(records.seal(ContentType::kHandshake, finished_.view(), sealed.data()));
  if (sealed.empty()) return std::nullopt;
  ++repeated_;
  Flight flight;
  for (const std::vector<uint8_t>* records : {&in_clear_, &sealed}) {
    Bytes rest{records->data(), records->size()};
    RecordView record;
    while (take_record(rest, record)) flight.add(record);
  }
  return flight;
}

}  // namespace dtls
