#include "bare_keys.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {

namespace {

constexpr size_t kHeader = 13;
constexpr size_t kKey = 16;
constexpr size_t kFixed = 4;
constexpr size_t kExplicit = 8;
constexpr size_t kTag = 16;
constexpr uint64_t kEpoch1 = uint64_t{1} << 48;

struct KdfFree {
  void operator()(EVP_KDF* kdf) const { EVP_KDF_free(kdf); }
};
struct KdfCtxFree {
  void operator()(EVP_KDF_CTX* ctx) const { EVP_KDF_CTX_free(ctx); }
};
struct CipherFree {
  void operator()(EVP_CIPHER* cipher) const { EVP_CIPHER_free(cipher); }
};

// RFC 5246 section 6.3: the client's key, the server's, the client's IV, the server's.
std::array<uint8_t, 2 * (kKey + kFixed)> key_block(const SSL* ssl) {
  std::array<uint8_t, SSL_MAX_MASTER_KEY_LENGTH> master{};
  const size_t size =
      SSL_SESSION_get_master_key(SSL_get_session(ssl), master.data(), master.size());
  std::string label = "key expansion";
  std::array<uint8_t, 2 * SSL3_RANDOM_SIZE> randoms{};
  SSL_get_server_random(ssl, randoms.data(), SSL3_RANDOM_SIZE);
  SSL_get_client_random(ssl, randoms.data() + SSL3_RANDOM_SIZE, SSL3_RANDOM_SIZE);
  std::string digest = "SHA256";
  const std::unique_ptr<EVP_KDF, KdfFree> kdf(EVP_KDF_fetch(nullptr, "TLS1-PRF", nullptr));
  const std::unique_ptr<EVP_KDF_CTX, KdfCtxFree> ctx(EVP_KDF_CTX_new(kdf.get()));
  const std::array<OSSL_PARAM, 5> params = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master.data(), size),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, label.data(), label.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, randoms.data(), randoms.size()),
      OSSL_PARAM_construct_end()};
  std::array<uint8_t, 2 * (kKey + kFixed)> block{};
  if (EVP_KDF_derive(ctx.get(), block.data(), block.size(), params.data()) <= 0) {
    throw std::runtime_error("key block");
  }
  return block;
}

CipherCtxPtr with_key(const uint8_t* key, int seals) {
  const std::unique_ptr<EVP_CIPHER, CipherFree> cipher(
      EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr));
  CipherCtxPtr ctx(EVP_CIPHER_CTX_new());
  if (EVP_CipherInit_ex(ctx.get(), cipher.get(), nullptr, key, nullptr, seals) != 1) {
    throw std::runtime_error("cipher");
  }
  return ctx;
}

void write(uint8_t* out, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<uint8_t>(value >> 8 * (bytes - 1 - i));
}

// Epoch and sequence number, content type, version; and how long the plaintext is.
std::array<uint8_t, kHeader> additional_data(const uint8_t* record, size_t size) {
  std::array<uint8_t, kHeader> data{};
  std::memcpy(data.data(), record + 3, 8);
  std::memcpy(data.data() + 8, record, 3);
  write(data.data() + 11, size, 2);
  return data;
}

}  // namespace

BareKeys::BareKeys(const SSL* ssl) {
  const auto block = key_block(ssl);
  const size_t own = SSL_is_server(ssl) == 1 ? 1 : 0;
  const uint8_t* const ivs = block.data() + 2 * kKey;
  outgoing_ = with_key(block.data() + own * kKey, 1);
  incoming_ = with_key(block.data() + (1 - own) * kKey, 0);
  std::copy_n(ivs + own * kFixed, kFixed, outgoing_nonce_.begin());
  std::copy_n(ivs + (1 - own) * kFixed, kFixed, incoming_nonce_.begin());
}

int BareKeys::open(const uint8_t* record, size_t size, uint8_t* room) {
  if (size < kOverhead || record[0] != SSL3_RT_APPLICATION_DATA) return -1;
  const int length = static_cast<int>(size - kOverhead);
  const auto about = additional_data(record, size - kOverhead);
  std::copy_n(record + kHeader, kExplicit, incoming_nonce_.begin() + kFixed);
  // OpenSSL only reads it, through a pointer to what is not const.
  auto* tag = const_cast<uint8_t*>(record + size - kTag);
  EVP_CIPHER_CTX* ctx = incoming_.get();
  int done = 0;
  const bool authentic =
      EVP_DecryptInit_ex(ctx, nullptr, nullptr, nullptr, incoming_nonce_.data()) == 1 &&
      EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, kTag, tag) == 1 &&
      EVP_DecryptUpdate(ctx, nullptr, &done, about.data(), static_cast<int>(about.size())) == 1 &&
      EVP_DecryptUpdate(ctx, room, &done, record + kHeader + kExplicit, length) == 1 &&
      EVP_DecryptFinal_ex(ctx, room + done, &done) == 1;
  return authentic ? length : -1;
}

void BareKeys::seal(const uint8_t* message, size_t size, uint8_t* record) {
  record[0] = SSL3_RT_APPLICATION_DATA;
  write(record + 1, DTLS1_2_VERSION, 2);
  write(record + 3, kEpoch1 + next_number_, 8);
  write(record + 11, size + kExplicit + kTag, 2);
  write(record + kHeader, next_number_, kExplicit);
  ++next_number_;
  std::copy_n(record + kHeader, kExplicit, outgoing_nonce_.begin() + kFixed);
  const auto about = additional_data(record, size);
  uint8_t* const ciphertext = record + kHeader + kExplicit;
  EVP_CIPHER_CTX* ctx = outgoing_.get();
  int done = 0;
  if (EVP_EncryptInit_ex(ctx, nullptr, nullptr, nullptr, outgoing_nonce_.data()) != 1 ||
      EVP_EncryptUpdate(ctx, nullptr, &done, about.data(), static_cast<int>(about.size())) != 1 ||
      EVP_EncryptUpdate(ctx, ciphertext, &done, message, static_cast<int>(size)) != 1 ||
      EVP_EncryptFinal_ex(ctx, ciphertext + size, &done) != 1 ||
      EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, kTag, ciphertext + size) != 1) {
    throw std::runtime_error("sealing failed");
  }
}

}  // namespace bench
