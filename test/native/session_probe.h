#ifndef DGRAM_DTLS_TEST_NATIVE_SESSION_PROBE_H_
#define DGRAM_DTLS_TEST_NATIVE_SESSION_PROBE_H_

#include "core/records/aead_records.h"
#include "core/records/openssl_records.h"
#include "core/session/session.h"

namespace dtls {

// What tests need to see of an open session's records, and nobody else.
struct SessionProbe {
  static AeadRecords* aead(const Session& session) {
    return dynamic_cast<AeadRecords*>(session.records_.get());
  }
  static OpensslRecords* openssl(const Session& session) {
    return dynamic_cast<OpensslRecords*>(session.records_.get());
  }
  static AeadProtection& incoming(const Session& session) { return aead(session)->incoming_; }
  static AeadProtection& outgoing(const Session& session) { return aead(session)->outgoing_; }

  // So many forgeries as a limit allows would take too long to send.
  static void set_forged(const Session& session, uint64_t count) {
    if (AeadRecords* records = aead(session)) records->forged_ = count;
    if (OpensslRecords* records = openssl(session)) records->forged_ = count;
  }
  static uint64_t limit(const Session& session) {
    if (AeadRecords* records = aead(session)) return records->suite().integrity_limit;
    return openssl(session)->integrity_limit_;
  }
  static void set_sealed_blocks(const Session& session, uint64_t count) {
    aead(session)->sealed_blocks_ = count;
  }
  static void set_next_number(const Session& session, uint64_t number) {
    aead(session)->next_number_ = number;
  }
};

}  // namespace dtls

#endif  // DGRAM_DTLS_TEST_NATIVE_SESSION_PROBE_H_
