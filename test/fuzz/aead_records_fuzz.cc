// Looks for records that open and should not, and for what opening writes where it should not:
// input bytes are records, or changes to authentic ones, for AeadRecords whose keys are known here.
// Beyond what the sanitizers see, it insists that only what was sealed opens, once, to what was
// sealed, that nothing of a forgery is left, and that no nonce comes twice.
#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <set>

#include "../native/plain_openssl.h"
#include "input_hash.h"

namespace dtls::test {
namespace {

const SSL_CIPHER* cipher_named(const char* name) {
  static const SslCtxPtr ctx(SSL_CTX_new(DTLS_method()));
  insist(SSL_CTX_set_cipher_list(ctx.get(), "ALL:@SECLEVEL=0") == 1, "cipher suites");
  const STACK_OF(SSL_CIPHER)* all = SSL_CTX_get_ciphers(ctx.get());
  for (int i = 0; i < sk_SSL_CIPHER_num(all); ++i) {
    const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(all, i);
    if (std::strcmp(SSL_CIPHER_get_name(cipher), name) == 0) return cipher;
  }
  return nullptr;
}

const AeadSuite& suite_for(uint8_t choice) {
  static const std::array<const AeadSuite*, 4> all = {
      &aead_suite(cipher_named("PSK-AES128-GCM-SHA256")),
      &aead_suite(cipher_named("PSK-CHACHA20-POLY1305")),
      &aead_suite(cipher_named("PSK-AES256-CCM")), &aead_suite(cipher_named("PSK-AES128-CCM8"))};
  const AeadSuite& suite = *all[choice % all.size()];
  insist(suite.valid(), "the suite");
  return suite;
}

void fill(AeadKeys& keys, const AeadSuite& suite, bool server, uint64_t seed) {
  keys.suite = &suite;
  keys.server = server;
  for (size_t i = 0; i < keys.block.bytes.size(); ++i) {
    keys.block.bytes[i] = static_cast<uint8_t>((7 * i) ^ (seed >> (8 * (i % 8))));
  }
}

struct Sealed {
  std::vector<uint8_t> record;
  std::vector<uint8_t> plaintext;
};

// One end that seals and one that opens.
class Run {
 public:
  Run(const AeadSuite& suite, uint8_t choice, uint64_t seed)
      : sealer_(made(suite, false, seed), start(choice)),
        opener_(made(suite, true, seed), start(choice)) {}

  void seal(uint8_t type, Bytes plaintext) {
    Sealed sealed{std::vector<uint8_t>(sealer_.sealed_size(plaintext.size)),
                  {plaintext.data, plaintext.data + plaintext.size}};
    const size_t size =
        sealer_.seal(static_cast<ContentType>(type), plaintext, sealed.record.data());
    insist(size == sealed.record.size(), "sealing");
    // GCM and CCM carry the nonce; ChaCha20-Poly1305 takes the number.
    const size_t at = sealer_.suite().explicit_nonce_size != 0 ? kRecordHeaderSize : 3;
    const std::vector<uint8_t> nonce(&sealed.record[at], &sealed.record[at + 8]);
    insist(nonces_.insert(nonce).second, "one record for each nonce");
    sealed_.push_back(std::move(sealed));
  }

  void open(Bytes datagram) {
    RecordView record;
    while (take_record(datagram, record)) open(record);
  }

  // One that was sealed, with changes.
  void open_changed(uint8_t which, uint8_t where, Bytes changes) {
    if (sealed_.empty()) return;
    std::vector<uint8_t> record = sealed_[which % sealed_.size()].record;
    for (size_t i = 0; i < changes.size; ++i)
      record[(where + i) % record.size()] ^= changes.data[i];
    open({record.data(), record.size()});
  }

  void rest(bool sealer) {
    if (sealer) {
      sealer_.rest();
    } else {
      opener_.rest();
    }
  }

 private:
  static AeadRecords::Start start(uint8_t choice) {
    AeadRecords::Start start;
    start.next_number = choice % 3 == 0 ? 0 : AeadRecords::kNumbers - 64;
    start.next_explicit_nonce = choice % 2 == 0 ? 5 : UINT64_MAX - 3;
    start.seen = ReplayWindow(choice % 5 == 0 ? 128 : 64);
    return start;
  }
  const AeadKeys& made(const AeadSuite& suite, bool server, uint64_t seed) {
    fill(keys_, suite, server, seed);
    return keys_;
  }

  void open(const RecordView& record) {
    const size_t overhead = opener_.suite().overhead();
    const size_t most = record.fragment.size > overhead ? record.fragment.size - overhead : 0;
    std::vector<uint8_t> room(most + 16, 0xee);
    size_t size = 1;
    const uint64_t forged = opener_.forged();
    const Opened outcome = opener_.open(record, room.data(), size);
    insist((opener_.forged() != forged) == (outcome == Opened::kForged), "forgeries are counted");
    insist(std::all_of(room.end() - 16, room.end(), [](uint8_t byte) { return byte == 0xee; }),
           "nothing behind the plaintext");
    if (outcome != Opened::kTaken) {
      insist(size == 0 && std::all_of(room.begin(), room.end(),
                                      [](uint8_t byte) { return byte == 0 || byte == 0xee; }),
             "nothing of a forgery");
      return;
    }
    const auto known = std::find_if(sealed_.begin(), sealed_.end(), [&](const Sealed& sealed) {
      return sealed.record.size() == record.whole.size &&
             std::equal(sealed.record.begin(), sealed.record.end(), record.whole.data);
    });
    insist(known != sealed_.end(), "only what was sealed opens");
    insist(size == known->plaintext.size() &&
               std::equal(known->plaintext.begin(), known->plaintext.end(), room.begin()),
           "to what was sealed");
    insist(taken_.insert(record.sequence).second, "once");
  }

  AeadKeys keys_;
  AeadRecords sealer_;
  AeadRecords opener_;
  std::vector<Sealed> sealed_;
  std::set<std::vector<uint8_t>> nonces_;
  std::set<uint64_t> taken_;
};

void run(Bytes input) {
  constexpr int kMaxSteps = 60;  // below the numbers that are left
  if (input.size < 2) return;
  Run run(suite_for(input.data[0]), input.data[1], hash_of(input));
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
        run.seal(step[1], bytes);
        break;
      case 1:
        run.open(bytes);
        break;
      case 2:
      case 3:
        run.open_changed(step[1], step[2], bytes);
        break;
      default:
        run.rest(step[1] % 2 == 0);
    }
  }
}

}  // namespace
}  // namespace dtls::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  dtls::test::run({data, size});
  return 0;
}
