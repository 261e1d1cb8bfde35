#ifndef DGRAM_DTLS_TEST_FUZZ_INPUT_HASH_H_
#define DGRAM_DTLS_TEST_FUZZ_INPUT_HASH_H_

#include "core/base/bytes.h"

namespace dtls::test {

// What keys of an input's own are made of. libFuzzer writes what it has seen in a comparison into
// other inputs, and under the keys of all a record that was sealed for one would open for another.
inline uint64_t hash_of(Bytes input) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (size_t i = 0; i < input.size; ++i) hash = (hash ^ input.data[i]) * 0x100000001b3;
  return hash;
}

}  // namespace dtls::test

#endif  // DGRAM_DTLS_TEST_FUZZ_INPUT_HASH_H_
