#ifndef DGRAM_DTLS_CORE_RECORDS_OPENSSL_RECORDS_H_
#define DGRAM_DTLS_CORE_RECORDS_OPENSSL_RECORDS_H_

#include <vector>

#include "core/base/openssl_ptr.h"
#include "core/outbox/outlet.h"
#include "core/records/datagram_bio.h"
#include "core/records/record_mac.h"
#include "core/records/records.h"
#include "core/records/replay_window.h"

namespace dtls {

// Records over the SSL of the handshake, for sessions that have to keep it: suites with CBC or
// without encryption, and DTLS 1.0. OpenSSL also repeats their last flight, refuses to negotiate
// anew, and ends the session for what it does not bear.
class OpensslRecords final : public Records, private DatagramPort {
 public:
  // Where a handshake stops.
  struct Start {
    SslPtr ssl;
    ReplayWindow seen;
    uint64_t forged = 0;
    bool encrypts_then_macs = false;  // RFC 7366
    RecordMac incoming_mac;           // perhaps ready, where that is in use
    // Of the last flight: its records in clear leave again from this number on, and it has so
    // often.
    size_t max_fragment = kMaxPlaintext;
    uint64_t next_number_in_clear = 0;
    uint32_t answered_again = 0;
  };

  // `mtu`: the session's, within which the last flight leaves again. It shrinks where that does not
  // arrive.
  OpensslRecords(Outlet& outlet, uint32_t& mtu, Start start);
  ~OpensslRecords() override;
  OpensslRecords(const OpensslRecords&) = delete;
  OpensslRecords& operator=(const OpensslRecords&) = delete;

  // False: OpenSSL has failed, and nothing else may be called.
  bool ready() const { return ready_; }

  Opened open(const RecordView& record, uint8_t* room, size_t& size) override;
  // Application data, and close_notify: of others OpenSSL makes none.
  size_t seal(ContentType type, Bytes plaintext, uint8_t* out) override;
  size_t sealed_size(size_t plaintext) const override {
    return kRecordHeaderSize + plaintext + SSL3_RT_MAX_ENCRYPTED_OVERHEAD;
  }
  void rest() override;
  Wear wear_of_opening() const override;
  Wear wear_of_sealing() const override { return Wear::kNone; }
  SSL* ssl() const override { return ssl_.get(); }

 private:
  friend struct SessionProbe;  // test/native

  bool wake();
  bool has_right_mac(const RecordView& record);
  void on_datagram(Bytes datagram) override;
  void on_message(bool out, ContentType type, Bytes bytes);
  static void message_callback(int write, int version, int content_type, const void* bytes,
                               size_t size, SSL* ssl, void* arg);
  void send_last_flight();
  bool may_repeat_finished() const;

  Outlet& outlet_;
  SslPtr ssl_;
  bool ready_ = false;
  bool rests_ = false;
  const bool encrypts_then_macs_;
  RecordMac incoming_mac_;
  const size_t shortest_;
  ReplayWindow seen_;
  uint64_t forged_;
  const uint64_t integrity_limit_;
  // While a record is opened: whether OpenSSL has said anything about it, and the alert in it.
  bool heard_ = false;
  std::vector<uint8_t> alert_;
  // While one is sealed: where it is to lie, and its size so far.
  uint8_t* sealing_ = nullptr;
  size_t sealed_ = 0;
  size_t sealing_room_ = 0;
  std::vector<uint8_t> written_;  // of the last flight, until it leaves
  uint32_t& mtu_;
  const size_t max_fragment_;
  uint64_t next_number_in_clear_;
  uint32_t answered_again_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS_OPENSSL_RECORDS_H_
