#include "core/base/peer_address_hash.h"

#include <openssl/err.h>
#include <openssl/rand.h>

namespace dtls {

PeerAddressHash::PeerAddressHash() {
  // Without randomness no handshake will succeed either; the table then works, only slowly.
  if (RAND_bytes(reinterpret_cast<unsigned char*>(coefficients_.data()), sizeof coefficients_) !=
      1) {
    ERR_clear_error();
  }
}

}  // namespace dtls
