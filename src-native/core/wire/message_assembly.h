#ifndef DGRAM_DTLS_CORE_WIRE_MESSAGE_ASSEMBLY_H_
#define DGRAM_DTLS_CORE_WIRE_MESSAGE_ASSEMBLY_H_

#include <optional>
#include <vector>

#include "core/wire/wire.h"

// Handshake messages of epoch 0, put together from their fragments before OpenSSL sees them: then
// what a question depends on can be read from whole messages, however a peer or the network cut
// them.
namespace dtls {

// One message, put together as RFC 6347 section 4.2.3 has it: fragments come in any order,
// overlapping or again.
class HandshakeMessage {
 public:
  // Begins with one of its fragments. `version`: that of the record it came in.
  HandshakeMessage(uint16_t version, const FragmentView& fragment);

  // An honest peer's flight, in the shortest fragments and in any order, leaves half as many.
  static constexpr size_t kMaxParts = 256;
  static const char* const kTooManyParts;

  // What is wrong with a fragment of another message, with bytes that differ from those that are
  // there, or with one more part than is kept: nothing of such a fragment is taken. Null when all
  // is well.
  const char* add(const FragmentView& fragment);

  bool complete() const { return !whole_.empty(); }
  bool says_what(const HandshakeMessage& other) const {
    return complete() && whole_ == other.whole_;
  }
  HandshakeType type() const { return type_; }
  uint16_t sequence() const { return sequence_; }
  uint16_t version() const { return version_; }
  // As its fragments announce it: so much room is taken only when all of it has come.
  size_t size() const { return size_; }
  // Bytes of the body that have come, each counted once.
  size_t bytes() const;
  // Of a complete message.
  Bytes body() const { return {whole_.data() + kHandshakeHeaderSize, size()}; }

  // The message from `offset` on, as one record in clear with this number, as if the peer had sent
  // it so: as much as goes into `most` bytes. `offset` moves behind it.
  std::vector<uint8_t> record(size_t& offset, uint64_t number, size_t most = kMaxPlaintext) const;

 private:
  // A part of the body without a gap in it.
  struct Part {
    size_t offset;
    std::vector<uint8_t> bytes;
    size_t end() const { return offset + bytes.size(); }
  };

  const char* compare(const FragmentView& fragment) const;
  bool fits(const FragmentView& fragment) const;
  void take(size_t offset, Bytes bytes);
  void put_together(Bytes body);

  HandshakeType type_;
  uint16_t sequence_;
  uint16_t version_;
  size_t size_;
  std::vector<Part> parts_;     // what has come, in order and with gaps between, until all has come
  std::vector<uint8_t> whole_;  // then the header of an unfragmented message, and the body
};

// The messages that a peer sends in clear, each handed on once, whole and in order.
class MessageAssembly {
 public:
  enum class Outcome : uint8_t {
    kNew,         // its message is whole now
    kIncomplete,  // more of its message must come
    kBegunAnew,   // it contradicts what was there of its message, and stands in its place
    kRepeated,    // its message was handed on before: the peer sends its flight again
    kRefused,     // not taken
  };

  // Complaints that others know by their addresses.
  static const char* const kEmptyFragment;
  static const char* const kLongCertificate;
  // OpenSSL's own bounds: SSL_MAX_CERT_LIST_DEFAULT, and how far ahead it looks.
  static constexpr size_t kMaxMessage = size_t{100} * 1024;
  static constexpr uint32_t kMaxAhead = 10;
  // Bytes of all messages behind the next one together.
  static constexpr size_t kMaxAheadBytes = size_t{64} * 1024;

  // Adds a fragment. Where two contradict each other the newer one stays: a peer sends its flight
  // again, and who forges a fragment would otherwise keep the genuine message out for good.
  Outcome add(uint16_t version, const FragmentView& fragment);
  // What is added from now on came in another datagram.
  void begin_datagram() { begun_anew_ = 0; }
  // Whether this message may be begun anew, which this call takes for done. Once for each datagram:
  // all that has come of a message is let go of for that, and a datagram has room for hundreds of
  // fragments that contradict one another.
  bool begins_anew(uint16_t sequence);

  // The next message in order, or null while it is not whole. Valid until the next call.
  const HandshakeMessage* next() const;
  // Takes it out. Until `on_taken` says that OpenSSL took it, it is the next one still, and may
  // come again: OpenSSL drops what it does not like, without a word.
  HandshakeMessage take();
  void on_taken(HandshakeType type, uint16_t sequence);

  bool took(HandshakeType type) const { return (taken_types_ & bit_of(type)) != 0; }
  // The message of that type, whatever its number; null while it is not whole.
  const HandshakeMessage* whole(HandshakeType type) const;
  // The peer's first message is one with a later number than 0.
  void begin_at(uint16_t sequence) { next_ = sequence; }
  // Lets go of all that was not taken yet.
  void forget() { messages_.clear(); }

  bool was_taken(uint16_t sequence) const { return sequence < next_; }
  // The number of the first message that was not taken yet.
  uint32_t next_sequence() const { return next_; }
  // Something of messages that were not taken yet has come.
  bool holds_any() const { return !messages_.empty(); }

  // Notes what is wrong with a fragment that no honest peer sends, for complaint(). It is not
  // taken.
  Outcome refuse(const char* complaint);
  // Why the last fragment that no honest peer sends was refused; null when there was none.
  const char* complaint() const { return complaint_; }

 private:
  // Its place in `taken_types_`: none for the types that no version of TLS has.
  static uint32_t bit_of(HandshakeType type) {
    const auto number = static_cast<uint8_t>(type);
    return number < 32 ? uint32_t{1} << number : 0;
  }
  bool comes_twice(HandshakeType type) const;

  uint32_t next_ = 0;
  uint32_t taken_types_ = 0;                // bit n: a message of type n was taken
  std::vector<HandshakeMessage> messages_;  // at most kMaxAhead + 1, in no order
  uint32_t begun_anew_ = 0;                 // bit n: in this datagram, one numbered n modulo 32
  const char* complaint_ = nullptr;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_WIRE_MESSAGE_ASSEMBLY_H_
