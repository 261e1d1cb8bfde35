#include "core/engine13/library.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/provider.h>
#include <openssl/rand.h>

#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "core/base/openssl_ptr.h"
#include "core/engine13/transcript.h"

namespace dtls {

namespace {

using EvpMdPtr = std::unique_ptr<EVP_MD, OpenSslFree<EVP_MD, EVP_MD_free>>;
using EvpMdCtxPtr = std::unique_ptr<EVP_MD_CTX, OpenSslFree<EVP_MD_CTX, EVP_MD_CTX_free>>;
using LibCtxPtr = std::unique_ptr<OSSL_LIB_CTX, OpenSslFree<OSSL_LIB_CTX, OSSL_LIB_CTX_free>>;

// What does the work: the default provider in a library context with nothing else.
struct Plain {
  LibCtxPtr context;
  EvpKdfPtr kdf;
  EvpMdPtr sha256;
  EvpMdPtr sha384;

  bool load() {
    context.reset(OSSL_LIB_CTX_new());
    if (!context || OSSL_PROVIDER_load(context.get(), "default") == nullptr) return false;
    kdf.reset(EVP_KDF_fetch(context.get(), OSSL_KDF_NAME_TLS1_3_KDF, nullptr));
    sha256.reset(EVP_MD_fetch(context.get(), "SHA2-256", nullptr));
    sha384.reset(EVP_MD_fetch(context.get(), "SHA2-384", nullptr));
    return kdf && sha256 && sha384;
  }
};

struct Everything {
  Plain plain;
  EngineLibrary library;
  bool complete = false;
};

// Never freed: see engine_library().
Everything& everything() {
  static Everything& all = *std::make_unique<Everything>().release();
  return all;
}

// OpenSSL's tables have functions of all kinds in one type.
using AnyFunction = void (*)();
template <typename Function>
AnyFunction any(Function* function) {
  return reinterpret_cast<AnyFunction>(function);
}

// ---- TLS13-KDF ----

class LabelKdf {
 public:
  explicit LabelKdf(EvpKdfCtxPtr work) : work_(std::move(work)) {}

  static void* make(void* /*provider*/) {
    return wrap(EVP_KDF_CTX_new(everything().plain.kdf.get()));
  }
  static void* duplicate(void* self) { return wrap(EVP_KDF_CTX_dup(work(self))); }
  static void drop(void* self) {
    const std::unique_ptr<LabelKdf> gone(static_cast<LabelKdf*>(self));
  }
  static void reset(void* self) { EVP_KDF_CTX_reset(work(self)); }
  static int set(void* self, const OSSL_PARAM* params) {
    return params == nullptr ? 1 : EVP_KDF_CTX_set_params(work(self), prefixed(params).data());
  }
  static int derive(void* self, unsigned char* key, size_t size, const OSSL_PARAM* params) {
    return EVP_KDF_derive(work(self), key, size, prefixed(params).data());
  }
  static int get(void* self, OSSL_PARAM* params) {
    return EVP_KDF_CTX_get_params(work(self), params);
  }
  static const OSSL_PARAM* settable(void* /*self*/, void* /*provider*/) {
    return EVP_KDF_settable_ctx_params(everything().plain.kdf.get());
  }
  static const OSSL_PARAM* gettable(void* /*self*/, void* /*provider*/) {
    return EVP_KDF_gettable_ctx_params(everything().plain.kdf.get());
  }

 private:
  static EVP_KDF_CTX* work(void* self) { return static_cast<LabelKdf*>(self)->work_.get(); }
  static void* wrap(EVP_KDF_CTX* work) {
    return work == nullptr ? nullptr : std::make_unique<LabelKdf>(EvpKdfCtxPtr(work)).release();
  }

  // RFC 9147 section 5.9: the same length, and no space.
  static std::vector<OSSL_PARAM> prefixed(const OSSL_PARAM* params) {
    static constexpr char kTls[] = "tls13 ";
    static char dtls[] = "dtls13";  // a parameter's data has no const
    std::vector<OSSL_PARAM> all;
    for (; params != nullptr && params->key != nullptr; ++params) {
      all.push_back(*params);
      if (std::strcmp(params->key, OSSL_KDF_PARAM_PREFIX) == 0 &&
          params->data_size == sizeof kTls - 1 &&
          std::memcmp(params->data, kTls, sizeof kTls - 1) == 0) {
        all.back().data = dtls;
      }
    }
    all.push_back(OSSL_PARAM_construct_end());
    return all;
  }

  EvpKdfCtxPtr work_;
};

const OSSL_DISPATCH kKdfFunctions[] = {{OSSL_FUNC_KDF_NEWCTX, any(LabelKdf::make)},
                                       {OSSL_FUNC_KDF_DUPCTX, any(LabelKdf::duplicate)},
                                       {OSSL_FUNC_KDF_FREECTX, any(LabelKdf::drop)},
                                       {OSSL_FUNC_KDF_RESET, any(LabelKdf::reset)},
                                       {OSSL_FUNC_KDF_DERIVE, any(LabelKdf::derive)},
                                       {OSSL_FUNC_KDF_SETTABLE_CTX_PARAMS, any(LabelKdf::settable)},
                                       {OSSL_FUNC_KDF_SET_CTX_PARAMS, any(LabelKdf::set)},
                                       {OSSL_FUNC_KDF_GETTABLE_CTX_PARAMS, any(LabelKdf::gettable)},
                                       {OSSL_FUNC_KDF_GET_CTX_PARAMS, any(LabelKdf::get)},
                                       {0, nullptr}};

// ---- SHA2-256 and SHA2-384 ----

template <size_t kSize>
class TranscriptDigest {
 public:
  static void* make(void* /*provider*/) {
    EvpMdCtxPtr work(EVP_MD_CTX_new());
    return work ? std::make_unique<TranscriptDigest>(std::move(work)).release() : nullptr;
  }
  static void* duplicate(void* self) {
    const TranscriptDigest& from = of(self);
    EvpMdCtxPtr work(EVP_MD_CTX_new());
    if (!work || EVP_MD_CTX_copy_ex(work.get(), from.work_.get()) != 1) return nullptr;
    auto copy = std::make_unique<TranscriptDigest>(std::move(work));
    copy->transcript_ = from.transcript_;
    return copy.release();
  }
  static void drop(void* self) { const std::unique_ptr<TranscriptDigest> gone(&of(self)); }
  static int init(void* self, const OSSL_PARAM* /*params*/) {
    of(self).transcript_.reset();
    return EVP_DigestInit_ex(of(self).work_.get(), plain(), nullptr);
  }
  static int update(void* self, const unsigned char* bytes, size_t size) {
    TranscriptDigest& digest = of(self);
    if (digest.transcript_.passes()) return EVP_DigestUpdate(digest.work_.get(), bytes, size);
    std::vector<uint8_t> now;
    digest.transcript_.update({bytes, size}, now);
    return digest.hash(now);
  }
  static int finish(void* self, unsigned char* out, size_t* out_size, size_t capacity) {
    TranscriptDigest& digest = of(self);
    std::vector<uint8_t> rest;
    digest.transcript_.finish(rest);
    unsigned size = 0;
    if (capacity < kSize || digest.hash(rest) != 1 ||
        EVP_DigestFinal_ex(digest.work_.get(), out, &size) != 1) {
      return 0;
    }
    *out_size = size;
    return 1;
  }
  static int describe(OSSL_PARAM* params) { return EVP_MD_get_params(plain(), params); }
  static const OSSL_PARAM* describable(void* /*provider*/) {
    return EVP_MD_gettable_params(plain());
  }

  explicit TranscriptDigest(EvpMdCtxPtr work)
      : work_(std::move(work)), transcript_(everything().library.mark, kSize) {}

 private:
  static TranscriptDigest& of(void* self) { return *static_cast<TranscriptDigest*>(self); }
  static const EVP_MD* plain() {
    const Plain& all = everything().plain;
    return kSize == 32 ? all.sha256.get() : all.sha384.get();
  }
  int hash(const std::vector<uint8_t>& bytes) {
    return bytes.empty() ? 1 : EVP_DigestUpdate(work_.get(), bytes.data(), bytes.size());
  }

  EvpMdCtxPtr work_;
  Transcript transcript_;
};

template <size_t kSize>
const OSSL_DISPATCH kDigestFunctions[] = {
    {OSSL_FUNC_DIGEST_NEWCTX, any(TranscriptDigest<kSize>::make)},
    {OSSL_FUNC_DIGEST_DUPCTX, any(TranscriptDigest<kSize>::duplicate)},
    {OSSL_FUNC_DIGEST_FREECTX, any(TranscriptDigest<kSize>::drop)},
    {OSSL_FUNC_DIGEST_INIT, any(TranscriptDigest<kSize>::init)},
    {OSSL_FUNC_DIGEST_UPDATE, any(TranscriptDigest<kSize>::update)},
    {OSSL_FUNC_DIGEST_FINAL, any(TranscriptDigest<kSize>::finish)},
    {OSSL_FUNC_DIGEST_GET_PARAMS, any(TranscriptDigest<kSize>::describe)},
    {OSSL_FUNC_DIGEST_GETTABLE_PARAMS, any(TranscriptDigest<kSize>::describable)},
    {0, nullptr}};

// ---- the provider ----

constexpr const char* kProperties = "provider=dgram-dtls13,dgram.dtls13=yes";

// The names are those of the default provider: a name that only one of the two has would make a
// second algorithm of it.
const OSSL_ALGORITHM kKdfs[] = {{OSSL_KDF_NAME_TLS1_3_KDF, kProperties, kKdfFunctions, nullptr},
                                {nullptr, nullptr, nullptr, nullptr}};
const OSSL_ALGORITHM kDigests[] = {
    {"SHA2-256:SHA-256:SHA256:2.16.840.1.101.3.4.2.1", kProperties, kDigestFunctions<32>, nullptr},
    {"SHA2-384:SHA-384:SHA384:2.16.840.1.101.3.4.2.2", kProperties, kDigestFunctions<48>, nullptr},
    {nullptr, nullptr, nullptr, nullptr}};

const OSSL_ALGORITHM* query(void* /*provider*/, int operation, int* no_cache) {
  *no_cache = 0;
  switch (operation) {
    case OSSL_OP_KDF:
      return kKdfs;
    case OSSL_OP_DIGEST:
      return kDigests;
    default:
      return nullptr;
  }
}

const OSSL_DISPATCH kProviderFunctions[] = {{OSSL_FUNC_PROVIDER_QUERY_OPERATION, any(query)},
                                            {0, nullptr}};

int begin_provider(const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH* /*core*/,
                   const OSSL_DISPATCH** functions, void** provider) {
  *functions = kProviderFunctions;
  // OpenSSL wants something there, and nobody looks at it.
  *provider = const_cast<OSSL_CORE_HANDLE*>(handle);
  return 1;
}

bool load(Everything& all) {
  constexpr const char* kName = "dgram-dtls13";
  if (!all.plain.load()) return false;
  if (RAND_bytes(all.library.mark.data(), static_cast<int>(all.library.mark.size())) != 1) {
    return false;
  }
  OSSL_LIB_CTX* const context = all.library.context = OSSL_LIB_CTX_new();
  return context != nullptr && OSSL_PROVIDER_add_builtin(context, kName, begin_provider) == 1 &&
         OSSL_PROVIDER_load(context, "default") != nullptr &&
         OSSL_PROVIDER_load(context, kName) != nullptr;
}

}  // namespace

const EngineLibrary* engine_library() {
  static std::once_flag once;
  Everything& all = everything();
  std::call_once(once, [&all] {
    const ErrorQueueScope errors;
    all.complete = load(all);
  });
  return all.complete ? &all.library : nullptr;
}

}  // namespace dtls
