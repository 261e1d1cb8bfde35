#include "core/records/aead_suite.h"

#include "core/base/openssl_ptr.h"

namespace dtls {

namespace {

constexpr size_t kFixedIv = 4;
constexpr size_t kExplicitNonce = 8;
constexpr size_t kTag = 16;
constexpr size_t kCcm8Tag = 8;

// The RFC names no others than AES-GCM and ChaCha20-Poly1305; ARIA's GCM differs by its block
// cipher only.
constexpr uint64_t kGcmForgeries = uint64_t{1} << 36;
constexpr uint64_t kChaChaForgeries = kGcmForgeries;
// 2^23.5, RFC 9147 appendix B.2.
constexpr uint64_t kCcmForgeries = 11863283;
// Appendix B.3: 2^7 would be needed for the margin of the others, and would let anybody end a
// session by 129 datagrams. With so many as here the chance of one forgery is 2^-44.
constexpr uint64_t kCcm8Forgeries = uint64_t{1} << 20;

// Records of 2^14 bytes have 2^10 blocks. GCM: 2^24.5 such records, RFC 8446 section 5.5. CCM:
// 2^23 of them, RFC 9147 section 4.5.3. ChaCha20-Poly1305 has none that a session could reach.
constexpr uint64_t kGcmBlocks = uint64_t{23726566} << 10;
constexpr uint64_t kCcmBlocks = uint64_t{1} << 33;
constexpr uint64_t kNoLimit = UINT64_MAX;

// Suites of RFC 6655 and RFC 7251 whose tag has 8 bytes. OpenSSL gives CCM and CCM-8 one cipher
// NID.
bool is_ccm8(const SSL_CIPHER* cipher) {
  switch (SSL_CIPHER_get_protocol_id(cipher)) {
    case 0xc0a0:  // RSA_WITH_AES_128_CCM_8
    case 0xc0a1:  // RSA_WITH_AES_256_CCM_8
    case 0xc0a2:  // DHE_RSA_WITH_AES_128_CCM_8
    case 0xc0a3:  // DHE_RSA_WITH_AES_256_CCM_8
    case 0xc0a8:  // PSK_WITH_AES_128_CCM_8
    case 0xc0a9:  // PSK_WITH_AES_256_CCM_8
    case 0xc0aa:  // PSK_DHE_WITH_AES_128_CCM_8
    case 0xc0ab:  // PSK_DHE_WITH_AES_256_CCM_8
    case 0xc0ae:  // ECDHE_ECDSA_WITH_AES_128_CCM_8
    case 0xc0af:  // ECDHE_ECDSA_WITH_AES_256_CCM_8
      return true;
    default:
      return false;
  }
}

// Null where this OpenSSL was built without the cipher.
const EVP_CIPHER* fetch(const char* name) { return EVP_CIPHER_fetch(nullptr, name, nullptr); }

using Calls = AeadSuite::Calls;

AeadSuite gcm(const char* name, size_t key_size) {
  const bool is_3_0 = OPENSSL_version_major() == 3 && OPENSSL_version_minor() == 0;
  return {fetch(name),    is_3_0 ? Calls::kGcm3_0 : Calls::kPlain,
          key_size,       kFixedIv,
          kExplicitNonce, kTag,
          kGcmForgeries,  kGcmBlocks};
}

AeadSuite ccm(const EVP_CIPHER* cipher, size_t key_size, size_t tag_size) {
  const uint64_t forgeries = tag_size == kTag ? kCcmForgeries : kCcm8Forgeries;
  return {cipher, Calls::kCcm, key_size, kFixedIv, kExplicitNonce, tag_size, forgeries, kCcmBlocks};
}

AeadSuite chacha() {
  return {fetch("ChaCha20-Poly1305"), Calls::kTls, 32, AeadSuite::kNonceSize, 0, kTag,
          kChaChaForgeries,           kNoLimit};
}

// As DTLS 1.3 has it. OpenSSL's TLS mode is made for the additional data of 1.2.
AeadSuite of_1_3(AeadSuite suite) {
  suite.fixed_iv_size = AeadSuite::kNonceSize;
  suite.explicit_nonce_size = 0;
  if (suite.calls == Calls::kTls) suite.calls = Calls::kPlain;
  return suite;
}

// All suites. Looking a cipher up takes longer than sealing a record, so it is done once; nothing
// frees them, since OpenSSL's own clean-up may come first when the process ends.
struct Suites {
  const EVP_CIPHER* aes_128_ccm_cipher = fetch("AES-128-CCM");
  const EVP_CIPHER* aes_256_ccm_cipher = fetch("AES-256-CCM");
  AeadSuite none;
  AeadSuite aes_128_gcm = gcm("AES-128-GCM", 16);
  AeadSuite aes_256_gcm = gcm("AES-256-GCM", 32);
  AeadSuite aria_128_gcm = gcm("ARIA-128-GCM", 16);
  AeadSuite aria_256_gcm = gcm("ARIA-256-GCM", 32);
  AeadSuite aes_128_ccm = ccm(aes_128_ccm_cipher, 16, kTag);
  AeadSuite aes_256_ccm = ccm(aes_256_ccm_cipher, 32, kTag);
  AeadSuite aes_128_ccm8 = ccm(aes_128_ccm_cipher, 16, kCcm8Tag);
  AeadSuite aes_256_ccm8 = ccm(aes_256_ccm_cipher, 32, kCcm8Tag);
  AeadSuite chacha20_poly1305 = chacha();
  AeadSuite aes_128_gcm_1_3 = of_1_3(aes_128_gcm);
  AeadSuite aes_256_gcm_1_3 = of_1_3(aes_256_gcm);
  AeadSuite aes_128_ccm_1_3 = of_1_3(aes_128_ccm);
  AeadSuite aes_128_ccm8_1_3 = of_1_3(aes_128_ccm8);
  AeadSuite chacha20_poly1305_1_3 = of_1_3(chacha20_poly1305);
};

const Suites& suites() {
  static const Suites all = [] {
    const ErrorQueueScope errors;  // says what is missing
    return Suites{};
  }();
  return all;
}

}  // namespace

const AeadSuite& aead_suite(const SSL_CIPHER* cipher) {
  const Suites& all = suites();
  if (cipher == nullptr || SSL_CIPHER_is_aead(cipher) != 1) return all.none;
  switch (SSL_CIPHER_get_cipher_nid(cipher)) {
    case NID_aes_128_gcm:
      return all.aes_128_gcm;
    case NID_aes_256_gcm:
      return all.aes_256_gcm;
    case NID_aria_128_gcm:
      return all.aria_128_gcm;
    case NID_aria_256_gcm:
      return all.aria_256_gcm;
    case NID_aes_128_ccm:
      return is_ccm8(cipher) ? all.aes_128_ccm8 : all.aes_128_ccm;
    case NID_aes_256_ccm:
      return is_ccm8(cipher) ? all.aes_256_ccm8 : all.aes_256_ccm;
    case NID_chacha20_poly1305:
      return all.chacha20_poly1305;
    default:
      return all.none;
  }
}

const AeadSuite& aead_suite(Aead13 aead) {
  const Suites& all = suites();
  switch (aead) {
    case Aead13::kAes128Gcm:
      return all.aes_128_gcm_1_3;
    case Aead13::kAes256Gcm:
      return all.aes_256_gcm_1_3;
    case Aead13::kChaCha20Poly1305:
      return all.chacha20_poly1305_1_3;
    case Aead13::kAes128Ccm:
      return all.aes_128_ccm_1_3;
    case Aead13::kAes128Ccm8:
      return all.aes_128_ccm8_1_3;
  }
  return all.none;
}

size_t shortest_protected_record(const SSL_CIPHER* cipher) {
  if (cipher == nullptr) return 0;
  const AeadSuite& aead = aead_suite(cipher);
  if (aead.valid()) return aead.overhead();
  const EVP_MD* digest = EVP_get_digestbynid(SSL_CIPHER_get_digest_nid(cipher));
  return digest == nullptr ? 0 : static_cast<size_t>(EVP_MD_get_size(digest)) + 1;
}

}  // namespace dtls
