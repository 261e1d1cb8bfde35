// Protects: that a hello in many pieces reaches a server that keeps nothing but pieces, and so does
// the second one, however much is lost and however long the client's timer waits in between.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>

#include "core/flights13/flights.h"
#include "core/hello13/hello_stage.h"
#include "hellos13.h"

namespace dtls::test {
namespace {

constexpr double kStart = 1.7e12;
constexpr double kWay = 20;
const PeerAddress kPeer = address(0x01020304, 5);

ServerOffer offer_of_server() {
  ServerOffer server;
  server.dtls13 = true;
  server.suites = {kAes128};
  server.groups = {{kMlKem, kX25519}};
  return server;
}

// A client that says two hellos of 1400 bytes and more, a server's stage, and a path between them.
struct Path {
  Path(uint32_t seed, const FlightTimes& times, size_t mtu_of_path)
      : random(seed), mtu(mtu_of_path), flights(config_of(times)) {
    maker.set(Extension::kSupportedGroups, behind_u16(numbers({kMlKem, kX25519})));
    maker.set(Extension::kKeyShare, behind_u16(share(kMlKem, 1216)));
  }

  static FlightsConfig config_of(const FlightTimes& times) {
    FlightsConfig config;
    config.times = times;
    config.until_deadline = true;
    return config;
  }

  bool loses() { return (random() >> 16) % 100 < loss; }

  void say() {
    const Blob hello = maker.message();
    REQUIRE(flights.send(0, view(hello)) == Flights::QueueOutcome::kQueued);
  }

  void leave() {
    if (!flights.may_leave(now)) return;
    const LeaveLimits limits{mtu, {kRecordHeaderSize, 22, 22}};
    for (const OutgoingDatagram& planned : flights.leave(now, limits)) {
      Blob datagram;
      for (const OutgoingRecord& record : planned) {
        Blob header(kRecordHeaderSize);
        write_clear_header(header.data(), record.type, kDtls12, number, record.plaintext.size());
        flights.left(record, number++, now);
        datagram = join({datagram, header, record.plaintext});
      }
      CHECK(datagram.size() <= mtu);
      ++sent;
      if (!loses()) on_the_way.emplace(now + kWay, std::pair{true, datagram});
    }
  }

  void at_server(const Blob& datagram) {
    const HelloStage::Result result = stage.take(view(datagram), kPeer, now);
    begun = result.verdict == HelloStage::Verdict::kBegin;
    if (result.datagram.empty()) return;
    CHECK(result.verdict == HelloStage::Verdict::kAnswer);
    ++answers;
    if (!loses()) on_the_way.emplace(now + kWay, std::pair{false, result.datagram});
  }

  void at_client(const Blob& datagram) {
    Bytes rest = view(datagram);
    RecordView record;
    REQUIRE(take_record(rest, record));
    flights.begin_datagram();
    flights.take({0, record.sequence}, record.fragment, now);
    if (flights.next(now)) {
      const std::string text = text_of(view(datagram));
      const size_t at = text.find(std::string("\x00\x2c", 2), 25 + 40);
      REQUIRE(at != std::string::npos);
      maker.set(
          Extension::kCookie,
          behind_u16({datagram.begin() + static_cast<std::ptrdiff_t>(at) + 6, datagram.end()}));
      say();
    }
  }

  // When the server has begun a handshake.
  double run(double limit) {
    say();
    leave();
    while (!begun) {
      const double arrives = on_the_way.empty() ? kNever : on_the_way.begin()->first;
      now = std::max(now, std::min(arrives, flights.due()));
      if (now - kStart > limit) return kNever;
      if (arrives <= now) {
        const auto [to_server, datagram] = on_the_way.begin()->second;
        on_the_way.erase(on_the_way.begin());
        if (to_server) {
          at_server(datagram);
        } else {
          at_client(datagram);
        }
      } else {
        flights.advance(now);
      }
      leave();
    }
    return now - kStart;
  }

  std::mt19937 random;
  uint32_t loss = 50;  // of a hundred
  size_t mtu;
  Flights flights;
  CookieJar jar{3000000, {}};
  HelloStage stage{&jar, offer_of_server()};
  HelloMaker maker;
  std::multimap<double, std::pair<bool, Blob>> on_the_way;
  uint64_t number = 0;
  size_t sent = 0;
  size_t answers = 0;
  double now = kStart;
  bool begun = false;
};

std::vector<double> times_of(const FlightTimes& times, size_t mtu) {
  std::vector<double> all;
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Path path(seed, times, mtu);
    all.push_back(path.run(1800000));
    // Where something was lost, the pieces that came again have asked again.
    CHECK(path.answers < path.sent);
  }
  std::sort(all.begin(), all.end());
  return all;
}

TEST_CASE("hello pieces: half of everything lost, and a timer of the standard") {
  for (const size_t mtu : {300, 576, 1200}) {
    CAPTURE(mtu);
    const std::vector<double> times = times_of({1000, 60000, 2}, mtu);
    CHECK(times[times.size() / 2] < 30000);
    CHECK(times.back() < 1800000);
  }
}

TEST_CASE("hello pieces: half of everything lost, and a timer of four seconds") {
  for (const size_t mtu : {300, 576, 1200}) {
    CAPTURE(mtu);
    CHECK(times_of({1000, 4000, 2}, mtu).back() < 60000);
  }
}

// As many datagrams as there are pieces, and one that asks for the second hello.
TEST_CASE("hello pieces: nothing lost, nothing again") {
  Path path(1, {1000, 60000, 2}, 300);
  path.loss = 0;
  CHECK(path.run(1000) == 3 * kWay);
  CHECK(path.answers == 1);
}

}  // namespace
}  // namespace dtls::test
