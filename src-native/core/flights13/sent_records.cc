#include "core/flights13/sent_records.h"

#include <algorithm>

namespace dtls {

void SentRecords::add(const RecordNumber& record, const MessagePiece& piece, double now) {
  if (sent_.size() >= kMost) {
    sent_.erase(std::min_element(sent_.begin(), sent_.end(), [](const Sent& a, const Sent& b) {
      return a.left_at < b.left_at;
    }));
  }
  const auto place =
      std::upper_bound(sent_.begin(), sent_.end(), record,
                       [](const RecordNumber& one, const Sent& sent) { return one < sent.record; });
  sent_.insert(place, Sent{record, piece, now});
}

const SentRecords::Sent* SentRecords::find(const RecordNumber& record) const {
  const auto found =
      std::lower_bound(sent_.begin(), sent_.end(), record,
                       [](const Sent& sent, const RecordNumber& one) { return sent.record < one; });
  return found != sent_.end() && found->record == record ? &*found : nullptr;
}

void SentRecords::forget(uint16_t message_seq) {
  sent_.erase(std::remove_if(sent_.begin(), sent_.end(),
                             [message_seq](const Sent& sent) {
                               return sent.piece.message_seq == message_seq;
                             }),
              sent_.end());
  if (sent_.empty()) sent_ = {};
}

}  // namespace dtls
