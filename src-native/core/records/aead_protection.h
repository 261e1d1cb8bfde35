#ifndef DGRAM_DTLS_CORE_RECORDS_AEAD_PROTECTION_H_
#define DGRAM_DTLS_CORE_RECORDS_AEAD_PROTECTION_H_

#include "core/base/secret.h"
#include "core/records/aead_key.h"
#include "core/wire/wire.h"

namespace dtls {

// AEAD protection of one direction of an epoch: RFC 5246 section 6.2.3.3, with DTLS's epoch and
// sequence number. It opens or it seals.
class AeadProtection {
 public:
  using Direction = AeadKey::Direction;

  // `key` and `fixed_iv` are of the suite's sizes.
  AeadProtection(const AeadSuite& suite, Direction direction, Bytes key, Bytes fixed_iv);

  const AeadSuite& suite() const { return key_.suite(); }

  // Makes the context where there is none. False: OpenSSL has failed.
  bool wake() { return key_.awake() || make_context(); }
  void rest() { key_.rest(); }

  // Opens a record that is not shorter than the suite's overhead, into `room`, which is not where
  // the record is. False: not authentic; `room` then has zeros in place of the plaintext.
  // Call it when wake() has succeeded; seal(), too.
  bool open(const RecordView& record, uint8_t* room, size_t& size);

  // Which record is made.
  struct Header {
    ContentType type;
    uint16_t version;
    uint64_t number;          // epoch and sequence number
    uint64_t explicit_nonce;  // ignored by suites that have none
  };

  // Seals `plaintext` straight into `out`. The plaintext may be there already, at its place in the
  // record, plaintext_offset() behind `out`; else the two do not overlap. Returns the record's
  // size, 0 on failure. Nobody may seal under the same nonce again, also not after a failure.
  size_t seal(const Header& header, Bytes plaintext, uint8_t* out);

  size_t plaintext_offset() const { return kRecordHeaderSize + suite().explicit_nonce_size; }
  size_t sealed_size(size_t plaintext) const {
    return kRecordHeaderSize + suite().overhead() + plaintext;
  }

 private:
  using Calls = AeadSuite::Calls;
  bool make_context();
  AeadKey::Nonce nonce(const uint8_t* explicit_nonce) const;
  bool open_plainly(const RecordView& record, uint8_t* room, size_t size);
  bool open_in_tls_mode(const RecordView& record, uint8_t* room, size_t size);
  bool seal_plainly(const Header& header, Bytes plaintext, uint8_t* record);
  bool seal_in_tls_mode(const Header& header, Bytes plaintext, uint8_t* record);

  AeadKey key_;
  Secret<AeadSuite::kNonceSize> iv_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS_AEAD_PROTECTION_H_
