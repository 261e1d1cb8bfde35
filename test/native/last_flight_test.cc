// Protects the end of a handshake whose last flight is lost: who sent it repeats it from its
// messages, under new numbers, until OpenSSL at the other end has it (RFC 6347 section 4.2.4).
#include "core/records/last_flight.h"

#include <doctest/doctest.h>

#include <set>

#include "harness.h"
#include "plain_openssl.h"

namespace dtls::test {
namespace {

constexpr double kUntil = 1000;
constexpr FlightLimits kLimits{1400};

bool has_finished(const std::vector<uint8_t>& flight) {
  Bytes rest = view(flight);
  RecordView record;
  while (take_record(rest, record)) {
    if (record.epoch == 1) return true;
  }
  return false;
}

std::vector<RecordView> records_of(const std::deque<Datagram>& datagrams) {
  std::vector<RecordView> records;
  for (const Datagram& datagram : datagrams) {
    Bytes rest = view(datagram);
    RecordView record;
    while (take_record(rest, record)) records.push_back(record);
    REQUIRE(rest.size == 0);
  }
  return records;
}

// A session whose last flight, the one that its sender takes the handshake for done behind, is
// lost.
struct Lost {
  Lost(const char* ciphers, bool resumed) : first(ciphers) {
    const bool from_server = !resumed;
    const auto arrives = [&](bool to_server, const Datagram& flight) {
      if (to_server == from_server || !has_finished(flight)) return true;
      last = flight;
      return false;
    };
    session = resumed ? std::make_unique<PlainSession>(first, arrives)
                      : std::make_unique<PlainSession>(ciphers, arrives);
    REQUIRE(SSL_is_init_finished(resumed ? session->client.ssl() : session->server.ssl()) == 1);
    REQUIRE(SSL_is_init_finished(resumed ? session->server.ssl() : session->client.ssl()) == 0);
    Bytes rest = view(last);
    RecordView record;
    while (take_record(rest, record)) {
      flight.add(record);
      if (record.epoch == 0) next_in_clear = record.sequence + 1;
    }
  }

  PlainSession first;
  std::unique_ptr<PlainSession> session;
  Datagram last;
  Flight flight;
  uint64_t next_in_clear = 0;
};

struct Kind {
  const char* ciphers;
  bool resumed;
};
const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {"PSK-AES128-GCM-SHA256", false}, {"PSK-AES128-GCM-SHA256", true},
      {"PSK-CHACHA20-POLY1305", false}, {"PSK-CHACHA20-POLY1305", true},
      {"PSK-AES128-CCM", false},        {"PSK-AES128-CCM", true}};
  return all;
}

TEST_CASE("last flight: OpenSSL takes its repetition, of a server and of a client that resumes") {
  for (const Kind& kind : kinds()) {
    CAPTURE(std::string(kind.ciphers));
    CAPTURE(kind.resumed);
    Lost lost(kind.ciphers, kind.resumed);
    PlainSsl& sender = kind.resumed ? lost.session->client : lost.session->server;
    PlainSsl& receiver = kind.resumed ? lost.session->server : lost.session->client;
    AeadRecords records(kind.resumed ? lost.session->client_keys : lost.session->server_keys,
                        sender.next_out());
    LastFlight last(lost.flight, view(sender.finished()), kUntil);
    // The first repetition is lost, too.
    for (int i = 0; i < 2; ++i) {
      std::optional<Flight> again = last.repeat(records, 0);
      REQUIRE(again);
      CHECK(again->repeats(lost.flight));
      const std::deque<Datagram> datagrams = again->datagrams(kLimits, lost.next_in_clear);
      if (i == 0) continue;
      for (const Datagram& datagram : datagrams) PlainSession::deliver(datagram, receiver);
    }
    CHECK(SSL_is_init_finished(receiver.ssl()) == 1);
    CHECK(last.repeated() == 2);
    // And the session goes on.
    Datagram out(records.sealed_size(5));
    REQUIRE(records.seal(ContentType::kApplicationData, view("after"), out.data()) == out.size());
    CHECK(receiver.read(view(out)) == copy(view("after")));
  }
}

TEST_CASE("last flight: all records of a session's life have numbers of their own") {
  Lost lost("PSK-AES128-GCM-SHA256", false);
  AeadRecords records(lost.session->server_keys, lost.session->server.next_out());
  LastFlight last(lost.flight, view(lost.session->server.finished()), kUntil);
  std::set<std::pair<uint16_t, uint64_t>> numbers;
  std::set<std::vector<uint8_t>> nonces;
  const auto note = [&](const RecordView& record) {
    CHECK(numbers.insert({record.epoch, record.sequence}).second);
    if (record.epoch == 1) CHECK(nonces.insert(copy(record.fragment.first(8))).second);
  };
  std::deque<Datagram> first = {lost.last};
  const std::vector<RecordView> as_sent = records_of(first);
  for (const RecordView& record : as_sent) note(record);
  for (uint32_t i = 0; i < LastFlight::kOften; ++i) {
    const std::deque<Datagram> datagrams =
        last.repeat(records, 0)->datagrams(kLimits, lost.next_in_clear);
    const std::vector<RecordView> again = records_of(datagrams);
    REQUIRE(again.size() == as_sent.size());
    for (size_t k = 0; k < again.size(); ++k) {
      note(again[k]);
      CHECK(again[k].type == as_sent[k].type);
      CHECK(again[k].version == as_sent[k].version);
      CHECK(again[k].fragment.size == as_sent[k].fragment.size);
      if (again[k].epoch == 0) CHECK(copy(again[k].fragment) == copy(as_sent[k].fragment));
    }
    // NewSessionTicket, ChangeCipherSpec, Finished.
    CHECK(again.size() == 3);
    Datagram out(records.sealed_size(1));
    REQUIRE(records.seal(ContentType::kApplicationData, view("x"), out.data()) == out.size());
    const std::deque<Datagram> data = {out};
    note(records_of(data)[0]);
  }
}

TEST_CASE("last flight: ends after so many repetitions, and in time") {
  Lost lost("PSK-AES128-GCM-SHA256", true);
  AeadRecords records(lost.session->client_keys, lost.session->client.next_out());
  const Bytes finished = view(lost.session->client.finished());
  LastFlight often(lost.flight, finished, kUntil);
  for (uint32_t i = 0; i < LastFlight::kOften; ++i) {
    CHECK_FALSE(often.over(kUntil - 1));
    CHECK(often.repeat(records, kUntil - 1));
  }
  CHECK(often.over(0));
  const uint64_t number = records.next_number();
  CHECK_FALSE(often.repeat(records, 0));
  CHECK(records.next_number() == number);

  LastFlight late(lost.flight, finished, kUntil);
  CHECK(late.over(kUntil));
  CHECK_FALSE(late.repeat(records, kUntil));
  CHECK(late.repeat(records, kUntil - 1));
}

TEST_CASE("last flight: nothing is repeated when no number is left") {
  Lost lost("PSK-AES128-GCM-SHA256", true);
  AeadRecords::Start start;
  start.next_number = AeadRecords::kNumbers;
  AeadRecords records(lost.session->client_keys, std::move(start));
  LastFlight last(lost.flight, view(lost.session->client.finished()), kUntil);
  CHECK_FALSE(last.repeat(records, 0));
  CHECK(last.repeated() == 0);
}

}  // namespace
}  // namespace dtls::test
