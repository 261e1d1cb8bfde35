#include "core/slot_queue.h"

namespace dtls {

void SlotQueue::push(uint32_t slot) {
  if (contains(slot)) return;
  if (slot >= links_.size()) links_.resize(slot + 1);
  links_[slot] = {youngest_, kNone, true};
  (youngest_ == kNone ? oldest_ : links_[youngest_].younger) = slot;
  youngest_ = slot;
}

void SlotQueue::erase(uint32_t slot) {
  if (!contains(slot)) return;
  const Link link = links_[slot];
  (link.older == kNone ? oldest_ : links_[link.older].younger) = link.younger;
  (link.younger == kNone ? youngest_ : links_[link.younger].older) = link.older;
  links_[slot] = {};
}

}  // namespace dtls
