// Protects the records of DTLS 1.3: what an independent implementation sealed opens, what is sealed
// is byte for byte what it would have sealed, and nothing else opens. And the rules that keep a key
// safe: numbers never come again, epochs never begin anew, limits are kept.
#include "core/records13/records13.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "core/base/expand_label.h"
#include "core/records13/next_secret.h"
#include "harness.h"
#include "records13_probe.h"
#include "records13_vectors.h"

namespace dtls::test {
namespace {

using Way = TrafficSecret::Direction;

constexpr auto kData = ContentType::kApplicationData;
constexpr std::array<uint16_t, 5> kSuites = {0x1301, 0x1302, 0x1303, 0x1304, 0x1305};

std::vector<uint8_t> hex(const std::string& text) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i < text.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

std::vector<uint8_t> pattern(size_t size) {
  std::vector<uint8_t> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(31 * i + size);
  return bytes;
}

TrafficSecret secret(uint16_t id, uint64_t epoch, Way way, Bytes bytes) {
  return {cipher_suite13(id), epoch, way, SecretBytes(bytes)};
}

TrafficSecret secret(uint16_t id, uint64_t epoch, Way way) {
  const CipherSuite13* suite = cipher_suite13(id);
  std::vector<uint8_t> bytes = pattern(suite->hash_size);
  bytes[0] = static_cast<uint8_t>(epoch);
  return {suite, epoch, way, SecretBytes(view(bytes))};
}

Datagram sealed_in(Records13& records, uint64_t epoch, ContentType type, Bytes plaintext) {
  Datagram out(records.sealed_size_in(epoch, plaintext.size) + 8, 0xee);
  const Sealed13 sealed = records.seal_in(epoch, type, plaintext, out.data());
  REQUIRE(sealed.size != 0);
  REQUIRE(sealed.size <= out.size() - 8);
  CHECK(sealed.epoch == epoch);
  CHECK(std::all_of(out.begin() + static_cast<long>(out.size() - 8), out.end(),
                    [](uint8_t byte) { return byte == 0xee; }));
  out.resize(sealed.size);
  return out;
}

Datagram sealed(Records13& records, Bytes plaintext, ContentType type = kData) {
  return sealed_in(records, records.sealing_epoch(), type, plaintext);
}

struct Result {
  Opened outcome;
  Plaintext13 plaintext;
  std::vector<uint8_t> content;
};

Result open(Records13& records, Bytes datagram) {
  CiphertextView record;
  REQUIRE(take_ciphertext(datagram, record));
  REQUIRE(datagram.size == 0);
  const size_t room_size = std::min(record.whole.size, kMaxPlaintext);
  std::vector<uint8_t> room(room_size + 8, 0xee);
  Plaintext13 plaintext;
  plaintext.size = 1;
  const Opened outcome = records.open(record, room.data(), plaintext);
  // Of what is not taken nothing is left to see, and of what is, nothing but the content.
  CHECK(std::all_of(room.begin() + static_cast<long>(plaintext.size), room.end(),
                    [](uint8_t byte) { return byte == 0xee || byte == 0; }));
  CHECK(std::all_of(room.end() - 8, room.end(), [](uint8_t byte) { return byte == 0xee; }));
  if (outcome != Opened::kTaken) CHECK(plaintext.size == 0);
  room.resize(plaintext.size);
  return {outcome, plaintext, room};
}

Result open(Records13& records, const Datagram& datagram) { return open(records, view(datagram)); }

// One side that seals and one that opens, with the same keys.
struct Ends {
  explicit Ends(uint16_t id, const Records13::Options& options = {}, uint64_t epoch = 3)
      : sealer(options), opener(options) {
    REQUIRE(sealer.add(secret(id, epoch, Way::kSeal)));
    REQUIRE(opener.add(secret(id, epoch, Way::kOpen)));
  }
  void update() {
    REQUIRE(opener.update_opening());
    REQUIRE(sealer.update_sealing());
  }
  Result pass(Bytes message) { return open(opener, sealed(sealer, message)); }

  Records13 sealer;
  Records13 opener;
};

TEST_CASE("records of 1.3: HKDF-Expand-Label of RFC 8448 section 3, and its limits") {
  const auto server = hex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38");
  std::vector<uint8_t> out(16);
  REQUIRE(expand_label_as("tls13 ", "SHA2-256", view(server), "key", {}, out.data(), out.size()));
  CHECK(out == hex("3fce516009c21727d0f2e4e86ee403bc"));
  out.resize(12);
  REQUIRE(expand_label_as("tls13 ", "SHA2-256", view(server), "iv", {}, out.data(), out.size()));
  CHECK(out == hex("5d313eb2671276ee13000b30"));
  // With a context: the client's Finished key has none, "derived" has the hash of nothing.
  const auto early = hex("33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a");
  const auto nothing = hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  out.resize(32);
  REQUIRE(expand_label_as("tls13 ", "SHA2-256", view(early), "derived", view(nothing), out.data(),
                          out.size()));
  CHECK(out == hex("6f2615a108c702c5678f54fc9dbab69716c076189c48250cebeac3576c3611ba"));

  CHECK_FALSE(expand_label("SHA2-256", view(early), std::string(250, 'x').c_str(), {}, out.data(),
                           out.size()));
  CHECK(out == std::vector<uint8_t>(32));
  out.assign(32, 1);
  CHECK_FALSE(
      expand_label("SHA2-256", view(early), "x", view(pattern(256)), out.data(), out.size()));
  CHECK(out == std::vector<uint8_t>(32));
  out.assign(32, 1);
  CHECK_FALSE(expand_label("no such digest", view(early), "x", {}, out.data(), out.size()));
  CHECK(out == std::vector<uint8_t>(32));
  CHECK(expand_label("SHA2-256", view(early), std::string(249, 'x').c_str(), view(pattern(255)),
                     out.data(), out.size()));
  ErrorQueueScope::clear();
}

TEST_CASE("records of 1.3: a suite has its hash, and is protected by any OpenSSL 3") {
  for (const uint16_t id : kSuites) {
    const CipherSuite13* suite = cipher_suite13(id);
    REQUIRE(suite != nullptr);
    CHECK(suite->id == id);
    CHECK(can_protect(*suite));
    CHECK(suite->hash_size == (id == 0x1302 ? 48 : 32));
  }
  CHECK(cipher_suite13(0x1300) == nullptr);
  CHECK(cipher_suite13(0x1306) == nullptr);
  CHECK(cipher_suite13(0xc02b) == nullptr);
}

TEST_CASE("records of 1.3: opens what another implementation sealed, in all forms of header") {
  for (const uint16_t id : kSuites) {
    CAPTURE(id);
    Records13 records({});
    bool first = true;
    for (const RecordVector& vector : kRecordVectors) {
      if (vector.suite != id) continue;
      CAPTURE(vector.number);
      if (first) REQUIRE(records.add(secret(id, 3, Way::kOpen, view(hex(vector.secret)))));
      first = false;
      if (vector.epoch == 4) REQUIRE(records.update_opening());
      const Result result = open(records, hex(vector.record));
      CHECK(result.outcome == Opened::kTaken);
      CHECK(static_cast<uint8_t>(result.plaintext.type) == vector.type);
      CHECK(result.plaintext.epoch == vector.epoch);
      CHECK(result.plaintext.number == vector.number);
      CHECK(result.content == hex(vector.content));
    }
  }
}

TEST_CASE("records of 1.3: seals what another implementation would have sealed") {
  for (const uint16_t id : kSuites) {
    CAPTURE(id);
    Records13 records({});
    int compared = 0;
    for (const RecordVector& vector : kRecordVectors) {
      if (vector.suite != id || compared == 3) continue;
      if (compared == 0) REQUIRE(records.add(secret(id, 3, Way::kSeal, view(hex(vector.secret)))));
      if (vector.epoch == 4) REQUIRE(records.update_sealing());
      const Datagram record = sealed(records, view(hex(vector.content)), ContentType{vector.type});
      CHECK(record == hex(vector.record));
      ++compared;
    }
    CHECK(compared == 3);
  }
}

TEST_CASE("records of 1.3: a number is the closest to the next one") {
  std::mt19937_64 random(13);
  const auto distance = [](uint64_t a, uint64_t b) { return a > b ? a - b : b - a; };
  for (int i = 0; i < 200'000; ++i) {
    const size_t size = 1 + random() % 2;
    const uint64_t all = uint64_t{1} << (8 * size);
    const uint64_t expected = random() >> random() % 64;
    const auto low = static_cast<uint32_t>(random() % all);
    const uint64_t number = whole_number(expected, low, size);
    CHECK(number % all == low);
    // No other with the same low bits is closer.
    if (number >= all) CHECK(distance(number - all, expected) >= distance(number, expected));
    if (number <= UINT64_MAX - all) {
      CHECK(distance(number + all, expected) > distance(number, expected));
    }
  }
  CHECK(whole_number(0, 0xff, 1) == 0xff);
  CHECK(whole_number(0x100, 0xff, 1) == 0xff);
  CHECK(whole_number(0x1ff, 0x00, 1) == 0x200);
  CHECK(whole_number(0x17f, 0xff, 1) == 0x1ff);  // as close as 0xff
  CHECK(whole_number(0x180, 0x00, 1) == 0x200);  // as close as 0x100
}

TEST_CASE("records of 1.3: a header is read in every form, and whole") {
  const auto flags_of = [](uint8_t flags) {
    Datagram bytes{flags, 1, 2, 0, 4, 9, 9, 9, 9, 7};
    return bytes;
  };
  CiphertextView record;
  for (int flags = 0; flags < 256; ++flags) {
    CAPTURE(flags);
    const Datagram bytes = flags_of(static_cast<uint8_t>(flags));
    Bytes rest = view(bytes);
    const bool unified = flags >> 5 == 1;
    const bool has_id = (flags & 0x10) != 0;
    CHECK(is_unified(static_cast<uint8_t>(flags)) == unified);
    if (!unified || has_id) {
      CHECK_FALSE(take_ciphertext(rest, record));
      CHECK(rest.size == bytes.size());
      continue;
    }
    const size_t number_size = (flags & 8) != 0 ? 2 : 1;
    // With a short number the length is the next two bytes, 0x0200, of which there are not as many.
    if ((flags & 4) != 0 && number_size == 1) {
      CHECK_FALSE(take_ciphertext(rest, record));
      continue;
    }
    REQUIRE(take_ciphertext(rest, record));
    CHECK(record.epoch_bits == (flags & 3));
    CHECK(record.number_at == 1);
    CHECK(record.number_size == number_size);
    const bool has_length = (flags & 4) != 0;
    CHECK(record.header().size == 1 + number_size + (has_length ? 2 : 0));
    CHECK(record.ciphertext.size == (has_length ? 4 : bytes.size() - 1 - number_size));
    CHECK(rest.size == (has_length ? 1 : 0));
    // Nothing of it can be left out, but for the ciphertext where no length tells.
    const size_t needed = has_length ? record.whole.size : record.header().size;
    for (size_t size = 0; size < needed; ++size) {
      Bytes cut = view(bytes).first(size);
      CHECK_FALSE(take_ciphertext(cut, record));
    }
  }
}

TEST_CASE("records of 1.3: several share a datagram") {
  Ends ends(0x1301);
  Datagram datagram = sealed(ends.sealer, view("one"));
  const Datagram second = sealed(ends.sealer, view("two"));
  datagram.insert(datagram.end(), second.begin(), second.end());
  Bytes rest = view(datagram);
  CiphertextView record;
  REQUIRE(take_ciphertext(rest, record));
  CHECK(open(ends.opener, record.whole).content == copy(view("one")));
  REQUIRE(take_ciphertext(rest, record));
  CHECK(open(ends.opener, record.whole).content == copy(view("two")));
  CHECK(rest.size == 0);
}

TEST_CASE("records of 1.3: messages of all sizes, and not one byte more") {
  for (const uint16_t id : kSuites) {
    CAPTURE(id);
    for (const uint32_t padding : {0, 1, 16, 100, 20000}) {
      CAPTURE(padding);
      Records13::Options options;
      options.padding = padding;
      Ends ends(id, options);
      for (const size_t size : {0, 1, 7, 8, 15, 16, 17, 255, 1200, 16383, 16384}) {
        CAPTURE(size);
        const std::vector<uint8_t> message = pattern(size);
        const Datagram record = sealed(ends.sealer, view(message));
        CHECK(record.size() == ends.sealer.sealed_size(size));
        const Result result = open(ends.opener, record);
        CHECK(result.outcome == Opened::kTaken);
        CHECK(result.plaintext.type == kData);
        CHECK(result.content == message);
        const size_t content = record.size() - 5 - (id == 0x1305 ? 8 : 16) - 1;
        if (padding > 1 && size != 0 && content < kMaxPlaintext && id != 0x1305) {
          CHECK(content % padding == 0);
        }
      }
      std::vector<uint8_t> out(20000);
      CHECK(ends.sealer.seal(kData, view(pattern(16385)), out.data()) == 0);
      CHECK(ends.sealer.seal_in(0, kData, view(pattern(16385)), out.data()).size == 0);
    }
  }
}

TEST_CASE("records of 1.3: the longest message for a datagram, and what is around one") {
  for (const uint16_t id : {0x1301, 0x1305}) {
    for (const uint32_t padding : {0, 16, 100}) {
      Records13::Options options;
      options.padding = padding;
      Ends ends(id, options);
      for (size_t room = 0; room < 400; ++room) {
        const size_t longest = ends.sealer.longest_message(room);
        if (longest != 0) CHECK(ends.sealer.sealed_size(longest) <= room);
        CHECK(ends.sealer.sealed_size(longest + 1) > room);
      }
      for (const size_t size : {0, 1, 2, 6, 7, 12, 1000}) {
        const Datagram record = sealed(ends.sealer, view(pattern(size)), ContentType::kHandshake);
        CHECK(record.size() <= size + ends.sealer.overhead_in(3));
        CHECK(record.size() <= ends.sealer.sealed_size_in(3, size));
      }
    }
    const Ends ends(id);
    CHECK(ends.sealer.longest_message(20000) == kMaxPlaintext);
    CHECK(ends.sealer.overhead_in(3) == (id == 0x1305 ? 21 : 22));
    CHECK(ends.sealer.overhead_in(0) == kRecordHeaderSize);
    CHECK(ends.sealer.overhead_in(2) == 0);
    CHECK(ends.sealer.sealed_size_in(2, 1) == 0);
  }
}

TEST_CASE("records of 1.3: nothing tampered with or cut opens") {
  for (const uint16_t id : kSuites) {
    CAPTURE(id);
    Ends ends(id);
    const std::vector<uint8_t> message = pattern(20);
    const Datagram data = sealed(ends.sealer, view(message));
    uint64_t forged = 0;
    for (size_t bit = 0; bit < 8 * data.size(); ++bit) {
      CAPTURE(bit);
      Datagram wrong = data;
      wrong[bit / 8] = static_cast<uint8_t>(wrong[bit / 8] ^ 1 << bit % 8);
      Bytes rest = view(wrong);
      CiphertextView record;
      if (!take_ciphertext(rest, record)) continue;  // the first byte, or a longer length
      std::vector<uint8_t> room(100);
      Plaintext13 plaintext;
      const Opened outcome = ends.opener.open(record, room.data(), plaintext);
      if (outcome == Opened::kForged) ++forged;
      CHECK((outcome == Opened::kForged || outcome == Opened::kBad));
    }
    CHECK(forged >= 8 * (data.size() - 5 + 2));  // the ciphertext, and the number
    // From the ninth on each was tried under another number, too.
    CHECK(Records13Probe::forged(ends.opener, 3) == forged + (forged - 8));
    // Cut, with a header that says so.
    for (size_t size = 0; size < data.size() - 5; ++size) {
      Datagram cut(data.begin(), data.begin() + 5 + static_cast<long>(size));
      write_u16(&cut[3], static_cast<uint32_t>(size));
      CHECK(open(ends.opener, cut).outcome == (size < 16 ? Opened::kBad : Opened::kForged));
    }
    CHECK(open(ends.opener, data).content == message);
  }
}

TEST_CASE("records of 1.3: too long a record is nobody's") {
  Ends ends(0x1301);
  for (const size_t size : {16385 + 16, 16385 + 17, 65535}) {
    Datagram record(5 + size);
    record[0] = 0x2f;
    write_u16(&record[3], static_cast<uint32_t>(size));
    CHECK(open(ends.opener, record).outcome ==
          (size == 16385 + 16 ? Opened::kForged : Opened::kBad));
  }
}

TEST_CASE("records of 1.3: nothing but zeros has no type, and is known for what it is") {
  for (const uint16_t id : kSuites) {
    Ends ends(id);
    for (const size_t zeros : {0, 1, 50, 16384}) {
      const std::vector<uint8_t> content(zeros);
      const Result result = open(ends.opener, sealed(ends.sealer, view(content), ContentType{0}));
      CHECK(result.outcome == Opened::kTaken);
      CHECK(result.plaintext.type == ContentType{0});
      CHECK(result.content.empty());
    }
  }
}

TEST_CASE("records of 1.3: what was taken is a replay, and leaves nothing behind") {
  for (const uint16_t id : kSuites) {
    Ends ends(id);
    std::vector<Datagram> all;
    for (size_t i = 0; i < 70; ++i) {
      all.push_back(sealed(ends.sealer, view(pattern(i))));
      CHECK(open(ends.opener, all.back()).outcome == Opened::kTaken);
    }
    for (const Datagram& record : all) {
      CHECK(open(ends.opener, record).outcome == Opened::kReplayed);
    }
    CHECK(Records13Probe::forged(ends.opener, 3) == 0);
  }
}

TEST_CASE("records of 1.3: messages may be taken again where that is wished, and nothing else") {
  Records13::Options options;
  options.takes_repeated_messages = true;
  Ends ends(0x1301, options);
  const Datagram message = sealed(ends.sealer, view("again"));
  const Datagram alert = sealed(ends.sealer, view("al"), ContentType::kAlert);
  for (int i = 0; i < 3; ++i) CHECK(open(ends.opener, message).content == copy(view("again")));
  CHECK(open(ends.opener, alert).outcome == Opened::kTaken);
  CHECK(open(ends.opener, alert).outcome == Opened::kReplayed);
}

// What a window has to say, from all numbers that were taken.
class Model {
 public:
  explicit Model(uint32_t size) : size_(size) {}
  bool has_seen(uint64_t number) const {
    if (seen_.empty() || number > *seen_.rbegin()) return false;
    return *seen_.rbegin() - number >= size_ || seen_.count(number) != 0;
  }
  void mark(uint64_t number) { seen_.insert(number); }
  uint64_t highest() const { return seen_.empty() ? 0 : *seen_.rbegin(); }

 private:
  uint32_t size_;
  std::set<uint64_t> seen_;
};

TEST_CASE("records of 1.3: reordered, repeated and lost, each is taken once and none refused") {
  for (const uint32_t window : {64, 128, 1024}) {
    CAPTURE(window);
    Records13::Options options;
    options.replay_window = window;
    Ends ends(0x1301, options);
    Model model(window);
    std::mt19937 random(window);
    std::vector<Datagram> all;
    for (int i = 0; i < 6000; ++i) {
      if (all.empty() || random() % 3 == 0) {
        const auto lost = random() % 50 == 0 ? 1 + random() % 200 : 1;
        for (uint32_t n = 0; n < lost; ++n)
          all.push_back(sealed(ends.sealer, view(pattern(n % 9))));
      }
      const size_t back = std::min<size_t>(random() % (2 * window), all.size() - 1);
      const size_t number = random() % 2 == 0 ? all.size() - 1 - back : all.size() - 1;
      const Result result = open(ends.opener, all[number]);
      CHECK(result.outcome == (model.has_seen(number) ? Opened::kReplayed : Opened::kTaken));
      if (result.outcome == Opened::kTaken) {
        CHECK(result.plaintext.number == number);
        model.mark(number);
      }
    }
    CHECK(Records13Probe::forged(ends.opener, 3) == 0);
  }
}

TEST_CASE("records of 1.3: thirty thousand may be lost in a row") {
  Ends ends(0x1303);
  CHECK(ends.pass(view("first")).outcome == Opened::kTaken);
  Records13Probe::set_next_number(ends.sealer, 0x8001);
  CHECK(ends.pass(view("much later")).plaintext.number == 0x8001);
  // More than that cannot be told from old ones, and a single one does not open.
  Records13Probe::set_next_number(ends.sealer, 0x8002 + 0x8001);
  CHECK(ends.pass(view("too late")).outcome == Opened::kForged);
  Records13Probe::set_next_number(ends.sealer, 0x8002 + 0x7fff);
  CHECK(ends.pass(view("in time")).outcome == Opened::kTaken);
}

// How many records in a row do not open, from `number` on, until one does.
uint64_t unread(Ends& ends, uint64_t number) {
  Records13Probe::set_next_number(ends.sealer, number);
  for (uint64_t failed = 0; failed < 1000; ++failed) {
    const Result result = ends.pass(view("after a long silence"));
    if (result.outcome == Opened::kTaken) {
      CHECK(result.plaintext.number == number + failed);
      return failed;
    }
    CHECK(result.outcome == Opened::kForged);
  }
  FAIL("nothing opens any more");
  return 0;
}

TEST_CASE("records of 1.3: millions may be lost in a row, and soon records open again") {
  for (const uint16_t id : kSuites) {
    CAPTURE(id);
    Ends ends(id);
    CHECK(ends.pass(view("first")).outcome == Opened::kTaken);
    CHECK(unread(ends, 100'000) == 8);
    CHECK(unread(ends, 2'000'000) <= 8 + 30);
    // Just below the end of what the numbers show, so that it turns over meanwhile.
    CHECK(unread(ends, 0xa0'fff0) <= 8 + 256);
    CHECK(unread(ends, 0xa0'fff0 + 16'000'000) <= 8 + 256);
    // What came in between is too old, and what was taken is a replay.
    const Datagram last = sealed(ends.sealer, view("last"));
    CHECK(open(ends.opener, last).outcome == Opened::kTaken);
    CHECK(open(ends.opener, last).outcome == Opened::kReplayed);
  }
}

TEST_CASE("records of 1.3: whoever shows 8 bits of a number is found again as well") {
  Ends ends(0x1301);
  EpochProtection peer(secret(0x1301, 3, Way::kSeal));
  REQUIRE(peer.wake());
  const auto pass = [&](uint64_t number) {
    Datagram record = {0x23, static_cast<uint8_t>(number)};  // no length either
    const std::vector<uint8_t> inner = {'s', 'h', 'o', 'r', 't', 23};
    record.insert(record.end(), inner.begin(), inner.end());
    record.resize(record.size() + 16);
    const std::array<uint8_t, 2> header = {record[0], record[1]};
    REQUIRE(peer.seal(number, {header.data(), header.size()}, record.data() + 2, inner.size()));
    EpochProtection::Mask mask{};
    REQUIRE(peer.mask(record.data() + 2, mask));
    record[1] ^= mask[0];
    return open(ends.opener, record);
  };
  CHECK(pass(0).outcome == Opened::kTaken);
  CHECK(pass(128).plaintext.number == 128);
  uint64_t number = 5000;
  while (pass(number).outcome != Opened::kTaken) REQUIRE(++number < 5300);
  CHECK(pass(number + 1).plaintext.number == number + 1);
}

TEST_CASE("records of 1.3: a forger gets more attempts only while nothing authentic comes") {
  Ends ends(0x1301);
  Datagram forgery = sealed(ends.sealer, view("forged"));
  forgery.back() ^= 1;
  for (int i = 0; i < 100; ++i) {
    CHECK(open(ends.opener, forgery).outcome == Opened::kForged);
    if (i % 8 == 7) CHECK(ends.pass(view("authentic")).outcome == Opened::kTaken);
  }
  CHECK(Records13Probe::forged(ends.opener, 3) == 100);
  for (int i = 0; i < 104; ++i) CHECK(open(ends.opener, forgery).outcome == Opened::kForged);
  // Four of the first hundred are in that row, too.
  CHECK(Records13Probe::forged(ends.opener, 3) == 100 + 104 + 100);
  CHECK(ends.pass(view("authentic")).outcome == Opened::kTaken);
}

TEST_CASE("records of 1.3: no number comes twice in an epoch, whatever happens between") {
  for (const uint16_t id : kSuites) {
    Records13 records({});
    REQUIRE(records.add(secret(id, 2, Way::kSeal)));
    REQUIRE(records.add(secret(id, 3, Way::kSeal)));
    std::set<std::pair<uint64_t, uint64_t>> numbers;
    std::mt19937 random(id);
    std::vector<uint8_t> out(200);
    for (int i = 0; i < 500; ++i) {
      if (random() % 10 == 0) records.rest();
      if (random() % 50 == 0) REQUIRE(records.update_sealing());
      if (random() % 20 == 0) CHECK(records.seal(kData, view(pattern(16385)), out.data()) == 0);
      const uint64_t epoch = random() % 3 == 0   ? 0
                             : random() % 3 == 0 ? 2
                                                 : records.sealing_epoch();
      const Sealed13 sealed = records.seal_in(epoch, kData, view("x"), out.data());
      REQUIRE(sealed.size != 0);
      CHECK(numbers.insert({sealed.epoch, sealed.number}).second);
    }
  }
}

TEST_CASE("records of 1.3: those in clear are as 1.2 has them, and go on with their numbers") {
  Records13::Options options;
  options.next_clear_number = 7;
  Records13 records(options);
  CHECK(records.can_seal(0));
  CHECK_FALSE(records.can_seal(2));
  const std::vector<uint8_t> hello = pattern(50);
  for (const uint64_t number : {7, 8}) {
    const Datagram record = sealed_in(records, 0, ContentType::kHandshake, view(hello));
    Bytes rest = view(record);
    RecordView parsed;
    REQUIRE(take_record(rest, parsed));
    CHECK(rest.size == 0);
    CHECK(parsed.type == ContentType::kHandshake);
    CHECK(parsed.version == 0xfefd);
    CHECK(parsed.epoch == 0);
    CHECK(parsed.sequence == number);
    CHECK(copy(parsed.fragment) == hello);
  }
  CHECK(records.next_clear_number() == 9);
  std::vector<uint8_t> out(100);
  CHECK(records.seal_in(2, ContentType::kHandshake, view(hello), out.data()).size == 0);
  CHECK(records.seal(kData, view(hello), out.data()) == 0);
  CHECK(records.sealed_size(1) == 0);
  CHECK(records.longest_message(1000) == 0);

  Records13::Options last;
  last.next_clear_number = (uint64_t{1} << 48) - 1;
  Records13 worn(last);
  CHECK(worn.seal_in(0, ContentType::kHandshake, view("x"), out.data()).size != 0);
  CHECK(worn.seal_in(0, ContentType::kHandshake, view("x"), out.data()).size == 0);
}

TEST_CASE("records of 1.3: an epoch never begins anew") {
  Records13 records({});
  for (const Way way : {Way::kOpen, Way::kSeal}) {
    CHECK_FALSE(records.add(secret(0x1301, 0, way)));
    CHECK(records.add(secret(0x1301, 2, way)));
    CHECK_FALSE(records.add(secret(0x1301, 2, way)));
    CHECK_FALSE(records.add(secret(0x1301, 1, way)));
    CHECK(records.add(secret(0x1301, 3, way)));
    CHECK_FALSE(records.add(secret(0x1301, 2, way)));
    CHECK_FALSE(records.add(secret(0x1302, 5, way, view(pattern(32)))));  // not its hash's size
    CHECK_FALSE(records.add({nullptr, 5, way, SecretBytes(view(pattern(32)))}));
  }
  records.drop_old_sealing();
  CHECK_FALSE(records.add(secret(0x1301, 2, Way::kSeal)));
  CHECK_FALSE(records.can_seal(2));
  CHECK(records.can_seal(3));
  REQUIRE(records.update_sealing());
  CHECK_FALSE(records.can_seal(3));
  CHECK_FALSE(records.add(secret(0x1301, 3, Way::kSeal)));
}

TEST_CASE("records of 1.3: of a secret nothing is left when the next has been made of it") {
  using Epochs = std::vector<uint64_t>;
  Ends ends(0x1301, {}, 2);
  CHECK(Records13Probe::secrets(ends.opener).empty());
  CHECK(Records13Probe::secrets(ends.sealer).empty());
  REQUIRE(ends.sealer.add(secret(0x1301, 3, Way::kSeal)));
  REQUIRE(ends.opener.add(secret(0x1301, 3, Way::kOpen)));
  for (uint64_t epoch = 3; epoch < 8; ++epoch) {
    CHECK(Records13Probe::secrets(ends.opener) == Epochs{epoch});
    CHECK(Records13Probe::secrets(ends.sealer) == Epochs{epoch});
    ends.update();
  }
}

TEST_CASE("records of 1.3: keys are updated again and again, and late records open") {
  for (const uint16_t id : kSuites) {
    CAPTURE(id);
    Ends ends(id);
    std::vector<Datagram> late;
    for (uint64_t epoch = 3; epoch < 15; ++epoch) {
      CAPTURE(epoch);
      CHECK(ends.sealer.sealing_epoch() == epoch);
      const Datagram first = sealed(ends.sealer, view("first"));
      CHECK((first[0] & 3) == epoch % 4);
      Result result = open(ends.opener, first);
      CHECK(result.outcome == Opened::kTaken);
      CHECK(result.plaintext.epoch == epoch);
      CHECK(result.plaintext.number == 0);
      CHECK(result.plaintext.first_of_epoch);
      late.push_back(sealed(ends.sealer, view("late")));
      result = ends.pass(view("second"));
      CHECK(result.outcome == Opened::kTaken);
      CHECK_FALSE(result.plaintext.first_of_epoch);
      ends.update();
    }
    // Epochs 12 to 15 are open, and the bits of those before are theirs now.
    CHECK(ends.opener.opening_epoch() == 15);
    for (size_t i = 0; i < late.size(); ++i) {
      const Result result = open(ends.opener, late[i]);
      CHECK(result.outcome == (i + 3 >= 12 ? Opened::kTaken : Opened::kForged));
      CHECK_FALSE(result.plaintext.first_of_epoch);
      if (result.outcome == Opened::kTaken) CHECK(result.plaintext.epoch == i + 3);
    }
  }
}

TEST_CASE("records of 1.3: old epochs are open until their time, and the newest always") {
  Ends ends(0x1301);
  const auto late = [&] { return sealed(ends.sealer, view("late")); };
  const Datagram one = late();
  const Datagram two = late();
  CHECK(std::isinf(ends.opener.deadline()));
  ends.opener.retire(3, 50);  // none is below
  ends.opener.advance(1000);
  CHECK(std::isinf(ends.opener.deadline()));
  ends.update();
  ends.opener.retire(4, 100);
  ends.opener.retire(4, 200);
  CHECK(ends.opener.deadline() == 100);
  ends.opener.advance(99);
  CHECK(open(ends.opener, one).outcome == Opened::kTaken);
  CHECK(open(ends.opener, one).outcome == Opened::kReplayed);
  ends.opener.advance(100);
  CHECK(std::isinf(ends.opener.deadline()));
  CHECK(Records13Probe::open_epochs(ends.opener) == 1);
  const Result result = open(ends.opener, two);
  CHECK(result.outcome == Opened::kBad);
  Bytes bytes = view(two);
  CiphertextView record;
  REQUIRE(take_ciphertext(bytes, record));
  CHECK_FALSE(ends.opener.may_open(record));
  ends.opener.retire(9, 0);
  CHECK(std::isinf(ends.opener.deadline()));
  ends.opener.advance(1e9);
  CHECK(ends.pass(view("on and on")).outcome == Opened::kTaken);
  ends.update();
  CHECK(ends.pass(view("and on")).outcome == Opened::kTaken);
}

TEST_CASE("records of 1.3: handshake and application data have epochs of their own") {
  Ends ends(0x1302, {}, 2);
  REQUIRE(ends.sealer.add(secret(0x1302, 3, Way::kSeal)));
  const Datagram early = sealed(ends.sealer, view("early"));
  Bytes bytes = view(early);
  CiphertextView record;
  REQUIRE(take_ciphertext(bytes, record));
  CHECK_FALSE(ends.opener.may_open(record));
  CHECK(open(ends.opener, early).outcome == Opened::kBad);
  REQUIRE(ends.opener.add(secret(0x1302, 3, Way::kOpen)));
  CHECK(ends.opener.may_open(record));
  CHECK(open(ends.opener, early).plaintext.first_of_epoch);
  const Datagram finished = sealed_in(ends.sealer, 2, ContentType::kHandshake, view("finished"));
  const Result result = open(ends.opener, finished);
  CHECK(result.plaintext.epoch == 2);
  CHECK(result.plaintext.type == ContentType::kHandshake);
  CHECK_FALSE(result.plaintext.first_of_epoch);
}

TEST_CASE("records of 1.3: only epochs of application data are updated, and not beyond the last") {
  Ends handshake(0x1301, {}, 2);
  CHECK_FALSE(handshake.sealer.update_sealing());
  CHECK_FALSE(handshake.sealer.may_update_sealing());
  CHECK_FALSE(handshake.opener.update_opening());
  Records13 empty({});
  CHECK_FALSE(empty.update_sealing());
  CHECK_FALSE(empty.update_opening());
  Ends ends(0x1301);
  Records13Probe::set_epoch(ends.sealer, kLastEpoch - 1);
  CHECK(ends.sealer.update_sealing());
  CHECK_FALSE(ends.sealer.may_update_sealing());
  CHECK_FALSE(ends.sealer.update_sealing());
  CHECK(ends.sealer.sealing_epoch() == kLastEpoch);
}

TEST_CASE("records of 1.3: forgeries wear keys out, those of an old epoch end it alone") {
  for (const uint16_t id : kSuites) {
    CAPTURE(id);
    const uint64_t limit = id == 0x1304   ? 11863283
                           : id == 0x1305 ? uint64_t{1} << 20
                                          : uint64_t{1} << 36;
    Ends ends(id);
    const Datagram late = sealed(ends.sealer, view("late"));
    Datagram forgery = late;
    forgery.back() ^= 1;
    Records13Probe::set_forged(ends.opener, 3, limit / 4 * 3 - 2);
    CHECK(open(ends.opener, forgery).outcome == Opened::kForged);
    CHECK(ends.opener.wear_of_opening() == Wear::kNone);
    CHECK(open(ends.opener, forgery).outcome == Opened::kForged);
    CHECK(ends.opener.wear_of_opening() == Wear::kWorn);
    Records13Probe::set_forged(ends.opener, 3, limit);
    CHECK(ends.opener.wear_of_opening() == Wear::kWorn);
    // The peer still seals under the old keys: they count, and stay.
    REQUIRE(ends.opener.update_opening());
    CHECK(ends.opener.wear_of_opening() == Wear::kWorn);
    CHECK(open(ends.opener, forgery).outcome == Opened::kForged);
    CHECK(ends.opener.wear_of_opening() == Wear::kSpent);
    CHECK(Records13Probe::open_epochs(ends.opener) == 2);
    // It seals under the new ones.
    REQUIRE(ends.sealer.update_sealing());
    CHECK(ends.pass(view("new")).plaintext.first_of_epoch);
    CHECK(ends.opener.wear_of_opening() == Wear::kNone);
    Records13Probe::set_forged(ends.opener, 4, limit + 1);
    CHECK(open(ends.opener, forgery).outcome == Opened::kForged);
    CHECK(Records13Probe::open_epochs(ends.opener) == 1);
    CHECK(open(ends.opener, late).outcome == Opened::kBad);
    // The newest is there as long as the session is.
    CHECK(ends.opener.wear_of_opening() == Wear::kSpent);
    CHECK(ends.pass(view("on")).outcome == Opened::kTaken);
  }
}

TEST_CASE("records of 1.3: an update is advised before the cipher is used too much") {
  const auto limit = [](uint16_t id) -> uint64_t {
    return id == 0x1303 ? UINT64_MAX : id >= 0x1304 ? uint64_t{1} << 33 : uint64_t{23726566} << 10;
  };
  for (const uint16_t id : kSuites) {
    CAPTURE(id);
    Ends ends(id);
    Records13Probe::set_sealed_blocks(ends.sealer, limit(id) / 4 * 3 - 5);
    CHECK(ends.sealer.wear_of_sealing() == Wear::kNone);
    static_cast<void>(sealed(ends.sealer, view(pattern(60))));  // 61 bytes: 4 blocks, and the tag
    CHECK(ends.sealer.wear_of_sealing() == Wear::kAdvised);
    REQUIRE(ends.sealer.update_sealing());
    CHECK(ends.sealer.wear_of_sealing() == Wear::kNone);
  }
}

TEST_CASE("records of 1.3: numbers end, and with an update begin again") {
  constexpr uint64_t kNumbers = uint64_t{1} << 48;
  Ends ends(0x1301);
  Records13Probe::set_next_number(ends.sealer, kNumbers / 4 * 3 - 1);
  CHECK(ends.sealer.wear_of_sealing() == Wear::kNone);
  static_cast<void>(sealed(ends.sealer, view("x")));
  CHECK(ends.sealer.wear_of_sealing() == Wear::kWorn);
  Records13Probe::set_next_number(ends.sealer, kNumbers - 1);
  CHECK(ends.sealer.wear_of_sealing() == Wear::kSpent);
  static_cast<void>(sealed(ends.sealer, view("the last")));
  std::vector<uint8_t> out(100);
  CHECK(ends.sealer.seal(kData, view("none"), out.data()) == 0);
  REQUIRE(ends.opener.update_opening());
  REQUIRE(ends.sealer.update_sealing());
  CHECK(ends.pass(view("again")).plaintext.number == 0);
}

TEST_CASE("records of 1.3: who has rested goes on as before") {
  for (const uint16_t id : kSuites) {
    Ends ends(id);
    for (int i = 0; i < 5; ++i) {
      const Result result = ends.pass(view("awake"));
      CHECK(result.content == copy(view("awake")));
      CHECK(result.plaintext.number == static_cast<uint64_t>(i));
      ends.sealer.rest();
      ends.opener.rest();
    }
  }
}

TEST_CASE("records of 1.3: a session's view of them") {
  Ends ends(0x1301);
  Records& sealer = ends.sealer;
  Records& opener = ends.opener;
  const std::vector<uint8_t> message = pattern(300);
  Datagram datagram(sealer.sealed_size(message.size()));
  REQUIRE(sealer.seal(kData, view(message), datagram.data()) == datagram.size());
  RecordView record;
  record.whole = view(datagram);
  std::vector<uint8_t> room(datagram.size());
  size_t size = 0;
  CHECK(opener.open(record, room.data(), size) == Opened::kTaken);
  room.resize(size);
  CHECK(room == message);
  room.resize(datagram.size());
  CHECK(opener.open(record, room.data(), size) == Opened::kReplayed);
  CHECK(size == 0);
  record.whole = view(datagram).first(4);
  CHECK(opener.open(record, room.data(), size) == Opened::kBad);
  datagram.push_back(0);
  record.whole = view(datagram);
  CHECK(opener.open(record, room.data(), size) == Opened::kBad);
  CHECK(opener.ssl() == nullptr);
}

TEST_CASE("records of 1.3: leave nothing in OpenSSL's queue, and are not misled by it") {
  for (const uint16_t id : kSuites) {
    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
    Ends ends(id);
    CHECK(ERR_peek_error() == 0);
    Datagram record = sealed(ends.sealer, view("x"));
    record.back() ^= 1;
    CHECK(open(ends.opener, record).outcome == Opened::kForged);
    CHECK(ERR_peek_error() == 0);
    REQUIRE(ends.sealer.update_sealing());
    CHECK(ERR_peek_error() == 0);
  }
}

}  // namespace
}  // namespace dtls::test
