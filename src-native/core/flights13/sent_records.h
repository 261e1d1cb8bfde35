#ifndef DGRAM_DTLS_CORE_FLIGHTS13_SENT_RECORDS_H_
#define DGRAM_DTLS_CORE_FLIGHTS13_SENT_RECORDS_H_

#include <cstddef>
#include <vector>

#include "core/flights13/outgoing.h"
#include "core/flights13/record_number.h"

namespace dtls {

// Which bytes of which message each record of ours had, so that an ACK of any of them counts: RFC
// 9147 section 7.2.
class SentRecords {
 public:
  // A flight of 100 KiB in datagrams of 256 bytes, twice. An ACK of an older record says nothing.
  static constexpr size_t kMost = 1024;

  struct Sent {
    RecordNumber record;
    MessagePiece piece;
    double left_at;
  };

  void add(const RecordNumber& record, const MessagePiece& piece, double now);
  const Sent* find(const RecordNumber& record) const;
  // Nobody asks any more for the records of this message.
  void forget(uint16_t message_seq);

 private:
  std::vector<Sent> sent_;  // by number
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_FLIGHTS13_SENT_RECORDS_H_
