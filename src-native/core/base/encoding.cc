#include "core/base/encoding.h"

#include <openssl/pem.h>

#include <climits>
#include <cstring>

namespace dtls {

BioPtr read_only(Bytes bytes) {
  if (bytes.size > INT_MAX) return nullptr;
  return BioPtr(BIO_new_mem_buf(bytes.data, static_cast<int>(bytes.size)));
}

std::vector<uint8_t> to_der(const X509* certificate) {
  const int size = certificate != nullptr ? i2d_X509(certificate, nullptr) : 0;
  if (size <= 0) return {};
  std::vector<uint8_t> der(static_cast<size_t>(size));
  uint8_t* end = der.data();
  i2d_X509(certificate, &end);
  return der;
}

bool at_end_of_pem() {
  const unsigned long error = ERR_peek_last_error();
  const bool at_end =
      ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (at_end) ERR_clear_error();
  return at_end;
}

int Passphrase::give(char* out, int capacity, int /*writing*/, void* user) {
  auto& passphrase = *static_cast<Passphrase*>(user);
  passphrase.asked = true;
  if (passphrase.bytes.size == 0 || passphrase.bytes.size > static_cast<size_t>(capacity)) {
    return -1;
  }
  std::memcpy(out, passphrase.bytes.data, passphrase.bytes.size);
  return static_cast<int>(passphrase.bytes.size);
}

}  // namespace dtls
