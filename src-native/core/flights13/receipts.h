#ifndef DGRAM_DTLS_CORE_FLIGHTS13_RECEIPTS_H_
#define DGRAM_DTLS_CORE_FLIGHTS13_RECEIPTS_H_

#include <cstddef>
#include <vector>

#include "core/flights13/record_number.h"

namespace dtls {

// The records that an ACK of ours would name: RFC 9147 section 7. During the handshake they are
// those of the peer's current flight.
class Receipts {
 public:
  // More than the records of the longest flight in the shortest datagrams.
  static constexpr size_t kMost = 512;

  // A record was taken. It may be acknowledged when the messages before `ready_at` were handed on.
  void add(const RecordNumber& record, uint32_t ready_at);
  void clear() { records_ = {}; }
  // Of records below that epoch only those are left whose messages were handed on.
  void forget_unready(uint64_t epoch, uint32_t next);

  // Whether there is one that may be acknowledged, and that no ACK has named yet.
  bool has_new(uint32_t next) const;
  bool empty() const { return records_.empty(); }

  // Up to `most` for one ACK: those first that no ACK has named yet, then what is left of the
  // others, as one ACK may be lost and another not. They count as named from then on.
  std::vector<RecordNumber> name(size_t most, uint32_t next);
  // After the handshake a peer that has lost an ACK repeats itself, under new numbers.
  void forget_named();

 private:
  struct Receipt {
    RecordNumber record;
    uint32_t ready_at;
    bool named;
  };

  std::vector<Receipt> records_;  // in the order of their coming
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_FLIGHTS13_RECEIPTS_H_
