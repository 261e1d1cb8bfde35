#ifndef DGRAM_DTLS_CORE_OUTBOX_RECORD_OUTCOME_H_
#define DGRAM_DTLS_CORE_OUTBOX_RECORD_OUTCOME_H_

#include <cstdint>

namespace dtls {

// What has become of a record.
enum class RecordOutcome : uint8_t {
  kTaken,
  kHeld,                // its turn will come, and decide
  kDiscarded,           // it has no place here
  kBad,                 // it cannot be authentic
  kForged,              // it is not authentic, under the keys of this session
  kReplayed,            // it has been taken before
  kHeartbeatDiscarded,  // RFC 6520 has it discarded silently
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_OUTBOX_RECORD_OUTCOME_H_
