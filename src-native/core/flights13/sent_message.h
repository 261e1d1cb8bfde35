#ifndef DGRAM_DTLS_CORE_FLIGHTS13_SENT_MESSAGE_H_
#define DGRAM_DTLS_CORE_FLIGHTS13_SENT_MESSAGE_H_

#include <utility>
#include <vector>

#include "core/flights13/message.h"
#include "core/flights13/outgoing.h"

namespace dtls {

// The datagrams of one moment while they fill up, each within the limits.
class DatagramPacker {
 public:
  explicit DatagramPacker(const LeaveLimits& limits) : limits_(limits) {}

  // How many bytes of plaintext a record of that epoch has room for: in the last datagram, and in
  // one of its own.
  size_t room(uint64_t epoch) const;
  size_t most(uint64_t epoch) const;
  void begin_datagram();
  void put(OutgoingRecord record);

  // The longest datagram, at most, that something was put into since begin_longest().
  void begin_longest() { longest_ = 0; }
  size_t longest() const { return longest_; }
  std::vector<OutgoingDatagram> take() { return std::move(datagrams_); }

 private:
  size_t fits(uint64_t epoch, size_t used) const;

  const LeaveLimits& limits_;
  std::vector<OutgoingDatagram> datagrams_;
  size_t size_ = 0;  // of the last datagram
  size_t longest_ = 0;
};

// One message of ours, and what of it the peer has. Where it is cut follows from the room that
// there was at first, and stays so: some peers cannot put a message together from fragments of two
// cuts. Only what is too long for a smaller MTU is cut again.
class SentMessage {
 public:
  SentMessage(uint64_t epoch, uint16_t message_seq, Bytes whole);

  // A message is not begun, or gone on with, in what is left of a datagram for so few bytes of it.
  static constexpr size_t kFewBytes = 32;

  uint64_t epoch() const { return epoch_; }
  void set_epoch(uint64_t epoch) { epoch_ = epoch; }
  uint16_t message_seq() const { return message_seq_; }

  // Something of it has to leave: for the first time, or again.
  bool is_due() const;
  bool begun() const { return begun_; }
  // Packs what is due, at most `records` records, and counts them down. How many of them have left
  // before.
  uint32_t pack(DatagramPacker& packer, size_t& records, double now);

  // The peer has these bytes. `proved`: it says so under keys; in clear it is believed until the
  // next repetition, as anybody may have said so. True: that is new.
  bool acknowledge(const MessagePiece& piece, bool proved);
  bool acknowledged() const;
  bool any_acknowledged() const;

  // What nobody has acknowledged leaves again. True: there is something.
  bool repeat();
  // The same, only of what left until then: what has left since may be on its way.
  bool repeat_until(double left);
  // The next repetition has all that was acknowledged in clear only.
  void doubt();

 private:
  struct Piece {
    uint32_t offset;
    uint32_t length;
    double left_at;
    bool due;
    bool acknowledged;
    bool believed;

    bool is_missing() const { return !acknowledged && !believed; }
  };

  size_t body_size() const { return whole_.size() - kMessageHeaderSize; }
  OutgoingRecord record(const Piece& piece) const;
  // How many bytes of the `left` ones go into the record that is packed next.
  static size_t cut(DatagramPacker& packer, uint64_t epoch, size_t left);

  uint64_t epoch_;
  uint16_t message_seq_;
  std::vector<uint8_t> whole_;
  std::vector<Piece> pieces_;  // in order, and without a gap between them
  size_t cut_to_ = 0;          // bytes of the body that have a piece
  bool begun_ = false;         // a message without a body has one piece, too
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_FLIGHTS13_SENT_MESSAGE_H_
