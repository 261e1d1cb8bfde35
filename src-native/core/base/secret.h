#ifndef DGRAM_DTLS_CORE_BASE_SECRET_H_
#define DGRAM_DTLS_CORE_BASE_SECRET_H_

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

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
  explicit SecretBytes(size_t size)
      : bytes_(size == 0 ? nullptr : std::make_unique<uint8_t[]>(size)), size_(size) {}
  explicit SecretBytes(Bytes copied) : SecretBytes(copied.size) {
    std::copy_n(copied.data, copied.size, bytes_.get());
  }
  SecretBytes(SecretBytes&& other) noexcept { swap(other); }
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    swap(other);
    return *this;
  }
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes() { OPENSSL_cleanse(data(), size_); }

  uint8_t* data() { return bytes_.get(); }
  const uint8_t* data() const { return bytes_.get(); }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Bytes view() const { return {data(), size_}; }

  // Only the first `size` bytes are left.
  void shrink(size_t size) {
    OPENSSL_cleanse(data() + size, size_ - size);
    size_ = size;
  }

 private:
  void swap(SecretBytes& other) noexcept {
    bytes_.swap(other.bytes_);
    std::swap(size_, other.size_);
  }

  std::unique_ptr<uint8_t[]> bytes_;
  size_t size_ = 0;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_BASE_SECRET_H_
