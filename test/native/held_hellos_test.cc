// Protects: that what is kept of ClientHellos in fragments, for addresses that are not proved, is
// little and for a short time, and that honest hellos get through all the same.
#include "core/hello13/held_hellos.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

#include "hellos13.h"

namespace dtls::test {
namespace {

using Outcome = HeldHellos::Outcome;
constexpr double kNow = 1e12;

FragmentView part(const Blob& body, size_t from, size_t size, uint16_t sequence = 0) {
  FragmentView fragment;
  fragment.type = HandshakeType::kClientHello;
  fragment.message_length = static_cast<uint32_t>(body.size());
  fragment.message_sequence = sequence;
  fragment.offset = static_cast<uint32_t>(from);
  fragment.body = {body.data() + from, size};
  return fragment;
}

Blob body_of(size_t size) {
  Blob body(size);
  std::iota(body.begin(), body.end(), uint8_t{1});
  return body;
}

Blob message_of(const Blob& body) {
  return join({{1, 0}, number(static_cast<uint32_t>(body.size())), body});
}

Outcome give(HeldHellos& held, const PeerAddress& peer, const FragmentView& fragment, Blob& hello,
             double now = kNow) {
  return held.add(peer, kDtls12, fragment, now, hello);
}

TEST_CASE("held hellos: nothing is kept of a whole one") {
  HeldHellos held({});
  const Blob body = body_of(300);
  Blob hello;
  CHECK(give(held, address(1, 1), part(body, 0, 300), hello) == Outcome::kWhole);
  CHECK(hello == message_of(body));
  CHECK(held.size() == 0);
  CHECK(held.bytes() == 0);
}

TEST_CASE("held hellos: fragments in any order, overlapping and again") {
  const Blob body = body_of(900);
  std::vector<FragmentView> parts = {part(body, 0, 400), part(body, 350, 300), part(body, 650, 250),
                                     part(body, 350, 300)};
  std::vector<size_t> order = {0, 1, 2, 3};
  do {
    HeldHellos held({});
    Blob hello;
    std::vector<Outcome> outcomes;
    for (const size_t i : order) outcomes.push_back(give(held, address(1, 1), parts[i], hello));
    CHECK(std::count(outcomes.begin(), outcomes.end(), Outcome::kWhole) == 1);
    CHECK(outcomes.back() != Outcome::kHeld);
    CHECK(hello == message_of(body));
    CHECK(held.size() == 1);
    CHECK(held.bytes() == body.size());
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("held hellos: addresses are kept apart, and so are a client's two hellos") {
  HeldHellos held({});
  const Blob one = body_of(500);
  Blob two = body_of(500);
  two[0] = 99;
  Blob hello;
  CHECK(give(held, address(1, 1), part(one, 0, 250), hello) == Outcome::kHeld);
  CHECK(give(held, address(1, 2), part(two, 250, 250), hello) == Outcome::kHeld);
  CHECK(give(held, address(1, 1), part(one, 250, 250), hello) == Outcome::kWhole);
  CHECK(hello == message_of(one));
  CHECK(give(held, address(1, 2), part(two, 0, 250), hello) == Outcome::kWhole);
  CHECK(hello == message_of(two));
  // The newer one stays.
  CHECK(give(held, address(1, 1), part(two, 0, 250, 1), hello) == Outcome::kHeld);
  CHECK(held.size() == 2);
  CHECK(give(held, address(1, 1), part(two, 250, 250, 1), hello) == Outcome::kWhole);
  CHECK(hello == message_of(two));
  for (const uint16_t port : {1, 2}) held.forget(address(1, port));
  CHECK(held.bytes() == 0);
}

TEST_CASE(
    "held hellos: one that was whole is told again for each of its fragments, up to a number") {
  HeldHellos held({});
  const Blob body = body_of(900);
  const Blob message = message_of(body);
  const std::vector<FragmentView> parts = {part(body, 0, 400), part(body, 400, 500)};
  Blob hello;
  CHECK(give(held, address(1, 1), parts[0], hello) == Outcome::kHeld);
  CHECK(give(held, address(1, 1), parts[1], hello) == Outcome::kWhole);
  for (size_t i = 0; i < HeldHellos::Limits{}.repetitions; ++i) {
    hello.clear();
    CHECK(give(held, address(1, 1), parts[i % 2], hello) == Outcome::kRepeated);
    CHECK(hello == message);
  }
  // As often as that nobody asks who hears an answer: it has to come as a whole once more.
  CHECK(give(held, address(1, 1), parts[0], hello) == Outcome::kHeld);
  CHECK(give(held, address(1, 1), parts[1], hello) == Outcome::kWhole);
  // A client that begins anew is not taken for it.
  Blob other = body;
  other[0] = 99;
  CHECK(give(held, address(1, 1), part(other, 0, 400), hello) == Outcome::kHeld);
  CHECK(give(held, address(1, 1), part(other, 400, 500), hello) == Outcome::kWhole);
  CHECK(hello == message_of(other));
}

TEST_CASE("held hellos: a forged fragment costs a repetition") {
  HeldHellos held({});
  const Blob body = body_of(500);
  Blob forged = body;
  forged[300] ^= 1;
  Blob hello;
  CHECK(give(held, address(1, 1), part(forged, 250, 250), hello) == Outcome::kHeld);
  CHECK(give(held, address(1, 1), part(body, 0, 250), hello) == Outcome::kWhole);
  CHECK(hello == message_of(forged));  // judged as any other: its hash is not the client's
  CHECK(give(held, address(1, 1), part(forged, 250, 250), hello) == Outcome::kRepeated);
  CHECK(give(held, address(1, 1), part(body, 250, 250), hello) == Outcome::kHeld);
  CHECK(give(held, address(1, 1), part(body, 0, 250), hello) == Outcome::kWhole);
  CHECK(hello == message_of(body));
}

TEST_CASE("held hellos: refused are those without bytes, and those that are too long") {
  HeldHellos held({});
  const Blob body = body_of(16373);
  Blob hello;
  CHECK(give(held, address(1, 1), part(body, 0, 1000), hello) == Outcome::kRefused);
  const Blob fits = body_of(16372);
  CHECK(give(held, address(1, 1), part(fits, 0, 0), hello) == Outcome::kRefused);
  CHECK(held.size() == 0);
  CHECK(give(held, address(1, 1), part(fits, 0, 1000), hello) == Outcome::kHeld);
  CHECK(give(held, address(1, 1), part(fits, 1000, 15372), hello) == Outcome::kWhole);
}

TEST_CASE("held hellos: the oldest gives way, of a host and of all") {
  HeldHellos::Limits limits;
  limits.hellos = 8;
  limits.hellos_per_host = 3;
  HeldHellos held(limits);
  const Blob body = body_of(500);
  Blob hello;
  const auto first_half = [&](uint32_t host, uint16_t port) {
    CHECK(give(held, address(host, port), part(body, 0, 250), hello) == Outcome::kHeld);
  };
  const auto finishes = [&](uint32_t host, uint16_t port) {
    return give(held, address(host, port), part(body, 250, 250), hello) == Outcome::kWhole;
  };
  first_half(1, 1);
  for (uint16_t port = 1; port <= 100; ++port) first_half(2, port);
  CHECK(held.size() == 4);
  CHECK(finishes(1, 1));  // the others have displaced one another
  CHECK(finishes(2, 100));
  CHECK(finishes(2, 98));
  CHECK_FALSE(finishes(2, 97));  // begins anew, with its second half
  for (uint32_t host = 10; host < 18; ++host) first_half(host, 1);
  CHECK(held.size() == 8);
  CHECK(finishes(10, 1));
  first_half(18, 1);
  first_half(19, 1);
  CHECK_FALSE(finishes(11, 1));
  CHECK(held.size() == 8);
}

TEST_CASE("held hellos: bytes are bounded, and all are given back") {
  HeldHellos::Limits limits;
  limits.bytes = 10000;
  HeldHellos held(limits);
  const Blob body = body_of(4000);
  Blob hello;
  for (uint32_t host = 0; host < 100; ++host) {
    give(held, address(host, 1), part(body, 0, 1300), hello);
    give(held, address(host, 1), part(body, 1300, 1300), hello);
    CHECK(held.bytes() <= 10000);
  }
  CHECK(held.size() > 2);
  for (uint32_t host = 0; host < 100; ++host) held.forget(address(host, 1));
  CHECK(held.size() == 0);
  CHECK(held.bytes() == 0);
}

TEST_CASE("held hellos: the longest one in the smallest fragments") {
  HeldHellos held({});
  const Blob body = body_of(16372);
  Blob hello;
  constexpr size_t kPart = 208;
  size_t at = 0;
  for (; at + kPart < body.size(); at += kPart) {
    REQUIRE(give(held, address(1, 1), part(body, at, kPart), hello) == Outcome::kHeld);
  }
  CHECK(give(held, address(1, 1), part(body, at, body.size() - at), hello) == Outcome::kWhole);
  CHECK(hello == message_of(body));
}

TEST_CASE("held hellos: a host with long hellos displaces its own, and no other's") {
  HeldHellos held({});
  const Blob body = body_of(16000);
  Blob hello;
  CHECK(give(held, address(1, 1), part(body, 0, 1000), hello) == Outcome::kHeld);
  for (uint16_t port = 1; port <= 100; ++port) {
    give(held, address(2, port), part(body, 0, 15000), hello);
    give(held, address(2, port), part(body, 15000, 999), hello);
    CHECK(held.bytes() <= 1000 + size_t{128} * 1024);
  }
  CHECK(held.size() == 1 + 8);
  // Where there is no room for the rest of a hello, it takes the place of the older ones.
  CHECK(give(held, address(2, 100), part(body, 15999, 1), hello) == Outcome::kWhole);
  CHECK(held.bytes() <= 1000 + size_t{128} * 1024);
  CHECK(give(held, address(1, 1), part(body, 1000, 15000), hello) == Outcome::kWhole);
  held.forget(address(1, 1));
  for (uint16_t port = 1; port <= 100; ++port) held.forget(address(2, port));
  CHECK(held.size() == 0);
  CHECK(held.bytes() == 0);
}

TEST_CASE("held hellos: a hello in too many fragments begins anew") {
  HeldHellos::Limits limits;
  limits.fragments = 4;
  HeldHellos held(limits);
  const Blob body = body_of(600);
  Blob hello;
  for (size_t i = 0; i < 5; ++i) {
    CHECK(give(held, address(1, 1), part(body, i * 100, 100), hello) == Outcome::kHeld);
  }
  CHECK(give(held, address(1, 1), part(body, 500, 100), hello) == Outcome::kHeld);
  CHECK(held.bytes() == 200);
}

TEST_CASE("held hellos: they are kept for a time behind their last fragment") {
  HeldHellos held({});
  const Blob body = body_of(600);
  Blob hello;
  constexpr double kLifetime = 75000;
  CHECK(give(held, address(1, 1), part(body, 0, 200), hello) == Outcome::kHeld);
  double now = kNow + kLifetime - 1;
  CHECK(give(held, address(1, 1), part(body, 200, 200), hello, now) == Outcome::kHeld);
  now += kLifetime - 1;
  CHECK(give(held, address(1, 1), part(body, 400, 200), hello, now) == Outcome::kWhole);
  now += kLifetime;
  CHECK(give(held, address(1, 1), part(body, 400, 200), hello, now) == Outcome::kHeld);
  now += kLifetime;
  CHECK(give(held, address(2, 1), part(body, 400, 200), hello, now) == Outcome::kHeld);
  CHECK(held.size() == 1);
}

TEST_CASE("held hellos: whoever fills the memory keeps nobody's hello from being put together") {
  HeldHellos held({});
  const Blob body = body_of(16000);
  const Blob honest = body_of(1400);
  Blob hello;
  for (uint32_t host = 0; host < 100; ++host) {
    give(held, address(100 + host, 1), part(body, 0, 15000), hello);
  }
  for (size_t at = 0; at < 1200; at += 300) {
    CHECK(give(held, address(1, 1), part(honest, at, 300), hello) == Outcome::kHeld);
    CHECK(held.bytes() <= size_t{512} * 1024);
  }
  CHECK(give(held, address(1, 1), part(honest, 1200, 200), hello) == Outcome::kWhole);
  CHECK(hello == message_of(honest));
}

TEST_CASE("held hellos: ten thousand spoofed fragments take no more than they may") {
  HeldHellos held({});
  const Blob body = body_of(3000);
  Blob hello;
  for (uint32_t host = 0; host < 10000; ++host) {
    give(held, address(host * 7919, 1), part(body, 0, 1400), hello);
  }
  CHECK(held.size() == 256);
  CHECK(held.bytes() == size_t{256} * 1400);
}

}  // namespace
}  // namespace dtls::test
