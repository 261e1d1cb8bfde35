#ifndef DGRAM_DTLS_CORE_BASE_TIMER_QUEUE_H_
#define DGRAM_DTLS_CORE_BASE_TIMER_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace dtls {

constexpr double kNever = std::numeric_limits<double>::infinity();

// A min-heap of one deadline for each session slot, so that one timer of the event loop serves a
// whole endpoint. Setting and clearing cost O(log n); looking at the next deadline costs nothing.
class TimerQueue {
 public:
  // kNever clears the slot's deadline. As a rule there was none and is none: that costs a look.
  void set(uint32_t slot, double at) {
    if (at != kNever || (slot < position_.size() && position_[slot] != kAbsent)) move(slot, at);
  }

  double next() const { return heap_.empty() ? kNever : heap_.front().at; }

  // Takes one slot whose deadline is not after `now`.
  bool take_due(double now, uint32_t& slot);

 private:
  struct Entry {
    double at;
    uint32_t slot;
  };
  static constexpr uint32_t kAbsent = UINT32_MAX;

  void move(uint32_t slot, double at);
  void place(size_t index, Entry entry);
  void sift_up(size_t index);
  void sift_down(size_t index);
  void remove(size_t index);

  std::vector<Entry> heap_;
  std::vector<uint32_t> position_;  // by slot: index in heap_, or kAbsent
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_BASE_TIMER_QUEUE_H_
