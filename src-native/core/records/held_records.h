#ifndef DGRAM_DTLS_CORE_RECORDS_HELD_RECORDS_H_
#define DGRAM_DTLS_CORE_RECORDS_HELD_RECORDS_H_

#include <vector>

#include "core/wire/wire.h"

namespace dtls {

// Records that came before their time, in order, and no more of them than a peer has reason to
// send.
class HeldRecords {
 public:
  HeldRecords(size_t max_records, size_t max_bytes)
      : max_records_(max_records), max_bytes_(max_bytes) {}

  // False: there is no room. A record in clear that says what a held one says is its repetition,
  // and takes none.
  bool keep(const RecordView& record);

  bool empty() const { return records_.empty(); }

  // All of them; then it is empty.
  std::vector<std::vector<uint8_t>> take();

 private:
  bool holds(const RecordView& record) const;

  size_t max_records_;
  size_t max_bytes_;
  size_t bytes_ = 0;
  std::vector<std::vector<uint8_t>> records_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS_HELD_RECORDS_H_
