// Compares the replay window with a set of all numbers: input bytes are its size, and numbers that
// are near the front, near the window's end, or anywhere.
#include "core/records/replay_window.h"

#include <algorithm>
#include <set>

#include "core/wire/wire.h"
#include "input.h"

namespace dtls::test {
namespace {

void run(Bytes input) {
  constexpr uint64_t kLast = (uint64_t{1} << 48) - 1;
  if (input.size < 2) return;
  ReplayWindow window(read_u16(input.data) % 1100);
  const uint32_t size = window.size();
  std::set<uint64_t> seen;
  for (input = input.from(2); input.size >= 7; input = input.from(7)) {
    const uint64_t value = uint64_t{read_u24(input.data + 1)} << 24 | read_u24(input.data + 4);
    const uint64_t highest = seen.empty() ? 0 : *seen.rbegin();
    uint64_t number = value & kLast;
    if (input.data[0] % 4 == 1) number = std::min(kLast, highest + value % 2048);
    if (input.data[0] % 4 == 2) number = highest - std::min(highest, value % 2048);
    if (input.data[0] % 4 == 3) number = highest - std::min(highest, size + value % 3);
    const bool old = !seen.empty() && number <= highest && highest - number >= size;
    const bool expected = old || seen.count(number) != 0;
    insist(window.has_seen(number) == expected, "what was seen");
    if ((input.data[0] & 4) != 0) continue;
    window.mark(number);
    seen.insert(number);
    insist(window.next() == *seen.rbegin() + 1, "what comes next");
    insist(window.has_seen(number), "what was marked");
  }
}

}  // namespace
}  // namespace dtls::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  dtls::test::run({data, size});
  return 0;
}
