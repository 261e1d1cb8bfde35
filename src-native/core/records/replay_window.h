#ifndef DGRAM_DTLS_CORE_RECORDS_REPLAY_WINDOW_H_
#define DGRAM_DTLS_CORE_RECORDS_REPLAY_WINDOW_H_

#include <cstdint>

namespace dtls {

// A mirror of OpenSSL's replay window (RFC 6347 section 4.1.2.6: 64 sequence numbers), which drops
// records without saying why. It decides nothing: it tells a replay from a forgery for the
// counters.
class ReplayWindow {
 public:
  bool has_seen(uint64_t sequence) const {
    if (sequence >= next_) return false;
    const uint64_t age = next_ - 1 - sequence;
    return age >= 64 || (bits_ >> age & 1) != 0;
  }

  void mark(uint64_t sequence) {
    if (sequence >= next_) {
      const uint64_t shift = sequence - next_ + 1;
      bits_ = shift >= 64 ? 0 : bits_ << shift;
      bits_ |= 1;
      next_ = sequence + 1;
    } else if (const uint64_t age = next_ - 1 - sequence; age < 64) {
      bits_ |= uint64_t{1} << age;
    }
  }

 private:
  uint64_t next_ = 0;  // one above the highest sequence number seen
  uint64_t bits_ = 0;  // bit n: next_ - 1 - n was seen
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS_REPLAY_WINDOW_H_
