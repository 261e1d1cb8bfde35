#ifndef DGRAM_DTLS_CORE_OUTBOX_OUTLET_H_
#define DGRAM_DTLS_CORE_OUTBOX_OUTLET_H_

#include <array>
#include <memory>

#include "core/base/error.h"
#include "core/base/peer_address.h"
#include "core/outbox/outbox.h"
#include "core/outbox/record_outcome.h"
#include "core/outbox/stats.h"
#include "core/outbox/transmitter.h"

namespace dtls {

// What the outlets of one endpoint have in common.
struct Outlets {
  Outbox& outbox;
  const uint32_t endpoint;
  Transmitter* transmitter = nullptr;  // borrowed; may be null, see there
  TrafficStats totals;
};

// By which a session, and its handshake, speak: records in the session's name, datagrams to its
// peer, and what is counted of both, for the session and for its endpoint.
class Outlet {
 public:
  // `all` outlives the outlet.
  Outlet(Outlets& all, uint32_t slot, uint32_t generation, const PeerAddress& peer)
      : all_(all), slot_(slot), generation_(generation), peer_(peer) {}

  SessionId id() const { return {all_.endpoint, slot_, generation_}; }
  const PeerAddress& peer() const { return peer_; }
  // What is sent from now on goes there.
  void set_peer(const PeerAddress& peer) { peer_ = peer; }
  TrafficStats stats() const { return {usual_, seldom_ ? seldom_->stats : SeldomStats{}}; }

  void append(RecordType type, uint32_t a, uint32_t b, Bytes bytes = {}) {
    all_.outbox.append(type, id(), a, b, bytes);
  }
  // Where the bytes of the next record, or of the next datagram, will lie if they fit.
  uint8_t* room(size_t size, uint8_t* elsewhere) { return all_.outbox.room(size, elsewhere); }
  uint8_t* datagram_room(size_t size, uint8_t* elsewhere) {
    if (all_.transmitter == nullptr) return room(size, elsewhere);
    uint8_t* const there = all_.transmitter->room(peer_, size);
    return there != nullptr ? there : elsewhere;
  }

  // With a `token` the sender waits for a SENT record.
  void transmit(Bytes datagram, uint32_t token = 0);

  // An alert, or a message of a handshake, has come or leaves.
  void alert(bool out, uint8_t level, uint8_t description);
  void message(bool out, bool retransmit, uint8_t type, uint32_t length);
  // The last fatal one; Failure::kNoAlert when there was none.
  int alert_sent() const { return seldom_ ? seldom_->alert_sent : Failure::kNoAlert; }

  template <uint64_t UsualStats::*Field>
  void count(uint64_t n = 1) {
    usual_.*Field += n;
    all_.totals.*Field += n;
  }
  template <uint64_t SeldomStats::*Field>
  void count(uint64_t n = 1) {
    seldom().stats.*Field += n;
    all_.totals.*Field += n;
  }
  // The endpoint's totals have it already: a datagram may be for no session, or for two.
  void count_datagram(size_t size) {
    ++usual_.datagramsReceived;
    usual_.bytesReceived += size;
  }

  // Counts what RFC 6347 section 4.1.2.7 has dropped without a word.
  void count_outcome(RecordOutcome outcome);

  // Records that were dropped, by counter.
  using Drops = std::array<uint64_t, 4>;
  Drops drops() const;
  // Takes back what was counted since: another session has counted it, or has taken it.
  void uncount_drops(const Drops& since);

 private:
  // What most sessions have no need of.
  struct Seldom {
    SeldomStats stats;
    int alert_sent = Failure::kNoAlert;
  };
  Seldom& seldom();

  Outlets& all_;
  const uint32_t slot_;
  const uint32_t generation_;
  PeerAddress peer_;
  UsualStats usual_;
  std::unique_ptr<Seldom> seldom_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_OUTBOX_OUTLET_H_
