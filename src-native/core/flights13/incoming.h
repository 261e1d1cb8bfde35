#ifndef DGRAM_DTLS_CORE_FLIGHTS13_INCOMING_H_
#define DGRAM_DTLS_CORE_FLIGHTS13_INCOMING_H_

#include <optional>
#include <vector>

#include "core/flights13/message.h"
#include "core/flights13/record_number.h"
#include "core/wire/message_assembly.h"

namespace dtls {

// The peer's messages, put together from their fragments and handed on in order: RFC 9147 sections
// 5.2 and 5.5.
//
// In clear anybody can send fragments. So only the next message is put together from those, one
// that contradicts them begins it anew, and a fragment that came under keys stands in the place of
// all that came in clear. Under keys only the peer can contradict itself: what came first stays,
// since it may have been acknowledged.
class Incoming {
 public:
  explicit Incoming(uint32_t next) : next_(next), expected_seq_(next) {}

  static constexpr size_t kMaxMessage = MessageAssembly::kMaxMessage;
  static constexpr uint32_t kMaxAhead = MessageAssembly::kMaxAhead;
  static constexpr size_t kMaxAheadBytes = MessageAssembly::kMaxAheadBytes;

  enum class Outcome : uint8_t { kTaken, kRepeated, kRefused };

  Outcome add(uint64_t epoch, const FragmentView& fragment);
  // The next message in order, once it is whole; null before. Valid until the next call.
  const HandshakeMessage* peek() const;
  // The next message in order, each once.
  std::optional<IncomingMessage> take_next();
  // What has come of it is let go of.
  void drop_next();

  void begin_datagram() { begun_anew_ = false; }
  // What came in a lower epoch, and does from now on, is of no message that is still to come.
  void set_epoch(uint64_t epoch);

  // The message_seq behind the last message that was handed on: 65536 when there are no more.
  uint32_t next() const { return next_; }
  bool was_taken(uint32_t sequence) const { return sequence < next_; }
  // The last fragment that was taken does not go on where those before it ended.
  bool out_of_order() const { return out_of_order_; }
  bool holds_any() const { return !messages_.empty(); }

 private:
  struct Message {
    uint64_t epoch;
    HandshakeMessage parts;
  };

  Message* find(uint32_t sequence);
  Outcome add_to(Message& message, uint64_t epoch, const FragmentView& fragment);
  bool has_place(const FragmentView& fragment) const;
  void note_order(const FragmentView& fragment);

  uint32_t next_;
  uint64_t epoch_ = kClearEpoch;
  std::vector<Message> messages_;  // at most kMaxAhead + 1, in no order
  uint32_t expected_seq_;          // what comes next when nothing is lost, and nothing overtakes
  uint32_t expected_offset_ = 0;
  bool out_of_order_ = false;
  bool begun_anew_ = false;  // in this datagram
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_FLIGHTS13_INCOMING_H_
