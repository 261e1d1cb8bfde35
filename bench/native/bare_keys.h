#ifndef DGRAM_DTLS_BENCH_BARE_KEYS_H_
#define DGRAM_DTLS_BENCH_BARE_KEYS_H_

#include <openssl/evp.h>
#include <openssl/ssl.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

// Records of a session by EVP alone, as fast as OpenSSL's ciphers go: no replay window, no alerts.
// What this leaves is the limit for whoever opens and seals records without an SSL.
namespace bench {

struct CipherCtxFree {
  void operator()(EVP_CIPHER_CTX* ctx) const { EVP_CIPHER_CTX_free(ctx); }
};
using CipherCtxPtr = std::unique_ptr<EVP_CIPHER_CTX, CipherCtxFree>;

// One side of a session in the benchmarks' suite, ECDHE-ECDSA-AES128-GCM-SHA256 (RFC 5288), whose
// handshake is over and whose SSL sends no more.
class BareKeys {
 public:
  static constexpr size_t kOverhead = 13 + 8 + 16;

  explicit BareKeys(const SSL* ssl);

  // The size of the message, which is written to `room`; -1 for a record that is not authentic.
  int open(const uint8_t* record, size_t size, uint8_t* room);
  // Writes a record of kOverhead bytes more than the message.
  void seal(const uint8_t* message, size_t size, uint8_t* record);

 private:
  CipherCtxPtr incoming_;
  CipherCtxPtr outgoing_;
  std::array<uint8_t, 12> incoming_nonce_{};
  std::array<uint8_t, 12> outgoing_nonce_{};
  // The SSL has sealed one record, under number 0 and a nonce that it drew by lot.
  uint64_t next_number_ = 1;
};

}  // namespace bench

#endif  // DGRAM_DTLS_BENCH_BARE_KEYS_H_
