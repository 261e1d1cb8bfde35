#include "core/flights13/receipts.h"

#include <algorithm>

namespace dtls {

// Whoever is forgotten here is repeated by the peer: what counts for it is the records that it has
// an ACK of.
void Receipts::add(const RecordNumber& record, uint32_t ready_at) {
  if (records_.size() >= kMost) {
    const auto named = std::find_if(records_.begin(), records_.end(),
                                    [](const Receipt& receipt) { return receipt.named; });
    records_.erase(named == records_.end() ? records_.begin() : named);
  }
  records_.push_back({record, ready_at, false});
}

void Receipts::forget_unready(uint64_t epoch, uint32_t next) {
  records_.erase(std::remove_if(records_.begin(), records_.end(),
                                [&](const Receipt& receipt) {
                                  return receipt.record.epoch < epoch && receipt.ready_at > next;
                                }),
                 records_.end());
}

bool Receipts::has_new(uint32_t next) const {
  return std::any_of(records_.begin(), records_.end(), [next](const Receipt& receipt) {
    return !receipt.named && receipt.ready_at <= next;
  });
}

std::vector<RecordNumber> Receipts::name(size_t most, uint32_t next) {
  std::vector<RecordNumber> chosen;
  const auto choose = [&](bool named) {
    for (auto receipt = records_.rbegin(); receipt != records_.rend(); ++receipt) {
      if (chosen.size() == most) return;
      if (receipt->named == named && receipt->ready_at <= next) chosen.push_back(receipt->record);
    }
  };
  choose(false);
  choose(true);
  for (Receipt& receipt : records_) {
    receipt.named |= std::find(chosen.begin(), chosen.end(), receipt.record) != chosen.end();
  }
  return chosen;
}

void Receipts::forget_named() {
  records_.erase(std::remove_if(records_.begin(), records_.end(),
                                [](const Receipt& receipt) { return receipt.named; }),
                 records_.end());
  if (records_.empty()) records_ = {};
}

}  // namespace dtls
