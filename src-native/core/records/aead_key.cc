#include "core/records/aead_key.h"

#include <utility>

namespace dtls {

bool AeadKey::wake() {
  EvpCipherCtxPtr context(EVP_CIPHER_CTX_new());
  EVP_CIPHER_CTX* ctx = context.get();
  const int seals = direction_ == Direction::kSeal ? 1 : 0;
  // CCM wants its tag's length before the key.
  if (ctx == nullptr ||
      EVP_CipherInit_ex(ctx, suite_.cipher, nullptr, nullptr, nullptr, seals) != 1 ||
      EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, static_cast<int>(AeadSuite::kNonceSize),
                          nullptr) != 1 ||
      (suite_.ccm() && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG,
                                           static_cast<int>(suite_.tag_size), nullptr) != 1) ||
      EVP_CipherInit_ex(ctx, nullptr, nullptr, key_.bytes.data(), nullptr, seals) != 1) {
    return false;
  }
  context_ = std::move(context);
  return true;
}

}  // namespace dtls
