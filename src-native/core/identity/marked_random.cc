#include "core/identity/marked_random.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rand.h>

#include <array>
#include <cstring>
#include <memory>

#include "core/base/openssl_ptr.h"

namespace dtls {

namespace {

constexpr char kName[] = "DGRAM-DTLS-RAND";
constexpr char kProvider[] = "dgram-dtls-rand";
constexpr size_t kMarkedSize = 32;
// For 1.2, which is all that DTLS has below 1.3 and is safe; a client takes the other one of 1.0
// for the same (RFC 8446 section 4.1.3).
constexpr std::array<uint8_t, 8> kSentinel = {'D', 'O', 'W', 'N', 'G', 'R', 'D', 1};

thread_local bool marks_next = false;

// The source: a state, as OpenSSL asks for one, and nothing else.
struct Source {
  int state = EVP_RAND_STATE_UNINITIALISED;
};

Source* source(void* context) { return static_cast<Source*>(context); }

void* new_source(void* /*provider*/, void* /*parent*/, const OSSL_DISPATCH* /*parent_calls*/) {
  return std::make_unique<Source>().release();
}

void free_source(void* context) { const std::unique_ptr<Source> freed(source(context)); }

int instantiate(void* context, unsigned /*strength*/, int /*prediction_resistance*/,
                const unsigned char* /*personalization*/, size_t /*size*/,
                const OSSL_PARAM* /*params*/) {
  source(context)->state = EVP_RAND_STATE_READY;
  return 1;
}

int uninstantiate(void* context) {
  source(context)->state = EVP_RAND_STATE_UNINITIALISED;
  return 1;
}

// The process's own generators, which seed themselves anew as they need to. What is marked leaves
// in clear; anything else may be a key.
int generate(void* /*context*/, unsigned char* out, size_t size, unsigned /*strength*/,
             int /*prediction_resistance*/, const unsigned char* /*more*/, size_t /*more_size*/) {
  if (!marks_next || size != kMarkedSize) {
    return RAND_priv_bytes_ex(nullptr, out, size, 0);
  }
  constexpr size_t kDrawn = kMarkedSize - kSentinel.size();
  if (RAND_bytes_ex(nullptr, out, kDrawn, 0) != 1) return 0;
  std::memcpy(out + kDrawn, kSentinel.data(), kSentinel.size());
  marks_next = false;
  return 1;
}

// It keeps nothing that threads could disagree about.
int enable_locking(void* /*context*/) { return 1; }
int lock(void* /*context*/) { return 1; }
void unlock(void* /*context*/) {}

int get_params(void* context, OSSL_PARAM params[]) {
  constexpr unsigned kStrength = 256;
  constexpr size_t kMaxRequest = size_t{1} << 16;
  OSSL_PARAM* wanted = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_STATE);
  if (wanted != nullptr && OSSL_PARAM_set_int(wanted, source(context)->state) != 1) return 0;
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
      entry(OSSL_FUNC_RAND_NEWCTX, new_source),
      entry(OSSL_FUNC_RAND_FREECTX, free_source),
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

// Before anything is drawn from it: then OpenSSL makes its generators, and keeps them.
LibraryPtr make_library() {
  LibraryPtr library(OSSL_LIB_CTX_new());
  if (!library || OSSL_PROVIDER_add_builtin(library.get(), kProvider, init_provider) != 1 ||
      OSSL_PROVIDER_load(library.get(), "default") == nullptr ||
      OSSL_PROVIDER_load(library.get(), kProvider) == nullptr ||
      RAND_set_DRBG_type(library.get(), kName, nullptr, nullptr, nullptr) != 1) {
    return nullptr;
  }
  return library;
}

int plain_session_id(SSL* /*ssl*/, unsigned char* id, unsigned* size) {
  return RAND_bytes(id, static_cast<int>(*size)) == 1 ? 1 : 0;
}

}  // namespace

OSSL_LIB_CTX* marking_library() {
  static OSSL_LIB_CTX* const library = make_library().release();
  return library;
}

SSL_CTX* new_marking_context() {
  OSSL_LIB_CTX* const library = marking_library();
  if (library == nullptr) return nullptr;
  SSL_CTX* const context = SSL_CTX_new_ex(library, nullptr, DTLS_method());
  if (context != nullptr) SSL_CTX_set_generate_session_id(context, plain_session_id);
  return context;
}

MarksNextRandom::MarksNextRandom() { marks_next = true; }
MarksNextRandom::~MarksNextRandom() { marks_next = false; }
bool MarksNextRandom::is_drawn() { return !marks_next; }

}  // namespace dtls
