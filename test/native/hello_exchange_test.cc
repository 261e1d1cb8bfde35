// Protects: that a client finds the genuine cookie among any number of forged ones, by a bounded
// number of hellos; and that whatever of a HelloVerifyRequest is dropped is counted.
#include "core/handshake/hello_exchange.h"

#include <doctest/doctest.h>

#include <random>

#include "harness.h"

namespace dtls::test {
namespace {

using Outcome = HelloExchange::Outcome;

// An exchange whose hellos leave at once.
struct Exchange {
  Exchange() { send(); }

  Outcome ask(uint16_t sequence, uint32_t cookie) {
    std::vector<uint8_t> body = {0xfe, 0xff, 4, 0, 0, 0, 0};
    write_u24(&body[4], cookie);
    FragmentView fragment;
    fragment.type = HandshakeType::kHelloVerifyRequest;
    fragment.message_length = static_cast<uint32_t>(body.size());
    fragment.message_sequence = sequence;
    fragment.body = view(body);
    const Outcome outcome = hellos.on_verify_request(fragment, now);
    if (outcome == Outcome::kAtOnce) send();
    return outcome;
  }

  // The cookies that the timer tries; 0 for a hello without one.
  std::vector<uint32_t> timer() {
    std::vector<uint32_t> cookies;
    hellos.on_timer();
    do {
      ClientHelloFront front;
      REQUIRE(parse_client_hello_front(hellos.due().body(), front));
      cookies.push_back(front.cookie.size == 0 ? 0 : read_u24(front.cookie.data + 1));
      send();
    } while (hellos.next_due());
    return cookies;
  }

  void send() {
    hellos.on_sent(number, number + 1, now);
    ++number;
  }

  static HandshakeMessage bare() {
    static const std::vector<uint8_t> body = hello_body(1, 0, {}, 10);
    FragmentView whole;
    whole.type = HandshakeType::kClientHello;
    whole.message_length = static_cast<uint32_t>(body.size());
    whole.body = view(body);
    return {0xfeff, whole};
  }

  HelloExchange hellos{bare()};
  uint64_t number = 0;
  double now = 0;
};

TEST_CASE("hello exchange: eight cookies at once, others with the timer, and all of it bounded") {
  Exchange exchange;
  for (uint32_t cookie = 1; cookie <= 1000; ++cookie) {
    const bool room = cookie <= HelloExchange::kMaxAtOnce + HelloExchange::kMaxWaiting;
    CHECK(exchange.ask(0, cookie) == (cookie <= HelloExchange::kMaxAtOnce ? Outcome::kAtOnce
                                      : room                              ? Outcome::kWaits
                                                                          : Outcome::kDropped));
  }
  const std::vector<uint32_t> tried = exchange.timer();
  CHECK(tried.size() == HelloExchange::kMaxWaiting + 1);
  CHECK(tried.back() == 0);
  CHECK(exchange.timer() == std::vector<uint32_t>{0});
  CHECK(exchange.ask(0, 2000) == Outcome::kAtOnce);
  CHECK(exchange.timer() == std::vector<uint32_t>{2000});
  CHECK(exchange.timer() == std::vector<uint32_t>{2000});
}

TEST_CASE("hello exchange: of those that wait each is as likely as any other") {
  constexpr int kRounds = 2000;
  constexpr uint32_t kAsked = 328;  // a tenth of those behind the first eight is kept
  int first = 0;
  int last = 0;
  for (int round = 0; round < kRounds; ++round) {
    Exchange exchange;
    for (uint32_t cookie = 1; cookie <= kAsked; ++cookie) exchange.ask(0, cookie);
    for (const uint32_t cookie : exchange.timer()) {
      if (cookie == HelloExchange::kMaxAtOnce + 1) ++first;
      if (cookie == kAsked) ++last;
    }
  }
  // 200 are to be expected, with a standard deviation of 13.
  CHECK(first > 120);
  CHECK(first < 280);
  CHECK(last > 120);
  CHECK(last < 280);
}

TEST_CASE(
    "hello exchange: what answers no hello, or is malformed, is dropped; a repetition is not") {
  Exchange exchange;
  CHECK(exchange.ask(1, 7) == Outcome::kDropped);
  CHECK(exchange.ask(0, 7) == Outcome::kAtOnce);
  CHECK(exchange.ask(0, 7) == Outcome::kRepeated);
  CHECK(exchange.ask(1, 7) == Outcome::kAtOnce);
  CHECK(exchange.ask(kMaxHelloNumber, 7) == Outcome::kDropped);
  CHECK(exchange.hellos.is_in_doubt());
}

// RFC 6347 section 4.2.1: what repeats a ServerHello has a later number than the hello, and comes
// no sooner than an answer can. The way to another address may be shorter.
TEST_CASE("hello exchange: how long the old way was says nothing once the peer has moved") {
  Exchange exchange;
  exchange.now = 100;
  REQUIRE(exchange.ask(0, 7) == Outcome::kAtOnce);
  const uint64_t later = exchange.number + 1;
  CHECK_FALSE(exchange.hellos.can_answer(1, later, 150));
  exchange.hellos.on_moved();
  CHECK(exchange.hellos.can_answer(1, later, 150));
}

TEST_CASE(
    "endpoint: twenty forged HelloVerifyRequests for each genuine one, and the handshake "
    "completes") {
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    Link link;
    link.client_policy.retransmit_initial = 100;
    link.client_policy.retransmit_max = 400;
    size_t hellos = 0;
    link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
      if (packet.to_server && packet.bytes[13] == static_cast<uint8_t>(HandshakeType::kClientHello))
        ++hellos;
      if (!packet.to_server && packet.bytes[13] == DTLS1_MT_HELLO_VERIFY_REQUEST) {
        for (int i = 0; i < 20; ++i) {
          Packet forged = packet;
          for (size_t at = 13 + 12 + 3; at < forged.bytes.size(); ++at) {
            forged.bytes[at] = static_cast<uint8_t>(random());
          }
          arriving.push_back(std::move(forged));
        }
      }
      arriving.push_back(packet);
    };
    link.listen();
    link.connect();
    CHECK(link.run_until([&] { return link.client().secure() && link.server.secure(); }, 20'000));
    CHECK(hellos < 2000);
    CHECK(link.server.endpoint.stats().handshakesStarted == 1);
  }
}

TEST_CASE("endpoint: a ServerHello that answers no hello is dropped, and stalls nothing") {
  Link link;
  uint64_t injected = 0;
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    if (!packet.to_server && packet.bytes[13] == DTLS1_MT_HELLO_VERIFY_REQUEST) {
      for (const uint16_t sequence : {1, 2, 9}) {
        Packet forged = packet;
        forged.bytes = handshake_record(static_cast<uint8_t>(HandshakeType::kServerHello), sequence,
                                        view(std::string(80, 'x')));
        arriving.push_back(std::move(forged));
        ++injected;
      }
    }
    arriving.push_back(packet);
  };
  CHECK(link.handshake());
  CHECK(injected == 3);
  CHECK(link.client().endpoint.traffic().discardedRecords == injected);
}

}  // namespace
}  // namespace dtls::test
