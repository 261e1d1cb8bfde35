// Protects: that every deadline fires, in order and once, whatever was set, moved or cleared
// before.
#include "core/base/timer_queue.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>

namespace dtls::test {
namespace {

TEST_CASE("timer queue: takes what is due, the earliest first") {
  TimerQueue timers;
  uint32_t slot = 99;
  CHECK(timers.next() == kNever);
  CHECK_FALSE(timers.take_due(1e300, slot));
  timers.set(3, 30);
  timers.set(1, 10);
  timers.set(2, 20);
  CHECK(timers.next() == 10);
  CHECK_FALSE(timers.take_due(9.5, slot));
  REQUIRE(timers.take_due(20, slot));
  CHECK(slot == 1);
  REQUIRE(timers.take_due(20, slot));  // "not after now" includes now
  CHECK(slot == 2);
  CHECK_FALSE(timers.take_due(20, slot));
  CHECK(timers.next() == 30);
}

TEST_CASE("timer queue: setting again moves, kNever clears") {
  TimerQueue timers;
  timers.set(7, kNever);  // nothing to clear
  CHECK(timers.next() == kNever);
  timers.set(0, 10);
  timers.set(1, 20);
  timers.set(0, 30);
  CHECK(timers.next() == 20);
  timers.set(1, kNever);
  timers.set(1, kNever);
  CHECK(timers.next() == 30);
  timers.set(0, 5);
  CHECK(timers.next() == 5);
  timers.set(0, kNever);
  CHECK(timers.next() == kNever);
}

TEST_CASE("timer queue: agrees with a plain map over random use") {
  std::mt19937 random(20240611);
  TimerQueue timers;
  std::map<uint32_t, double> model;
  const auto earliest = [&model] {
    double at = kNever;
    for (const auto& [slot, time] : model) at = std::min(at, time);
    return at;
  };
  for (int step = 0; step < 20000; ++step) {
    const uint32_t slot = random() % 60;
    switch (random() % 4) {
      case 0:
        timers.set(slot, kNever);
        model.erase(slot);
        break;
      case 1: {
        uint32_t due = 0;
        const double now = random() % 1000;
        const bool any = earliest() <= now;
        REQUIRE(timers.take_due(now, due) == any);
        if (any) {
          REQUIRE(model.count(due) == 1);
          REQUIRE(model[due] == earliest());
          model.erase(due);
        }
        break;
      }
      default: {
        const double at = random() % 1000;
        timers.set(slot, at);
        model[slot] = at;
      }
    }
    REQUIRE(timers.next() == earliest());
  }
}

}  // namespace
}  // namespace dtls::test
