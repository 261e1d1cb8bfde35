#include "core/endpoint/slot_queue.h"

namespace dtls {

void SlotQueue::push(SlotLinks& links, uint32_t slot) {
  std::vector<SlotLinks::Link>& all = links.links_;
  if (slot >= all.size()) all.resize(slot + 1);
  all[slot] = {youngest_, SlotLinks::kNone};
  (youngest_ == SlotLinks::kNone ? oldest_ : all[youngest_].younger) = slot;
  youngest_ = slot;
}

void SlotQueue::erase(SlotLinks& links, uint32_t slot) {
  std::vector<SlotLinks::Link>& all = links.links_;
  const SlotLinks::Link link = all[slot];
  (link.older == SlotLinks::kNone ? oldest_ : all[link.older].younger) = link.younger;
  (link.younger == SlotLinks::kNone ? youngest_ : all[link.younger].older) = link.older;
  all[slot] = {};
}

}  // namespace dtls
