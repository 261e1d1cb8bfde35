#ifndef DGRAM_DTLS_CORE_RECORDS13_SEALING_EPOCH_H_
#define DGRAM_DTLS_CORE_RECORDS13_SEALING_EPOCH_H_

#include <memory>

#include "core/records/records.h"
#include "core/records13/epoch_protection.h"
#include "core/records13/unified_header.h"

namespace dtls {

// An epoch of what this side seals.
class SealingEpoch {
 public:
  // DTLS 1.3 has numbers of 64 bits. Here they end where those of 1.2 do: a session updates its
  // keys long before.
  static constexpr uint64_t kNumbers = uint64_t{1} << 48;

  // Consumes the secret, which is one to seal with. Look at ready() before anything else is called.
  explicit SealingEpoch(TrafficSecret secret);

  bool ready() const { return protection_.ready(); }
  uint64_t epoch() const { return secret_.epoch; }
  uint64_t next_number() const { return next_number_; }

  // Seals a record under the next number, filled up to a multiple of `padding` bytes of content,
  // into `out`, which has sealed_size() bytes and is not where `plaintext` is. Returns its size; 0:
  // there is no number left, the plaintext is longer than kMaxPlaintext, or OpenSSL failed.
  size_t seal(ContentType type, Bytes plaintext, uint32_t padding, uint8_t* out);
  size_t sealed_size(size_t plaintext, uint32_t padding) const {
    return kSealedHeaderSize13 + inner_size(plaintext, padding) + protection_.aead().tag_size;
  }
  // What a record has around its plaintext, at most, when it is not filled up.
  size_t overhead() const {
    return kSealedHeaderSize13 + smallest_inner() + protection_.aead().tag_size;
  }
  // The longest plaintext whose record has at most `room` bytes; 0 where there is none.
  size_t longest_plaintext(size_t room, uint32_t padding) const;

  Wear wear() const;

  // The next epoch, as OpeningEpoch::next() has it.
  std::unique_ptr<SealingEpoch> next();
  void rest() { protection_.rest(); }

 private:
  friend struct Records13Probe;  // test/native

  size_t inner_size(size_t plaintext, uint32_t padding) const;
  size_t smallest_inner() const;

  TrafficSecret secret_;
  EpochProtection protection_;
  uint64_t next_number_ = 0;
  uint64_t sealed_blocks_ = 0;  // of 16 bytes
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS13_SEALING_EPOCH_H_
