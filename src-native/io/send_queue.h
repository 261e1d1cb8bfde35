#ifndef DGRAM_DTLS_IO_SEND_QUEUE_H_
#define DGRAM_DTLS_IO_SEND_QUEUE_H_

#include <deque>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/peer_address.h"
#include "core/outbox/outbox.h"
#include "io/run_bytes.h"

namespace dtls::io {

// Datagrams that wait to leave, in runs. Those of a run have one way to one peer and one size, the
// last of them perhaps a smaller one, and lie behind one another: they may leave as one message
// (UDP_SEGMENT). What goes to one peer keeps its order; what goes to different ones may change it.
class SendQueue {
 public:
  static constexpr size_t kMostSegments = 64;  // UDP_MAX_SEGMENTS of Linux before 6.9
  static constexpr size_t kLargestMessage = 65507;

  struct Waiting {
    SessionId from;
    uint32_t token;
    size_t size;
  };

  struct Run {
    PeerAddress to;
    size_t segment = 0;     // the size of all but perhaps the last
    bool complete = false;  // nothing more fits
    bool split = false;     // leaves datagram by datagram
    size_t settled = 0;     // so many of its datagrams are dealt with
    size_t settled_bytes = 0;
    std::vector<Waiting> datagrams;
    RunBytes bytes;

    size_t left() const { return datagrams.size() - settled; }
  };

  // Where such a datagram will lie if it is the next one: push() then copies nothing.
  uint8_t* room(const PeerAddress& to, size_t size, size_t largest);
  // Copies the bytes. `largest`: datagrams above it stay alone.
  void push(const PeerAddress& to, SessionId from, uint32_t token, Bytes datagram, size_t largest);

  bool empty() const { return runs_.empty(); }
  size_t bytes() const { return bytes_; }
  size_t datagrams() const { return datagrams_; }
  size_t runs() const { return runs_.size(); }
  Run& run(size_t index) { return runs_[index]; }

  // The next datagram of the first run is dealt with.
  Waiting settle_next();

 private:
  // Peers that take turns have a run each: so many are looked at for the one to go on with.
  static constexpr size_t kLookBack = 16;
  static constexpr size_t kSpares = 16;

  Run* find_run(const PeerAddress& to, size_t size, size_t largest);
  Run& open_run(const PeerAddress& to, size_t size, size_t largest);

  std::deque<Run> runs_;
  std::vector<Run> spares_;  // their memory is used again
  Run* asked_ = nullptr;     // whose room was asked for, until something else is done
  size_t bytes_ = 0;
  size_t datagrams_ = 0;
};

}  // namespace dtls::io

#endif  // DGRAM_DTLS_IO_SEND_QUEUE_H_
