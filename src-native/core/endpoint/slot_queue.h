#ifndef DGRAM_DTLS_CORE_ENDPOINT_SLOT_QUEUE_H_
#define DGRAM_DTLS_CORE_ENDPOINT_SLOT_QUEUE_H_

#include <cstdint>
#include <vector>

namespace dtls {

// Between which others each slot stands, in one of any number of queues.
class SlotLinks {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // False where it stands in no queue.
  bool contains(uint32_t slot) const {
    return slot < links_.size() && links_[slot].older != kOutside;
  }
  // The next younger one than a slot that stands in a queue. kNone for the youngest.
  uint32_t younger(uint32_t slot) const { return links_[slot].younger; }

 private:
  friend class SlotQueue;

  static constexpr uint32_t kOutside = kNone - 1;  // in place of an older one

  struct Link {
    uint32_t older = kOutside;
    uint32_t younger = kNone;
  };

  std::vector<Link> links_;  // by slot
};

// Slots in the order in which they were put in, any of which may leave at any time. Doubly linked
// by slot, so that every call costs the same however many there are. All calls of one queue get the
// same links.
class SlotQueue {
 public:
  // SlotLinks::kNone where there is none.
  uint32_t oldest() const { return oldest_; }

  // The slot must stand in no queue of these links.
  void push(SlotLinks& links, uint32_t slot);
  // The slot must stand in this one.
  void erase(SlotLinks& links, uint32_t slot);

 private:
  uint32_t oldest_ = SlotLinks::kNone;
  uint32_t youngest_ = SlotLinks::kNone;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_ENDPOINT_SLOT_QUEUE_H_
