// Protects: that datagrams which may leave together are put together, also when peers take turns,
// and that what goes to one peer keeps its order whatever else is queued.
#include "io/send_queue.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>

#include "harness.h"

namespace dtls::test {
namespace {

using io::SendQueue;

constexpr size_t kNoLimit = SIZE_MAX;

void push(SendQueue& queue, const PeerAddress& to, uint32_t token, size_t size,
          size_t largest = kNoLimit) {
  const std::vector<uint8_t> bytes(size, static_cast<uint8_t>(token));
  queue.push(to, {}, token, view(bytes), largest);
}

TEST_CASE("send queue: datagrams of one size make a run, which a smaller one ends") {
  SendQueue queue;
  const PeerAddress peer = address(1, 1);
  for (const size_t size : {900, 900, 17, 900, 901, 901}) push(queue, peer, 0, size);
  REQUIRE(queue.runs() == 3);
  CHECK(queue.run(0).left() == 3);
  CHECK(queue.run(0).segment == 900);
  CHECK(queue.run(0).bytes.size() == 1817);
  CHECK(queue.run(1).left() == 1);
  CHECK(queue.run(2).left() == 2);
  CHECK(queue.bytes() == 900 * 3 + 17 + 901 * 2);
}

TEST_CASE("send queue: an empty datagram stands alone: merged with others it would be none") {
  SendQueue queue;
  const PeerAddress peer = address(1, 1);
  for (const size_t size : {5, 5, 0, 0, 5}) push(queue, peer, 0, size);
  REQUIRE(queue.runs() == 4);
  CHECK(queue.run(0).left() == 2);
  for (const size_t at : {1, 2, 3}) CHECK(queue.run(at).left() == 1);
  CHECK(queue.datagrams() == 5);
}

TEST_CASE("send queue: what was written where it will lie is not copied, whatever came between") {
  SendQueue queue;
  std::mt19937 random(7);
  std::vector<std::vector<uint8_t>> expected(4);
  for (uint32_t i = 0; i < 2000; ++i) {
    const uint32_t to = random() % 4;
    const size_t size = random() % 5 == 0 ? 1 + random() % 1400 : 1200;
    const PeerAddress peer = address(to, 1);
    const auto value = static_cast<uint8_t>(i);
    switch (random() % 4) {
      case 0:
        push(queue, peer, value, size);
        break;
      case 1: {  // shorter than was thought
        uint8_t* const place = queue.room(peer, size + 300, kNoLimit);
        std::fill_n(place, size, value);
        queue.push(peer, {}, value, {place, size}, kNoLimit);
        break;
      }
      case 2:  // given up
        std::fill_n(queue.room(peer, size, kNoLimit), size, 255);
        continue;
      default: {
        uint8_t* const place = queue.room(peer, size, kNoLimit);
        std::fill_n(place, size, value);
        queue.push(peer, {}, value, {place, size}, kNoLimit);
      }
    }
    expected[to].insert(expected[to].end(), size, value);
    for (; queue.datagrams() > 40; queue.settle_next()) {
      SendQueue::Run& run = queue.run(0);
      if (run.settled != 0) continue;
      std::vector<uint8_t>& of_peer = expected[run.to.bytes().data[3]];
      REQUIRE(of_peer.size() >= run.bytes.size());
      CHECK(std::equal(run.bytes.data(), run.bytes.data() + run.bytes.size(), of_peer.begin()));
      of_peer.erase(of_peer.begin(), of_peer.begin() + static_cast<long>(run.bytes.size()));
    }
  }
}

TEST_CASE("send queue: a run has at most 64 datagrams, and 65,507 bytes") {
  SendQueue queue;
  for (uint32_t i = 0; i < 65; ++i) push(queue, address(1, 1), i, 10);
  REQUIRE(queue.runs() == 2);
  CHECK(queue.run(0).left() == 64);
  for (uint32_t i = 0; i < 5; ++i) push(queue, address(2, 2), i, 16000);
  REQUIRE(queue.runs() == 4);
  CHECK(queue.run(2).bytes.size() == 64000);
}

TEST_CASE("send queue: what is above the limit stays alone") {
  SendQueue queue;
  for (uint32_t i = 0; i < 3; ++i) push(queue, address(1, 1), i, 1300, 1200);
  CHECK(queue.runs() == 3);
  for (uint32_t i = 0; i < 3; ++i) push(queue, address(1, 1), i, 1200, 1200);
  CHECK(queue.runs() == 4);
}

TEST_CASE("send queue: peers that take turns have a run each") {
  SendQueue queue;
  for (uint32_t i = 0; i < 40; ++i) push(queue, address(i % 8, 7), i, 100);
  CHECK(queue.runs() == 8);
  for (size_t i = 0; i < 8; ++i) CHECK(queue.run(i).left() == 5);
}

TEST_CASE("send queue: another local address is another way") {
  SendQueue queue;
  PeerAddress peer = address(1, 1);
  const std::vector<uint8_t> here{127, 0, 0, 1};
  const std::vector<uint8_t> there{127, 0, 0, 2};
  for (const auto* local : {&here, &there, &here, &there}) {
    REQUIRE(peer.set_local(view(*local)));
    push(queue, peer, 0, 100);
  }
  CHECK(queue.runs() == 2);
}

TEST_CASE("send queue: each peer's order is kept, whatever is queued in between (seeds 1 to 50)") {
  for (uint32_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    SendQueue queue;
    std::map<uint32_t, uint32_t> next_in;
    std::map<uint32_t, uint32_t> next_out;
    size_t bytes = 0;
    for (int step = 0; step < 2000; ++step) {
      if (random() % 3 != 0) {
        const uint32_t host = random() % 40;
        const size_t size = 1 + random() % 3;
        bytes += size;
        push(queue, address(host, 1), host << 16 | next_in[host]++, size);
      } else if (!queue.empty()) {
        const SendQueue::Waiting settled = queue.settle_next();
        bytes -= settled.size;
        REQUIRE((settled.token & 0xffff) == next_out[settled.token >> 16]++);
      }
      REQUIRE(queue.bytes() == bytes);
    }
    while (!queue.empty()) {
      const SendQueue::Waiting settled = queue.settle_next();
      REQUIRE((settled.token & 0xffff) == next_out[settled.token >> 16]++);
    }
    CHECK(next_in == next_out);
    CHECK(queue.bytes() == 0);
  }
}

}  // namespace
}  // namespace dtls::test
