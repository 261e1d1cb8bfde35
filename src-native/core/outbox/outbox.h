#ifndef DGRAM_DTLS_CORE_OUTBOX_OUTBOX_H_
#define DGRAM_DTLS_CORE_OUTBOX_OUTBOX_H_

#include <cstdint>
#include <cstring>
#include <deque>

#include "core/base/bytes.h"
#include "core/base/secret.h"
#include "core/outbox/record_fields.h"

namespace dtls {

// What the core has to say. lib/core/outbox.ts has the same list; test/unit/outbox.test.ts compares
// them. What is packed into `a` and `b`: record_fields.h.
enum class RecordType : uint32_t {
  kTransmit = 1,  // bytes: a datagram for the session's peer, or (slot kNoSlot) for the peer `a`,
                  // which is kTransmit… where it is none of DTLS; b: send token
  kMessage,       // bytes: one decrypted message
  kBegin,         // a server session begins; a: peer index; b: the PEER_QUESTION whose answer
                  // counts, or 0
  kHandshake,     // a message came or left; a: kOut, kRetransmit, kMessageType; b: length
  kAlert,         // a: kOut, kAlert…
  kSecure,        // handshake done; a: kSecure…; b: X.509 verify result; bytes: the application
                  // protocol, or none
  kLookup,        // a question, a: LookupKind; bytes: what is asked about
  kKeylog,        // bytes: one line in NSS format
  kClose,      // last record of a session; a: FailureKind (0: orderly); b: kClose…; bytes: texts
  kPacket,     // bytes: a datagram that is not DTLS; a: peer index; b: the peer's number
               // (Endpoint::number_of); slot kNoSlot: the peer has no session
  kHeartbeat,  // a: kOut, kHeartbeatType; b: length; bytes: double, rtt in ms
  kSession,    // client: a session that can be resumed is there, or its ticket was renewed
  kSent,       // a transmitter is done with a datagram; a: its token; b: error number, or 0
  kTransportError,  // a: error number, b: record_fields.h; slot kNoSlot: of nobody
                    // in particular
  kDropped,   // something of a datagram was dropped; a: peer index; b: its length; bytes: how much
              // each counter of drops.def grew, as uint32; slot kNoSlot: the peer has no session
  kKeyLimit,  // three quarters of a limit of the session's keys; a: kOut; b: KeyLimit
  kPeerQuestion,  // a server's peer says hello: by which rules? a: peer index; b: the question's
                  // number, which comes back in answer_peer(); slot kNoSlot
};

enum class LookupKind : uint32_t {
  kPskServer = 1,    // bytes: the client's identity
  kPskClient,        // bytes: the server's hint, perhaps empty
  kPeerIdentity,     // the chain is valid: is it the host that was meant?
  kClientHello,      // bytes: pack_client_hello
  kSessionIdentity,  // as kPeerIdentity, of a session that is to be resumed
  kStoredSession,    // bytes: the id of a session that a client wants to resume
  kNewSession,       // bytes: the id of a new session behind its length, and the session
  kOcspResponse,     // server: is there one for the current certificate of the SSL?
  kOcspVerdict,      // client: bytes: what the server stapled, or none: does the handshake go on?
};

// What of a session's keys is nearly used up.
enum class KeyLimit : uint32_t {
  kIntegrity = 1,    // of the peer's: records that were forged. The session ends behind the limit.
  kConfidentiality,  // of this side's: what was sealed. Nothing ends.
  kNumbers,          // of this side's: record numbers. The session ends behind the last.
};

constexpr uint32_t kNoSlot = UINT32_MAX;

// One fixed-size record, read by JavaScript as eight unsigned 32-bit numbers.
struct Record {
  uint32_t type;
  uint32_t endpoint;
  uint32_t slot;
  uint32_t generation;
  uint32_t a;
  uint32_t b;
  uint32_t offset;
  uint32_t length;
};
static_assert(sizeof(Record) == 32, "lib/core/outbox.ts reads eight 32-bit words for each record");

struct SessionId {
  uint32_t endpoint;
  uint32_t slot;
  uint32_t generation;
};

// Records and their bytes, written here and drained by JavaScript after OpenSSL has returned. The
// memory belongs to the consumer, who shows it to nobody; what does not fit waits in `spill_`, in
// order, and comes into the memory when the consumer has taken the rest.
class Outbox {
 public:
  struct Control {  // shared with the consumer
    uint32_t records;
    uint32_t bytes;
  };

  // The consumer's memory, to outlive this object.
  void attach(Control* control, Record* records, size_t record_capacity, uint8_t* arena,
              size_t arena_capacity);

  void append(RecordType type, SessionId id, uint32_t a, uint32_t b, Bytes bytes = {}) {
    if (type == RecordType::kBegin || type == RecordType::kPacket || type == RecordType::kDropped ||
        type == RecordType::kPeerQuestion) {
      ++named_peers_;
    }
    const Record record{
        static_cast<uint32_t>(type),      id.endpoint, id.slot, id.generation, a, b, 0,
        static_cast<uint32_t>(bytes.size)};
    if (spill_.empty() && fits(bytes.size)) {
      place(record, bytes);
    } else {
      spill(record, bytes);
    }
  }

  // Where the next record's bytes will lie, for whoever makes so many of them at most: append()
  // then finds them in their place. `elsewhere` when they would not fit.
  uint8_t* room(size_t size, uint8_t* elsewhere) {
    return spill_.empty() && fits(size) ? arena_ + control_->bytes : elsewhere;
  }

  // Nothing is waiting to be taken.
  bool empty() const { return control_->records == 0 && spill_.empty(); }
  // How many records have named a peer by its index, so far.
  uint64_t named_peers() const { return named_peers_; }

  // The consumer has taken all records: empties the memory, then moves spilled records in.
  void reset();

 private:
  struct Spilled {
    Record record;
    SecretBytes bytes;
  };

  bool fits(size_t size) const {
    return control_->records < record_capacity_ && size <= arena_capacity_ - control_->bytes;
  }
  void place(Record record, Bytes bytes) {
    record.offset = control_->bytes;
    uint8_t* const place = arena_ + record.offset;
    if (bytes.size != 0 && bytes.data != place) std::memcpy(place, bytes.data, bytes.size);
    records_[control_->records++] = record;
    control_->bytes = record.offset + record.length;
  }
  void spill(const Record& record, Bytes bytes);

  Control* control_ = nullptr;
  Record* records_ = nullptr;
  uint8_t* arena_ = nullptr;
  size_t record_capacity_ = 0;
  size_t arena_capacity_ = 0;
  uint64_t named_peers_ = 0;
  std::deque<Spilled> spill_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_OUTBOX_OUTBOX_H_
