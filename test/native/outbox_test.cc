// Protects: that records reach the consumer whole and in order, also when they do not all fit into
// its memory, and that nothing is written behind that memory.
#include "core/outbox/outbox.h"

#include <doctest/doctest.h>

#include <string>

#include "harness.h"

namespace dtls::test {
namespace {

// Memory of exactly the size that is announced: the sanitizer sees one byte too many.
class Consumer {
 public:
  Consumer(size_t record_capacity, size_t arena_capacity)
      : records_(record_capacity), arena_(arena_capacity) {
    outbox.attach(&control, records_.data(), records_.size(), arena_.data(), arena_.size());
  }

  void append(const std::string& bytes) {
    outbox.append(RecordType::kMessage, {1, 2, 3}, 4, 5, view(bytes));
  }

  std::vector<std::string> present() const {
    std::vector<std::string> all;
    for (uint32_t i = 0; i < control.records; ++i) {
      all.push_back(text_of({arena_.data() + records_[i].offset, records_[i].length}));
    }
    return all;
  }

  const Record& record(size_t index) const { return records_[index]; }

  Outbox::Control control{77, 77};
  Outbox outbox;

 private:
  std::vector<Record> records_;
  std::vector<uint8_t> arena_;
};

using Texts = std::vector<std::string>;

TEST_CASE("outbox: a record carries what was appended") {
  Consumer consumer(4, 16);
  CHECK(consumer.control.records == 0);
  CHECK(consumer.control.bytes == 0);
  consumer.append("ab");
  consumer.append("cde");
  const Record& record = consumer.record(1);
  CHECK(record.type == static_cast<uint32_t>(RecordType::kMessage));
  CHECK(record.endpoint == 1);
  CHECK(record.slot == 2);
  CHECK(record.generation == 3);
  CHECK(record.a == 4);
  CHECK(record.b == 5);
  CHECK(record.offset == 2);
  CHECK(record.length == 3);
  CHECK(consumer.present() == Texts{"ab", "cde"});
}

TEST_CASE("outbox: an exact fit is a fit, in bytes and in records") {
  Consumer bytes(4, 6);
  bytes.append("abc");
  bytes.append("def");
  bytes.append("");  // no bytes left, and none needed
  CHECK(bytes.present() == Texts{"abc", "def", ""});
  CHECK(bytes.control.bytes == 6);

  Consumer records(2, 100);
  records.append("a");
  records.append("b");
  records.append("c");
  CHECK(records.present() == Texts{"a", "b"});
  records.outbox.reset();
  CHECK(records.present() == Texts{"c"});
  records.outbox.reset();
  CHECK(records.present().empty());
}

TEST_CASE("outbox: what is spilled keeps its place") {
  Consumer consumer(8, 6);
  consumer.append("abcd");
  consumer.append("efg");  // does not fit
  consumer.append("h");    // would fit, but must not overtake
  CHECK(consumer.present() == Texts{"abcd"});
  consumer.outbox.reset();
  CHECK(consumer.present() == Texts{"efg", "h"});
  consumer.append("i");  // directly behind: nothing is spilled any more
  CHECK(consumer.present() == Texts{"efg", "h", "i"});
}

TEST_CASE("outbox: bytes that were made in their place are not copied") {
  Consumer consumer(8, 6);
  consumer.append("ab");
  uint8_t* const room = consumer.outbox.room(4, nullptr);
  REQUIRE(room != nullptr);
  CHECK(consumer.outbox.room(5, nullptr) == nullptr);
  room[0] = 'x';
  consumer.outbox.append(RecordType::kMessage, {1, 2, 3}, 4, 5, {room, 1});
  CHECK(consumer.present() == Texts{"ab", "x"});
  CHECK(consumer.outbox.room(3, nullptr) == room + 1);
  consumer.append("defg");  // spills
  CHECK(consumer.outbox.room(1, nullptr) == nullptr);
}

TEST_CASE("outbox: a long spill comes in over several resets, in order") {
  Consumer consumer(3, 10);
  Texts expected;
  for (int i = 0; i < 50; ++i) {
    expected.push_back(std::string(static_cast<size_t>(i % 11), static_cast<char>('a' + i % 26)));
    consumer.append(expected.back());
  }
  Texts seen;
  while (consumer.control.records != 0) {
    for (const std::string& text : consumer.present()) seen.push_back(text);
    // A handler that sends appends in the middle of the drain.
    if (seen.size() < 20) {
      expected.emplace_back("x");
      consumer.append("x");
    }
    consumer.outbox.reset();
  }
  CHECK(seen == expected);
}

}  // namespace
}  // namespace dtls::test
