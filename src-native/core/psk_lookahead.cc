#include "core/psk_lookahead.h"

namespace dtls {

bool is_psk_suite(const SSL_CIPHER* cipher) {
  if (cipher == nullptr) return false;
  switch (SSL_CIPHER_get_kx_nid(cipher)) {
    case NID_kx_psk:
    case NID_kx_ecdhe_psk:
    case NID_kx_dhe_psk:
    case NID_kx_rsa_psk:
      return true;
    default:
      return false;
  }
}

bool read_psk_name(Bytes body, Bytes& name) {
  if (body.size < 2) return false;
  const size_t size = read_u16(body.data);
  if (size > kMaxPskIdentity || body.size < 2 + size) return false;
  name = {body.data + 2, size};
  return true;
}

}  // namespace dtls
