#include "core/records/last_flight.h"

#include <utility>

namespace dtls {

LastFlight::LastFlight(Flight flight, Bytes finished, double until)
    : in_clear_(std::move(flight)), finished_(finished), until_(until) {
  in_clear_.drop_protected();
}

std::optional<Flight> LastFlight::repeat(Records& records, double now) {
  if (over(now)) return std::nullopt;
  std::vector<uint8_t> sealed(records.sealed_size(finished_.size()));
  sealed.resize(records.seal(ContentType::kHandshake, finished_.view(), sealed.data()));
  Bytes rest{sealed.data(), sealed.size()};
  RecordView record;
  if (!take_record(rest, record)) return std::nullopt;
  ++repeated_;
  Flight flight = in_clear_;
  flight.add(record);
  return flight;
}

}  // namespace dtls
