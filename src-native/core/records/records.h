#ifndef DGRAM_DTLS_CORE_RECORDS_RECORDS_H_
#define DGRAM_DTLS_CORE_RECORDS_RECORDS_H_

#include "core/base/openssl_ptr.h"
#include "core/wire/wire.h"

namespace dtls {

// What became of a record that was to be opened.
enum class Opened : uint8_t {
  kTaken,
  kBad,       // it cannot be one of this session's: epoch, version or length; or no memory was left
  kReplayed,  // its number was taken before, or is too old for anybody to know; nobody looked
              // further
  kForged,    // it is not authentic
  kUnwanted,  // nobody has looked into it: there was enough of its kind
  kBroken,    // OpenSSL cannot go on with the session; why is in its queue
};

// How far keys are used up.
enum class Wear : uint8_t {
  kNone,
  kAdvised,  // three quarters of what is advised: time to begin another session, and nothing ends
  kWorn,  // three quarters of what they bear: time to begin another session, before this one ends
  kSpent,
};

// The protected records of an open session, both directions.
class Records {
 public:
  Records() = default;
  Records(const Records&) = delete;
  Records& operator=(const Records&) = delete;
  virtual ~Records() = default;

  // Opens a whole record. When it is taken, `size` bytes of plaintext are in `room`, which has as
  // many bytes as the record has, or kMaxPlaintext, and is not where the record is. Otherwise
  // `size` is 0, and what is in `room` is what was there or zeros: never bytes of a forgery.
  virtual Opened open(const RecordView& record, uint8_t* room, size_t& size) = 0;

  // Seals a record under the next number into `out`, which has sealed_size() bytes. Returns its
  // size. 0: there is no number left, the plaintext is longer than kMaxPlaintext, or OpenSSL
  // failed; what `out` holds then must not leave.
  virtual size_t seal(ContentType type, Bytes plaintext, uint8_t* out) = 0;
  virtual size_t sealed_size(size_t plaintext) const = 0;

  // Where there is still one; or null.
  virtual SSL* ssl() const { return nullptr; }

  // Gives back what can be made again when the next record comes.
  virtual void rest() = 0;

  // Of the peer's keys, by records that were forged. kSpent: the session must end.
  virtual Wear wear_of_opening() const = 0;
  // Of this side's keys, by what was sealed. kSpent: one record is left, for a close_notify.
  virtual Wear wear_of_sealing() const = 0;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS_RECORDS_H_
