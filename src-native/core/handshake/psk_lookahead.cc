#include "core/handshake/psk_lookahead.h"

namespace dtls {

bool read_psk_name(Bytes body, Bytes& name) {
  if (body.size < 2) return false;
  const size_t size = read_u16(body.data);
  if (size > kMaxPskIdentity || body.size < 2 + size) return false;
  name = {body.data + 2, size};
  return true;
}

}  // namespace dtls
