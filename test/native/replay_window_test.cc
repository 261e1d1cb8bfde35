// Protects: that no record is taken twice, and none refused that the window has room for.
#include "core/records/replay_window.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>

#include "harness.h"

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

// What the window ought to say, from all that it was told.
class Model {
 public:
  explicit Model(uint32_t size) : size_(size) {}

  bool has_seen(uint64_t number) const {
    if (seen_.empty() || number > *seen_.rbegin()) return false;
    return *seen_.rbegin() - number >= size_ || seen_.count(number) != 0;
  }
  void mark(uint64_t number) { seen_.insert(number); }
  uint64_t next() const { return seen_.empty() ? 0 : *seen_.rbegin() + 1; }

 private:
  uint32_t size_;
  std::set<uint64_t> seen_;
};

TEST_CASE("replay window: agrees with a set over random use, at every size, seed 7") {
  std::mt19937_64 random(7);
  constexpr uint64_t kNumbers = uint64_t{1} << 48;
  for (const uint32_t size : {64, 128, 192, 256, 512, 1024}) {
    CAPTURE(size);
    // From the front of the numbers, from somewhere, and up to their end.
    for (const uint64_t start : {uint64_t{0}, random() % kNumbers, kNumbers - 5000}) {
      CAPTURE(start);
      ReplayWindow window(size);
      Model model(size);
      REQUIRE(window.size() == size);
      uint64_t highest = start;
      for (int i = 0; i < 10000; ++i) {
        // Mostly around the front, at times about the window's end, or a jump ahead.
        const uint64_t spread = size + 80;
        uint64_t ahead = random() % 4;
        if (random() % 100 == 0) ahead = random() % (3 * spread);
        uint64_t behind = random() % 2 == 0 ? random() % 20 : random() % (2 * spread);
        if (random() % 10 == 0) behind = size + random() % 3;
        uint64_t number = std::min(highest + ahead, kNumbers - 1);
        number -= std::min(number, random() % 3 == 0 ? 0 : behind);
        REQUIRE(window.has_seen(number) == model.has_seen(number));
        // Marked twice, or too late, it must stay as it is.
        if (!model.has_seen(number) || random() % 8 == 0) {
          window.mark(number);
          if (!model.has_seen(number)) model.mark(number);
          highest = std::max(highest, number);
        }
        REQUIRE(window.next() == model.next());
      }
      for (uint64_t age = 0; age < 2 * size + 100 && age <= highest; ++age) {
        REQUIRE(window.has_seen(highest - age) == model.has_seen(highest - age));
      }
    }
  }
}

TEST_CASE("replay window: sizes are rounded up to words, and bounded") {
  CHECK(ReplayWindow().size() == 64);
  CHECK(ReplayWindow(0).size() == 64);
  CHECK(ReplayWindow(1).size() == 64);
  CHECK(ReplayWindow(64).size() == 64);
  CHECK(ReplayWindow(65).size() == 128);
  CHECK(ReplayWindow(1000).size() == 1024);
  CHECK(ReplayWindow(UINT32_MAX).size() == ReplayWindow::kLargest);
}

TEST_CASE("replay window: goes on from another, with what that is too old to know, seed 8") {
  std::mt19937_64 random(8);
  for (const uint64_t highest : {0, 1, 62, 63, 64, 65, 200, 1023, 1024, 5000}) {
    ReplayWindow before;
    Model model(64);
    CHECK(ReplayWindow(1024, before).next() == 0);
    CHECK_FALSE(ReplayWindow(1024, before).has_seen(0));
    for (uint64_t n = 0; n <= highest; ++n) {
      if (n != highest && random() % 2 == 0) continue;
      before.mark(n);
      model.mark(n);
    }
    for (const uint32_t size : {64, 128, 1024}) {
      CAPTURE(highest);
      CAPTURE(size);
      ReplayWindow window(size, before);
      CHECK(window.size() == size);
      CHECK(window.next() == model.next());
      for (uint64_t n = 0; n <= highest + 3; ++n) REQUIRE(window.has_seen(n) == model.has_seen(n));
      // What comes from then on has the larger window's room.
      window.mark(highest + 1);
      window.mark(highest + size);
      CHECK(window.has_seen(highest + 1));
      if (size > 64) CHECK_FALSE(window.has_seen(highest + 2));
    }
  }
}

TEST_CASE("replay window: 64 numbers take no memory besides, more of them do") {
  const size_t before = allocated_bytes();
  const ReplayWindow usual;
  CHECK(allocated_bytes() == before);
  const ReplayWindow large(1024);
  CHECK(allocated_bytes() > before);
  CHECK(sizeof(ReplayWindow) <= 32);
}

}  // namespace
}  // namespace dtls::test
