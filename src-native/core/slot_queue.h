#ifndef DGRAM_DTLS_CORE_SLOT_QUEUE_H_
#define DGRAM_DTLS_CORE_SLOT_QUEUE_H_

#include <cstdint>
#include <vector>

namespace dtls {

// Slots in the order in which they were put in, any of which may leave at any time. Doubly linked
// by slot, so that every call costs the same however many there are.
class SlotQueue {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // kNone where there is none.
  uint32_t oldest() const { return oldest_; }
  bool contains(uint32_t slot) const { return slot < links_.size() && links_[slot].inside; }

  // Does nothing where it is inside, or outside, already.
  void push(uint32_t slot);
  void erase(uint32_t slot);

 private:
  struct Link {
    uint32_t older = kNone;
    uint32_t younger = kNone;
    bool inside = false;
  };

  std::vector<Link> links_;  // by slot
  uint32_t oldest_ = kNone;
  uint32_t youngest_ = kNone;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_SLOT_QUEUE_H_
