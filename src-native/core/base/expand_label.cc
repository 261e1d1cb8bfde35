#include "core/base/expand_label.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace dtls {

namespace {

constexpr size_t kMaxField = 255;  // a length of one byte
constexpr size_t kLengthSize = 2;

// To look it up takes as long as to use it. Nothing frees it, since OpenSSL's own clean-up may come
// first when the process ends.
EVP_KDF* hkdf() {
  static EVP_KDF* const fetched = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  return fetched;
}

// HkdfLabel: the length of the result, the label with its prefix, the context.
class Info {
 public:
  explicit Info(size_t result) {
    bytes_[0] = static_cast<uint8_t>(result >> 8);
    bytes_[1] = static_cast<uint8_t>(result);
  }

  void add(Bytes front, Bytes back = {}) {
    bytes_[size_++] = static_cast<uint8_t>(front.size + back.size);
    for (const Bytes part : {front, back}) {
      std::copy_n(part.data, part.size, bytes_.data() + size_);
      size_ += part.size;
    }
  }

  uint8_t* data() { return bytes_.data(); }
  size_t size() const { return size_; }

 private:
  std::array<uint8_t, kLengthSize + 2 * (1 + kMaxField)> bytes_{};
  size_t size_ = kLengthSize;
};

Bytes text(const char* words) {
  return {reinterpret_cast<const uint8_t*>(words), std::strlen(words)};
}

}  // namespace

LabelExpander::LabelExpander(const char* digest, Bytes secret, const char* prefix)
    : prefix_(prefix), kdf_(hkdf() != nullptr ? EVP_KDF_CTX_new(hkdf()) : nullptr) {
  int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
  // OpenSSL only reads them, but its constructors take pointers to what is not const.
  const std::array<OSSL_PARAM, 4> params = {
      OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, const_cast<char*>(digest), 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, const_cast<uint8_t*>(secret.data),
                                        secret.size),
      OSSL_PARAM_construct_end()};
  if (kdf_ && EVP_KDF_CTX_set_params(kdf_.get(), params.data()) != 1) kdf_.reset();
}

bool LabelExpander::expand(const char* label, Bytes context, uint8_t* out, size_t size) {
  std::fill_n(out, size, uint8_t{0});
  if (text(prefix_).size + text(label).size > kMaxField || context.size > kMaxField ||
      size > UINT16_MAX) {
    return false;
  }
  Info info(size);
  info.add(text(prefix_), text(label));
  info.add(context);
  const std::array<OSSL_PARAM, 2> params = {
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.data(), info.size()),
      OSSL_PARAM_construct_end()};
  if (kdf_ && EVP_KDF_derive(kdf_.get(), out, size, params.data()) == 1) return true;
  OPENSSL_cleanse(out, size);
  return false;
}

}  // namespace dtls
