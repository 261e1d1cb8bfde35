#ifndef DGRAM_DTLS_CORE_ENGINE13_SELF_TEST_H_
#define DGRAM_DTLS_CORE_ENGINE13_SELF_TEST_H_

namespace dtls {

// Handshakes of two OpenSslEngines in memory, by a pre-shared key alone, so that all of their
// secrets follow from that key and the messages. They are compared with what the default provider's
// HKDF, HMAC and hashes make of the messages as they are on the wire, and so are binders, Finished
// and the exporter's secret; with and without a HelloRetryRequest, for both hashes.
//
// What it stands guard over: that an OpenSSL to come still takes its key derivation and its
// transcript's hash from the provider of library.h, and shows it the same messages.
//
// Null when all is well, or what went wrong, a clause.
const char* engine_self_test();

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_ENGINE13_SELF_TEST_H_
