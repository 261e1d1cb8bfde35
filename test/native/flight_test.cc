// Protects: that a flight is cut by what it says and by its limits alone, so that a repetition has
// the fragments of the first time, in whatever records it was written; and that no datagram is
// longer than the MTU.
#include "core/wire/flight.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "harness.h"

namespace dtls::test {
namespace {

constexpr uint8_t kHandshake = 22;
constexpr uint8_t kChangeCipherSpec = 20;

std::vector<uint8_t> body_of(uint16_t sequence, size_t size) {
  std::vector<uint8_t> body(size);
  std::iota(body.begin(), body.end(), static_cast<uint8_t>(sequence));
  return body;
}

std::vector<uint8_t> fragment(uint16_t sequence, const std::vector<uint8_t>& body, size_t offset,
                              size_t size) {
  std::vector<uint8_t> bytes(kHandshakeHeaderSize);
  bytes[0] = static_cast<uint8_t>(sequence + 10);  // a type of its own
  write_u24(&bytes[1], static_cast<uint32_t>(body.size()));
  write_u16(&bytes[4], sequence);
  write_u24(&bytes[6], static_cast<uint32_t>(offset));
  write_u24(&bytes[9], static_cast<uint32_t>(size));
  const auto from = body.begin() + static_cast<long>(offset);
  bytes.insert(bytes.end(), from, from + static_cast<long>(size));
  return bytes;
}

void add(Flight& flight, const Datagram& bytes) {
  Bytes rest = view(bytes);
  RecordView record;
  while (take_record(rest, record)) flight.add(record);
}

// A message, written in records of so many bytes of it.
void write(Flight& flight, uint16_t sequence, size_t size, size_t piece) {
  const std::vector<uint8_t> body = body_of(sequence, size);
  size_t offset = 0;
  do {
    const size_t part = std::min(piece, size - offset);
    add(flight, plain_record(kHandshake, 0, 7, view(fragment(sequence, body, offset, part))));
    offset += part;
  } while (offset < size);
}

Datagram change_cipher_spec() { return plain_record(kChangeCipherSpec, 0, 7, view("\1")); }

Datagram finished(uint8_t seal) {
  return plain_record(kHandshake, 1, seal, view(std::vector<uint8_t>(48, seal)));
}

// A client's, with a certificate of so many bytes.
Flight client_flight(size_t certificate, size_t piece, uint8_t seal = 1) {
  Flight flight;
  write(flight, 2, certificate, piece);
  write(flight, 3, 66, piece);
  write(flight, 4, 0, piece);
  add(flight, change_cipher_spec());
  add(flight, finished(seal));
  return flight;
}

// What is in each datagram, without the numbers of records in clear.
std::deque<Datagram> cuts(const Flight& flight, const FlightLimits& limits) {
  uint64_t number = 0;
  std::deque<Datagram> datagrams = flight.datagrams(limits, number);
  for (Datagram& datagram : datagrams) {
    Bytes rest = view(datagram);
    RecordView record;
    while (take_record(rest, record)) {
      if (record.epoch == 0) write_u48(&datagram[record.whole.data - datagram.data() + 5], 0);
    }
  }
  return datagrams;
}

TEST_CASE("flight: the cuts do not depend on the records it was written in") {
  for (const size_t certificate : {0U, 1U, 200U, 1170U, 1175U, 3000U, 40000U}) {
    for (const size_t mtu : {256U, 548U, 1200U, 16384U}) {
      CAPTURE(certificate);
      CAPTURE(mtu);
      const FlightLimits limits{mtu};
      const std::deque<Datagram> whole = cuts(client_flight(certificate, 16000), limits);
      CHECK(cuts(client_flight(certificate, 16000), limits) == whole);
      for (const size_t piece : {1U, 100U, 243U, 1187U}) {
        if (certificate < 40000 || piece > 1) {
          CHECK(cuts(client_flight(certificate, piece), limits) == whole);
        }
      }
    }
  }
}

TEST_CASE("flight: no datagram is longer than the MTU, no record than the fragment limit") {
  for (size_t certificate = 0; certificate < 1300; ++certificate) {
    const Flight flight = client_flight(certificate, 300);
    for (const FlightLimits limits :
         {FlightLimits{256}, FlightLimits{300, 512}, FlightLimits{1200}, FlightLimits{1200, 512}}) {
      uint64_t number = 3;
      std::map<uint16_t, std::vector<uint8_t>> messages;
      size_t longest = 0;
      uint64_t expected = 3;
      for (const Datagram& datagram : flight.datagrams(limits, number)) {
        longest = std::max(longest, datagram.size());
        Bytes rest = view(datagram);
        RecordView record;
        while (take_record(rest, record)) {
          CHECK(record.fragment.size <= limits.max_fragment);
          if (record.epoch != 0) continue;
          CHECK(record.sequence == expected++);
          Bytes inside = record.fragment;
          FragmentView piece;
          if (record.type != ContentType::kHandshake) continue;
          REQUIRE(take_fragment(inside, piece));
          std::vector<uint8_t>& message = messages[piece.message_sequence];
          CHECK(piece.offset == message.size());
          message.insert(message.end(), piece.body.data, piece.body.data + piece.body.size);
        }
        CHECK(rest.size == 0);
      }
      CHECK(number == expected);
      CHECK(longest <= limits.mtu);
      const auto smaller = flight.smaller_mtu(limits);
      CHECK((!smaller || (*smaller < limits.mtu && *smaller < longest)));
      CHECK(messages[2] == body_of(2, certificate));
      CHECK(messages[3] == body_of(3, 66));
      CHECK(messages.at(4).empty());
    }
  }
}

TEST_CASE("flight: as much as fits into a datagram is in it") {
  const Flight flight = client_flight(1000, 16000);
  uint64_t number = 0;
  CHECK(flight.datagrams({16384}, number).size() == 1);
  const auto datagrams = flight.datagrams({1200}, number);
  REQUIRE(datagrams.size() == 2);
  // The ChangeCipherSpec, and not the Finished, has room in the first one.
  CHECK(datagrams[1] == finished(1));
}

TEST_CASE("flight: a protected record stays as it is, longer than the MTU or not") {
  Flight flight;
  add(flight, plain_record(kHandshake, 1, 9, view(std::vector<uint8_t>(400, 5))));
  uint64_t number = 3;
  const auto datagrams = flight.datagrams({256}, number);
  REQUIRE(datagrams.size() == 1);
  CHECK(datagrams[0] == plain_record(kHandshake, 1, 9, view(std::vector<uint8_t>(400, 5))));
  CHECK(number == 3);
}

TEST_CASE("flight: a repetition is known, in other records and sealed anew") {
  const Flight first = client_flight(500, 16000);
  CHECK(client_flight(500, 100, 2).repeats(first));
  CHECK_FALSE(client_flight(501, 16000).repeats(first));
  CHECK_FALSE(Flight().repeats(first));
  CHECK_FALSE(first.repeats(Flight()));
  Flight longer = client_flight(500, 16000);
  add(longer, finished(3));
  CHECK_FALSE(longer.repeats(first));
}

TEST_CASE("flight: what it has already begins it anew") {
  const Flight flight = client_flight(500, 16000);
  const auto has = [&](const Datagram& bytes) {
    Bytes rest = view(bytes);
    RecordView record;
    REQUIRE(take_record(rest, record));
    return flight.has(record);
  };
  CHECK(has(plain_record(kHandshake, 0, 9, view(fragment(2, body_of(2, 500), 0, 20)))));
  CHECK(has(change_cipher_spec()));
  CHECK(has(finished(2)));
  CHECK_FALSE(has(plain_record(kHandshake, 0, 9, view(fragment(5, body_of(5, 500), 0, 20)))));
  CHECK_FALSE(has(plain_record(21, 0, 9, view("\2\50"))));
  Flight begun;
  add(begun, plain_record(kHandshake, 0, 9, view(fragment(2, body_of(2, 500), 0, 20))));
  const Datagram next = plain_record(kHandshake, 0, 9, view(fragment(2, body_of(2, 500), 20, 20)));
  Bytes rest = view(next);
  RecordView record;
  REQUIRE(take_record(rest, record));
  CHECK_FALSE(begun.has(record));
}

}  // namespace
}  // namespace dtls::test
