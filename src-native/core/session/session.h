#ifndef DGRAM_DTLS_CORE_SESSION_SESSION_H_
#define DGRAM_DTLS_CORE_SESSION_SESSION_H_

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/openssl_ptr.h"
#include "core/base/peer_address.h"
#include "core/base/secret.h"
#include "core/base/timer_queue.h"
#include "core/handshake/datagram_bio.h"
#include "core/handshake/hello_exchange.h"
#include "core/handshake/kept_session.h"
#include "core/handshake/ticket_keys.h"
#include "core/identity/fingerprint.h"
#include "core/identity/secure_context.h"
#include "core/outbox/outbox.h"
#include "core/outbox/stats.h"
#include "core/outbox/transmitter.h"
#include "core/records/held_records.h"
#include "core/records/key_block.h"
#include "core/records/record_mac.h"
#include "core/records/record_protection.h"
#include "core/records/replay_window.h"
#include "core/session/heartbeat.h"
#include "core/wire/flight.h"
#include "core/wire/message_assembly.h"
#include "core/wire/wire.h"

namespace dtls {

enum class Role : uint8_t { kClient, kServer };

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
// A server session spends the beginning of kHandshaking without an SSL, while its ClientHello is
// put together and what it asks about is answered. kClosed writes the session's last record; the
// object stays, without its SSL, until the consumer releases it, so that its counters can still be
// read.
enum class SessionState : uint8_t { kHandshaking, kOpen, kClosed };

// kEmpty: OpenSSL makes no record without content.
enum class SendOutcome : uint32_t { kSent = 0, kNotOpen, kTooBig, kFailed, kEmpty };

// How sessions of one server, or one client, behave. Times in milliseconds; 0 switches a limit off.
struct SessionPolicy {
  double handshake_timeout = 30000;
  double idle_timeout = 0;
  double retransmit_initial = 1000;
  double retransmit_max = 60000;
  double retransmit_backoff = 2;
  uint32_t mtu = 1200;              // UDP payload of a handshake flight's datagrams
  bool request_certificate = true;  // a client always gets one unless a pre-shared key is used
  bool reject_unauthorized = true;
  bool ask_psk = false;
  bool ask_identity = false;  // client: have the consumer compare the certificate with the host
  bool keylog = false;
  // Server: what of a ClientHello the consumer wants to answer, kAsk… of these.
  uint32_t hello_questions = 0;
  std::vector<uint8_t> protocols;  // ALPN, as on the wire, in this side's order; empty for none
  HeartbeatMode heartbeat = HeartbeatMode::kOff;
  double heartbeat_interval = 0;  // keep-alive: a request after this long without hearing anything
  double heartbeat_timeout = 1000;  // before a request is sent again
  uint32_t heartbeat_retries = 3;
  std::string server_name;  // client: SNI; empty for none
  // Client: whom to trust, in place of the context's own authorities; null for those.
  std::shared_ptr<const SecureContext> authorities;
  std::string psk_identity_hint;                // server; empty for none
  bool require_extended_master_secret = false;  // RFC 7627
  std::string srtp_profiles;                    // RFC 5764; colon-separated, in order of preference
  // Server: what session tickets are sealed with; null for no tickets.
  std::shared_ptr<TicketKeys> ticket_keys;
  Fingerprints fingerprints;
  // Raw public keys (RFC 7250), DER, that the peer may show; with any, it must show one of them.
  std::vector<std::vector<uint8_t>> public_keys;
  // Client: to be asked for (RFC 6066 section 4), 512, 1024, 2048 or 4096 bytes; 0 for no such
  // thing.
  uint32_t max_fragment_length = 0;
  bool request_ocsp = false;  // client: ask for a stapled OCSP response (RFC 6066 section 8)
  // Client: to be resumed where that skips no check; null for none.
  std::shared_ptr<const KeptSession> session;
};

// Is to come; DTLS 1.2 and DTLS 1.0 are all that OpenSSL has so far. RFC 9147.
constexpr int kDtls13 = 0xfefc;

// Bytes. What else is in a session has room behind it in the 65280 that OpenSSL seals.
constexpr int kMaxCertificateInTicket = 64'000;

// SessionPolicy::hello_questions: a question is asked when the hello has what it is about.
constexpr uint32_t kAskServerName = 1;
constexpr uint32_t kAskProtocols = 2;
constexpr uint32_t kAskAlways = 4;
constexpr uint32_t kAskStoredSession = 8;
// To be told of sessions that have an id to be resumed by, and wait until they are stored.
constexpr uint32_t kTellNewSession = 16;

// The answer to a ClientHello. Null or unset: what the session was made with.
struct HelloAnswer {
  FailureKind refusal = FailureKind::kNone;  // kServerNameRefused or kProtocolsRefused
  std::shared_ptr<const SecureContext> context;
  std::shared_ptr<const SessionPolicy> policy;
  std::optional<std::vector<uint8_t>> protocols;  // in place of the policy's; empty: none will do
};

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

// One DTLS association: an SSL, driven by records in and calls down, that writes datagrams and what
// happened into the Outbox. No I/O, no clock: `now` is milliseconds since the Unix epoch,
// monotonic.
class Session final : private DatagramPort {
 public:
  // `transmitter`: may be null, see there; outlives the session.
  Session(Outbox& outbox, Transmitter* transmitter, TrafficStats& totals, SessionId id, Role role,
          const PeerAddress& peer, std::shared_ptr<const SecureContext> context,
          std::shared_ptr<const SessionPolicy> policy, double now);
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Once for each SSL_CTX: the callbacks by which OpenSSL reaches the session it works for.
  static void install_callbacks(SSL_CTX* ctx);

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

  // Answers to LOOKUP records. Too late or unasked: ignored.
  void answer_hello(HelloAnswer answer, uint8_t* scratch, double now);
  // `session`: what kNewSession brought behind the id, or empty. Refused: the handshake ends.
  void answer_session(Bytes session, bool refused, uint8_t* scratch, double now);
  void answer_new_session(uint8_t* scratch, double now);
  void answer_psk(bool found, Bytes identity, Bytes key, uint8_t* scratch, double now);
  void answer_identity(bool accepted, uint8_t* scratch, double now);
  // Server: the response; no bytes: none. Client: the verdict alone. Refused: the handshake fails.
  void answer_ocsp(bool refused, Bytes response, uint8_t* scratch, double now);

  // Sends a HeartbeatRequest (RFC 6520) with `padding` random bytes, and again up to `retries`
  // times. What became of it comes as a HEARTBEAT record.
  HeartbeatOutcome heartbeat(Bytes payload, size_t padding, double timeout, uint32_t retries,
                             double now);

  // Bytes that the datagrams of handshake flights, and messages, should keep within.
  uint32_t mtu() const { return mtu_; }
  bool set_mtu(uint32_t mtu);

  // Idle for so many milliseconds, a session does without OpenSSL's buffers. To have them again
  // takes some 2.5 microseconds, so the time is for peers that talk every few seconds.
  static constexpr double kRestAfter = 10'000;
  bool rests() const { return rests_; }

  // Whether encrypt-then-MAC (RFC 7366) is in use. Meaningful once the suite is known.
  bool encrypts_then_macs() const;

  SessionId id() const { return id_; }
  Role role() const { return role_; }
  SessionState state() const { return state_; }
  const PeerAddress& peer() const { return peer_; }
  const TrafficStats& stats() const { return stats_; }
  FailureKind failure() const { return failure_; }
  bool completed_handshake() const { return completed_handshake_; }
  // Server: its client has not finished the handshake, whatever else it has said: only its Finished
  // takes more than bytes that anybody can make up. Not while this side owes an answer.
  bool is_unproven() const;
  // Since when it is the client's turn, in an unproven session. Its hello, each later message that
  // OpenSSL takes, and each answer of this side's renew it, which a handshake has few of; garbage
  // and repetitions do not.
  double peers_turn_since() const { return handshake_->peers_turn_since; }
  // It is unproven, and since it was last the client's turn a wait of the retransmission timer is
  // over.
  bool gives_way(double now) const;
  // The session began with this ClientHello: the same again is a retransmission, not a new peer.
  bool began_with(Bytes random) const;
  // Client: whether the peer's own ClientHello, which crossed ours, is to be ignored because ours
  // is the one that both ends go on with.
  bool turns_away(Bytes random);
  double deadline() const;
  // Whether OpenSSL has the peer's ChangeCipherSpec.
  bool reads_protected() const;
  // Records that were dropped, by counter.
  using Drops = std::array<uint64_t, 4>;
  Drops drops() const {
    return {stats_.replays, stats_.badRecords, stats_.discardedRecords, stats_.heartbeatsDiscarded};
  }
  // Takes back what was counted since: another session has counted it, or has taken it.
  void uncount_drops(const Drops& since);
  // The protected records that wait for keys have been counted: another session could not use them.
  void judges_early_silently() { counts_early_ = false; }
  // Null before the ClientHello is whole and what it asks about is answered, and after the session
  // has closed.
  SSL* ssl() const { return ssl_.get(); }
  // Nothing where no pre-shared key was asked for; an identity may be empty.
  const std::optional<std::vector<uint8_t>>& psk_identity() const { return psk_identity_; }

 private:
  friend struct ForgeryCount;  // test/native: so many as a limit allows would take too long

  enum class PeerIdentity : uint8_t { kUnasked, kAsked, kAccepted, kRejected };

  // What a record is to a session in its present state, before anybody has looked into it.
  enum class RecordKind : uint8_t {
    kOutOfPlace,     // no honest peer sends it now
    kTooShort,       // what protection adds is longer
    kWhileAsked,     // a question is open
    kOfHello,        // more of the ClientHello that the handshake began with
    kEarly,          // protected, before its time
    kWarning,        // an alert in clear that ends nothing
    kDoubtfulAlert,  // one that may be about a cookie
    kMessages,       // handshake messages in clear
    kInClear,        // a ChangeCipherSpec or an alert
    kForOpenSsl,     // protected, in time
    kHeartbeat,
    kControl,  // an alert or handshake message in an open session
  };

  struct RecordKeys {
    RecordProtection outgoing;
    RecordProtection incoming;
  };

  // RecordType::kHandshake's type and length.
  struct MessageName {
    HandshakeType type;
    uint32_t length;
  };

  // Everything that only a handshake needs; freed when it is over.
  struct Handshake {
    std::string server_name;                // server: what the client asked for; empty for nothing
    SslSessionPtr stored_session;           // what came of asking for the client's session id
    std::vector<uint8_t> session_psk;       // how the session to be resumed knows its key
    std::unique_ptr<HelloExchange> hellos;  // client: until a hello is taken
    double hello_due = 0;                   // client: no earlier is the latest one repeated
    uint32_t questions = 0;                 // hello_questions of the policy that it began with
    int later_version = 0;  // server: the version that the client offers, when it is none of ours
    FailureKind cause = FailureKind::kNone;  // why a callback of ours refused
    bool in_cookie_exchange = false;         // what OpenSSL writes does not leave
    bool abandoned = false;                  // what OpenSSL says of the handshake is not meant
    bool hello_taken = false;                // client: by the server, as its ServerHello says
    bool certificate_withheld = false;       // client: it was asked for one, and sent none
    std::optional<uint8_t> doubted_alert;    // client: may_be_about_cookie
    bool session_asked = false;              // whether somebody knows the client's session id
    bool session_psk_asked = false;      // what key the identity of the session to be resumed has
    bool session_psk_confirmed = false;  // it is the key still
    bool new_session_told = false;
    bool name_used = false;          // server: the client's name has chosen the context
    bool unproving_refused = false;  // a suite that would have been used proves nothing
    bool psk_found = false;
    bool ticket_received = false;
    bool psk_asked = false;
    PeerIdentity peer_identity = PeerIdentity::kUnasked;
    std::unique_ptr<HandshakeMessage> hello;        // until the SSL is made
    std::optional<std::vector<uint8_t>> protocols;  // the answer to the hello, as on the wire
    std::vector<uint8_t> refused_protocols;         // those of the client, when none is shared
    MessageAssembly messages;
    // OpenSSL gets the peer's records in clear under numbers of ours, since they are cut anew.
    uint64_t next_number_in = 0;
    std::vector<uint8_t> psk_hint;
    bool ocsp_asked = false;             // client: for the verdict about what the server stapled
    bool ocsp_refused = false;           // client: the verdict
    std::optional<LookupKind> question;  // open: records wait
    SecretBytes psk_key;
    std::vector<uint8_t> offered_identity;
    // Server: the answers of this handshake, by the own certificate that each is about.
    std::vector<std::pair<const X509*, std::vector<uint8_t>>> ocsp;
    double now = 0;  // when the call under way began; OpenSSL's callbacks need it
    double peers_turn_since;
    Flight flight;  // our latest one
    // Its datagrams that have not left yet; the next burst of them is due at that time.
    std::deque<std::vector<uint8_t>> leaving;
    double burst_at = kNever;
    // As HANDSHAKE records name them: the messages of that flight, and those written since.
    std::vector<MessageName> flight_messages;
    std::vector<MessageName> written_messages;
    // It answers the peer's messages with these numbers; the last one is not among them.
    uint32_t answered_from = 0;
    uint32_t answered_to = 0;
    std::optional<uint64_t> latest_number_in;  // the highest of the peer's records in clear
    uint32_t next_sequence_out = 0;
    bool heard_anything = false;
    bool heard_protected = false;
    bool finished_sent = false;
    bool change_cipher_spec_received = false;
    bool change_cipher_spec_sent = false;
    uint32_t hellos_turned_away = 0;
    uint32_t undecrypted = 0;  // Finished messages, it seems, that nobody could decrypt

    explicit Handshake(double since) : peers_turn_since(since) {}
    ~Handshake();
    Handshake(const Handshake&) = delete;
    Handshake& operator=(const Handshake&) = delete;
  };

  // session.cc
  static Session* of(const SSL* ssl);
  bool is_beaten(Bytes random);  // the peer's hello, by ours
  void consider_rest(double now);
  bool wake(double now);
  void use_policy(std::shared_ptr<const SessionPolicy> policy);
  bool create_ssl();
  void begin_handshake(double now);
  bool begin_anew(double now);
  void fail_handshake(double now);
  // close_notify, of a session whose Finished messages have been exchanged.
  void say_goodbye();
  // The same in mid-handshake.
  void break_off();
  void on_hello(uint8_t* scratch, double now);
  void begin_server(uint8_t* scratch, double now);
  void park(LookupKind kind, Bytes about);
  bool parked() const { return handshake_ && handshake_->question; }
  bool waits_for(LookupKind kind) const { return parked() && handshake_->question == kind; }
  void resume(uint8_t* scratch, double now);
  void drive_handshake(double now);
  void established(double now);
  void update_retransmission(double now);
  void emit_close(const Failure& failure);

  // session_records.cc
  void fix_suite();
  size_t max_fragment() const;
  bool is_out_of_place(const RecordView& record) const;
  bool is_of_earlier_attempt(const RecordView& record) const {
    return role_ == Role::kClient && record.epoch == 0 && record.sequence < first_sequence_;
  }
  RecordKind classify(const RecordView& record) const;
  RecordKind classify_in_handshake(const RecordView& record) const;
  RecordOutcome on_record(const RecordView& record, uint8_t* scratch, double now);
  void note_outcome(const RecordView& record, RecordOutcome outcome);
  void note_out_of_place(const RecordView& record);
  bool may_begin_hello_anew(const FragmentView& fragment) const;
  RecordOutcome on_hello_record(const RecordView& record, uint8_t* scratch, double now);
  RecordOutcome hold(const RecordView& record, Until until);
  RecordOutcome hold_while_asked(const RecordView& record, double now);
  HeldRecords::Due due() const;
  void feed_held(uint8_t* scratch, double now);
  void replay(const HeldRecords::Held& held, uint8_t* scratch, double now);
  RecordOutcome on_messages(const RecordView& record, uint8_t* scratch, double now);
  void feed_messages(uint8_t* scratch, double now);
  RecordOutcome feed_in_clear(const RecordView& record, uint8_t* scratch, double now);
  bool question_comes_first(const HandshakeMessage& message);
  bool psk_question_comes_first(const HandshakeMessage& message);
  RecordOutcome feed(const RecordView& record, uint8_t* scratch, double now,
                     bool authentic = false);
  void on_forged_record(const RecordView& record);
  void drop() { count<&TrafficStats::discardedRecords>(); }
  void read_message(uint8_t* scratch);
  bool is_empty_message(const RecordView& record, bool authentic);
  void emit_message(Bytes message);

  // session_failure.cc
  Failure timeout_failure() const;
  Failure handshake_failure();
  Failure session_failure(FailureKind fallback) const;

  // session_common_ground.cc
  std::string own_offer() const;
  void explain_no_shared_cipher(Failure& failure);

  // session_retyping.cc
  bool has_record_keys();
  bool send_as(ContentType type, Bytes message);
  bool seal_as(ContentType type, Bytes datagram, std::vector<uint8_t>& sealed);
  void say_goodbye_early();
  bool open_record(const RecordView& record, std::vector<uint8_t>& plaintext);
  RecordOutcome feed_as_data(const RecordView& record, Bytes plaintext, uint8_t* scratch);
  RecordOutcome on_control_record(const RecordView& record, uint8_t* scratch, double now);
  RecordOutcome on_late_handshake_message(Bytes message);

  // session_resumption.cc
  bool bind_sessions();
  bool verify_chain(X509_STORE_CTX* store);
  void consider_session(uint8_t* scratch, double now);
  bool ask_session_psk(Bytes ticket, double now);
  void confirm_session_psk(Bytes key);
  bool may_resume(const SSL_SESSION* session) const;
  bool tell_new_session();
  static SSL_SESSION* get_session_callback(SSL* ssl, const unsigned char* id, int size, int* copy);
  static SSL_TICKET_RETURN ticket_opened_callback(SSL* ssl, SSL_SESSION* session,
                                                  const unsigned char* name, size_t name_size,
                                                  SSL_TICKET_STATUS status, void* arg);
  bool offer_session(double now);
  void withdraw_session();
  long verify_result_today(const KeptSession& session);
  void note_psk_identity();
  bool has_session_to_keep() const;
  bool fits_ticket(X509* certificate) const;
  static int ticket_key_callback(SSL* ssl, unsigned char* name, unsigned char* iv,
                                 EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int sealing);

  // session_heartbeat.cc
  bool send_heartbeat(Bytes message);
  RecordOutcome on_heartbeat_record(const RecordView& record, uint8_t* scratch, double now);
  RecordOutcome on_heartbeat_message(Bytes bytes, double now);
  void advance_heartbeat(double now);
  bool keep_alive_on() const {
    return heartbeat_ && policy_->heartbeat_interval > 0 && heartbeat_->may_send();
  }
  void emit_heartbeat(bool out, HeartbeatType type, size_t length, double rtt);
  static int heartbeat_add_callback(SSL* ssl, unsigned type, unsigned context,
                                    const unsigned char** out, size_t* out_size, X509* certificate,
                                    size_t chain_index, int* alert, void* arg);
  static int heartbeat_parse_callback(SSL* ssl, unsigned type, unsigned context,
                                      const unsigned char* in, size_t in_size, X509* certificate,
                                      size_t chain_index, int* alert, void* arg);

  // session_extensions.cc
  static void extension_callback(SSL* ssl, int from_server, int type, const unsigned char* data,
                                 int size, void* arg);
  bool has_right_mac(const RecordView& record);
  bool lacks_required_master_secret() const;
  void refuse_master_secret();

  // session_cookies.cc
  bool rehearse(HandshakeType type, uint16_t version, Bytes body, uint16_t count);
  bool pass_cookie_exchange(const HandshakeMessage& hello);
  bool on_verify_request(const FragmentView& fragment, double now);
  void on_own_hello(const HandshakeMessage& hello, double now);
  bool may_be_about_cookie(const RecordView& record) const;
  void send_hello(double now);
  bool has_hello_taken();

  // session_flights.cc
  void on_datagram(Bytes datagram) override;
  void send_flight(double now);
  void on_flight(Flight flight, double now);
  void send(Flight flight, double now);
  void reduce_mtu(const Flight& flight);
  bool comes_later(const RecordView& record);
  bool asks_again(const FragmentView& fragment) const;
  bool may_answer_again(double now) const;
  bool may_repeat_finished() const;
  void answer_again(double now);
  void transmit(const Flight& flight, double now);
  void send_burst(double now);
  bool leaves() const;  // something of the latest flight is to leave yet
  void transmit(Bytes datagram);
  void send_alert(uint8_t level, uint8_t description);

  // session_proof.cc
  bool may_use(const SSL_CIPHER* suite) const;
  void demand_proof();
  static int security_callback(const SSL* ssl, const SSL_CTX* ctx, int operation, int bits, int nid,
                               void* other, void* arg);

  // session_certificate.cc
  static int certificate_callback(SSL* ssl, void* arg);
  static int status_callback(SSL* ssl, void* arg);
  bool lacks_ocsp_answer();
  void ask_ocsp_verdict();

  // session_callbacks.cc
  void on_alert(bool out, uint8_t level, uint8_t description);
  void on_message(bool out, ContentType type, Bytes bytes);
  void on_handshake_message(bool out, Bytes message);
  void on_change_cipher_spec(bool out);
  void note_message(bool out, bool retransmit, MessageName message);
  static void message_callback(int write, int version, int content_type, const void* bytes,
                               size_t size, SSL* ssl, void* arg);
  static int verify_callback(X509_STORE_CTX* store, void* arg);
  void look_at_versions(SSL* ssl);
  static int client_hello_callback(SSL* ssl, int* alert, void* arg);
  static int server_name_callback(SSL* ssl, int* alert, void* arg);
  static int protocols_callback(SSL* ssl, const unsigned char** out, unsigned char* out_size,
                                const unsigned char* in, unsigned in_size, void* arg);
  static int make_cookie_callback(SSL* ssl, unsigned char* cookie, unsigned* size);
  static int verify_cookie_callback(SSL* ssl, const unsigned char* cookie, unsigned size);
  static unsigned psk_server_callback(SSL* ssl, const char* identity, unsigned char* psk,
                                      unsigned capacity);
  static unsigned psk_client_callback(SSL* ssl, const char* hint, char* identity,
                                      unsigned identity_capacity, unsigned char* psk,
                                      unsigned capacity);
  static unsigned timer_callback(SSL* ssl, unsigned previous);
  static void keylog_callback(const SSL* ssl, const char* line);

  // The endpoint's totals have it already: a datagram may be for no session, or for two.
  void note_datagram(size_t size) {
    ++stats_.datagramsReceived;
    stats_.bytesReceived += size;
  }

  template <uint64_t TrafficStats::*Field>
  void count(uint64_t n = 1) {
    stats_.*Field += n;
    totals_.*Field += n;
  }

  Outbox& outbox_;
  Transmitter* const transmitter_;
  TrafficStats& totals_;
  const SessionId id_;
  const Role role_;
  SessionState state_ = SessionState::kHandshaking;
  bool completed_handshake_ = false;
  FailureKind failure_ = FailureKind::kNone;
  int alert_sent_ = Failure::kNoAlert;  // the last fatal one
  uint32_t send_token_ = 0;
  const PeerAddress peer_;
  // Server: of the hello that it began with. Client: of the peer's hello that it turned away.
  std::array<uint8_t, kRandomSize> hello_random_{};
  std::shared_ptr<const SecureContext> context_;
  std::shared_ptr<const SessionPolicy> policy_;
  SslPtr ssl_;
  std::unique_ptr<Handshake> handshake_;
  double handshake_deadline_;
  double retransmit_at_ = kNever;
  unsigned last_wait_ = 0;       // microseconds; of the retransmission timer
  uint64_t first_sequence_ = 0;  // client: records in clear of this attempt have it, or a later one
  // The number of the next record in clear: these are numbered here and not by OpenSSL.
  uint64_t next_number_out_ = 0;
  std::vector<uint8_t> written_;  // what OpenSSL has written of a flight, until it leaves
  uint32_t mtu_ = 0;
  uint32_t repetitions_ = 0;     // how often the latest flight was sent again, under this MTU
  double flight_left_at_ = 0;    // the latest one, the last time
  uint32_t answered_again_ = 0;  // how often it left because the peer had asked again
  bool peer_encrypts_then_macs_ = false;  // its hello says so
  bool peer_extends_master_secret_ = false;
  // These four follow from the suite in use, once it is.
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
  bool counts_early_ = true;     // records that came before their keys count when they are dropped
  bool no_record_keys_ = false;  // the suite is no AEAD
  std::optional<ContentType> retype_;  // what OpenSSL writes now becomes a record of this type
  ReplayWindow replay_window_;
  uint64_t heard_ = 0;   // what of the peer's records OpenSSL has told of: messages and alerts
  uint64_t forged_ = 0;  // records that could not be authenticated under the keys of this session
  HeldRecords held_;
  TrafficStats stats_;
  std::optional<std::vector<uint8_t>> psk_identity_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_SESSION_SESSION_H_
