#include "core/records13/sealing_epoch.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/records13/next_secret.h"

namespace dtls {

namespace {

// 001, no connection ID, a number of 16 bits, a length: RFC 9147 section 4.
constexpr uint8_t kFlags = 0x2c;

bool is_worn(uint64_t used, uint64_t limit) { return used >= limit / 4 * 3; }

}  // namespace

SealingEpoch::SealingEpoch(TrafficSecret secret)
    : secret_(std::move(secret)),
      protection_(*secret_.suite, TrafficSecret::Direction::kSeal, secret_.bytes.view()) {
  if (epoch() < kFirstDataEpoch) secret_.bytes = SecretBytes();  // no other follows from it
}

// One byte for the type; more where the tag is short, since a number is hidden with 16 bytes of
// ciphertext.
size_t SealingEpoch::smallest_inner() const {
  const size_t tag = protection_.aead().tag_size;
  return tag < kMinCiphertext13 ? kMinCiphertext13 - tag : 1;
}

size_t SealingEpoch::inner_size(size_t plaintext, uint32_t padding) const {
  const size_t over = padding > 1 ? plaintext % padding : 0;
  size_t content = plaintext;
  if (over != 0) content = std::max(plaintext, std::min(plaintext - over + padding, kMaxPlaintext));
  return std::max(smallest_inner(), content + 1);
}

size_t SealingEpoch::longest_plaintext(size_t room, uint32_t padding) const {
  if (room < overhead()) return 0;
  const size_t around = kSealedHeaderSize13 + protection_.aead().tag_size;
  const size_t content = std::min(room - around, kMaxInner13) - 1;
  return padding > 1 && content < kMaxPlaintext ? content - content % padding : content;
}

size_t SealingEpoch::seal(ContentType type, Bytes plaintext, uint32_t padding, uint8_t* out) {
  if (next_number_ >= kNumbers || plaintext.size > kMaxPlaintext || !protection_.wake()) return 0;
  const uint64_t number = next_number_++;
  const size_t inner = inner_size(plaintext.size, padding);
  const size_t tag = protection_.aead().tag_size;
  constexpr size_t kBlock = 16;
  sealed_blocks_ += (inner + kBlock - 1) / kBlock + 1;  // one more is for the tag

  // OpenSSL reads the header from here: what was just written to the record is slow to read again.
  std::array<uint8_t, kSealedHeaderSize13> header{};
  header[0] = static_cast<uint8_t>(kFlags | (epoch() & 3));
  write_u16(&header[1], static_cast<uint32_t>(number));
  write_u16(&header[3], static_cast<uint32_t>(inner + tag));
  uint8_t* const body = std::copy(header.begin(), header.end(), out);
  uint8_t* at = std::copy_n(plaintext.data, plaintext.size, body);
  *at++ = static_cast<uint8_t>(type);
  std::fill(at, body + inner, uint8_t{0});
  EpochProtection::Mask mask{};
  if (!protection_.seal(number, {header.data(), header.size()}, body, inner) ||
      !protection_.mask(body, mask)) {
    return 0;
  }
  for (size_t i = 0; i < mask.size(); ++i) out[1 + i] ^= mask[i];
  return kSealedHeaderSize13 + inner + tag;
}

Wear SealingEpoch::wear() const {
  if (next_number_ >= kNumbers - 1) return Wear::kSpent;
  if (is_worn(next_number_, kNumbers)) return Wear::kWorn;
  return is_worn(sealed_blocks_, protection_.aead().confidentiality_limit) ? Wear::kAdvised
                                                                           : Wear::kNone;
}

std::unique_ptr<SealingEpoch> SealingEpoch::next() {
  TrafficSecret next = next_secret(secret_);
  if (next.bytes.empty()) return nullptr;
  auto epoch = std::make_unique<SealingEpoch>(std::move(next));
  if (!epoch->ready()) return nullptr;
  secret_.bytes = SecretBytes();
  return epoch;
}

}  // namespace dtls
