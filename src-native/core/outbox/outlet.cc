#include "core/outbox/outlet.h"

#include <openssl/ssl.h>

namespace dtls {

void Outlet::transmit(Bytes datagram, uint32_t token) {
  count<&TrafficStats::datagramsSent>();
  count<&TrafficStats::bytesSent>(datagram.size);
  if (all_.transmitter != nullptr) {
    all_.transmitter->transmit(peer_, id(), token, datagram);
  } else {
    append(RecordType::kTransmit, 0, token, datagram);
  }
}

void Outlet::alert(bool out, uint8_t level, uint8_t description) {
  if (out) {
    count<&TrafficStats::alertsSent>();
    if (level == SSL3_AL_FATAL) seldom().alert_sent = description;
    if (description == SSL_AD_NO_RENEGOTIATION) count<&TrafficStats::renegotiationsRefused>();
  } else {
    count<&TrafficStats::alertsReceived>();
  }
  append(RecordType::kAlert,
         kOut.put(out) | kAlertLevel.put(uint32_t{level}) |
             kAlertDescription.put(uint32_t{description}),
         0);
}

void Outlet::message(bool out, bool retransmit, uint8_t type, uint32_t length) {
  if (retransmit) count<&TrafficStats::retransmissions>();
  append(RecordType::kHandshake,
         kOut.put(out) | kRetransmit.put(retransmit) | kMessageType.put(uint32_t{type}), length);
}

void Outlet::count_outcome(RecordOutcome outcome) {
  switch (outcome) {
    case RecordOutcome::kTaken:
    case RecordOutcome::kHeld:
      return;
    case RecordOutcome::kDiscarded:
      count<&TrafficStats::discardedRecords>();
      return;
    case RecordOutcome::kBad:
    case RecordOutcome::kForged:
      count<&TrafficStats::badRecords>();
      return;
    case RecordOutcome::kReplayed:
      count<&TrafficStats::replays>();
      return;
    case RecordOutcome::kHeartbeatDiscarded:
      count<&TrafficStats::heartbeatsDiscarded>();
      return;
  }
}

Outlet::Seldom& Outlet::seldom() {
  if (!seldom_) seldom_ = std::make_unique<Seldom>();
  return *seldom_;
}

Outlet::Drops Outlet::drops() const {
  if (!seldom_) return {};
  const SeldomStats& stats = seldom_->stats;
  return {stats.replays, stats.badRecords, stats.discardedRecords, stats.heartbeatsDiscarded};
}

void Outlet::uncount_drops(const Drops& since) {
  if (!seldom_) return;
  const Drops after = drops();
  const auto take = [](SeldomStats& stats, const Drops& amount) {
    stats.replays -= amount[0];
    stats.badRecords -= amount[1];
    stats.discardedRecords -= amount[2];
    stats.heartbeatsDiscarded -= amount[3];
  };
  Drops grown{};
  for (size_t i = 0; i < grown.size(); ++i) grown[i] = after[i] - since[i];
  take(seldom_->stats, grown);
  take(all_.totals, grown);
}

}  // namespace dtls
