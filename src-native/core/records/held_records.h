#ifndef DGRAM_DTLS_CORE_RECORDS_HELD_RECORDS_H_
#define DGRAM_DTLS_CORE_RECORDS_HELD_RECORDS_H_

#include <vector>

#include "core/wire/wire.h"

namespace dtls {

// What a record waits for.
enum class Until : uint8_t {
  kAnswer,  // a question is open
  kKeys,    // the peer's ChangeCipherSpec: it is protected, and of the handshake
  kOpen,    // the end of the handshake: it is protected, a message or an alert
};

// Records that came before their time, in order, and no more of them than a peer has reason to
// send: so many while a question is open, and as many that are protected.
class HeldRecords {
 public:
  static constexpr size_t kMaxRecords = 64;
  static constexpr size_t kMaxBytes = size_t{64} * 1024;

  struct Held {
    Until until;
    uint64_t arrival;
    std::vector<uint8_t> bytes;
  };

  // `arrival`: a number that is higher for a record that came later; one that waits again has it
  // still. False: there is no room. A record in clear that says what a held one says is its
  // repetition, and takes none.
  bool hold(const RecordView& record, Until until, uint64_t arrival);

  bool empty() const { return records_.empty(); }

  // What is there of all that a record can wait for.
  struct Due {
    bool answer = false;
    bool keys = false;
    bool open = false;
  };

  // Takes out those that wait for nothing else.
  std::vector<Held> take(Due due);

 private:
  bool holds(const RecordView& record) const;

  std::vector<Held> records_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS_HELD_RECORDS_H_
