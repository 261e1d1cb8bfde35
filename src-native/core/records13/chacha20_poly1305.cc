#include "core/records13/chacha20_poly1305.h"

#include <openssl/crypto.h>

#include <algorithm>

namespace dtls {

namespace {

constexpr size_t kMacBlock = 16;

size_t padding_behind(size_t size) { return (kMacBlock - size % kMacBlock) % kMacBlock; }

// Little-endian, as RFC 8439 has all numbers.
void write_length(uint8_t* p, uint64_t value) {
  for (size_t i = 0; i < sizeof value; ++i) p[i] = static_cast<uint8_t>(value >> (8 * i));
}

// Looking them up takes longer than a record, so it is done once; nothing frees them, since
// OpenSSL's own clean-up may come first when the process ends.
struct Algorithms {
  EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, "ChaCha20", nullptr);
  EVP_MAC* mac = EVP_MAC_fetch(nullptr, "POLY1305", nullptr);
};

const Algorithms& algorithms() {
  static const Algorithms both = [] {
    const ErrorQueueScope errors;  // says what is missing
    return Algorithms{};
  }();
  return both;
}

}  // namespace

ChaCha20Poly1305::Stream::~Stream() { OPENSSL_cleanse(bytes.data(), kBlock); }

bool ChaCha20Poly1305::available() {
  return algorithms().cipher != nullptr && algorithms().mac != nullptr;
}

bool ChaCha20Poly1305::begin(const uint8_t* key) {
  cipher_.reset(EVP_CIPHER_CTX_new());
  mac_.reset(EVP_MAC_CTX_new(algorithms().mac));
  return cipher_ && mac_ &&
         EVP_EncryptInit_ex(cipher_.get(), algorithms().cipher, nullptr, key, nullptr) == 1;
}

bool ChaCha20Poly1305::apply(const Nonce& nonce, Bytes message, Stream& stream) {
  if (message.size > kMaxInner13) return false;
  uint8_t* const text = std::fill_n(stream.bytes.data(), kBlock, uint8_t{0});
  uint8_t* const end = std::copy_n(message.data, message.size, text);
  // ChaCha20 is asked for whole blocks; what is behind the message is of no use.
  const size_t size = kBlock + (message.size + kBlock - 1) / kBlock * kBlock;
  std::fill(end, stream.bytes.data() + size, uint8_t{0});
  // OpenSSL's initialisation vector is the counter, which begins at 0, and the nonce.
  std::array<uint8_t, 4 + AeadSuite::kNonceSize> start{};
  std::copy(nonce.begin(), nonce.end(), start.begin() + 4);
  return EVP_EncryptInit_ex(cipher_.get(), nullptr, nullptr, nullptr, start.data()) == 1 &&
         EVP_Cipher(cipher_.get(), stream.bytes.data(), stream.bytes.data(),
                    static_cast<unsigned>(size)) == static_cast<int>(size);
}

// Additional data and ciphertext, each filled up to whole blocks of 16 bytes, and their lengths.
bool ChaCha20Poly1305::authenticate(const Stream& stream, Bytes additional_data, Bytes ciphertext,
                                    uint8_t* tag) {
  std::array<uint8_t, kMaxHeaderSize13 + kMacBlock> front{};
  if (additional_data.size > kMaxHeaderSize13) return false;
  std::copy_n(additional_data.data, additional_data.size, front.data());
  std::array<uint8_t, 3 * kMacBlock> end{};
  const size_t over = ciphertext.size % kMacBlock;
  std::copy_n(ciphertext.data + ciphertext.size - over, over, end.data());
  uint8_t* const lengths = end.data() + over + padding_behind(over);
  write_length(lengths, additional_data.size);
  write_length(lengths + 8, ciphertext.size);
  size_t size = 0;
  return EVP_MAC_init(mac_.get(), stream.mac_key(), kKeySize, nullptr) == 1 &&
         EVP_MAC_update(mac_.get(), front.data(),
                        additional_data.size + padding_behind(additional_data.size)) == 1 &&
         EVP_MAC_update(mac_.get(), ciphertext.data, ciphertext.size - over) == 1 &&
         EVP_MAC_update(mac_.get(), end.data(),
                        static_cast<size_t>(lengths + kMacBlock - end.data())) == 1 &&
         EVP_MAC_final(mac_.get(), tag, &size, kTagSize) == 1 && size == kTagSize;
}

bool ChaCha20Poly1305::open(const Nonce& nonce, Bytes additional_data, Bytes sealed,
                            uint8_t* room) {
  const Bytes ciphertext = sealed.first(sealed.size - kTagSize);
  Stream stream;
  std::array<uint8_t, kTagSize> tag{};
  if (!apply(nonce, ciphertext, stream) ||
      !authenticate(stream, additional_data, ciphertext, tag.data()) ||
      CRYPTO_memcmp(tag.data(), ciphertext.data + ciphertext.size, kTagSize) != 0) {
    return false;
  }
  std::copy_n(stream.message(), ciphertext.size, room);
  return true;
}

bool ChaCha20Poly1305::seal(const Nonce& nonce, Bytes additional_data, Bytes plaintext,
                            uint8_t* out) {
  Stream stream;
  if (!apply(nonce, plaintext, stream)) return false;
  uint8_t* const tag = std::copy_n(stream.message(), plaintext.size, out);
  return authenticate(stream, additional_data, {out, plaintext.size}, tag);
}

}  // namespace dtls
