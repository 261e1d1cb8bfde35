#ifndef DGRAM_DTLS_CORE_HANDSHAKE_HANDSHAKE_H_
#define DGRAM_DTLS_CORE_HANDSHAKE_HANDSHAKE_H_

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/openssl_ptr.h"
#include "core/handshake/attempt.h"
#include "core/handshake/negotiation.h"
#include "core/handshake/session_policy.h"
#include "core/outbox/outlet.h"
#include "core/records/datagram_bio.h"
#include "core/records/held_records.h"
#include "core/records/record_mac.h"
#include "core/records/replay_window.h"
#include "core/wire/flight.h"
#include "core/wire/wire.h"

namespace dtls {

// A handshake of DTLS 1.2 or 1.0, which OpenSSL makes: an SSL, and what must happen before and
// after it. Records and answers go in, flights and questions come out by the outlet, and in the end
// it is complete, and its session takes over what it has come to, or it has failed. No I/O, no
// clock: `now` is milliseconds since the Unix epoch, monotonic.
//
// Its files: handshake.cc its life, screens.cc and receiving.cc records in, messages.cc what is put
// together of them, questions.cc what waits for an answer, flights.cc datagrams out, callbacks.cc
// what OpenSSL calls, and one for each matter beside these.
class Handshake final : public Negotiation, private DatagramPort {
 public:
  Handshake(Outlet& outlet, Role role, std::shared_ptr<const SecureContext> context,
            std::shared_ptr<const SessionPolicy> policy, double now);
  ~Handshake() override;
  Handshake(const Handshake&) = delete;
  Handshake& operator=(const Handshake&) = delete;

  // Once for each SSL_CTX: the callbacks by which OpenSSL reaches the handshake it works for.
  static void install_callbacks(SSL_CTX* ctx);

  void connect(double now) override;
  // Client, before connect(): a newer handshake was given up for this one. Its records in clear had
  // numbers below this one, and what was its deadline is this one's. `answered`: the server has
  // begun an older handshake by the newer one's hello, whose flight is on its way.
  void follow(uint64_t next_number, double deadline, bool answered) {
    if (answered) first_sequence_ = next_number + kAttempt;
    next_number_out_ = std::max(next_number, first_sequence_);
    deadline_ = deadline;
    follows_dtls13_ = true;
  }
  // Client: the records in clear of a newer handshake that goes on after all have numbers from this
  // one on.
  uint64_t next_clear_number() const { return next_number_out_; }
  // It has failed because the server says that it has DTLS 1.3, and somebody keeps this side from
  // it.
  bool was_downgraded() const { return downgraded_; }
  // Server: the front of the ClientHello that the next record received begins with. The SSL is made
  // when the hello is whole, and what it asks about is answered.
  void accept_hello(const RecordView& record, const FragmentView& fragment, Bytes random);

  // The records that follow came in another datagram.
  void begin_datagram() {
    attempt_->messages.begin_datagram();
    attempt_->datagram_is_other = false;
  }
  void receive(const RecordView& record, double now);
  void advance(double now) override;
  double deadline() const override;
  void say_goodbye(double now) override;
  void break_off() override;

  void answer_hello(HelloAnswer answer, double now) override;
  void answer_session(Bytes session, bool refused, double now) override;
  void answer_new_session(double now) override;
  void answer_psk(PskAnswer answer, Bytes identity, Bytes key, double now) override;
  void answer_identity(bool accepted, double now) override;
  void answer_ocsp(bool refused, Bytes response, double now) override;

  HandshakeState state() const override { return state_; }
  // A question is open.
  bool parked() const { return attempt_->question.has_value(); }
  bool waits_for(LookupKind kind) const { return attempt_->question == kind; }
  const Failure& failure() const override { return failure_; }

  const std::shared_ptr<const SecureContext>& context() const override { return context_; }
  const std::shared_ptr<const SessionPolicy>& policy() const override { return policy_; }
  SSL* ssl() const override { return ssl_.get(); }
  uint32_t mtu() const override { return mtu_; }
  bool set_mtu(uint32_t mtu) override;
  void on_moved(double now) override;
  const std::vector<uint8_t>* psk_identity() const override {
    return psk_identity_ ? &*psk_identity_ : nullptr;
  }

  bool is_unproven() const override { return role_ == Role::kServer && !parked(); }
  double peers_turn_since() const override { return attempt_->peers_turn_since; }
  const Random& hello_random() const override { return hello_random_; }
  bool beats(Bytes random) override;
  // Whether OpenSSL has the peer's ChangeCipherSpec.
  bool takes_hello(uint16_t sequence) const override;
  bool reads_protected() const override;
  bool encrypts_then_macs() const override;
  // Bytes of a record's plaintext, by max_fragment_length as far as it has been negotiated.
  size_t max_fragment() const;
  void judges_early_silently() override { counts_early_ = false; }
  bool counts_early() const { return counts_early_; }

  // What this side has sealed under its keys.
  struct Sealed {
    uint64_t next_number = 0;          // one above the last record's
    uint64_t next_explicit_nonce = 0;  // one above the last record's first eight bytes
    uint64_t blocks = 0;               // of 16 bytes
  };
  // What a complete handshake leaves to its session, which says everything from then on: the SSL
  // calls nobody here any more.
  struct Handover {
    SslPtr ssl;
    std::vector<HeldRecords::Held> held;  // what came before its time
    ReplayWindow seen;                    // the peer's protected records that were taken
    uint64_t forged = 0;                  // those that could not be authenticated
    Sealed sealed;
    RecordMac incoming_mac;  // ready where encrypt-then-MAC is in use
    // The last flight, if it is this side's, and the Finished in it.
    std::optional<Flight> last_flight;
    std::vector<uint8_t> finished;
    uint64_t next_number_in_clear = 0;
    uint32_t repetitions = 0;  // of that flight, under this MTU
    uint32_t answered_again = 0;
    HeartbeatMode peer_heartbeat = HeartbeatMode::kOff;  // what its extension said
    bool new_session = false;                            // client: has something new to keep
  };
  Handover hand_over();

 private:
  using Attempt = HandshakeAttempt;
  using PeerIdentity = Attempt::PeerIdentity;
  using Psk = Attempt::Psk;
  using SessionPsk = Attempt::SessionPsk;
  using OcspVerdict = Attempt::OcspVerdict;
  using Heard = Attempt::Heard;
  using Sent = Attempt::Sent;
  using Speech = Attempt::Speech;

  // What a record is to a handshake in its present state, before anybody has looked into it.
  enum class RecordKind : uint8_t {
    kOutOfPlace,     // no honest peer sends it now
    kWhileAsked,     // a question is open
    kOfHello,        // more of the ClientHello that the handshake began with
    kEarly,          // protected, before its time
    kWarning,        // an alert in clear that ends nothing
    kDoubtfulAlert,  // one that may be about a cookie
    kMessages,       // handshake messages in clear
    kInClear,        // a ChangeCipherSpec or an alert
    kForOpenSsl,     // protected, in time
  };

  static Handshake* of(const SSL* ssl);

  // handshake.cc
  bool over() const { return state_ == HandshakeState::kComplete || failed(); }
  bool failed() const { return state_ == HandshakeState::kFailed; }
  void fail(Failure failure);
  bool create_ssl();
  bool configure_client();
  bool configure_server();
  void begin(double now);
  bool begin_anew(double now);
  void fail_as_openssl_says(double now);
  void drive(double now);
  void complete(double now);
  std::vector<uint8_t> own_finished() const;
  void update_retransmission(double now);

  // screens.cc
  bool is_out_of_place(const RecordView& record) const;
  bool is_of_earlier_attempt(const RecordView& record) const {
    return role_ == Role::kClient && record.epoch == 0 && record.sequence < first_sequence_;
  }
  RecordKind classify(const RecordView& record) const;

  // receiving.cc
  void take(const RecordView& record, double now);
  void hear(Heard what) { attempt_->heard = std::max(attempt_->heard, what); }
  RecordOutcome on_record(const RecordView& record, double now);
  void note_outcome(const RecordView& record, RecordOutcome outcome);
  void note_out_of_place(const RecordView& record);
  RecordOutcome hold(const RecordView& record, Until until);
  RecordOutcome hold_while_asked(const RecordView& record, double now);
  HeldRecords::Due due() const;
  void feed_held(double now);
  void replay(const HeldRecords::Held& held, double now);
  RecordOutcome feed_in_clear(const RecordView& record, double now);
  RecordOutcome feed(const RecordView& record, double now);
  void drop() { outlet_.count<&TrafficStats::discardedRecords>(); }

  // messages.cc
  bool may_begin_hello_anew(const FragmentView& fragment) const;
  RecordOutcome on_hello_record(const RecordView& record, double now);
  bool is_unasked(HandshakeType type) const;
  bool refuse_unasked(HandshakeType type);
  RecordOutcome on_messages(const RecordView& record, double now);
  void feed_messages(double now);
  bool is_downgrade(const HandshakeMessage& message) const;
  void refuse_downgrade();
  bool question_comes_first(const HandshakeMessage& message);
  bool psk_question_comes_first(const HandshakeMessage& message);

  // questions.cc
  void park(LookupKind kind, Bytes about);
  void resume(double now);
  void on_hello(double now);
  void begin_server(double now);

  // failure.cc
  Failure timeout_failure() const;
  Failure handshake_failure();
  Failure openssl_failure() const;

  // common_ground.cc
  std::string own_offer() const;
  void explain_no_shared_cipher(Failure& failure);

  // goodbye.cc
  void send_alert(uint8_t level, uint8_t description);
  void say_goodbye_under_keys();
  void provoke_alert();

  // resumption.cc
  std::vector<uint8_t> own_rules() const;
  bool bind_sessions();
  void consider_session(double now);
  bool ask_session_psk(Bytes ticket, double now);
  void confirm_session_psk(Bytes key);
  bool may_resume(const SSL_SESSION* session) const;
  bool tell_new_session();
  static SSL_SESSION* get_session_callback(SSL* ssl, const unsigned char* id, int size, int* copy);
  static SSL_TICKET_RETURN ticket_opened_callback(SSL* ssl, SSL_SESSION* session,
                                                  const unsigned char* name, size_t name_size,
                                                  SSL_TICKET_STATUS status, void* arg);
  bool offer_session();
  bool offer_verified_session();
  void answer_session_psk(bool found, Bytes identity, Bytes key, double now);
  void withdraw_session();
  void note_psk_identity();
  bool has_session_to_keep() const;
  bool fits_ticket(X509* certificate) const;
  static int ticket_key_callback(SSL* ssl, unsigned char* name, unsigned char* iv,
                                 EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int sealing);

  // extensions.cc
  static void extension_callback(SSL* ssl, int from_server, int type, const unsigned char* data,
                                 int size, void* arg);
  bool has_right_mac(const RecordView& record);
  bool extends_master_secret() const;
  bool lacks_required_master_secret() const;
  void refuse_master_secret();
  static int heartbeat_add_callback(SSL* ssl, unsigned type, unsigned context,
                                    const unsigned char** out, size_t* out_size, X509* certificate,
                                    size_t chain_index, int* alert, void* arg);
  static int heartbeat_parse_callback(SSL* ssl, unsigned type, unsigned context,
                                      const unsigned char* in, size_t in_size, X509* certificate,
                                      size_t chain_index, int* alert, void* arg);

  // client_cookies.cc
  bool rehearse(HandshakeType type, uint16_t version, Bytes body, uint16_t count);
  bool pass_cookie_exchange(const HandshakeMessage& hello);
  bool on_verify_request(const FragmentView& fragment, double now);
  void on_own_hello(const HandshakeMessage& hello, double now);
  bool may_be_about_cookie(const RecordView& record) const;
  void send_hello(double now);
  bool has_hello_taken();

  // other_flights.cc
  bool is_of_other_flight(const RecordView& record, const FragmentView& fragment, double now);
  bool is_other_server_hello(const FragmentView& fragment) const;

  // flights.cc
  void on_datagram(Bytes datagram) override;
  void note_sealed(const RecordView& record);
  void send_flight(double now);
  void on_flight(Flight flight, double now);
  void send(Flight flight, double now);
  void reduce_mtu(const Flight& flight);
  bool comes_later(const RecordView& record);
  bool asks_again(const FragmentView& fragment) const;
  bool may_answer_again(double now) const;
  void answer_again(double now);
  void transmit(const Flight& flight, double now);
  void send_burst(double now);
  bool leaves() const { return !attempt_->leaving.empty(); }

  // proof.cc
  bool may_use(const SSL_CIPHER* suite) const;
  void demand_proof();
  static int security_callback(const SSL* ssl, const SSL_CTX* ctx, int operation, int bits, int nid,
                               void* other, void* arg);

  // certificate.cc
  static int certificate_callback(SSL* ssl, void* arg);
  static int status_callback(SSL* ssl, void* arg);
  bool lacks_ocsp_answer();
  void ask_ocsp_verdict();

  // callbacks.cc
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

  Outlet& outlet_;
  const Role role_;
  std::shared_ptr<const SecureContext> context_;
  std::shared_ptr<const SessionPolicy> policy_;
  HandshakeState state_;
  Failure failure_;
  std::unique_ptr<Attempt> attempt_;  // never null
  SslPtr ssl_;
  double now_;  // when the call under way began; OpenSSL's callbacks need it
  double deadline_;
  double retransmit_at_ = kNever;
  unsigned last_wait_ = 0;  // microseconds; of the retransmission timer
  Random hello_random_{};
  static constexpr uint64_t kAttempt = uint64_t{1} << 32;  // more records than any attempt has
  uint64_t first_sequence_ = 0;  // client: records in clear of this attempt have it, or a later one
  // The number of the next record in clear: these are numbered here and not by OpenSSL.
  uint64_t next_number_out_ = 0;
  Sealed sealed_;
  std::vector<uint8_t> written_;  // what OpenSSL has written of a flight, until it leaves
  uint32_t mtu_;
  uint32_t repetitions_ = 0;     // how often the latest flight was sent again, under this MTU
  double flight_left_at_ = 0;    // the latest one, the last time
  uint32_t answered_again_ = 0;  // how often it left because the peer had asked again
  bool peer_encrypts_then_macs_ = false;  // its hello says so
  bool peer_extends_master_secret_ = false;
  RecordMac incoming_mac_;       // ready where encrypt-then-MAC is in use
  bool follows_dtls13_ = false;  // client
  bool downgraded_ = false;      // the same
  const bool beside_dtls13_;     // server: it has that version, too
  bool counts_early_ = true;     // records that came before their keys count when they are dropped
  ReplayWindow replay_window_;
  uint64_t heard_ = 0;     // what of the peer's records OpenSSL has told of: messages and alerts
  uint64_t forged_ = 0;    // records that could not be authenticated under these keys
  uint64_t arrivals_ = 0;  // records that came
  uint64_t arrival_ = 0;   // which of them is being looked at
  HeldRecords held_;
  // What came before its time, and has its turn behind the end of the handshake.
  std::vector<HeldRecords::Held> left_over_;
  std::optional<std::vector<uint8_t>> psk_identity_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HANDSHAKE_HANDSHAKE_H_
