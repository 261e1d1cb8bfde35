#ifndef DGRAM_DTLS_IO_RUN_BYTES_H_
#define DGRAM_DTLS_IO_RUN_BYTES_H_

#include <algorithm>
#include <cstdint>
#include <memory>

#include "core/base/bytes.h"

namespace dtls::io {

// Bytes that grow at their end, and are not cleared before they are written.
class RunBytes {
 public:
  const uint8_t* data() const { return bytes_.get(); }
  uint8_t* data() { return bytes_.get(); }
  size_t size() const { return size_; }
  void clear() { size_ = 0; }

  // Where so many bytes more will lie.
  uint8_t* room(size_t size) {
    if (size > capacity_ - size_) grow(size);
    return bytes_.get() + size_;
  }
  // Whether these lie where the next ones will. What begins right behind this memory, and not in
  // it, is somebody else's.
  bool has_in_room(Bytes more) const {
    return more.data == data() + size_ && more.size <= capacity_ - size_;
  }
  // Copies nothing that lies there already.
  void append(Bytes more) {
    if (more.size != 0 && !has_in_room(more)) std::copy_n(more.data, more.size, room(more.size));
    size_ += more.size;
  }

 private:
  void grow(size_t size) {
    constexpr size_t kLeast = 4096;
    const size_t capacity = std::max({kLeast, 2 * capacity_, size_ + size});
    std::unique_ptr<uint8_t[]> larger(new uint8_t[capacity]);
    if (size_ != 0) std::copy_n(bytes_.get(), size_, larger.get());
    bytes_ = std::move(larger);
    capacity_ = capacity;
  }

  std::unique_ptr<uint8_t[]> bytes_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace dtls::io

#endif  // DGRAM_DTLS_IO_RUN_BYTES_H_
