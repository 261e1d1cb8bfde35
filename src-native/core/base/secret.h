#ifndef DGRAM_DTLS_CORE_BASE_SECRET_H_
#define DGRAM_DTLS_CORE_BASE_SECRET_H_

#include <openssl/crypto.h>

#include <array>
#include <utility>
#include <vector>

#include "core/base/bytes.h"

namespace dtls {

// Secrets of a fixed size, wiped however the function is left.
template <size_t Size>
struct Secret {
  std::array<uint8_t, Size> bytes{};
  Secret() = default;
  ~Secret() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
};

// Keys, passphrases, and whatever they can be had from. There is one copy of them, which is wiped
// when nobody owns it any more; it never grows, since that would leave the old place as it was.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(size_t size) : bytes_(size) {}
  explicit SecretBytes(Bytes copied) : bytes_(copied.data, copied.data + copied.size) {}
  SecretBytes(SecretBytes&& other) noexcept : bytes_(std::move(other.bytes_)) {}
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    bytes_.swap(other.bytes_);
    return *this;
  }
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

  uint8_t* data() { return bytes_.data(); }
  const uint8_t* data() const { return bytes_.data(); }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  Bytes view() const { return {bytes_.data(), bytes_.size()}; }

  // Only the first `size` bytes are left.
  void shrink(size_t size) {
    OPENSSL_cleanse(bytes_.data() + size, bytes_.size() - size);
    bytes_.resize(size);
  }

 private:
  std::vector<uint8_t> bytes_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_BASE_SECRET_H_
