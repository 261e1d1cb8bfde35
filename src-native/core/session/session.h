#ifndef DGRAM_DTLS_CORE_SESSION_SESSION_H_
#define DGRAM_DTLS_CORE_SESSION_SESSION_H_

#include <memory>
#include <vector>

#include "core/base/error.h"
#include "core/base/openssl_ptr.h"
#include "core/base/peer_address.h"
#include "core/base/timer_queue.h"
#include "core/handshake/handshake.h"
#include "core/handshake/session_facts.h"
#include "core/handshake/session_policy.h"
#include "core/handshake13/handshake13.h"
#include "core/outbox/outlet.h"
#include "core/records/last_flight.h"
#include "core/records/records.h"
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
// kHandshaking has a Handshake, kOpen has Records and facts. kClosed writes the session's last
// record; the object stays, with facts where it was open, until the consumer releases it. That one
// may have records before it that nobody has read yet, and who is told of an open session then asks
// for its peer; the counters are read behind the end.
enum class SessionState : uint8_t { kHandshaking, kOpen, kClosed };

// kEmpty: there is no record of no bytes to be sent (one that a peer sent is delivered).
enum class SendOutcome : uint32_t { kSent = 0, kNotOpen, kTooBig, kFailed, kEmpty };

// One DTLS association, driven by records in and calls down, that writes datagrams and what
// happened into the Outbox: a handshake, and then keys and numbers that records are opened and
// sealed with. No I/O, no clock: `now` is milliseconds since the Unix epoch, monotonic.
class Session final {
 public:
  // `outlets`: its endpoint's, outlive the session. A client begins with the newest version that
  // its context permits, a server with what its client's hello has come to.
  Session(Outlets& outlets, uint32_t slot, uint32_t generation, Role role, const PeerAddress& peer,
          std::shared_ptr<const SecureContext> context, std::shared_ptr<const SessionPolicy> policy,
          bool dtls13, double now);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Client: sends the ClientHello.
  void connect(double now);
  // Server: the front of the ClientHello that the next datagram received begins with. The handshake
  // starts when the hello is whole, and what it asks about is answered.
  void accept_hello(const RecordView& record, const FragmentView& fragment, Bytes random);
  // The same of DTLS 1.3, where the hello is whole. `size`: of the datagram that it came in last.
  void accept_hello13(Handshake13::Hello hello, size_t size, uint8_t* scratch, double now);

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
  void answer_psk(PskAnswer answer, Bytes identity, Bytes key, uint8_t* scratch, double now);
  void answer_identity(bool accepted, uint8_t* scratch, double now);
  void answer_ocsp(bool refused, Bytes response, uint8_t* scratch, double now);

  // Sends a HeartbeatRequest (RFC 6520) with `padding` random bytes, and again up to `retries`
  // times. What became of it comes as a HEARTBEAT record.
  HeartbeatOutcome heartbeat(Bytes payload, size_t padding, double timeout, uint32_t retries,
                             double now);

  // DTLS 1.3: this side's keys change, and with `both` the peer is to change its own.
  KeyUpdateOutcome update_keys(bool both, double now);

  // Bytes that the datagrams of handshake flights, and messages, should keep within.
  uint32_t mtu() const { return handshake_ ? handshake_->mtu() : mtu_; }
  bool set_mtu(uint32_t mtu);
  // The largest message that makes a datagram within the MTU; 0 before the suite is known.
  size_t max_message_size() const;

  // Idle for so many milliseconds, a session does without what records are opened and sealed with,
  // but for the keys. To have it again takes some microseconds, so the time is for peers that talk
  // every few seconds.
  static constexpr double kRestAfter = 10'000;
  // So long, in milliseconds, a peer that asks for the last flight gets it: twice the lifetime of a
  // segment, RFC 6347 section 4.2.4.
  static constexpr double kLinger = 240'000;
  bool rests() const { return rests_; }
  // What it knows of its own keys. When that changes, an update of them may be on its way.
  Wear told_of_sealing() const { return told_of_sealing_; }

  // Whether encrypt-then-MAC (RFC 7366) is in use. Meaningful once the suite is known.
  bool encrypts_then_macs() const {
    return handshake_ ? handshake_->encrypts_then_macs() : encrypts_then_macs_;
  }

  SessionId id() const { return outlet_.id(); }
  Role role() const { return role_; }
  SessionState state() const { return state_; }
  const PeerAddress& peer() const { return outlet_.peer(); }
  // Sets where the peer is. on_moved() follows, once the endpoint has it in its books.
  void set_peer(const PeerAddress& peer) { outlet_.set_peer(peer); }
  // The way to the peer is another one: nothing holds that was learnt of the old one, and what
  // waits for an answer leaves again.
  void on_moved(double now);
  TrafficStats stats() const { return outlet_.stats(); }
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
  // Both shake hands with one client, which has said the same hello to both.
  bool shares_hello_with(const Session& other) const {
    return handshake_ && other.handshake_ &&
           other.began_with({handshake_->hello_random().data(), kRandomSize});
  }
  // A client in its handshake: its own hello has that random.
  bool said_hello_with(Bytes random) const;
  // See Negotiation::takes_hello.
  bool takes_hello(uint16_t sequence) const {
    return handshake_ && handshake_->takes_hello(sequence);
  }
  // Client: whether the peer's own ClientHello, which crossed ours, is to be ignored because ours
  // is the one that both ends go on with.
  bool turns_away(Bytes random);
  double deadline() const;
  // When an authentic record came; of an open session.
  double last_heard() const { return last_heard_; }
  // Whether it can judge the peer's protected records.
  bool reads_protected() const {
    return handshake_ ? handshake_->reads_protected() : state_ == SessionState::kOpen;
  }
  // Datagrams of its peer, or for it, that are none of DTLS.
  void count_packet_received(size_t size) {
    outlet_.count<&SeldomStats::packetsReceived>();
    outlet_.count<&SeldomStats::packetBytesReceived>(size);
  }
  void count_packet_sent(size_t size) {
    outlet_.count<&SeldomStats::packetsSent>();
    outlet_.count<&SeldomStats::packetBytesSent>(size);
  }
  using Drops = Outlet::Drops;
  Drops drops() const { return outlet_.drops(); }
  void uncount_drops(const Drops& since) { outlet_.uncount_drops(since); }
  void judges_early_silently() {
    if (handshake_) handshake_->judges_early_silently();
  }

  // The handshake's, or that of records which keep it; null where there is none.
  SSL* ssl() const { return handshake_ ? handshake_->ssl() : records_ ? records_->ssl() : nullptr; }
  // What can be asked of the session: what its handshake has come to so far, until it is open.
  // Null before there is an SSL, and of a handshake that failed. Until anything else is asked of
  // the session, which owns the facts once it is open.
  std::shared_ptr<const SessionFacts> facts() const;
  // Whom this side trusts, and what it shows; null when the handshake has failed.
  X509_STORE* trusted() const;
  SSL_CTX* context() const;
  // Null where no pre-shared key was asked for; an identity may be empty.
  const std::vector<uint8_t>* psk_identity() const {
    return handshake_ ? handshake_->psk_identity() : psk_identity_.get();
  }

 private:
  friend struct SessionProbe;  // test/native

  // The last flight of the handshake, and how it leaves again.
  struct SaidLast {
    LastFlight flight;
    uint64_t next_number;  // of its records in clear
    uint32_t repetitions;  // within the MTU
    double said_at;
  };

  // handover.cc
  template <typename Act>
  void with_handshake(uint8_t* scratch, double now, const Act& act);
  void conclude(uint8_t* scratch, double now);
  void go_back(uint8_t* scratch, double now);
  bool is_answer_to_newer(const RecordView& record) const;
  bool return_to_newer(bool anew, double now);
  void established(uint8_t* scratch, double now);
  void established13(Handshake13& handshake, uint8_t* scratch, double now);
  void begin12(std::shared_ptr<const SecureContext> context,
               std::shared_ptr<const SessionPolicy> policy, double now);
  void begin13(std::shared_ptr<const SecureContext> context,
               std::shared_ptr<const SessionPolicy> policy, double now);
  void open_with(const Negotiation& handshake, double now);
  bool take_records(Handshake::Handover handover, double now);
  void tell_secure();
  void replay(const HeldRecords::Held& held, bool counts_early, uint8_t* scratch, double now);
  bool is_beaten(Bytes random);
  void keep_psk_identity(const Negotiation& handshake);

  // session.cc
  bool seal(ContentType type, Bytes plaintext, uint32_t token = 0);
  void send_alert(uint8_t level, uint8_t description);
  void say_goodbye();
  void tell_wear(bool out, Wear wear);
  void end_worn_out(FailureKind kind);
  void fail_as_openssl_says(FailureKind fallback);
  void emit_close(const Failure& failure);
  void stir(double now);
  void consider_rest(double now);

  // opening.cc
  RecordOutcome on_record(const RecordView& record, uint8_t* scratch, double now);
  RecordOutcome opened(const RecordView& record, uint8_t* room, size_t& size);
  void note_outcome(RecordOutcome outcome);
  void on_forged_record();
  RecordOutcome on_plaintext(ContentType type, Bytes plaintext, double now);
  void emit_message(Bytes message);
  RecordOutcome on_alert(Bytes alert, double now);
  RecordOutcome on_late_message(Bytes message, double now);
  RecordOutcome repeat_last_flight(double now);
  void drop() { outlet_.count<&TrafficStats::discardedRecords>(); }

  // opening13.cc
  void receive13(Bytes datagram, uint8_t* scratch, double now);
  bool receive_one13(Bytes& datagram, uint8_t* scratch, double now);
  RecordOutcome on_ciphertext(const CiphertextView& record, uint8_t* scratch, double now);
  RecordOutcome on_late(const LateHandshake13::Outcome& outcome);
  RecordOutcome end_with(uint8_t alert);
  void leave13(double now);

  // heartbeats.cc
  bool send_heartbeat(Bytes message);
  RecordOutcome on_heartbeat(Bytes bytes, double now);
  void advance_heartbeat(double now);
  bool keep_alive_on() const {
    return heartbeat_ && policy_->heartbeat_interval > 0 && heartbeat_->may_send();
  }
  void emit_heartbeat(bool out, HeartbeatType type, size_t length, double rtt);

  Outlet outlet_;
  const Role role_;
  SessionState state_ = SessionState::kHandshaking;
  bool completed_handshake_ = false;
  bool encrypts_then_macs_ = false;
  bool rests_ = false;
  Wear told_of_opening_ = Wear::kNone;  // of the peer's keys the consumer knows this
  Wear told_of_sealing_ = Wear::kNone;  // and of this side's
  FailureKind failure_ = FailureKind::kNone;
  uint32_t mtu_ = 0;
  uint32_t max_fragment_ = kMaxPlaintext;   // that both sides agreed on
  std::unique_ptr<Negotiation> handshake_;  // until it is complete; and as what it is, or null:
  Handshake* handshake12_ = nullptr;
  Handshake13* handshake13_ = nullptr;
  // Client: while a server that said to have no DTLS 1.3 may not have said it.
  std::unique_ptr<Handshake13> newer_;
  // These once it is open.
  std::shared_ptr<const SecureContext> context_;
  std::shared_ptr<const SessionPolicy> policy_;
  std::unique_ptr<Records> records_;
  std::unique_ptr<LateHandshake13> late13_;  // of DTLS 1.3, and null elsewhere
  std::unique_ptr<SessionFacts> facts_;
  std::unique_ptr<SaidLast> said_last_;   // while the peer may ask for it
  std::unique_ptr<Heartbeat> heartbeat_;  // null when switched off
  // Client: what was in the peer's hello that crossed ours and was turned away, if one did.
  std::unique_ptr<const Handshake::Random> turned_away_;
  std::unique_ptr<const std::vector<uint8_t>> psk_identity_;
  double rest_at_ = kNever;  // it looks whether it may rest
  double last_activity_;
  double last_heard_;  // when an authentic record came
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_SESSION_SESSION_H_
