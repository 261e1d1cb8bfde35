#include "core/base/timer_queue.h"

namespace dtls {

void TimerQueue::place(size_t index, Entry entry) {
  heap_[index] = entry;
  position_[entry.slot] = static_cast<uint32_t>(index);
}

void TimerQueue::sift_up(size_t index) {
  const Entry entry = heap_[index];
  while (index > 0) {
    const size_t parent = (index - 1) / 2;
    if (heap_[parent].at <= entry.at) break;
    place(index, heap_[parent]);
    index = parent;
  }
  place(index, entry);
}

void TimerQueue::sift_down(size_t index) {
  const Entry entry = heap_[index];
  for (;;) {
    size_t child = 2 * index + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1].at < heap_[child].at) ++child;
    if (entry.at <= heap_[child].at) break;
    place(index, heap_[child]);
    index = child;
  }
  place(index, entry);
}

void TimerQueue::remove(size_t index) {
  position_[heap_[index].slot] = kAbsent;
  const Entry last = heap_.back();
  heap_.pop_back();
  if (index == heap_.size()) return;
  place(index, last);
  sift_up(index);
  sift_down(position_[last.slot]);
}

void TimerQueue::move(uint32_t slot, double at) {
  if (slot >= position_.size()) position_.resize(slot + 1, kAbsent);
  const uint32_t index = position_[slot];
  if (index == kAbsent) {
    heap_.push_back({at, slot});
    position_[slot] = static_cast<uint32_t>(heap_.size() - 1);
    sift_up(heap_.size() - 1);
    return;
  }
  if (at == kNever) {
    remove(index);
    return;
  }
  if (heap_[index].at == at) return;
  heap_[index].at = at;
  sift_up(index);
  sift_down(position_[slot]);
}

bool TimerQueue::take_due(double now, uint32_t& slot) {
  if (heap_.empty() || heap_.front().at > now) return false;
  slot = heap_.front().slot;
  remove(0);
  return true;
}

}  // namespace dtls
