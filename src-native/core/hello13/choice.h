#ifndef DGRAM_DTLS_CORE_HELLO13_CHOICE_H_
#define DGRAM_DTLS_CORE_HELLO13_CHOICE_H_

#include <vector>

#include "core/hello13/client_offer.h"

// What a server makes of a ClientHello: the version, and the suite and group that its engine will
// come to. A HelloRetryRequest has to name them before there is an engine.
namespace dtls {

// What a server has, as wire numbers.
struct ServerOffer {
  bool dtls12 = false;  // or older: the 1.2 handshake knows which
  bool dtls13 = false;

  // Of 1.3, in the server's order.
  std::vector<uint16_t> suites;
  // SSL_OP_CIPHER_SERVER_PREFERENCE: the server's order counts, of suites and of groups.
  bool own_order = false;
  // In the server's order. Of the groups of one tuple the one that the hello has a share of is
  // better than one without; the first tuple that has any group of the client's is the one that
  // counts (SSL_CTX_set1_groups_list of OpenSSL 3.5; before, and where a list has no slash, all are
  // one tuple).
  std::vector<std::vector<uint16_t>> groups;
  bool psk = false;  // knows pre-shared keys: external ones, or tickets
  // SSL_OP_ALLOW_NO_DHE_KEX: a PSK without a key exchange will do.
  bool psk_alone = false;
  // The engine takes the suite that it is told (SSL_set_ciphersuites): then a suite may be chosen
  // by the hashes of the pre-shared keys. Otherwise it is the one that OpenSSL would come to.
  bool suite_follows_psk = false;
};

enum class VersionChoice : uint8_t {
  kDtls13,
  kDtls12,  // the 1.2 handshake judges it, and chooses between 1.2 and 1.0
  kNone,    // alert protocol_version
};

// RFC 8446 section 4.2.1: where there are supported_versions, they alone count.
VersionChoice choose_version(const ClientOffer& offer, const ServerOffer& server);

struct Choice {
  // 0, or why there is no choice: handshake_failure or missing_extension. What needs no
  // HelloRetryRequest to be told is left to the engine, whose failure a server's user sees.
  uint8_t alert = 0;
  uint16_t suite = 0;  // its hash is that of the transcript
  // The group of the key exchange; 0: none, by a PSK alone.
  uint16_t group = 0;
  // The hello has no share of it: a HelloRetryRequest names it.
  bool needs_share = false;
};

// For a hello of which the version is 1.3.
Choice choose(const ClientOffer& offer, const ServerOffer& server);

// The bytes of the transcript hash of a suite of 1.3: 32 or 48; 0 for an unknown suite.
size_t hash_size(uint16_t suite);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HELLO13_CHOICE_H_
