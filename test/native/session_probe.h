#ifndef DGRAM_DTLS_TEST_NATIVE_SESSION_PROBE_H_
#define DGRAM_DTLS_TEST_NATIVE_SESSION_PROBE_H_

#include "core/records/aead_records.h"
#include "core/records/openssl_records.h"
#include "core/records13/records13.h"
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

  // An open session goes on as one of DTLS 1.3 does, with these secrets of epoch 3. No OpenSSL that
  // these tests run with could bring it there.
  // `engine`: see LateHandshake13.
  static bool go_on_as_13(Session& session, TrafficSecret out, TrafficSecret in, double now,
                          std::unique_ptr<HandshakeEngine> engine = nullptr) {
    auto records = std::make_unique<Records13>(Records13::Options{});
    if (!records->add(std::move(out)) || !records->add(std::move(in))) return false;
    FlightsConfig config;
    config.is_server = session.role_ == Role::kServer;
    config.times.initial = session.policy_->retransmit_initial;
    config.complete = true;
    session.late13_ = std::make_unique<LateHandshake13>(
        session.outlet_, session.role_, *records, *session.policy_,
        std::make_unique<Flights>(config), std::move(engine), uint16_t{0}, now);
    session.records_ = std::move(records);
    session.said_last_.reset();
    session.heartbeat_.reset();
    return true;
  }
  static bool has_flights(const Session& session) { return session.late13_->flights_ != nullptr; }
  static Records13& records13(const Session& session) { return session.late13_->records(); }
  static LateHandshake13& late13(const Session& session) { return *session.late13_; }
};

}  // namespace dtls

#endif  // DGRAM_DTLS_TEST_NATIVE_SESSION_PROBE_H_
