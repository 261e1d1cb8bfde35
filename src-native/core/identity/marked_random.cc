#include "core/identity/marked_random.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rand.h>

#include <array>
#include <cstring>
#include <memory>
#include <utility>

#include "core/base/openssl_ptr.h"

// Calls of OpenSSL 3.1: see quic_calls.cc of core/engine13 about how they are looked for.
#if defined(DTLS_STATIC_OPENSSL)
#define DTLS_HAS_RAND_CALLS (OPENSSL_VERSION_NUMBER >= 0x30100000L)
#elif defined(__ELF__)
#define DTLS_HAS_RAND_CALLS 1
extern "C" {
__attribute__((weak)) int RAND_set0_public(OSSL_LIB_CTX* library, EVP_RAND_CTX* generator);
__attribute__((weak)) int EVP_RAND_CTX_up_ref(EVP_RAND_CTX* generator);
}
#else
#define DTLS_HAS_RAND_CALLS 0
#endif

namespace dtls {

namespace {

constexpr size_t kMarkedSize = 32;

// Of this thread: the generator behind the filter, while that stands before it.
thread_local EVP_RAND_CTX* behind = nullptr;
thread_local bool marks_next = false;

bool draw(uint8_t* out, size_t size) {
  return EVP_RAND_generate(behind, out, size, 0, 0, nullptr, 0) == 1;
}

#if DTLS_HAS_RAND_CALLS

constexpr char kName[] = "DGRAM-DTLS-RAND";
constexpr char kProvider[] = "dgram-dtls-rand";
// For 1.2, which is all that DTLS has below 1.3 and is safe; a client takes the other one of 1.0
// for the same (RFC 8446 section 4.1.3).
constexpr std::array<uint8_t, 8> kSentinel = {'D', 'O', 'W', 'N', 'G', 'R', 'D', 1};

// The filter: a state, as OpenSSL asks for one, and nothing else.
struct Filter {
  int state = EVP_RAND_STATE_READY;
};

Filter* filter(void* context) { return static_cast<Filter*>(context); }

void* new_filter(void* /*provider*/, void* /*parent*/, const OSSL_DISPATCH* /*parent_calls*/) {
  return std::make_unique<Filter>().release();
}

void free_filter(void* context) { const std::unique_ptr<Filter> freed(filter(context)); }

int instantiate(void* context, unsigned /*strength*/, int /*prediction_resistance*/,
                const unsigned char* /*personalization*/, size_t /*size*/,
                const OSSL_PARAM* /*params*/) {
  filter(context)->state = EVP_RAND_STATE_READY;
  return 1;
}

int uninstantiate(void* context) {
  filter(context)->state = EVP_RAND_STATE_UNINITIALISED;
  return 1;
}

int generate(void* /*context*/, unsigned char* out, size_t size, unsigned strength,
             int prediction_resistance, const unsigned char* more, size_t more_size) {
  if (behind == nullptr ||
      EVP_RAND_generate(behind, out, size, strength, prediction_resistance, more, more_size) != 1) {
    return 0;
  }
  if (size == kMarkedSize && std::exchange(marks_next, false)) {
    std::memcpy(out + size - kSentinel.size(), kSentinel.data(), kSentinel.size());
  }
  return 1;
}

// Each is of one thread, and of one call.
int enable_locking(void* /*context*/) { return 1; }
int lock(void* /*context*/) { return 1; }
void unlock(void* /*context*/) {}

int get_params(void* context, OSSL_PARAM params[]) {
  constexpr unsigned kStrength = 256;
  constexpr size_t kMaxRequest = size_t{1} << 16;
  OSSL_PARAM* wanted = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_STATE);
  if (wanted != nullptr && OSSL_PARAM_set_int(wanted, filter(context)->state) != 1) return 0;
  wanted = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_STRENGTH);
  if (wanted != nullptr && OSSL_PARAM_set_uint(wanted, kStrength) != 1) return 0;
  wanted = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_MAX_REQUEST);
  return wanted == nullptr || OSSL_PARAM_set_size_t(wanted, kMaxRequest) == 1 ? 1 : 0;
}

// OpenSSL's dispatch tables hold functions of all kinds as one.
template <typename Call>
constexpr OSSL_DISPATCH entry(int id, Call* call) {
  return {id, reinterpret_cast<void (*)()>(call)};
}

const OSSL_ALGORITHM* query(void* /*provider*/, int operation, int* no_cache) {
  static const OSSL_DISPATCH calls[] = {
      entry(OSSL_FUNC_RAND_NEWCTX, new_filter),
      entry(OSSL_FUNC_RAND_FREECTX, free_filter),
      entry(OSSL_FUNC_RAND_INSTANTIATE, instantiate),
      entry(OSSL_FUNC_RAND_UNINSTANTIATE, uninstantiate),
      entry(OSSL_FUNC_RAND_GENERATE, generate),
      entry(OSSL_FUNC_RAND_ENABLE_LOCKING, enable_locking),
      entry(OSSL_FUNC_RAND_LOCK, lock),
      entry(OSSL_FUNC_RAND_UNLOCK, unlock),
      entry(OSSL_FUNC_RAND_GET_CTX_PARAMS, get_params),
      {0, nullptr},
  };
  static const OSSL_ALGORITHM algorithms[] = {
      {kName, "provider=dgram-dtls-rand", calls, "marks the randoms of ServerHellos"},
      {nullptr, nullptr, nullptr, nullptr},
  };
  *no_cache = 0;
  return operation == OSSL_OP_RAND ? algorithms : nullptr;
}

int init_provider(const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH* /*core*/,
                  const OSSL_DISPATCH** calls, void** context) {
  static const OSSL_DISPATCH provider_calls[] = {
      entry(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query),
      {0, nullptr},
  };
  *calls = provider_calls;
  // Nothing is kept in it, and OpenSSL wants one that is not null.
  *context = const_cast<OSSL_CORE_HANDLE*>(handle);
  return 1;
}

void free_library(OSSL_LIB_CTX* library) { OSSL_LIB_CTX_free(library); }
using LibraryPtr = std::unique_ptr<OSSL_LIB_CTX, OpenSslFree<OSSL_LIB_CTX, free_library>>;

// In a library context of its own nobody else comes upon the filter.
EVP_RAND* find_filter() {
  LibraryPtr library(OSSL_LIB_CTX_new());
  if (!library || OSSL_PROVIDER_add_builtin(library.get(), kProvider, init_provider) != 1 ||
      OSSL_PROVIDER_load(library.get(), kProvider) == nullptr) {
    return nullptr;
  }
  EVP_RAND* const found = EVP_RAND_fetch(library.get(), kName, nullptr);
  // Both are there for as long as the process.
  if (found != nullptr) static_cast<void>(library.release());
  return found;
}

bool has_calls() {
#if defined(DTLS_STATIC_OPENSSL)
  return true;
#else
  return &RAND_set0_public != nullptr && &EVP_RAND_CTX_up_ref != nullptr;
#endif
}

// OpenSSL frees the generator whose place another one takes, so this one is held.
void put_filter_in_place() {
  static EVP_RAND* const kind = has_calls() ? find_filter() : nullptr;
  EVP_RAND_CTX* const generator = kind == nullptr ? nullptr : RAND_get0_public(nullptr);
  if (behind != nullptr || generator == nullptr) return;
  EVP_RAND_CTX* const filter = EVP_RAND_CTX_new(kind, nullptr);
  if (filter == nullptr || EVP_RAND_CTX_up_ref(generator) != 1) {
    EVP_RAND_CTX_free(filter);
    return;
  }
  behind = generator;
  if (RAND_set0_public(nullptr, filter) == 1) return;
  behind = nullptr;
  EVP_RAND_CTX_free(generator);
  EVP_RAND_CTX_free(filter);
}

// Where it fails the filter stays, and passes on what comes from behind it.
void take_filter_away() {
  if (behind == nullptr || !has_calls()) return;
  if (RAND_set0_public(nullptr, behind) == 1) behind = nullptr;
}

#else

void put_filter_in_place() {}
void take_filter_away() {}

#endif

int plain_session_id(SSL* /*ssl*/, unsigned char* id, unsigned* size) {
  if (behind != nullptr) return draw(id, *size) ? 1 : 0;
  return RAND_bytes(id, static_cast<int>(*size)) == 1 ? 1 : 0;
}

}  // namespace

MarksNextRandom::MarksNextRandom(SSL* ssl) {
  const ErrorQueueScope errors;
  if (ssl != nullptr) SSL_set_generate_session_id(ssl, plain_session_id);
  put_filter_in_place();
  marks_next = behind != nullptr;
}

MarksNextRandom::~MarksNextRandom() {
  take_filter_away();
  marks_next = false;
}

bool MarksNextRandom::is_drawn() { return !marks_next; }

bool can_mark_random() {
  const MarksNextRandom marks(nullptr);
  std::array<uint8_t, kMarkedSize> drawn{};
  return marks_next && RAND_bytes(drawn.data(), static_cast<int>(drawn.size())) == 1 &&
         MarksNextRandom::is_drawn();
}

}  // namespace dtls
