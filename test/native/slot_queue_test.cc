// Protects: that the oldest slot is known whatever came and went in between, at the same cost.
#include "core/endpoint/slot_queue.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <random>

namespace dtls::test {
namespace {

TEST_CASE("slot queue: is empty at first, and again") {
  SlotLinks links;
  SlotQueue queue;
  CHECK(queue.oldest() == SlotLinks::kNone);
  CHECK_FALSE(links.contains(7));
  queue.push(links, 7);
  CHECK(queue.oldest() == 7);
  CHECK(links.younger(7) == SlotLinks::kNone);
  queue.erase(links, 7);
  CHECK(queue.oldest() == SlotLinks::kNone);
  CHECK_FALSE(links.contains(7));
}

TEST_CASE("slot queue: keeps the order in which slots came, whichever leaves") {
  SlotLinks links;
  std::array<SlotQueue, 3> queues;
  std::array<std::deque<uint32_t>, 3> orders;
  std::mt19937 random(5);
  for (int i = 0; i < 20000; ++i) {
    const uint32_t slot = random() % 100;
    SlotQueue& queue = queues[slot % 3];
    std::deque<uint32_t>& expected = orders[slot % 3];
    const auto found = std::find(expected.begin(), expected.end(), slot);
    REQUIRE(links.contains(slot) == (found != expected.end()));
    if (found == expected.end()) {
      queue.push(links, slot);
      expected.push_back(slot);
    } else {
      queue.erase(links, slot);
      expected.erase(found);
    }
    uint32_t next = queue.oldest();
    for (const uint32_t other : expected) {
      REQUIRE(next == other);
      next = links.younger(next);
    }
    REQUIRE(next == SlotLinks::kNone);
  }
}

}  // namespace
}  // namespace dtls::test
