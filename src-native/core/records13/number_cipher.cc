#include "core/records13/number_cipher.h"

#include "core/base/openssl_ptr.h"

namespace dtls {

namespace {

// Null where this OpenSSL was built without the cipher.
const EVP_CIPHER* fetch(const char* name) { return EVP_CIPHER_fetch(nullptr, name, nullptr); }

// Looking a cipher up takes longer than hiding a number, so it is done once; nothing frees them,
// since OpenSSL's own clean-up may come first when the process ends.
struct Ciphers {
  NumberCipher aes_128{fetch("AES-128-ECB")};
  NumberCipher aes_256{fetch("AES-256-ECB")};
  NumberCipher chacha20{fetch("ChaCha20")};
};

const Ciphers& ciphers() {
  static const Ciphers all = [] {
    const ErrorQueueScope errors;  // says what is missing
    return Ciphers{};
  }();
  return all;
}

}  // namespace

const NumberCipher& number_cipher(Aead13 aead) {
  switch (aead) {
    case Aead13::kAes256Gcm:
      return ciphers().aes_256;
    case Aead13::kChaCha20Poly1305:
      return ciphers().chacha20;
    case Aead13::kAes128Gcm:
    case Aead13::kAes128Ccm:
    case Aead13::kAes128Ccm8:
      break;
  }
  return ciphers().aes_128;
}

}  // namespace dtls
