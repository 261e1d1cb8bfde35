#include "core/records13/opening_epoch.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/records13/next_secret.h"

namespace dtls {

namespace {

// When so many records in a row have not opened, their numbers may be the reason: the peer's are
// further ahead than what a record shows of them can tell. A guess is one that shows the same, and
// there are so many; with numbers of 16 bits that is as good as 16 million lost records.
constexpr uint32_t kFailuresBeforeGuesses = 8;
constexpr uint32_t kGuesses = 256;

// Of the content with its type and padding, which are off then: the type is the last byte that is
// not zero, RFC 8446 section 5.4. Without one it is 0.
ContentType take_type(const uint8_t* inner, size_t& size) {
  while (size > 0 && inner[size - 1] == 0) --size;
  return size == 0 ? ContentType{} : static_cast<ContentType>(inner[--size]);
}

}  // namespace

OpeningEpoch::OpeningEpoch(TrafficSecret secret, uint32_t replay_window)
    : secret_(std::move(secret)),
      protection_(secret_),
      seen_(replay_window),
      forged_(0),
      failed_in_row_(0) {
  if (epoch() < kFirstDataEpoch) secret_.bytes = SecretBytes();  // no other follows from it
}

// Each is an attempt at the keys, as far as anybody can tell.
bool OpeningEpoch::open_at(uint64_t number, Bytes header, Bytes sealed, uint8_t* room) {
  if (protection_.open(number, header, sealed, room)) return true;
  ++forged_;
  return false;
}

// RFC 9147 section 4.2.2 takes the closest number, and leaves other ways to who wishes: with that
// alone a peer could never be understood again once more than half of what its numbers show was
// lost in a row, 32768 records or, of those who show 8 bits, 128. Each record that does not open
// then tries one number more, the next one another; one that opens sets things right. A forger gets
// two attempts for one while nothing authentic comes.
bool OpeningEpoch::open_further(uint64_t& number, size_t number_size, Bytes header, Bytes sealed,
                                uint8_t* room) {
  if (++failed_in_row_ <= kFailuresBeforeGuesses) return false;
  const uint64_t turns = 1 + (failed_in_row_ - kFailuresBeforeGuesses - 1) % kGuesses;
  const uint64_t ahead = turns << (8 * number_size);
  if (number > UINT64_MAX - ahead || !open_at(number + ahead, header, sealed, room)) return false;
  number += ahead;
  return true;
}

Opened OpeningEpoch::open(const CiphertextView& record, bool takes_repeated_messages, uint8_t* room,
                          Plaintext13& plaintext) {
  plaintext = {};
  const size_t tag = protection_.aead().tag_size;
  if (record.ciphertext.size < kMinCiphertext13 || record.ciphertext.size > kMaxInner13 + tag ||
      !protection_.wake()) {
    return Opened::kBad;
  }
  EpochProtection::Mask mask{};
  if (!protection_.mask(record.ciphertext.data, mask)) return Opened::kBad;
  // The header with its number in clear is what is authentic, RFC 9147 section 4.
  std::array<uint8_t, kMaxHeaderSize13> header;
  const Bytes hidden = record.header();
  std::copy_n(hidden.data, hidden.size, header.data());
  uint32_t low = 0;
  for (size_t i = 0; i < record.number_size; ++i) {
    uint8_t& byte = header[record.number_at + i];
    byte ^= mask[i];
    low = low << 8 | byte;
  }
  uint64_t number = whole_number(seen_.next(), low, record.number_size);

  // The longest record has one byte more than the room, where its type is.
  std::array<uint8_t, kMaxInner13> larger;
  size_t size = record.ciphertext.size - tag;
  uint8_t* const inner = size > kMaxPlaintext ? larger.data() : room;
  const Bytes shown{header.data(), hidden.size};
  if (!open_at(number, shown, record.ciphertext, inner) &&
      !open_further(number, record.number_size, shown, record.ciphertext, inner)) {
    return Opened::kForged;
  }
  failed_in_row_ = 0;
  const size_t inner_size = size;
  const ContentType type = take_type(inner, size);
  const bool repeated = seen_.has_seen(number);
  if (repeated && !(takes_repeated_messages && type == ContentType::kApplicationData)) {
    std::fill_n(inner, inner_size, uint8_t{0});
    return Opened::kReplayed;
  }
  if (inner != room) {
    std::copy_n(inner, size, room);
  } else if (size < inner_size) {
    inner[size] = 0;  // the type; behind it are zeros
  }
  plaintext = {type, size, epoch(), number, !used()};
  seen_.mark(number);
  return Opened::kTaken;
}

Wear OpeningEpoch::wear() const {
  const uint64_t limit = protection_.aead().integrity_limit;
  if (forged_ > limit) return Wear::kSpent;
  return forged_ >= limit / 4 * 3 ? Wear::kWorn : Wear::kNone;
}

std::unique_ptr<OpeningEpoch> OpeningEpoch::next() {
  TrafficSecret next = next_secret(secret_);
  if (next.bytes.empty()) return nullptr;
  auto epoch = std::make_unique<OpeningEpoch>(std::move(next), seen_.size());
  if (!epoch->ready()) return nullptr;
  secret_.bytes = SecretBytes();
  return epoch;
}

void OpeningEpoch::retire(double until) {
  until_ = std::min(until_, until);
  secret_.bytes = SecretBytes();
  rest();
}

}  // namespace dtls
