#ifndef DGRAM_DTLS_CORE_RECORDS_RECORD_PROTECTION_H_
#define DGRAM_DTLS_CORE_RECORDS_RECORD_PROTECTION_H_

#include <array>

#include "core/base/openssl_ptr.h"
#include "core/records/aead_suite.h"
#include "core/wire/wire.h"

// AEAD protection of DTLS 1.2 records, which OpenSSL has no API for: key derivation from a finished
// handshake, open and seal. RFC 5246 section 6.2.3.3 with the nonces of RFC 5288 (GCM), RFC 6655
// (CCM), RFC 6209 (ARIA) and RFC 7905 (ChaCha20-Poly1305). EVP does all of the cryptography.
//
// One rule makes this safe: a record is sealed only under the nonce of a record that OpenSSL itself
// made or received, and of two sealings under one nonce at most one leaves the process. With GCM,
// two would give the authentication key away.
namespace dtls {

// One direction of an epoch.
class RecordProtection {
 public:
  // False when OpenSSL fails; the object then opens and seals nothing.
  bool init(const AeadSuite& suite, Bytes key, Bytes fixed_iv);

  // Opens a whole record (header and fragment). `plaintext` has room for the fragment. False: not
  // authentic; what `plaintext` holds then is of no use to anybody.
  bool open(const RecordView& record, uint8_t* plaintext, size_t& size);

  // Makes a record of `type` with version, epoch, sequence number and explicit nonce of `like`,
  // which was protected under the same keys. `out` has room for sealed_size(). Returns its size, 0
  // on failure.
  size_t seal(ContentType type, const RecordView& like, Bytes plaintext, uint8_t* out);

  size_t sealed_size(size_t plaintext_size) const {
    return kRecordHeaderSize + suite_.overhead() + plaintext_size;
  }

 private:
  using Nonce = std::array<uint8_t, 12>;
  using AdditionalData = std::array<uint8_t, 13>;

  bool init_context(EvpCipherCtxPtr& context, Bytes key, bool encrypt) const;
  Nonce nonce(const RecordView& record) const;
  static AdditionalData additional_data(const RecordView& record, ContentType type, size_t size);

  AeadSuite suite_;
  std::array<uint8_t, 12> fixed_iv_{};
  EvpCipherCtxPtr opener_;
  EvpCipherCtxPtr sealer_;
};

// Both directions of the epoch that a DTLS 1.2 handshake begins. False for suites that are no AEAD,
// before there is a master secret, and when OpenSSL fails.
bool derive_record_protection(SSL* ssl, RecordProtection& own, RecordProtection& peers);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS_RECORD_PROTECTION_H_
