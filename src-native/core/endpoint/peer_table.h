#ifndef DGRAM_DTLS_CORE_ENDPOINT_PEER_TABLE_H_
#define DGRAM_DTLS_CORE_ENDPOINT_PEER_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace dtls {

// Leads from the hash of a peer's address to the slot of its session. An entry is no more than the
// two: with 100,000 sessions the table still fits a processor's cache, which their addresses would
// not, and whether the address is the right one is asked of the session, which is needed next
// anyway. Open addressing with linear probing, at most half full; what is erased leaves no
// tombstone.
class PeerTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // kNone, or the slot of that hash for which `is_peer(slot)` holds.
  template <typename IsPeer>
  uint32_t find(uint32_t hash, const IsPeer& is_peer) const {
    if (entries_.empty()) return kNone;
    for (size_t at = home(hash); entries_[at].slot != kNone; at = after(at)) {
      if (entries_[at].hash == hash && is_peer(entries_[at].slot)) return entries_[at].slot;
    }
    return kNone;
  }

  // The slot is in no entry yet.
  void insert(uint32_t hash, uint32_t slot);
  // The entry of `slot` is for another slot from now on, or gone.
  void replace(uint32_t hash, uint32_t slot, uint32_t by);
  void erase(uint32_t hash, uint32_t slot);

  // For tests.
  size_t size() const { return size_; }

 private:
  struct Entry {
    uint32_t hash = 0;
    uint32_t slot = kNone;
  };

  size_t home(uint32_t hash) const { return hash & (entries_.size() - 1); }
  size_t after(size_t at) const { return (at + 1) & (entries_.size() - 1); }
  size_t position(uint32_t hash, uint32_t slot) const;
  void place(Entry entry);
  void grow();

  std::vector<Entry> entries_;  // a power of two, or none
  size_t size_ = 0;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_ENDPOINT_PEER_TABLE_H_
