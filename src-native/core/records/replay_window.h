#ifndef DGRAM_DTLS_CORE_RECORDS_REPLAY_WINDOW_H_
#define DGRAM_DTLS_CORE_RECORDS_REPLAY_WINDOW_H_

#include <cstdint>
#include <memory>

namespace dtls {

// Which of a peer's records have been taken: RFC 6347 section 4.1.2.6. A number that was marked,
// and one so old that nobody knows any more, has been seen. Mark a number only when its record has
// proved to be authentic.
class ReplayWindow {
 public:
  static constexpr uint32_t kUsual = 64;  // what the RFC recommends
  static constexpr uint32_t kLargest = 1024;

  ReplayWindow() = default;
  // For so many of the newest numbers, rounded up to a multiple of 64; 64 to kLargest.
  explicit ReplayWindow(uint32_t size);
  // Goes on from another window: what that has seen, or is too old for it to know, has been seen.
  ReplayWindow(uint32_t size, const ReplayWindow& before);

  bool has_seen(uint64_t number) const {
    if (number >= next_) return false;
    const uint64_t age = next_ - 1 - number;
    if (age >= size_) return true;
    return more_ ? (more_[word(number)] >> number % kBits & 1) != 0 : (bits_ >> age & 1) != 0;
  }

  void mark(uint64_t number) {
    if (more_) {
      mark_more(number);
    } else if (number >= next_) {
      const uint64_t shift = number - next_ + 1;
      bits_ = (shift >= kBits ? 0 : bits_ << shift) | 1;
      next_ = number + 1;
    } else if (const uint64_t age = next_ - 1 - number; age < kBits) {
      bits_ |= uint64_t{1} << age;
    }
  }

  // One above the highest number that was marked: a record from there on is newer than all before.
  uint64_t next() const { return next_; }
  uint32_t size() const { return size_; }

 private:
  static constexpr uint32_t kBits = 64;

  // A window of more than 64 is a ring of words, of which each has the bits of 64 numbers that
  // follow one another, at fixed places. The newest word is filled from its front on; so there is
  // at least one word more than the window would take, and a power of two of them.
  uint32_t word(uint64_t number) const { return static_cast<uint32_t>(number / kBits) & last_; }
  void mark_more(uint64_t number);

  uint64_t next_ = 0;
  uint64_t bits_ = 0;                 // bit n: next_ - 1 - n was seen; where there is no ring
  std::unique_ptr<uint64_t[]> more_;  // only for a window of more than 64
  uint32_t size_ = kUsual;
  uint32_t last_ = 0;  // the ring's last word
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS_REPLAY_WINDOW_H_
