#include "core/records/aead_records.h"

#include <algorithm>
#include <utility>

#include "core/records/key_block.h"

namespace dtls {

namespace {

using Direction = AeadProtection::Direction;

bool is_worn(uint64_t used, uint64_t limit) { return used >= limit / 4 * 3; }

}  // namespace

bool AeadKeys::derive(SSL* ssl) {
  const ErrorQueueScope errors;
  suite = &aead_suite(negotiated_cipher(ssl));
  server = SSL_is_server(ssl) == 1;
  return suite->valid() && SSL_version(ssl) == DTLS1_2_VERSION &&
         key_block(ssl, block.bytes.data(), suite->key_block_size());
}

Bytes AeadKeys::key(bool of_server) const {
  return {block.bytes.data() + (of_server ? suite->key_size : 0), suite->key_size};
}

Bytes AeadKeys::iv(bool of_server) const {
  const size_t behind_keys = 2 * suite->key_size;
  return {block.bytes.data() + behind_keys + (of_server ? suite->fixed_iv_size : 0),
          suite->fixed_iv_size};
}

AeadRecords::AeadRecords(const AeadKeys& keys, Start start)
    : incoming_(*keys.suite, Direction::kOpen, keys.key(!keys.server), keys.iv(!keys.server)),
      outgoing_(*keys.suite, Direction::kSeal, keys.key(keys.server), keys.iv(keys.server)),
      seen_(std::move(start.seen)),
      next_number_(start.next_number),
      next_explicit_nonce_(start.next_explicit_nonce),
      forged_(start.forged),
      sealed_blocks_(start.sealed_blocks),
      takes_repeated_messages_(start.takes_repeated_messages) {}

Opened AeadRecords::open(const RecordView& record, uint8_t* room, size_t& size) {
  size = 0;
  const size_t overhead = suite().overhead();
  if (record.epoch != kEpoch || record.version != DTLS1_2_VERSION ||
      record.fragment.size < overhead || record.fragment.size > overhead + kMaxPlaintext) {
    return Opened::kBad;
  }
  const bool may_repeat = takes_repeated_messages_ && record.type == ContentType::kApplicationData;
  if (!may_repeat && seen_.has_seen(record.sequence)) return Opened::kReplayed;
  if (!incoming_.wake()) return Opened::kBad;
  if (!incoming_.open(record, room, size)) {
    ++forged_;
    return Opened::kForged;
  }
  seen_.mark(record.sequence);
  return Opened::kTaken;
}

size_t AeadRecords::seal(ContentType type, Bytes plaintext, uint8_t* out) {
  if (next_number_ >= kNumbers || plaintext.size > kMaxPlaintext || !outgoing_.wake()) {
    ErrorQueueScope::clear();  // what others have left there is not why
    return 0;
  }
  constexpr size_t kBlock = 16;
  // One more is for the tag.
  sealed_blocks_ += (plaintext.size + kBlock - 1) / kBlock + 1;
  constexpr uint64_t kFirst = uint64_t{kEpoch} << 48;
  return outgoing_.seal({type, DTLS1_2_VERSION, kFirst + next_number_++, next_explicit_nonce_++},
                        plaintext, out);
}

void AeadRecords::rest() {
  incoming_.rest();
  outgoing_.rest();
}

Wear AeadRecords::wear_of_opening() const {
  const uint64_t limit = suite().integrity_limit;
  if (forged_ > limit) return Wear::kSpent;
  return is_worn(forged_, limit) ? Wear::kWorn : Wear::kNone;
}

Wear AeadRecords::wear_of_sealing() const {
  if (next_number_ >= kNumbers - 1) return Wear::kSpent;
  if (is_worn(next_number_, kNumbers)) return Wear::kWorn;
  return is_worn(sealed_blocks_, suite().confidentiality_limit) ? Wear::kAdvised : Wear::kNone;
}

}  // namespace dtls
