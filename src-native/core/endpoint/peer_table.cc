#include "core/endpoint/peer_table.h"

#include <algorithm>

namespace dtls {

namespace {
constexpr size_t kSmallest = 16;
}

void PeerTable::insert(uint32_t hash, uint32_t slot) {
  if ((size_ + 1) * 2 > entries_.size()) grow();
  place({hash, slot});
  ++size_;
}

void PeerTable::replace(uint32_t hash, uint32_t slot, uint32_t by) {
  entries_[position(hash, slot)].slot = by;
}

// What was pushed beyond the gap by it moves up, so that a search may end at any gap.
void PeerTable::erase(uint32_t hash, uint32_t slot) {
  size_t gap = position(hash, slot);
  const size_t mask = entries_.size() - 1;
  for (size_t at = after(gap); entries_[at].slot != kNone; at = after(at)) {
    const size_t displacement = (at - home(entries_[at].hash)) & mask;
    if (displacement < ((at - gap) & mask)) continue;
    entries_[gap] = entries_[at];
    gap = at;
  }
  entries_[gap] = {};
  --size_;
}

// Where an entry is, which must be there.
size_t PeerTable::position(uint32_t hash, uint32_t slot) const {
  size_t at = home(hash);
  while (entries_[at].slot != slot) at = after(at);
  return at;
}

void PeerTable::place(Entry entry) {
  size_t at = home(entry.hash);
  while (entries_[at].slot != kNone) at = after(at);
  entries_[at] = entry;
}

void PeerTable::grow() {
  std::vector<Entry> before(std::max(entries_.size() * 2, kSmallest));
  before.swap(entries_);
  for (const Entry& entry : before) {
    if (entry.slot != kNone) place(entry);
  }
}

}  // namespace dtls
