// Protects: that a peer's session is found, and nobody else's, whatever came and went before, and
// also where addresses have the same hash.
#include "core/endpoint/peer_table.h"

#include <doctest/doctest.h>

#include <map>
#include <random>

namespace dtls::test {
namespace {

constexpr uint32_t kNone = PeerTable::kNone;

uint32_t find(const PeerTable& table, uint32_t hash, uint32_t slot) {
  return table.find(hash, [slot](uint32_t other) { return other == slot; });
}

TEST_CASE("peer table: finds nothing in an empty one") {
  const PeerTable table;
  CHECK(find(table, 7, 0) == kNone);
}

TEST_CASE("peer table: tells peers of the same hash apart") {
  PeerTable table;
  for (uint32_t slot = 0; slot < 5; ++slot) table.insert(42, slot);
  for (uint32_t slot = 0; slot < 5; ++slot) CHECK(find(table, 42, slot) == slot);
  table.erase(42, 2);
  CHECK(find(table, 42, 2) == kNone);
  for (const uint32_t slot : {0, 1, 3, 4}) CHECK(find(table, 42, slot) == slot);
  table.replace(42, 3, 30);
  CHECK(find(table, 42, 3) == kNone);
  CHECK(find(table, 42, 30) == 30);
  CHECK(table.size() == 4);
}

TEST_CASE("peer table: a hash alone is not enough, nor is its place in the table") {
  PeerTable table;
  table.insert(0x10003, 1);
  CHECK(table.find(0x20003, [](uint32_t) { return true; }) == kNone);
  CHECK(table.find(0x10003, [](uint32_t) { return false; }) == kNone);
}

// Few hashes, at both ends of the table, so that runs are long and go round its end.
TEST_CASE("peer table: agrees with a plain map over random use") {
  std::mt19937 random(20261125);
  PeerTable table;
  std::map<uint32_t, uint32_t> model;  // slot → hash
  uint32_t next = 0;
  for (int step = 0; step < 20000; ++step) {
    // Grows to some hundreds, and shrinks again.
    const bool growing = (step / 2000) % 2 == 0;
    const uint32_t what = random() % 8;
    if (model.empty() || what < (growing ? 5U : 2U)) {
      const uint32_t hash = random() % 12 - 6;
      table.insert(hash, next);
      model.emplace(next++, hash);
    } else {
      auto victim = model.lower_bound(random() % next);
      if (victim == model.end()) victim = model.begin();
      const auto [slot, hash] = *victim;
      model.erase(victim);
      if (what == 7) {
        table.replace(hash, slot, next);
        model.emplace(next++, hash);
      } else {
        table.erase(hash, slot);
        CHECK(find(table, hash, slot) == kNone);
      }
    }
    REQUIRE(table.size() == model.size());
    if (step % 50 != 0) continue;
    for (const auto& [slot, hash] : model) REQUIRE(find(table, hash, slot) == slot);
  }
}

}  // namespace
}  // namespace dtls::test
