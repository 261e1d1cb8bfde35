#include "core/handshake13/datagrams.h"

#include <algorithm>

#include <array>

namespace dtls {

namespace {

LeaveLimits limits_of(const Records13& records, uint32_t mtu, size_t max_plaintext) {
  LeaveLimits limits{};
  limits.mtu = mtu;
  limits.max_plaintext = max_plaintext;
  limits.overhead.handshake = records.overhead_in(kHandshakeEpoch);
  limits.overhead.application = records.overhead_in(records.sealing_epoch());
  return limits;
}

}  // namespace

FlightsConfig flights_config(Role role, const SessionPolicy& policy, uint32_t next_in,
                             uint32_t next_out) {
  FlightsConfig config;
  config.is_server = role == Role::kServer;
  config.times.initial = policy.retransmit_initial;
  config.times.longest = policy.retransmit_max;
  config.times.backoff = policy.retransmit_backoff;
  // Shorter waits are 20 milliseconds, as at 1.2.
  constexpr double kShortest = 20;
  config.times.initial = std::max(config.times.initial, kShortest);
  config.times.longest = std::max(config.times.longest, kShortest);
  // A client with a deadline says its hello until then: the server may only just be starting.
  config.until_deadline = role == Role::kClient && policy.handshake_timeout > 0;
  config.next_in = next_in;
  config.next_out = next_out;
  return config;
}

Records13::Options records_options(const SessionPolicy& policy, uint64_t next_clear_number) {
  Records13::Options options;
  options.replay_window = policy.replay_window;
  options.takes_repeated_messages = policy.replay_window == 0;
  options.next_clear_number = next_clear_number;
  return options;
}

void Departures::leave(uint32_t mtu, size_t max_plaintext, double now) {
  const LeaveLimits limits = limits_of(records, mtu, max_plaintext);
  std::vector<uint8_t> datagram;
  for (const OutgoingDatagram& planned : flights.leave(now, limits)) {
    datagram.clear();
    for (const OutgoingRecord& record : planned) {
      const size_t at = datagram.size();
      const Bytes plaintext{record.plaintext.data(), record.plaintext.size()};
      datagram.resize(at + records.sealed_size_in(record.epoch, plaintext.size));
      const Sealed13 sealed =
          records.seal_in(record.epoch, record.type, plaintext, datagram.data() + at);
      datagram.resize(at + sealed.size);
      if (sealed.size == 0) continue;
      tell(record);
      flights.left(record, sealed.number, now);
    }
    if (!datagram.empty()) outlet.transmit({datagram.data(), datagram.size()});
  }
}

// Once for each message that leaves, and each time that its front does so again.
void Departures::tell(const OutgoingRecord& record) {
  if (record.type != ContentType::kHandshake || record.piece.offset != 0) return;
  const bool retransmit = record.piece.message_seq < next_untold;
  if (!retransmit) next_untold = static_cast<uint16_t>(record.piece.message_seq + 1);
  const uint8_t* header = record.plaintext.data();
  outlet.message(true, retransmit, header[0], read_u24(header + fragment_at::kMessageLength));
}

void Departures::alert(uint8_t level, uint8_t description) {
  alert_in(records.sealing_epoch(), level, description);
}

void Departures::alert_in(uint64_t epoch, uint8_t level, uint8_t description) {
  const std::array<uint8_t, 2> bytes = {level, description};
  std::vector<uint8_t> record(records.sealed_size_in(epoch, bytes.size()));
  const Sealed13 sealed =
      records.seal_in(epoch, ContentType::kAlert, {bytes.data(), bytes.size()}, record.data());
  if (sealed.size == 0) return;
  outlet.transmit({record.data(), sealed.size});
  outlet.alert(true, level, description);
}

}  // namespace dtls
