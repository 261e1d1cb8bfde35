#ifndef DGRAM_DTLS_CORE_RECORDS13_OPENING_EPOCH_H_
#define DGRAM_DTLS_CORE_RECORDS13_OPENING_EPOCH_H_

#include <limits>

#include "core/records/records.h"
#include "core/records/replay_window.h"
#include "core/records13/epoch_protection.h"
#include "core/records13/plaintext13.h"
#include "core/records13/unified_header.h"

namespace dtls {

// An epoch of what the peer seals.
class OpeningEpoch {
 public:
  // Consumes the secret, which is one to open with. Look at ready() before anything else is called.
  OpeningEpoch(TrafficSecret secret, uint32_t replay_window);

  bool ready() const { return protection_.ready(); }
  uint64_t epoch() const { return secret_.epoch; }

  // See Records13::open(). `takes_repeated_messages`: as in its options.
  Opened open(const CiphertextView& record, bool takes_repeated_messages, uint8_t* room,
              Plaintext13& plaintext);
  // Whether a record has opened.
  bool used() const { return seen_.next() != 0; }

  Wear wear() const;
  uint64_t forged() const { return forged_; }

  // The next epoch, of the secret behind this one's, which is wiped: call it once. Null when
  // OpenSSL fails, or where there is no secret left.
  std::unique_ptr<OpeningEpoch> next();

  // It is opened until then.
  double until() const { return until_; }
  void retire(double until);
  void rest() { protection_.rest(); }

 private:
  friend struct Records13Probe;  // test/native

  bool open_at(uint64_t number, Bytes header, Bytes sealed, uint8_t* room);
  bool open_further(uint64_t& number, size_t number_size, Bytes header, Bytes sealed,
                    uint8_t* room);

  TrafficSecret secret_;
  EpochProtection protection_;
  ReplayWindow seen_;
  // In one word: a session at rest has two of these objects. No suite takes more than 2^36
  // forgeries; the other one may begin anew, which has the guesses begin anew.
  uint64_t forged_ : 48;
  uint64_t failed_in_row_ : 16;
  double until_ = std::numeric_limits<double>::infinity();
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS13_OPENING_EPOCH_H_
