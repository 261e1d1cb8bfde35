#ifndef DGRAM_DTLS_CORE_BASE_BYTES_H_
#define DGRAM_DTLS_CORE_BASE_BYTES_H_

#include <cstddef>
#include <cstdint>

namespace dtls {

// A borrowed run of bytes. Never owns; the lender outlives the call it is passed to.
struct Bytes {
  const uint8_t* data = nullptr;
  size_t size = 0;

  Bytes first(size_t n) const { return {data, n < size ? n : size}; }
  Bytes from(size_t n) const { return n < size ? Bytes{data + n, size - n} : Bytes{}; }
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_BASE_BYTES_H_
