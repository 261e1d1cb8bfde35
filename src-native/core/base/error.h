#ifndef DGRAM_DTLS_CORE_BASE_ERROR_H_
#define DGRAM_DTLS_CORE_BASE_ERROR_H_

#include <cstdint>
#include <string>

namespace dtls {

enum class FailureKind : uint32_t {
#define DTLS_FAILURE(kind, code, category, hint) kind,
#include "core/base/errors.def"
#undef DTLS_FAILURE
};

struct FailureInfo {
  const char* code;
  const char* category;
  const char* hint;
};

FailureInfo describe(FailureKind kind);
constexpr uint32_t kFailureKinds = 0
#define DTLS_FAILURE(kind, code, category, hint) +1
#include "core/base/errors.def"
#undef DTLS_FAILURE
    ;

// What went wrong. A value: copied into a close record, or thrown by the binding.
struct Failure {
  static constexpr int kNoAlert = -1;

  FailureKind kind = FailureKind::kNone;
  int alert =
      kNoAlert;  // description of the fatal alert that was received, or sent because of this
  int verify_result = 0;              // X509_V_ERR_… when a certificate was the cause
  bool certificate_withheld = false;  // this client was asked for one, and sent none
  std::string reason;                 // OpenSSL's own words
  std::string library;                // the part of OpenSSL that speaks
  std::string detail;                 // what each side offered, where that explains it
  std::string line;  // the whole of what OpenSSL says: error:NUMBER:library::reason

  explicit operator bool() const { return kind != FailureKind::kNone; }
};

// Reads this thread's OpenSSL error queue: the oldest entry is the cause, the later ones are its
// consequences. Falls back to `kind` when the queue does not tell.
Failure failure_from_openssl(FailureKind kind);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_BASE_ERROR_H_
