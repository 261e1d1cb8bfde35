// Protects: that the counters tell a replay from a forgery as OpenSSL's own window of 64 would.
#include "core/records/replay_window.h"

#include <doctest/doctest.h>

#include <random>
#include <set>

namespace dtls::test {
namespace {

TEST_CASE("replay window: knows what it has seen and what is too old to know") {
  ReplayWindow window;
  CHECK_FALSE(window.has_seen(0));
  window.mark(0);
  CHECK(window.has_seen(0));
  CHECK_FALSE(window.has_seen(1));
  window.mark(5);
  CHECK_FALSE(window.has_seen(4));
  window.mark(4);  // late
  CHECK(window.has_seen(4));
  CHECK_FALSE(window.has_seen(3));
  window.mark(5 + 63);
  CHECK(window.has_seen(5));
  CHECK(window.has_seen(4));  // too old
  CHECK(window.has_seen(3));  // too old, though it never came
  CHECK_FALSE(window.has_seen(6));
}

TEST_CASE("replay window: a jump by 64 or more empties it") {
  for (const uint64_t jump : {63, 64, 65, 1000}) {
    ReplayWindow window;
    window.mark(10);
    window.mark(10 + jump);
    CHECK(window.has_seen(10 + jump));
    CHECK(window.has_seen(10));
    if (jump > 63) CHECK_FALSE(window.has_seen(10 + jump - 63));
  }
}

TEST_CASE("replay window: the last sequence numbers of 48 bits") {
  constexpr uint64_t kLast = (uint64_t{1} << 48) - 1;
  ReplayWindow window;
  window.mark(kLast);
  CHECK(window.has_seen(kLast));
  CHECK_FALSE(window.has_seen(kLast - 1));
  CHECK(window.has_seen(0));
}

TEST_CASE("replay window: agrees with a set over random use") {
  std::mt19937 random(7);
  ReplayWindow window;
  std::set<uint64_t> seen;
  uint64_t highest = 0;
  for (int i = 0; i < 20000; ++i) {
    const uint64_t base = highest > 80 ? highest - 80 : 0;
    const uint64_t sequence = base + random() % 100;
    const bool expected = !seen.empty() && ((sequence <= highest && highest - sequence >= 64) ||
                                            seen.count(sequence) != 0);
    REQUIRE(window.has_seen(sequence) == expected);
    if (!expected) {
      window.mark(sequence);
      seen.insert(sequence);
      highest = *seen.rbegin();
    }
  }
}

}  // namespace
}  // namespace dtls::test
