// Protects: that a handshake of DTLS 1.3, and what follows it, comes to its end whatever the
// network loses, repeats or delivers in another order: each message is handed on once, whole and in
// order; no datagram is longer than the MTU; and at last neither side waits for anything.
#include <doctest/doctest.h>

#include <cstdio>
#include <string>

#include "flights13_network.h"

namespace dtls::test {
namespace {

struct Named {
  const char* name;
  Script13 script;
};

std::vector<Named> scripts() {
  std::vector<Named> all;
  all.push_back({"one round trip", {}});
  all.push_back({"another hello", {}});
  all.back().script.retry = true;
  all.push_back({"client certificate", {}});
  all.back().script.client_certificate = true;
  all.push_back({"fragments", {}});
  all.back().script.client_certificate = true;
  all.back().script.retry = true;
  all.back().script.certificate_size = 3000;
  all.back().script.hello_size = 1500;
  all.back().script.mtu = 548;
  all.push_back({"key updates", {}});
  all.back().script.tickets = 2;
  all.back().script.key_updates = 3;
  return all;
}

TEST_CASE("flights13: without loss nothing is repeated") {
  for (const Named& named : scripts()) {
    CAPTURE(std::string(named.name));
    Network13 network(named.script);
    CHECK(network.run());
    CHECK(network.client.flights.stats().repeated_records == 0);
    CHECK(network.server.flights.stats().repeated_records == 0);
    CHECK(network.client.flights.stats().refused == 0);
    CHECK(network.server.flights.stats().refused == 0);
    CHECK(network.now < 200);
  }
}

TEST_CASE("flights13: each datagram lost once") {
  for (const Named& named : scripts()) {
    CAPTURE(std::string(named.name));
    size_t lost = 0;
    for (size_t count = lost + 1; lost < count; ++lost) {
      CAPTURE(lost);
      Network13 network(named.script);
      network.loses = [lost](size_t index) { return index == lost; };
      CHECK(network.run(5000));
      // One timer of a second; and most often the other side notices sooner.
      CHECK(network.now < 1400);
      count = network.datagrams;
    }
  }
}

TEST_CASE("flights13: each pair of datagrams lost") {
  for (const Named& named : scripts()) {
    CAPTURE(std::string(named.name));
    size_t count = 2;
    for (size_t first = 0; first < count; ++first) {
      size_t most = first + 2;
      for (size_t second = first + 1; second < most; ++second) {
        CAPTURE(first);
        CAPTURE(second);
        Network13 network(named.script);
        network.loses = [&](size_t index) { return index == first || index == second; };
        CHECK(network.run(10000));
        CHECK(network.now < 4000);
        most = network.datagrams;
      }
      count = most;
    }
  }
}

TEST_CASE("flights13: half of everything lost") {
  for (const Named& named : scripts()) {
    CAPTURE(std::string(named.name));
    for (uint32_t seed = 1; seed <= 200; ++seed) {
      CAPTURE(seed);
      std::mt19937 random(seed);
      Network13 network(named.script);
      network.loses = [&](size_t) { return (random() >> 16) % 2 == 0; };
      CHECK(network.run(3600000));
    }
  }
}

TEST_CASE("flights13: in any order, and some of it several times") {
  for (const Named& named : scripts()) {
    CAPTURE(std::string(named.name));
    for (uint32_t seed = 1; seed <= 200; ++seed) {
      CAPTURE(seed);
      std::mt19937 random(seed);
      Network13 network(named.script);
      network.takes = [&](size_t) { return 5.0 + random() % 60; };
      network.copies = [&](size_t) { return random() % 4 == 0 ? 3 : 1; };
      CHECK(network.run());
      CHECK(network.now < 3000);
    }
  }
}

TEST_CASE("flights13: everything at once") {
  for (const Named& named : scripts()) {
    CAPTURE(std::string(named.name));
    for (uint32_t seed = 1; seed <= 100; ++seed) {
      CAPTURE(seed);
      std::mt19937 random(seed);
      Network13 network(named.script);
      network.loses = [&](size_t) { return random() % 5 == 0; };
      network.takes = [&](size_t) { return 5.0 + random() % 200; };
      network.copies = [&](size_t) { return 1 + random() % 3; };
      CHECK(network.run(3600000));
    }
  }
}

TEST_CASE("flights13: a path slower than the timer") {
  for (const Named& named : scripts()) {
    CAPTURE(std::string(named.name));
    Network13 network(named.script);
    network.takes = [](size_t) { return 1500.0; };
    CHECK(network.run());
  }
}

}  // namespace
}  // namespace dtls::test
