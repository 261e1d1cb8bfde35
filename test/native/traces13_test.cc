// Protects what two ends of DTLS 1.3 must have the same to the bit, by sessions that wolfSSL had
// with itself (test/fixtures/traces13): what HKDF-Expand-Label gives, what opens and as what, and
// how a record looks that has this number, under this key.
#include <doctest/doctest.h>

#include <deque>
#include <map>

#include "core/base/expand_label.h"
#include "core/flights13/ack.h"
#include "core/records13/next_secret.h"
#include "core/records13/records13.h"
#include "harness.h"
#include "traces13.h"

namespace dtls::test {
namespace {

using namespace traces13;
using Way = TrafficSecret::Direction;

constexpr std::array<const char*, 2> kSides = {"client", "server"};

std::vector<uint8_t> secret_of(const Trace& trace, const std::string& label) {
  for (const Expansion& expansion : trace.expansions) {
    if (expansion.label == label) return expansion.result;
  }
  FAIL("no secret: " << label);
  return {};
}

// The secrets that the trace has of what a side seals.
void add_secrets(Records13& records, const Trace& trace, const std::string& side, Way way) {
  const std::string letter = side.substr(0, 1);
  for (const auto& [epoch, what] : {std::pair<uint64_t, const char*>{2, " hs traffic"},
                                    std::pair<uint64_t, const char*>{3, " ap traffic"}}) {
    const std::vector<uint8_t> secret = secret_of(trace, letter + what);
    REQUIRE(records.add({trace.suite, epoch, way, SecretBytes(view(secret))}));
  }
}

TEST_CASE("traces of 1.3: labels give what wolfSSL's gave") {
  for (const char* name : kTraces) {
    CAPTURE(name);
    const Trace trace = read_trace(name);
    std::map<std::string, int> labels;
    for (const Expansion& expansion : trace.expansions) {
      CAPTURE(expansion.label);
      std::vector<uint8_t> out(expansion.result.size());
      REQUIRE(expand_label(trace.suite->digest, view(expansion.secret), expansion.label.c_str(),
                           view(expansion.context), out.data(), out.size()));
      CHECK(out == expansion.result);
      ++labels[expansion.label];
    }
    // Two directions, of the handshake, of its end and of the KeyUpdate.
    for (const char* label : {"key", "iv", "sn"}) CHECK(labels[label] == 6);
    for (const char* label : {"derived", "finished", "traffic upd"}) CHECK(labels[label] == 2);
    for (const char* label : {"c hs traffic", "s hs traffic", "c ap traffic", "s ap traffic",
                              "exp master", "res master"}) {
      CHECK(labels[label] == 1);
    }
  }
}

TEST_CASE("traces of 1.3: the secret behind a KeyUpdate is the one that wolfSSL went on with") {
  for (const char* name : kTraces) {
    CAPTURE(name);
    const Trace trace = read_trace(name);
    int updates = 0;
    for (const Expansion& expansion : trace.expansions) {
      if (expansion.label != "traffic upd") continue;
      const TrafficSecret next = next_secret(
          {trace.suite, kFirstDataEpoch, Way::kOpen, SecretBytes(view(expansion.secret))});
      CHECK(next.epoch == kFirstDataEpoch + 1);
      CHECK(copy(next.bytes.view()) == expansion.result);
      ++updates;
    }
    CHECK(updates == 2);
  }
}

TEST_CASE("traces of 1.3: every record opens to what wolfSSL sealed, and its ACKs name records") {
  for (const char* name : kTraces) {
    CAPTURE(name);
    const Trace trace = read_trace(name);
    std::map<std::string, Records13> openers;
    std::map<std::string, std::vector<RecordNumber>> numbers;
    for (const char* side : kSides) {
      const auto opener = openers.try_emplace(side, Records13::Options{}).first;
      add_secrets(opener->second, trace, side, Way::kOpen);
    }
    size_t acks = 0;
    size_t opened = 0;
    for (const TracedDatagram& datagram : trace.datagrams) {
      CAPTURE(datagram.side);
      Records13& opener = openers.at(datagram.side);
      const std::string other = datagram.side == "client" ? "server" : "client";
      std::deque<SealedRecord> expected(datagram.sealed.begin(), datagram.sealed.end());
      for (Bytes bytes : records_in(datagram.bytes)) {
        if (!is_unified(bytes.data[0])) continue;
        REQUIRE(!expected.empty());
        const SealedRecord& record = expected.front();
        CAPTURE(record.number.epoch);
        CAPTURE(record.number.number);
        CiphertextView sealed;
        REQUIRE(take_ciphertext(bytes, sealed));
        CHECK(sealed.epoch_bits == record.number.epoch % 4);
        if (record.number.epoch > opener.opening_epoch()) REQUIRE(opener.update_opening());
        std::vector<uint8_t> room(sealed.whole.size);
        Plaintext13 plaintext;
        REQUIRE(opener.open(sealed, room.data(), plaintext) == Opened::kTaken);
        CHECK(plaintext.type == record.type);
        CHECK(RecordNumber{plaintext.epoch, plaintext.number} == record.number);
        CHECK(copy(Bytes{room.data(), plaintext.size}) == record.content);
        // It is taken once.
        CHECK(opener.open(sealed, room.data(), plaintext) == Opened::kReplayed);
        if (record.type == ContentType::kAck) {
          const auto named = parse_ack(view(record.content));
          REQUIRE(named.has_value());
          CHECK_FALSE(named->empty());
          CHECK(write_ack(*named) == record.content);
          for (const RecordNumber& one : *named) {
            CHECK(std::count(numbers[other].begin(), numbers[other].end(), one) == 1);
          }
          ++acks;
        }
        numbers[datagram.side].push_back(record.number);
        expected.pop_front();
        ++opened;
      }
      CHECK(expected.empty());
    }
    CHECK(acks >=
          4);  // of the client's last flight, of the ticket, and of a KeyUpdate of each side
    CHECK(opened > 15);
    for (const char* side : kSides) CHECK(openers.at(side).opening_epoch() == 4);
  }
}

TEST_CASE("traces of 1.3: sealed again, every record is the same to the bit") {
  for (const char* name : kTraces) {
    CAPTURE(name);
    const Trace trace = read_trace(name);
    for (const char* side : kSides) {
      CAPTURE(side);
      Records13 sealer({});
      add_secrets(sealer, trace, side, Way::kSeal);
      for (const TracedDatagram& datagram : trace.datagrams) {
        if (datagram.side != side) continue;
        auto next = datagram.sealed.begin();
        for (const Bytes bytes : records_in(datagram.bytes)) {
          Datagram out(bytes.size + 64);
          Sealed13 sealed;
          if (is_unified(bytes.data[0])) {
            REQUIRE(next != datagram.sealed.end());
            if (next->number.epoch > sealer.sealing_epoch()) REQUIRE(sealer.update_sealing());
            sealed =
                sealer.seal_in(next->number.epoch, next->type, view(next->content), out.data());
            CHECK(RecordNumber{sealed.epoch, sealed.number} == next->number);
            ++next;
          } else {
            sealed = sealer.seal_in(kClearEpoch, ContentType::kHandshake,
                                    bytes.from(kRecordHeaderSize), out.data());
          }
          out.resize(sealed.size);
          CHECK(out == copy(bytes));
        }
      }
    }
  }
}

}  // namespace
}  // namespace dtls::test
