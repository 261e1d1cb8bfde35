#ifndef DGRAM_DTLS_TEST_NATIVE_RECORDS13_PROBE_H_
#define DGRAM_DTLS_TEST_NATIVE_RECORDS13_PROBE_H_

#include <algorithm>
#include <vector>

#include "core/records13/records13.h"

namespace dtls {

// What takes years to come about.
struct Records13Probe {
  static void set_next_number(Records13& records, uint64_t number) {
    records.sealing_->next_number_ = number;
  }
  static void set_sealed_blocks(Records13& records, uint64_t blocks) {
    records.sealing_->sealed_blocks_ = blocks;
  }
  static void set_forged(Records13& records, uint64_t epoch, uint64_t forged) {
    records.openings_[epoch % 4]->forged_ = forged;
  }
  static uint64_t forged(const Records13& records, uint64_t epoch) {
    return records.openings_[epoch % 4]->forged();
  }
  static void set_epoch(Records13& records, uint64_t epoch) {
    records.sealing_->secret_.epoch = epoch;
  }
  // Of which epochs the secret is still there, of both directions.
  static std::vector<uint64_t> secrets(const Records13& records) {
    std::vector<uint64_t> epochs;
    for (const auto& epoch : records.openings_) {
      if (epoch && !epoch->secret_.bytes.empty()) epochs.push_back(epoch->epoch());
    }
    for (const auto* epoch : {records.sealing_.get(), records.sealing_before_.get()}) {
      if (epoch != nullptr && !epoch->secret_.bytes.empty()) epochs.push_back(epoch->epoch());
    }
    return epochs;
  }
  static uint64_t open_epochs(const Records13& records) {
    return static_cast<uint64_t>(std::count_if(records.openings_.begin(), records.openings_.end(),
                                               [](const auto& epoch) { return epoch != nullptr; }));
  }
};

}  // namespace dtls

#endif  // DGRAM_DTLS_TEST_NATIVE_RECORDS13_PROBE_H_
