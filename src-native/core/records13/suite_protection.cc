#include "core/records13/suite_protection.h"

#include "core/base/openssl_ptr.h"

namespace dtls {

namespace {

constexpr size_t kTag = 16;
constexpr size_t kCcm8Tag = 8;

// Limits of one key, RFC 9147 section 4.5.3: records that are no one's, and blocks of 16 bytes that
// are sealed. The RFC counts records of 2^14 bytes, which are 2^10 blocks; the analysis behind its
// figures is about blocks.
constexpr uint64_t kGcmForgeries = uint64_t{1} << 36;
constexpr uint64_t kChaChaForgeries = kGcmForgeries;
constexpr uint64_t kCcmForgeries = 11863283;  // 2^23.5, appendix B.2
// Appendix B.3: 2^7 would be needed for the margin of the others, and would let anybody end a
// session by 129 datagrams; to update keys does not help, since it takes longer than to send so
// many. With so many as here the chance of one forgery is 2^-44. It is the figure that DTLS 1.2's
// records have.
constexpr uint64_t kCcm8Forgeries = uint64_t{1} << 20;
constexpr uint64_t kGcmBlocks = uint64_t{23726566} << 10;  // 2^24.5 records, RFC 8446 section 5.5
constexpr uint64_t kCcmBlocks = uint64_t{1} << 33;         // 2^23 records
constexpr uint64_t kNoLimit = UINT64_MAX;                  // none that a session could reach

using Calls = AeadSuite::Calls;

// Null where this OpenSSL was built without the cipher.
const EVP_CIPHER* fetch(const char* name) { return EVP_CIPHER_fetch(nullptr, name, nullptr); }

AeadSuite aead(const EVP_CIPHER* cipher, Calls calls, size_t key_size, size_t tag_size,
               uint64_t forgeries, uint64_t blocks) {
  return {cipher, calls, key_size, AeadSuite::kNonceSize, 0, tag_size, forgeries, blocks};
}

SuiteProtection gcm(const char* name, size_t key_size, const EVP_CIPHER* mask) {
  const bool is_3_0 = OPENSSL_version_major() == 3 && OPENSSL_version_minor() == 0;
  return {aead(fetch(name), is_3_0 ? Calls::kGcm3_0 : Calls::kPlain, key_size, kTag, kGcmForgeries,
               kGcmBlocks),
          mask, true};
}

SuiteProtection ccm(const EVP_CIPHER* cipher, size_t tag_size, const EVP_CIPHER* mask) {
  constexpr size_t kKey = 16;
  const uint64_t forgeries = tag_size == kTag ? kCcmForgeries : kCcm8Forgeries;
  return {aead(cipher, Calls::kCcm, kKey, tag_size, forgeries, kCcmBlocks), mask, true};
}

// OpenSSL's TLS mode is that of DTLS 1.2, with other additional data.
SuiteProtection chacha() {
  constexpr size_t kKey = 32;
  return {aead(fetch("ChaCha20-Poly1305"), Calls::kPlain, kKey, kTag, kChaChaForgeries, kNoLimit),
          fetch("ChaCha20"), false};
}

// Looking a cipher up takes longer than sealing a record, so it is done once; nothing frees them,
// since OpenSSL's own clean-up may come first when the process ends.
struct Protections {
  const EVP_CIPHER* aes_128 = fetch("AES-128-ECB");
  const EVP_CIPHER* aes_256 = fetch("AES-256-ECB");
  const EVP_CIPHER* aes_128_ccm_cipher = fetch("AES-128-CCM");
  SuiteProtection aes_128_gcm = gcm("AES-128-GCM", 16, aes_128);
  SuiteProtection aes_256_gcm = gcm("AES-256-GCM", 32, aes_256);
  SuiteProtection aes_128_ccm = ccm(aes_128_ccm_cipher, kTag, aes_128);
  SuiteProtection aes_128_ccm8 = ccm(aes_128_ccm_cipher, kCcm8Tag, aes_128);
  SuiteProtection chacha20_poly1305 = chacha();
  SuiteProtection none;
};

const Protections& protections() {
  static const Protections all = [] {
    const ErrorQueueScope errors;  // says what is missing
    return Protections{};
  }();
  return all;
}

}  // namespace

const SuiteProtection& suite_protection(const CipherSuite13& suite) {
  const Protections& all = protections();
  switch (suite.aead) {
    case Aead13::kAes128Gcm:
      return all.aes_128_gcm;
    case Aead13::kAes256Gcm:
      return all.aes_256_gcm;
    case Aead13::kChaCha20Poly1305:
      return all.chacha20_poly1305;
    case Aead13::kAes128Ccm:
      return all.aes_128_ccm;
    case Aead13::kAes128Ccm8:
      return all.aes_128_ccm8;
  }
  return all.none;
}

}  // namespace dtls
