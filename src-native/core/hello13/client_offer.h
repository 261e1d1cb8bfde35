#ifndef DGRAM_DTLS_CORE_HELLO13_CLIENT_OFFER_H_
#define DGRAM_DTLS_CORE_HELLO13_CLIENT_OFFER_H_

#include "core/base/bytes.h"

// What a ClientHello offers, read from the whole message before anything is kept of it: RFC 9147
// section 5.3, RFC 8446 section 4.2.
namespace dtls {

// Borrowed from the hello. Of extensions `data` is null where the hello has none; lists are without
// their length. The lists of numbers have an even size and are not empty.
struct ClientOffer {
  uint16_t legacy_version = 0;
  Bytes random;
  Bytes session_id;
  Bytes legacy_cookie;
  Bytes suites;  // two bytes each
  Bytes compressions;

  Bytes server_name;           // 0: the extension, as it is; OpenSSL judges it
  Bytes groups;                // 10: two bytes each
  Bytes signature_algorithms;  // 13: two bytes each
  Bytes srtp;                  // 14: the extension, as it is
  Bytes protocols;             // 16: the extension, as it is
  Bytes psk_identities;        // 41: each behind its length, an age of four bytes after it
  Bytes psk_binders;           //     each behind its length
  bool early_data = false;     // 42
  Bytes versions;              // 43: two bytes each
  Bytes cookie;                // 44
  Bytes psk_modes;             // 45: a byte each
  Bytes shares;                // 51: group and key behind its length; may be empty
  Bytes connection_id;         // 54: the ID, which may be empty

  // The alert that is due when the version is 1.3 (RFC 8446 section 6.2), or 0: decode_error for an
  // extension that does not parse, illegal_parameter for two of a type, two shares of a group, a
  // share of a group that is not offered, a pre_shared_key that is not the last. What is wrong is
  // null above. A hello that is answered with 1.2 is not judged by this.
  uint8_t fault = 0;
};

// `body`: a whole ClientHello without its header. False when its fields or its list of extensions
// do not parse.
bool read_client_offer(Bytes body, ClientOffer& offer);

// Takes the next number off the front of a list that has one.
uint16_t take_number(Bytes& list);
// Whether one of a list of numbers is this one.
bool holds(Bytes list, uint16_t number);

// Takes the next share off the front of ClientOffer::shares, when there is one.
struct KeyShare {
  uint16_t group = 0;
  Bytes key;
};
KeyShare take_share(Bytes& shares);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HELLO13_CLIENT_OFFER_H_
