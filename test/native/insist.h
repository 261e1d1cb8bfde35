#ifndef DGRAM_DTLS_TEST_NATIVE_INSIST_H_
#define DGRAM_DTLS_TEST_NATIVE_INSIST_H_

#include <cstdio>
#include <cstdlib>

namespace dtls::test {

// Ends the run where a rule does not hold: libFuzzer keeps the input that has broken it.
inline void insist(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

}  // namespace dtls::test

#endif  // DGRAM_DTLS_TEST_NATIVE_INSIST_H_
