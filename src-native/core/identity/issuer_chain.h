#ifndef DGRAM_DTLS_CORE_IDENTITY_ISSUER_CHAIN_H_
#define DGRAM_DTLS_CORE_IDENTITY_ISSUER_CHAIN_H_

#include <vector>

#include "core/base/openssl_ptr.h"

// Who issued a certificate, as far as that is known here.
namespace dtls {

// The certificate itself when it is its own issuer, or else its issuer among those that came along,
// or among the trusted; null for none.
X509Ptr find_issuer(X509* certificate, const STACK_OF(X509) * sent, X509_STORE* trusted);

// A certificate, its issuer, and so on, up to one whose issuer is not known, or is in the chain: it
// is its own, or two authorities have certified each other. Verifies nothing; at most a hundred.
std::vector<X509Ptr> chain_of(X509* certificate, const STACK_OF(X509) * sent, X509_STORE* trusted);

// The same in DER. Empty for null.
std::vector<std::vector<uint8_t>> issuer_chain(X509Ptr certificate, const STACK_OF(X509) * sent,
                                               X509_STORE* trusted);

// The issuer of a certificate of `context`, from its chain there or the trusted; null for none.
X509Ptr own_issuer(SSL_CTX* context, X509* certificate, X509_STORE* trusted);

// The peer's certificate; borrowed. Null when it sent none.
X509* peer_leaf(const SSL* ssl);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_IDENTITY_ISSUER_CHAIN_H_
