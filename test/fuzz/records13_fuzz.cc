// Looks for records of DTLS 1.3 that open and should not, and for what opening writes where it
// should not: input bytes are datagrams, or changes to authentic ones, for Records13 whose keys are
// known here and go on from epoch to epoch. Beyond what the sanitizers see, it insists that only
// what was sealed opens, once, to what was sealed, that nothing of a forgery is left, and that no
// number comes twice.
#include <algorithm>
#include <array>
#include <set>
#include <vector>

#include "core/records13/records13.h"
#include "input.h"
#include "input_hash.h"

namespace dtls::test {
namespace {

using Way = TrafficSecret::Direction;

TrafficSecret secret(uint8_t choice, uint64_t epoch, Way way, uint64_t seed) {
  const CipherSuite13* suite = cipher_suite13(static_cast<uint16_t>(0x1301 + choice % 5));
  TrafficSecret secret{suite, epoch, way, SecretBytes(suite->hash_size)};
  for (size_t i = 0; i < suite->hash_size; ++i) {
    secret.bytes.data()[i] = static_cast<uint8_t>((7 * i + epoch) ^ (seed >> (8 * (i % 8))));
  }
  return secret;
}

struct Sealed {
  std::vector<uint8_t> record;
  std::vector<uint8_t> plaintext;
  uint8_t type;
  uint64_t epoch;
  uint64_t number;
};

// One end that seals and one that opens.
class Run {
 public:
  Run(uint8_t suite, uint8_t choice, uint64_t seed)
      : sealer_(options(choice)), opener_(options(choice)) {
    for (const uint64_t epoch : {2, 3}) {
      insist(sealer_.add(secret(suite, epoch, Way::kSeal, seed)), "keys to seal with");
      insist(opener_.add(secret(suite, epoch, Way::kOpen, seed)), "keys to open with");
    }
  }

  void seal(uint8_t type, bool handshake, Bytes plaintext) {
    const uint64_t epoch = handshake ? 2 : sealer_.sealing_epoch();
    std::vector<uint8_t> record(sealer_.sealed_size_in(epoch, plaintext.size));
    const Sealed13 sealed =
        sealer_.seal_in(epoch, static_cast<ContentType>(type), plaintext, record.data());
    insist(sealed.size != 0 && sealed.size <= record.size(), "sealing");
    record.resize(sealed.size);
    insist(numbers_.insert({sealed.epoch, sealed.number}).second, "a number for each record");
    sealed_.push_back({record,
                       {plaintext.data, plaintext.data + plaintext.size},
                       type,
                       sealed.epoch,
                       sealed.number});
  }

  void open(Bytes datagram) {
    CiphertextView record;
    while (take_ciphertext(datagram, record)) open(record);
  }

  // One that was sealed, with changes.
  void open_changed(uint8_t which, uint8_t where, Bytes changes) {
    if (sealed_.empty()) return;
    std::vector<uint8_t> record = sealed_[which % sealed_.size()].record;
    for (size_t i = 0; i < changes.size; ++i)
      record[(where + i) % record.size()] ^= changes.data[i];
    open(Bytes{record.data(), record.size()});
  }

  void keys(uint8_t choice, double time) {
    switch (choice % 5) {
      case 0:
        sealer_.rest();
        return;
      case 1:
        opener_.rest();
        return;
      case 2:
        insist(opener_.update_opening(), "the next keys to open with");
        return;
      case 3:
        if (sealer_.sealing_epoch() < opener_.opening_epoch()) {
          insist(sealer_.update_sealing(), "the next keys to seal with");
        }
        return;
      default:
        opener_.retire(opener_.opening_epoch(), time);
        opener_.advance(128);
        insist(opener_.deadline() > 128, "whose time has come is gone");
    }
  }

 private:
  static Records13::Options options(uint8_t choice) {
    Records13::Options options;
    options.replay_window = choice % 5 == 0 ? 128 : 64;
    options.padding = choice % 3 == 0 ? choice : 0;
    return options;
  }

  void open(const CiphertextView& record) {
    std::vector<uint8_t> room(std::min(record.whole.size, kMaxPlaintext) + 16, 0xee);
    Plaintext13 plaintext;
    plaintext.size = 1;
    const Opened outcome = opener_.open(record, room.data(), plaintext);
    const auto behind = room.begin() + static_cast<long>(plaintext.size);
    insist(std::all_of(behind, room.end() - 16,
                       [](uint8_t byte) { return byte == 0 || byte == 0xee; }) &&
               std::all_of(room.end() - 16, room.end(), [](uint8_t byte) { return byte == 0xee; }),
           "nothing but the content");
    if (outcome != Opened::kTaken) {
      insist(plaintext.size == 0, "nothing of a forgery");
      return;
    }
    const auto known = std::find_if(sealed_.begin(), sealed_.end(), [&](const Sealed& sealed) {
      return sealed.epoch == plaintext.epoch && sealed.number == plaintext.number;
    });
    insist(known != sealed_.end() && known->record.size() == record.whole.size &&
               std::equal(known->record.begin(), known->record.end(), record.whole.data),
           "only what was sealed opens");
    std::vector<uint8_t> content = known->plaintext;
    uint8_t type = known->type;
    // The last byte that is not zero says the type, also to who has sealed one without.
    while (type == 0 && !content.empty()) {
      type = content.back();
      content.pop_back();
    }
    insist(static_cast<uint8_t>(plaintext.type) == type && plaintext.size == content.size() &&
               std::equal(content.begin(), content.end(), room.begin()),
           "to what was sealed");
    insist(taken_.insert({plaintext.epoch, plaintext.number}).second, "once");
  }

  Records13 sealer_;
  Records13 opener_;
  std::vector<Sealed> sealed_;
  std::set<std::pair<uint64_t, uint64_t>> numbers_;
  std::set<std::pair<uint64_t, uint64_t>> taken_;
};

void run(Bytes input) {
  constexpr int kMaxSteps = 60;
  if (input.size < 2) return;
  Run run(input.data[0], input.data[1], hash_of(input));
  input = input.from(2);
  // Three bytes that say what and where, two that say how much, and so many bytes.
  for (int i = 0; i < kMaxSteps && input.size >= 5; ++i) {
    const uint8_t* step = input.data;
    const size_t size = read_u16(step + 3);
    input = input.from(5);
    const Bytes bytes = input.first(size);
    input = input.from(bytes.size);
    switch (step[0] % 5) {
      case 0:
        run.seal(step[1], step[2] % 4 == 0, bytes.first(kMaxPlaintext));
        break;
      case 1:
        run.open(bytes);
        break;
      case 2:
      case 3:
        run.open_changed(step[1], step[2], bytes);
        break;
      default:
        run.keys(step[1], step[2]);
    }
  }
}

}  // namespace
}  // namespace dtls::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  dtls::test::run({data, size});
  return 0;
}
