#ifndef DGRAM_DTLS_CORE_BASE_ENCODING_H_
#define DGRAM_DTLS_CORE_BASE_ENCODING_H_

#include <vector>

#include "core/base/bytes.h"
#include "core/base/openssl_ptr.h"

// Certificates and keys from and to memory.
namespace dtls {

// Null when the bytes are more than OpenSSL counts. They must outlive the BIO.
BioPtr read_only(Bytes bytes);

// Empty for none.
std::vector<uint8_t> to_der(const X509* certificate);

// A PEM file ends with PEM_R_NO_START_LINE: after at least one object that is the end, not an
// error. Clears the error queue when it is.
bool at_end_of_pem();

// OpenSSL asks for a passphrase only when something is encrypted: when reading fails after that,
// the passphrase is what to blame.
struct Passphrase {
  Bytes bytes;
  bool asked = false;

  // A pem_password_cb, with a Passphrase as its user data.
  static int give(char* out, int capacity, int writing, void* user);
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_BASE_ENCODING_H_
