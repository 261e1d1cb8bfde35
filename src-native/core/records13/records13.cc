#include "core/records13/records13.h"

#include <algorithm>
#include <utility>

#include "core/records13/next_secret.h"

namespace dtls {

bool can_protect(const CipherSuite13& suite) {
  return aead_suite(suite.aead).valid() && number_cipher(suite.aead).valid();
}

// ---- keys ----

bool Records13::add(TrafficSecret secret) {
  if (secret.suite == nullptr || secret.bytes.size() != secret.suite->hash_size) return false;
  if (secret.direction == TrafficSecret::Direction::kOpen) {
    if (secret.epoch <= opening_epoch()) return false;
    auto epoch = std::make_unique<OpeningEpoch>(std::move(secret), options_.replay_window);
    if (!epoch->ready()) return false;
    install(std::move(epoch));
    return true;
  }
  if (secret.epoch <= sealing_epoch() || secret.epoch > kLastEpoch) return false;
  auto epoch = std::make_unique<SealingEpoch>(std::move(secret));
  if (!epoch->ready()) return false;
  if (sealing_) sealing_before_ = std::move(sealing_);
  sealing_ = std::move(epoch);
  return true;
}

void Records13::install(std::unique_ptr<OpeningEpoch> epoch) {
  opening_ = epoch.get();
  openings_[epoch->epoch() % kEpochs] = std::move(epoch);
}

bool Records13::update_opening() {
  if (opening_epoch() < kFirstDataEpoch || opening_epoch() == UINT64_MAX) return false;
  std::unique_ptr<OpeningEpoch> next = opening_->next();
  if (!next) return false;
  install(std::move(next));
  return true;
}

bool Records13::update_sealing() {
  if (!may_update_sealing()) return false;
  std::unique_ptr<SealingEpoch> next = sealing_->next();
  if (!next) return false;
  sealing_ = std::move(next);
  return true;
}

bool Records13::may_update_sealing() const {
  return sealing_epoch() >= kFirstDataEpoch && sealing_epoch() < kLastEpoch;
}

template <typename Condition>
void Records13::drop_openings(const Condition& condition) {
  for (std::unique_ptr<OpeningEpoch>& epoch : openings_) {
    if (epoch && epoch.get() != opening_ && condition(*epoch)) epoch.reset();
  }
}

void Records13::retire(uint64_t epoch, double until) {
  for (const std::unique_ptr<OpeningEpoch>& old : openings_) {
    if (old && old.get() != opening_ && old->epoch() < epoch) old->retire(until);
  }
}

double Records13::deadline() const {
  double next = std::numeric_limits<double>::infinity();
  for (const std::unique_ptr<OpeningEpoch>& epoch : openings_) {
    if (epoch) next = std::min(next, epoch->until());
  }
  return next;
}

void Records13::advance(double now) {
  drop_openings([now](const OpeningEpoch& epoch) { return now >= epoch.until(); });
}

SealingEpoch* Records13::sealing_of(uint64_t epoch) const {
  if (sealing_ && sealing_->epoch() == epoch) return sealing_.get();
  if (sealing_before_ && sealing_before_->epoch() == epoch) return sealing_before_.get();
  return nullptr;
}

bool Records13::can_seal(uint64_t epoch) const {
  return epoch == 0 || sealing_of(epoch) != nullptr;
}

// ---- records ----

Opened Records13::open(const CiphertextView& record, uint8_t* room, Plaintext13& plaintext) {
  OpeningEpoch* const epoch = openings_[record.epoch_bits].get();
  if (epoch == nullptr) {
    plaintext = {};
    return Opened::kBad;
  }
  const Opened outcome = epoch->open(record, options_.takes_repeated_messages, room, plaintext);
  if (epoch == opening_) return outcome;
  plaintext.first_of_epoch = false;
  // Nobody needs an old epoch whose keys are used up, once the peer has gone on to the next one.
  if (outcome == Opened::kForged && opening_->used()) {
    drop_openings([](const OpeningEpoch& old) { return old.wear() == Wear::kSpent; });
  }
  return outcome;
}

Opened Records13::open(const RecordView& record, uint8_t* room, size_t& size) {
  Bytes whole = record.whole;
  CiphertextView ciphertext;
  Plaintext13 plaintext;
  const Opened outcome = take_ciphertext(whole, ciphertext) && whole.size == 0
                             ? open(ciphertext, room, plaintext)
                             : Opened::kBad;
  size = plaintext.size;
  return outcome;
}

Sealed13 Records13::seal_in(uint64_t epoch, ContentType type, Bytes plaintext, uint8_t* out) {
  if (epoch == 0) {
    uint64_t& next = options_.next_clear_number;
    if (next >= SealingEpoch::kNumbers || plaintext.size > kMaxPlaintext) return {};
    write_clear_header(out, type, kDtls12, next, plaintext.size);
    std::copy_n(plaintext.data, plaintext.size, out + kRecordHeaderSize);
    return {kRecordHeaderSize + plaintext.size, 0, next++};
  }
  SealingEpoch* const keys = sealing_of(epoch);
  if (keys == nullptr) return {};
  const uint64_t number = keys->next_number();
  const size_t size = keys->seal(type, plaintext, padding_of(type), out);
  return size == 0 ? Sealed13{} : Sealed13{size, epoch, number};
}

size_t Records13::sealed_size_in(uint64_t epoch, size_t plaintext) const {
  if (epoch == 0) return kRecordHeaderSize + plaintext;
  const SealingEpoch* const keys = sealing_of(epoch);
  return keys == nullptr ? 0 : keys->sealed_size(plaintext, options_.padding);
}

size_t Records13::overhead_in(uint64_t epoch) const {
  if (epoch == 0) return kRecordHeaderSize;
  const SealingEpoch* const keys = sealing_of(epoch);
  return keys == nullptr ? 0 : keys->overhead();
}

size_t Records13::longest_message(size_t room) const {
  return sealing_ ? sealing_->longest_plaintext(room, options_.padding) : 0;
}

size_t Records13::seal(ContentType type, Bytes plaintext, uint8_t* out) {
  const size_t size = sealing_ ? sealing_->seal(type, plaintext, padding_of(type), out) : 0;
  if (size == 0) ErrorQueueScope::clear();  // what others have left there is not why
  return size;
}

size_t Records13::sealed_size(size_t plaintext) const {
  return sealing_ ? sealing_->sealed_size(plaintext, options_.padding) : 0;
}

void Records13::rest() {
  for (const std::unique_ptr<OpeningEpoch>& epoch : openings_) {
    if (epoch) epoch->rest();
  }
  if (sealing_) sealing_->rest();
  if (sealing_before_) sealing_before_->rest();
}

// Until a record has opened in the newest epoch, the one before is in use as well: the peer goes on
// with it until our ACK has come.
Wear Records13::wear_of_opening() const {
  if (opening_ == nullptr) return Wear::kNone;
  Wear wear = opening_->wear();
  if (opening_->used()) return wear;
  for (const std::unique_ptr<OpeningEpoch>& epoch : openings_) {
    if (epoch && epoch.get() != opening_ && epoch->epoch() + 1 == opening_->epoch()) {
      wear = std::max(wear, epoch->wear());
    }
  }
  return wear;
}

Wear Records13::wear_of_sealing() const { return sealing_ ? sealing_->wear() : Wear::kNone; }

}  // namespace dtls
