#ifndef DGRAM_DTLS_TEST_FUZZ_INPUT_H_
#define DGRAM_DTLS_TEST_FUZZ_INPUT_H_

#include "../native/insist.h"
#include "core/base/bytes.h"

namespace dtls::test {

// Bytes of the input; zeros behind its end.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_{data, size} {}
  bool empty() const { return rest_.size == 0; }
  uint8_t byte() {
    if (empty()) return 0;
    const uint8_t value = rest_.data[0];
    rest_ = rest_.from(1);
    return value;
  }
  // One of so many.
  uint32_t below(size_t count) { return byte() % static_cast<uint32_t>(count); }
  Bytes take(size_t size) {
    const Bytes taken = rest_.first(size);
    rest_ = rest_.from(taken.size);
    return taken;
  }

 private:
  Bytes rest_;
};

}  // namespace dtls::test

#endif  // DGRAM_DTLS_TEST_FUZZ_INPUT_H_
