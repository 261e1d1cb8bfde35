#ifndef DGRAM_DTLS_CORE_RECORDS13_RECORDS13_H_
#define DGRAM_DTLS_CORE_RECORDS13_RECORDS13_H_

#include <array>
#include <memory>

#include "core/base/traffic_secret.h"
#include "core/records/records.h"
#include "core/records13/opening_epoch.h"
#include "core/records13/plaintext13.h"
#include "core/records13/sealing_epoch.h"
#include "core/records13/unified_header.h"

namespace dtls {

// Whether this OpenSSL can protect records of the suite.
bool can_protect(const CipherSuite13& suite);

// A record that was sealed.
struct Sealed13 {
  size_t size = 0;     // 0: it was not, see seal_in()
  uint64_t epoch = 0;  // these two are the record's number, as an ACK names it
  uint64_t number = 0;
};

// The records of a DTLS 1.3 session, from its first one in clear to its end: RFC 9147 section 4.
// One object for both, handshake and open session. OpenSSL does the cryptography, of any version
// from 3.0 on.
//
// Epochs. Of what the peer seals, at most one epoch is open for each value of the two low bits,
// which is all of it that a record shows; a newer one takes the place of the older one. So there
// are four at most, and a record always belongs to the most recent one (section 4.2.2). Of what
// this side seals there are the newest epoch and the one that was added before it, the handshake's.
//
// What makes it safe is as at AeadRecords: under one key numbers only go up, and one that was taken
// is gone, whatever became of its record. The keys of an epoch are made once, and those of the next
// one from a secret that is wiped then, so that an epoch cannot begin anew.
//
// No method throws, and none touches time: who calls gives it, in milliseconds. What OpenSSL leaves
// in its queue is cleared.
class Records13 final : public Records {
 public:
  struct Options {
    uint32_t replay_window = ReplayWindow::kUsual;  // as ReplayWindow takes it
    // Messages are taken however often they come, see AeadRecords::Start.
    bool takes_repeated_messages = false;
    // Messages are filled up with zeros to a multiple of so many bytes, as far as a record goes; 0
    // and 1: they are not (RFC 8446 section 5.4). Other records never are, so that flights know
    // what fits.
    uint32_t padding = 0;
    // Of the first record in clear. A server goes on behind the records that it has answered
    // without keeping anything.
    uint64_t next_clear_number = 0;
  };

  explicit Records13(const Options& options) : options_(options) {}

  // ---- keys ----

  // The keys of an epoch, from its secret, which is consumed. False, and nothing changes: the
  // suite's ciphers are missing, the secret has not its hash's size, the epoch is 0 or not above
  // all those of this direction, or OpenSSL failed.
  bool add(TrafficSecret secret);

  // A KeyUpdate of the peer's has come, in the newest epoch that is opened: the next one is ready
  // beside it (section 8). The old one stays until it is retired, which must not be before a record
  // has opened under the new one, since the peer goes on with the old one until it has our ACK.
  // False, and nothing changes: the newest is none of application data (3 and up), or OpenSSL
  // failed.
  bool update_opening();

  // Our KeyUpdate, and all messages before it, were acknowledged: what is sealed from now on is of
  // the next epoch. The keys of the one before are wiped; nobody may repeat under new keys what was
  // said under old ones. False, and nothing changes: the newest is none of application data, there
  // is no epoch left, or OpenSSL failed.
  bool update_sealing();
  // Whether a KeyUpdate of ours may be sent at all: epochs end at 2^48 - 1 (section 8).
  bool may_update_sealing() const;

  // Epochs that are opened, below `epoch`, are so until this time; never longer than they were to
  // be already. Those of handshakes, too. They give back their contexts at once.
  void retire(uint64_t epoch, double until);
  // When the next one ends; infinity for none. advance() wipes the keys of those whose time has
  // come.
  double deadline() const;
  void advance(double now);
  // Nothing is sealed any more under the epoch before the newest, and its keys are wiped.
  void drop_old_sealing() { sealing_before_.reset(); }

  // 0 before there are keys. Of both directions the newest, highest, epoch.
  uint64_t opening_epoch() const { return opening_ ? opening_->epoch() : 0; }
  uint64_t sealing_epoch() const { return sealing_ ? sealing_->epoch() : 0; }
  // Whether there are keys that the record may have been sealed with. Where not, it may have come
  // before its time.
  bool may_open(const CiphertextView& record) const {
    return openings_[record.epoch_bits] != nullptr;
  }
  bool can_seal(uint64_t epoch) const;

  // ---- records ----

  // Opens a record. When it is taken, `plaintext` says what is in `room`, which has as many bytes
  // as the record has, or kMaxPlaintext, and is not where the record is. Otherwise its size is 0,
  // and what is in `room` is what was there or zeros: never bytes of a forgery, or of a repetition.
  //
  // kBad: there are no keys for its epoch, or it is too short or too long. A repetition is one only
  // once it has opened, so that its time does not tell of its number (section 4.5.1).
  Opened open(const CiphertextView& record, uint8_t* room, Plaintext13& plaintext);

  // Seals a record under the next number of `epoch` into `out`, which has sealed_size_in() bytes.
  // Epoch 0: it is one in clear (section 4). Not where `plaintext` is. The result's size is 0 where
  // there are no keys or numbers left, the plaintext is longer than kMaxPlaintext, or OpenSSL
  // failed; what `out` holds then must not leave.
  Sealed13 seal_in(uint64_t epoch, ContentType type, Bytes plaintext, uint8_t* out);
  // As long as a record with so much plaintext can be, filled up as a message would be. 0 where
  // there are no keys.
  size_t sealed_size_in(uint64_t epoch, size_t plaintext) const;
  // What a record that is no message has around its plaintext, at most: header, type and tag. 0
  // where there are no keys.
  size_t overhead_in(uint64_t epoch) const;
  // The longest message whose record has at most `room` bytes, in the newest epoch; 0 for none.
  size_t longest_message(size_t room) const;

  // The same as a Session asks for it: under the newest epochs, which have to be there. open()
  // takes a RecordView whose `whole` is a record with a unified header, and ignores the rest; what
  // its content is, it does not tell.
  Opened open(const RecordView& record, uint8_t* room, size_t& size) override;
  size_t seal(ContentType type, Bytes plaintext, uint8_t* out) override;
  size_t sealed_size(size_t plaintext) const override;
  void rest() override;

  // Of the newest epoch. kWorn: have the peer update its keys (a KeyUpdate with update_requested).
  // kSpent: the session must end. Of older epochs, which nobody needs any more then, the keys are
  // wiped when they have come so far (section 4.5.3).
  Wear wear_of_opening() const override;
  // Of the newest epoch. kAdvised: time for a KeyUpdate, and nothing ends. kSpent: one record is
  // left.
  Wear wear_of_sealing() const override;

  uint64_t next_clear_number() const { return options_.next_clear_number; }

 private:
  friend struct Records13Probe;  // test/native

  SealingEpoch* sealing_of(uint64_t epoch) const;
  void install(std::unique_ptr<OpeningEpoch> epoch);
  // Of the epochs below the newest, those for which `condition` holds are gone.
  template <typename Condition>
  void drop_openings(const Condition& condition);
  uint32_t padding_of(ContentType type) const {
    return type == ContentType::kApplicationData ? options_.padding : 0;
  }

  static constexpr size_t kEpochs = 4;

  Options options_;  // its next_clear_number goes on from there
  std::array<std::unique_ptr<OpeningEpoch>, kEpochs> openings_;  // by their low bits
  OpeningEpoch* opening_ = nullptr;                              // the newest of them
  std::unique_ptr<SealingEpoch> sealing_;                        // the newest
  std::unique_ptr<SealingEpoch> sealing_before_;                 // perhaps
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS13_RECORDS13_H_
