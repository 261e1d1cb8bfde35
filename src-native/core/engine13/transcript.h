#ifndef DGRAM_DTLS_CORE_ENGINE13_TRANSCRIPT_H_
#define DGRAM_DTLS_CORE_ENGINE13_TRANSCRIPT_H_

#include <vector>

#include "core/base/bytes.h"
#include "core/engine13/message_shapes.h"

namespace dtls {

// What stands ahead of a hash. OpenSSL feeds one and the same digest with transcripts of
// handshakes, which are rewritten into the shape of the wire, and with everything else that it
// hashes, which is not: certificates, tickets, keys of HMACs. Much of the latter is of a peer's
// choice.
//
//   kUndecided ── a ClientHello with this process's mark ──► kTranscript
//        └────── anything else, at the first byte that tells ──► kOther
//
// A transcript may begin with a message_hash (RFC 8446 section 4.4.1) and a HelloRetryRequest; the
// mark is in the hello behind them. What is fed until it is decided waits here.
//
// A value: OpenSSL copies digests.
class Transcript {
 public:
  // `hash_size`: of the hash, in bytes.
  Transcript(const ProcessMark& mark, size_t hash_size) : mark_(&mark), hash_size_(hash_size) {}

  void reset();
  // What is to be hashed now is appended to `out`.
  void update(Bytes bytes, std::vector<uint8_t>& out);
  // And what is to be hashed in the end. A ClientHello that is cut in its binders is hashed as it
  // is on the wire, cut at the same place.
  void finish(std::vector<uint8_t>& out);

  // Bytes go through as they are.
  bool passes() const { return state_ == State::kOther; }

 private:
  enum class State : uint8_t { kUndecided, kTranscript, kOther };

  Found judge() const;
  void drain(std::vector<uint8_t>& out);

  const ProcessMark* mark_;
  size_t hash_size_;
  State state_ = State::kUndecided;
  std::vector<uint8_t> waiting_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_ENGINE13_TRANSCRIPT_H_
