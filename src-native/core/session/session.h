#ifndef DGRAM_DTLS_CORE_SESSION_SESSION_H_
#define DGRAM_DTLS_CORE_SESSION_SESSION_H_

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "core/base/error.h"
#include "core/base/openssl_ptr.h"
#include "core/base/peer_address.h"
#include "core/base/timer_queue.h"
#include "core/handshake/datagram_bio.h"
#include "core/handshake/handshake.h"
#include "core/handshake/session_facts.h"
#include "core/handshake/session_policy.h"
#include "core/outbox/outlet.h"
#include "core/records/record_mac.h"
#include "core/records/record_protection.h"
#include "core/records/replay_window.h"
#include "core/session/heartbeat.h"
#include "core/wire/wire.h"

namespace dtls {

//                  accept_hello / connect
//                          |
//                          v          close, failure, deadline
//                     kHandshaking ---------------------------> kClosed
//                          |                                       ^
//                          | Finished verified                     |
//                          v         close_notify either way,      |
//                        kOpen ------------------------------------+
//                                    fatal alert, idle, replaced
//
// kClosed writes the session's last record; the object stays, without its SSL, until the consumer
// releases it, so that its counters can still be read.
enum class SessionState : uint8_t { kHandshaking, kOpen, kClosed };

// kEmpty: OpenSSL makes no record of no bytes (it does deliver one that a peer sent).
enum class SendOutcome : uint32_t { kSent = 0, kNotOpen, kTooBig, kFailed, kEmpty };

// One DTLS association, driven by records in and calls down, that writes datagrams and what
// happened into the Outbox: a handshake, and then an SSL that opens and seals records. No I/O, no
// clock: `now` is milliseconds since the Unix epoch, monotonic.
class Session final : private DatagramPort {
 public:
  // `transmitter`: may be null, see there; outlives the session.
  Session(Outbox& outbox, Transmitter* transmitter, TrafficStats& totals, SessionId id, Role role,
          const PeerAddress& peer, std::shared_ptr<const SecureContext> context,
          std::shared_ptr<const SessionPolicy> policy, double now);
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Client: sends the ClientHello.
  void connect(double now);
  // Server: the front of the ClientHello that the next datagram received begins with. The handshake
  // starts when the hello is whole, and what it asks about is answered.
  void accept_hello(const RecordView& record, const FragmentView& fragment, Bytes random);

  // `scratch`: kMaxPlaintext bytes that the call may overwrite.
  void receive(Bytes datagram, uint8_t* scratch, double now);
  SendOutcome send(Bytes message, uint32_t token, double now);
  // close_notify when `notify` says so, also in mid-handshake, then closed. Never waits for the
  // peer's.
  void close(bool notify = true);
  // Closed at once, and for this reason; tells the peer nothing.
  void fail(Failure failure);
  // Gives way to another handshake. The peer hears of it where there is a way to tell.
  void displace();
  void advance(double now);

  // Answers to LOOKUP records, see Handshake.
  void answer_hello(HelloAnswer answer, uint8_t* scratch, double now);
  void answer_session(Bytes session, bool refused, uint8_t* scratch, double now);
  void answer_new_session(uint8_t* scratch, double now);
  void answer_psk(bool found, Bytes identity, Bytes key, uint8_t* scratch, double now);
  void answer_identity(bool accepted, uint8_t* scratch, double now);
  void answer_ocsp(bool refused, Bytes response, uint8_t* scratch, double now);

  // Sends a HeartbeatRequest (RFC 6520) with `padding` random bytes, and again up to `retries`
  // times. What became of it comes as a HEARTBEAT record.
  HeartbeatOutcome heartbeat(Bytes payload, size_t padding, double timeout, uint32_t retries,
                             double now);

  // Bytes that the datagrams of handshake flights, and messages, should keep within.
  uint32_t mtu() const { return handshake_ ? handshake_->mtu() : mtu_; }
  bool set_mtu(uint32_t mtu);

  // Idle for so many milliseconds, a session does without OpenSSL's buffers. To have them again
  // takes some 2.5 microseconds, so the time is for peers that talk every few seconds.
  static constexpr double kRestAfter = 10'000;
  bool rests() const { return rests_; }

  // Whether encrypt-then-MAC (RFC 7366) is in use. Meaningful once the suite is known.
  bool encrypts_then_macs() const {
    return handshake_ ? handshake_->encrypts_then_macs() : checks_macs_;
  }

  SessionId id() const { return outlet_.id(); }
  Role role() const { return role_; }
  SessionState state() const { return state_; }
  const PeerAddress& peer() const { return outlet_.peer(); }
  const TrafficStats& stats() const { return outlet_.stats(); }
  FailureKind failure() const { return failure_; }
  bool completed_handshake() const { return completed_handshake_; }
  // See Handshake.
  bool is_unproven() const { return handshake_ && handshake_->is_unproven(); }
  double peers_turn_since() const { return handshake_->peers_turn_since(); }
  // It is unproven, and since it was last the client's turn a wait of the retransmission timer is
  // over.
  bool gives_way(double now) const;
  // The session began with this ClientHello: the same again is a retransmission, not a new peer.
  bool began_with(Bytes random) const;
  // Client: whether the peer's own ClientHello, which crossed ours, is to be ignored because ours
  // is the one that both ends go on with.
  bool turns_away(Bytes random);
  double deadline() const;
  // Whether it can judge the peer's protected records.
  bool reads_protected() const {
    return handshake_ ? handshake_->reads_protected() : state_ == SessionState::kOpen;
  }
  using Drops = Outlet::Drops;
  Drops drops() const { return outlet_.drops(); }
  void uncount_drops(const Drops& since) { outlet_.uncount_drops(since); }
  void judges_early_silently() {
    if (handshake_) handshake_->judges_early_silently();
  }
  // Null before the ClientHello is whole and what it asks about is answered, and after the session
  // has closed.
  SSL* ssl() const { return handshake_ ? handshake_->ssl() : ssl_.get(); }
  // What can be asked of the session: until it is open, what its handshake has come to so far. Null
  // where ssl() is null before that, and after the session has closed.
  std::shared_ptr<const SessionFacts> facts() const;
  // Whom this side trusts, and what it shows; null after the session has closed.
  X509_STORE* trusted() const;
  SSL_CTX* context() const;
  // The largest message that makes a datagram within the MTU; 0 before the suite is known.
  size_t max_message_size() const;
  // Nothing where no pre-shared key was asked for; an identity may be empty.
  const std::optional<std::vector<uint8_t>>& psk_identity() const {
    return handshake_ ? handshake_->psk_identity() : psk_identity_;
  }

 private:
  friend struct ForgeryCount;  // test/native: so many as a limit allows would take too long

  // What a record is to an open session, before anybody has looked into it.
  enum class RecordKind : uint8_t {
    kOutOfPlace,  // no honest peer sends it now
    kTooShort,    // what protection adds is longer
    kMessage,
    kHeartbeat,
    kControl,  // an alert or handshake message
  };

  struct RecordKeys {
    RecordProtection outgoing;
    RecordProtection incoming;
  };

  // session.cc
  template <typename Act>
  void with_handshake(uint8_t* scratch, double now, const Act& act);
  void conclude(uint8_t* scratch, double now);
  bool is_beaten(Bytes random);
  void consider_rest(double now);
  bool wake(double now);
  void say_goodbye();
  void established(uint8_t* scratch, double now);
  bool adopt(SslPtr ssl);
  Failure openssl_failure(FailureKind fallback) const;
  void emit_close(const Failure& failure);

  // session_records.cc
  RecordKind classify(const RecordView& record) const;
  RecordOutcome on_record(const RecordView& record, uint8_t* scratch, double now);
  void note_outcome(RecordOutcome outcome);
  void replay(const HeldRecords::Held& held, bool counts_early, uint8_t* scratch, double now);
  RecordOutcome feed(const RecordView& record, uint8_t* scratch, double now,
                     bool authentic = false);
  void on_forged_record();
  void drop() { outlet_.count<&TrafficStats::discardedRecords>(); }
  void read_message(uint8_t* scratch);
  bool is_empty_message(const RecordView& record, bool authentic);
  void emit_message(Bytes message);

  // session_last_flight.cc
  static void message_callback(int write, int version, int content_type, const void* bytes,
                               size_t size, SSL* ssl, void* arg);
  void on_message(bool out, ContentType type, Bytes bytes);
  void on_datagram(Bytes datagram) override;
  void send_last_flight();
  bool may_repeat_finished() const;

  // session_retyping.cc
  bool has_record_keys();
  bool send_as(ContentType type, Bytes message);
  bool seal_as(ContentType type, Bytes datagram, std::vector<uint8_t>& sealed);
  bool open_record(const RecordView& record, std::vector<uint8_t>& plaintext);
  RecordOutcome feed_as_data(const RecordView& record, Bytes plaintext, uint8_t* scratch);
  RecordOutcome on_control_record(const RecordView& record, uint8_t* scratch, double now);
  RecordOutcome on_late_handshake_message(Bytes message);

  // session_heartbeat.cc
  bool send_heartbeat(Bytes message);
  RecordOutcome on_heartbeat_record(const RecordView& record, uint8_t* scratch, double now);
  RecordOutcome on_heartbeat_message(Bytes bytes, double now);
  void advance_heartbeat(double now);
  bool keep_alive_on() const {
    return heartbeat_ && policy_->heartbeat_interval > 0 && heartbeat_->may_send();
  }
  void emit_heartbeat(bool out, HeartbeatType type, size_t length, double rtt);

  Outlet outlet_;
  const Role role_;
  SessionState state_ = SessionState::kHandshaking;
  bool completed_handshake_ = false;
  FailureKind failure_ = FailureKind::kNone;
  uint32_t send_token_ = 0;
  std::array<uint8_t, kRandomSize> hello_random_{};  // see Handshake
  std::shared_ptr<const SecureContext> context_;
  std::shared_ptr<const SessionPolicy> policy_;
  std::unique_ptr<Handshake> handshake_;       // until it is complete
  SslPtr ssl_;                                 // from then on, until it closes
  std::shared_ptr<const SessionFacts> facts_;  // likewise
  uint64_t next_number_out_ = 0;               // of the last flight's records in clear
  std::vector<uint8_t> written_;  // what OpenSSL has written of that flight, until it leaves
  uint32_t mtu_ = 0;
  uint32_t repetitions_ = 0;     // of that flight, under this MTU
  uint32_t answered_again_ = 0;  // how often that flight has left because the peer asked again
  // These four follow from the suite.
  size_t shortest_record_ = 0;
  size_t max_fragment_ = kMaxPlaintext;  // that both sides agreed on
  bool checks_macs_ = false;
  uint64_t integrity_limit_ = UINT64_MAX;  // how many records may be forged
  RecordMac incoming_mac_;                 // ready where encrypt-then-MAC is in use
  bool rests_ = false;
  double rest_at_ = kNever;  // an open session looks whether it may rest
  double last_activity_;
  double last_heard_;                     // when an authentic record came
  std::unique_ptr<Heartbeat> heartbeat_;  // null when switched off
  std::unique_ptr<RecordKeys> record_keys_;
  bool no_record_keys_ = false;        // the suite is no AEAD
  std::optional<ContentType> retype_;  // what OpenSSL writes now becomes a record of this type
  ReplayWindow replay_window_;
  uint64_t heard_ = 0;   // what of the peer's records OpenSSL has told of: messages and alerts
  uint64_t forged_ = 0;  // records that could not be authenticated under the keys of this session
  std::optional<std::vector<uint8_t>> psk_identity_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_SESSION_SESSION_H_
