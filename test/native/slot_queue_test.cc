// Protects: that the oldest slot is known whatever came and went in between, at the same cost.
#include "core/slot_queue.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <random>

namespace dtls::test {
namespace {

TEST_CASE("slot queue: is empty at first, and again") {
  SlotQueue queue;
  CHECK(queue.oldest() == SlotQueue::kNone);
  CHECK_FALSE(queue.contains(7));
  queue.erase(7);
  queue.push(7);
  CHECK(queue.oldest() == 7);
  queue.erase(7);
  CHECK(queue.oldest() == SlotQueue::kNone);
  CHECK_FALSE(queue.contains(7));
}

TEST_CASE("slot queue: keeps the order in which slots came, whichever leaves") {
  SlotQueue queue;
  std::deque<uint32_t> expected;
  std::mt19937 random(5);
  for (int i = 0; i < 20000; ++i) {
    const uint32_t slot = random() % 100;
    const auto found = std::find(expected.begin(), expected.end(), slot);
    REQUIRE(queue.contains(slot) == (found != expected.end()));
    if (random() % 2 == 0) {
      queue.push(slot);  // twice changes nothing
      if (found == expected.end()) expected.push_back(slot);
    } else {
      queue.erase(slot);
      if (found != expected.end()) expected.erase(found);
    }
    REQUIRE(queue.oldest() == (expected.empty() ? SlotQueue::kNone : expected.front()));
  }
}

}  // namespace
}  // namespace dtls::test
