#ifndef DGRAM_DTLS_CORE_IDENTITY_OFFERS_H_
#define DGRAM_DTLS_CORE_IDENTITY_OFFERS_H_

#include <string>
#include <vector>

// What the OpenSSL that is linked has, found by asking it: a build may leave out what its version
// would have.
namespace dtls {

// A protocol version, as on the wire.
bool offers_version(int version);
// A group or a signature algorithm, by the name that it has in a list of them.
bool offers_group(const char* name);
bool offers_sigalg(const char* name);
// The suites of DTLS 1.2 and older, in OpenSSL's order.
std::vector<std::string> offered_ciphers();

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_IDENTITY_OFFERS_H_
