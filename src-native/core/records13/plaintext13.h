#ifndef DGRAM_DTLS_CORE_RECORDS13_PLAINTEXT13_H_
#define DGRAM_DTLS_CORE_RECORDS13_PLAINTEXT13_H_

#include "core/wire/wire.h"

namespace dtls {

// What was in a record that opened.
struct Plaintext13 {
  // Of the content. 0 (RFC 8446 section 5.1: invalid): there was nothing but zeros, and the session
  // has to end with unexpected_message (section 5.4). The peer has made it.
  ContentType type{};
  size_t size = 0;
  uint64_t epoch = 0;  // these two are the record's number, as an ACK names it
  uint64_t number = 0;
  // Nothing of this epoch, the newest, had opened before: the peer seals under it from now on, and
  // it is time to retire() the epochs below.
  bool first_of_epoch = false;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS13_PLAINTEXT13_H_
