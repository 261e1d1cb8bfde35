#include "io/send_queue.h"

#include <algorithm>
#include <utility>

namespace dtls::io {

// The run that the next datagram goes on with; or null.
SendQueue::Run* SendQueue::find_run(const PeerAddress& to, size_t size, size_t largest) {
  const size_t end = runs_.size() - std::min(runs_.size(), kLookBack);
  for (size_t at = runs_.size(); at > end; --at) {
    Run& run = runs_[at - 1];
    if (!run.to.same_path(to)) continue;
    // An empty one would be no segment of a merged message.
    const bool fits = !run.complete && size != 0 && size <= run.segment && size <= largest &&
                      run.bytes.size() + size <= kLargestMessage;
    return fits ? &run : nullptr;
  }
  return nullptr;
}

SendQueue::Run& SendQueue::open_run(const PeerAddress& to, size_t size, size_t largest) {
  if (Run* run = find_run(to, size, largest)) return *run;
  if (spares_.empty()) spares_.emplace_back();
  runs_.push_back(std::move(spares_.back()));
  spares_.pop_back();
  Run& made = runs_.back();
  made.to = to;
  made.segment = size;
  made.complete = size == 0 || size > largest;
  return made;
}

// Where there is no run yet, the memory of the spare that it will be made of.
uint8_t* SendQueue::room(const PeerAddress& to, size_t size, size_t largest) {
  asked_ = find_run(to, size, largest);
  if (asked_ != nullptr) return asked_->bytes.room(size);
  if (spares_.empty()) spares_.emplace_back();
  return spares_.back().bytes.room(size);
}

void SendQueue::push(const PeerAddress& to, SessionId from, uint32_t token, Bytes datagram,
                     size_t largest) {
  // What lies in the room of a run is for that one. To look for it takes as long as a short copy.
  Run* const asked = std::exchange(asked_, nullptr);
  Run& run = asked != nullptr && asked->bytes.has_in_room(datagram)
                 ? *asked
                 : open_run(to, datagram.size, largest);
  run.datagrams.push_back({from, token, datagram.size});
  run.bytes.append(datagram);
  if (datagram.size < run.segment || run.datagrams.size() == kMostSegments) run.complete = true;
  bytes_ += datagram.size;
  ++datagrams_;
}

SendQueue::Waiting SendQueue::settle_next() {
  asked_ = nullptr;
  Run& run = runs_.front();
  const Waiting next = run.datagrams[run.settled++];
  run.settled_bytes += next.size;
  run.complete = true;
  bytes_ -= next.size;
  --datagrams_;
  if (run.left() != 0) return next;
  if (spares_.size() < kSpares) {
    run.datagrams.clear();
    run.bytes.clear();
    run.split = false;
    run.settled = run.settled_bytes = 0;
    spares_.push_back(std::move(run));
  }
  runs_.pop_front();
  return next;
}

}  // namespace dtls::io
