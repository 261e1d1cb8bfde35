#ifndef DGRAM_DTLS_CORE_RECORDS_AEAD_RECORDS_H_
#define DGRAM_DTLS_CORE_RECORDS_AEAD_RECORDS_H_

#include "core/records/aead_protection.h"
#include "core/records/records.h"
#include "core/records/replay_window.h"

namespace dtls {

// The keys and IVs that a DTLS 1.2 handshake has agreed upon, RFC 5246 section 6.3.
struct AeadKeys {
  const AeadSuite* suite = nullptr;  // a valid one
  bool server = false;               // whose side this is
  // The client's key, the server's, the client's IV, the server's.
  Secret<2 * (AeadSuite::kMaxKeySize + AeadSuite::kNonceSize)> block;

  // From a handshake that has its master secret. False for suites that are no AEAD, other versions
  // than DTLS 1.2, and when OpenSSL fails.
  bool derive(SSL* ssl);

  Bytes key(bool of_server) const;
  Bytes iv(bool of_server) const;
};

// Epoch 1 of a DTLS 1.2 session in an AEAD suite, from where the handshake has left it.
//
// What makes it safe: nothing else seals under these keys from then on, numbers and explicit nonces
// only go up, and one that was taken is gone, whatever became of its record. With GCM two records
// under one nonce would give the authentication key away. The explicit nonce goes on from the last
// one that OpenSSL used, which with GCM counts from a random start; it is not made from the number.
// It has 64 bits and moves on by one with each number, so that the numbers, of 48 bits, are used up
// long before it could come again.
//
// Limits. Numbers end at 2^48 (RFC 6347 section 4.1), and no new keys can be had: renegotiation is
// refused. Forgeries end the session at the suite's integrity_limit: RFC 9147 wrote it for
// DTLS 1.3, and it holds here, since the ciphers are the same and DTLS 1.2 drops forgeries, too.
// The confidentiality_limit is a SHOULD NOT of TLS 1.3, where one updates the keys and goes on. No
// RFC has it for DTLS 1.2, and to stop there would cut off what streams, after 390 GB with GCM and
// 137 GB with CCM. So it ends nothing: from three quarters of it on, sealing is kAdvised, and who
// minds begins another session.
class AeadRecords final : public Records {
 public:
  // Where a handshake stops.
  struct Start {
    uint64_t next_number = 0;          // of this side, in epoch 1
    uint64_t next_explicit_nonce = 0;  // one above this side's last; ignored where there is none
    ReplayWindow seen;                 // what has come of the peer's epoch 1
    uint64_t forged = 0;               // how many of the peer's records were not authentic
    uint64_t sealed_blocks = 0;        // of 16 bytes, by this side
    // Messages are taken however often they come, and however late: RFC 6347 section 4.1.2.6 lets
    // those do without a window who detect repetitions in what they send. The records that are
    // acted upon here are not theirs to judge: what has been seen of those is still dropped.
    bool takes_repeated_messages = false;
  };

  static constexpr uint16_t kEpoch = 1;
  static constexpr uint64_t kNumbers = uint64_t{1} << 48;

  AeadRecords(const AeadKeys& keys, Start start);

  Opened open(const RecordView& record, uint8_t* room, size_t& size) override;
  size_t seal(ContentType type, Bytes plaintext, uint8_t* out) override;
  size_t sealed_size(size_t plaintext) const override { return outgoing_.sealed_size(plaintext); }
  // The plaintext may lie there already when it is sealed: in the record, so far from its front.
  size_t plaintext_offset() const { return outgoing_.plaintext_offset(); }
  void rest() override;
  Wear wear_of_opening() const override;
  Wear wear_of_sealing() const override;

  const AeadSuite& suite() const { return outgoing_.suite(); }
  const ReplayWindow& seen() const { return seen_; }
  uint64_t next_number() const { return next_number_; }
  uint64_t forged() const { return forged_; }

 private:
  friend struct SessionProbe;  // test/native

  AeadProtection incoming_;
  AeadProtection outgoing_;
  ReplayWindow seen_;
  uint64_t next_number_;
  uint64_t next_explicit_nonce_;
  uint64_t forged_;
  uint64_t sealed_blocks_;
  bool takes_repeated_messages_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS_AEAD_RECORDS_H_
