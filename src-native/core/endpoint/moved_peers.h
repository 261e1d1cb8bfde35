#ifndef DGRAM_DTLS_CORE_ENDPOINT_MOVED_PEERS_H_
#define DGRAM_DTLS_CORE_ENDPOINT_MOVED_PEERS_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>

#include "core/base/peer_address.h"
#include "core/base/peer_address_hash.h"
#include "core/base/timer_queue.h"

namespace dtls {

// Addresses that peers have left a moment ago. What was on its way from there when the consumer
// said so is not lost: ICE switches at one end before the other. Whoever has such an address gets
// nothing by it but what anybody has who can write that address on a datagram: nothing is sent
// there, and a record counts by its keys. In a handshake, whose messages are in clear, it is the
// same that had been said to be the peer's until then.
class MovedPeers {
 public:
  // A datagram is not on its way for longer, in milliseconds.
  static constexpr double kGrace = 3000;
  // So many at a time: then the one that was left first is forgotten.
  static constexpr size_t kMost = 4096;

  struct Who {
    uint32_t slot;
    uint32_t generation;
  };

  void add(const PeerAddress& from, Who who, double now);
  // Null where nobody has left that address, or too long ago.
  const Who* find(const PeerAddress& from, double now) const;
  void forget(const PeerAddress& peer);

  void advance(double now);
  double deadline() const { return all_ ? all_->left.front().until : kNever; }

  // For tests.
  size_t size() const { return all_ ? all_->left.size() : 0; }

 private:
  struct Left {
    PeerAddress address;
    Who who;
    double until;
  };
  struct All {
    std::list<Left> left;  // in the order in which they were left
    std::unordered_map<PeerAddress, std::list<Left>::iterator, PeerAddressHash> by_address;
  };

  std::unique_ptr<All> all_;  // null when there is none, as most often
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_ENDPOINT_MOVED_PEERS_H_
