#ifndef DGRAM_DTLS_CORE_OUTBOX_OUTLET_H_
#define DGRAM_DTLS_CORE_OUTBOX_OUTLET_H_

#include <array>

#include "core/base/error.h"
#include "core/base/peer_address.h"
#include "core/outbox/outbox.h"
#include "core/outbox/record_outcome.h"
#include "core/outbox/stats.h"
#include "core/outbox/transmitter.h"

namespace dtls {

// By which a session, and its handshake, speak: records in the session's name, datagrams to its
// peer, and what is counted of both, for the session and for its endpoint.
class Outlet {
 public:
  // `transmitter`: may be null, see there. All four outlive the outlet.
  Outlet(Outbox& outbox, Transmitter* transmitter, TrafficStats& totals, SessionId id,
         const PeerAddress& peer)
      : outbox_(outbox), transmitter_(transmitter), totals_(totals), id_(id), peer_(peer) {}

  SessionId id() const { return id_; }
  const PeerAddress& peer() const { return peer_; }
  const TrafficStats& stats() const { return stats_; }

  void append(RecordType type, uint32_t a, uint32_t b, Bytes bytes = {}) {
    outbox_.append(type, id_, a, b, bytes);
  }
  // Where the bytes of the next record, or of the next datagram, will lie if they fit.
  uint8_t* room(size_t size, uint8_t* elsewhere) { return outbox_.room(size, elsewhere); }
  uint8_t* datagram_room(size_t size, uint8_t* elsewhere) {
    if (transmitter_ == nullptr) return room(size, elsewhere);
    uint8_t* const there = transmitter_->room(peer_, size);
    return there != nullptr ? there : elsewhere;
  }

  // With a `token` the sender waits for a SENT record.
  void transmit(Bytes datagram, uint32_t token = 0);

  // An alert, or a message of a handshake, has come or leaves.
  void alert(bool out, uint8_t level, uint8_t description);
  void message(bool out, bool retransmit, uint8_t type, uint32_t length);
  // The last fatal one; Failure::kNoAlert when there was none.
  int alert_sent() const { return alert_sent_; }

  template <uint64_t TrafficStats::*Field>
  void count(uint64_t n = 1) {
    stats_.*Field += n;
    totals_.*Field += n;
  }
  // The endpoint's totals have it already: a datagram may be for no session, or for two.
  void count_datagram(size_t size) {
    ++stats_.datagramsReceived;
    stats_.bytesReceived += size;
  }

  // Counts what RFC 6347 section 4.1.2.7 has dropped without a word.
  void count_outcome(RecordOutcome outcome);

  // Records that were dropped, by counter.
  using Drops = std::array<uint64_t, 4>;
  Drops drops() const {
    return {stats_.replays, stats_.badRecords, stats_.discardedRecords, stats_.heartbeatsDiscarded};
  }
  // Takes back what was counted since: another session has counted it, or has taken it.
  void uncount_drops(const Drops& since);

 private:
  Outbox& outbox_;
  Transmitter* const transmitter_;
  TrafficStats& totals_;
  const SessionId id_;
  const PeerAddress peer_;
  TrafficStats stats_;
  int alert_sent_ = Failure::kNoAlert;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_OUTBOX_OUTLET_H_
