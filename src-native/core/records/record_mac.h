#ifndef DGRAM_DTLS_CORE_RECORDS_RECORD_MAC_H_
#define DGRAM_DTLS_CORE_RECORDS_RECORD_MAC_H_

#include "core/base/openssl_ptr.h"
#include "core/wire/wire.h"

// The MAC over a record's ciphertext that encrypt-then-MAC (RFC 7366) puts at its end. OpenSSL
// takes one that is wrong as fatal, and anybody can send one; RFC 6347 section 4.1.2.7 has the
// record dropped. So it is verified here first: what OpenSSL sees is what the peer has made.
namespace dtls {

// Whether encrypt-then-MAC does anything for the suite: CBC, or no encryption at all.
bool can_encrypt_then_mac(const SSL_CIPHER* cipher);

class RecordMac {
 public:
  // The keys of what the peer sends in the epoch that a handshake negotiates. False while there is
  // no master secret yet, and when OpenSSL fails.
  bool derive(SSL* ssl);
  void reset() { mac_.reset(); }
  bool ready() const { return mac_ != nullptr; }

  // Takes the same time for every wrong MAC.
  bool verify(const RecordView& record);

 private:
  EvpMacCtxPtr mac_;
  size_t size_ = 0;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS_RECORD_MAC_H_
