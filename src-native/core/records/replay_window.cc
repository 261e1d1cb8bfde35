#include "core/records/replay_window.h"

#include <algorithm>

namespace dtls {

ReplayWindow::ReplayWindow(uint32_t size)
    : size_((std::clamp(size, kBits, kLargest) + kBits - 1) / kBits * kBits) {
  if (size_ <= kBits) return;
  while (last_ < size_ / kBits) last_ = 2 * last_ + 1;
  more_ = std::make_unique<uint64_t[]>(last_ + 1);
}

ReplayWindow::ReplayWindow(uint32_t size, const ReplayWindow& before) : ReplayWindow(size) {
  for (uint64_t n = before.next() - std::min<uint64_t>(before.next(), size_); n < before.next();
       ++n)
    if (before.has_seen(n)) mark(n);
}

void ReplayWindow::mark_more(uint64_t number) {
  if (number >= next_) {
    // Words that the window moves on to still have the bits of much older numbers.
    const uint64_t begun = (next_ + kBits - 1) / kBits;
    const uint64_t fresh = std::min<uint64_t>(number / kBits + 1 - begun, last_ + 1);
    for (uint64_t i = 0; i < fresh; ++i) more_[word(number - i * kBits)] = 0;
    next_ = number + 1;
  } else if (next_ - 1 - number >= size_) {
    return;
  }
  more_[word(number)] |= uint64_t{1} << number % kBits;
}

}  // namespace dtls
