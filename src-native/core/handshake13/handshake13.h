#ifndef DGRAM_DTLS_CORE_HANDSHAKE13_HANDSHAKE13_H_
#define DGRAM_DTLS_CORE_HANDSHAKE13_HANDSHAKE13_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/engine13/engine.h"
#include "core/flights13/flights.h"
#include "core/handshake/negotiation.h"
#include "core/handshake/session_facts.h"
#include "core/handshake13/datagrams.h"
#include "core/handshake13/held_ciphertexts.h"
#include "core/handshake13/late_handshake13.h"
#include "core/outbox/outlet.h"
#include "core/records13/records13.h"

namespace dtls {

// RFC 8446 section 4.2.11: an identity has a byte at least. At 1.2 it may be empty.
constexpr const char* kNoEmptyIdentity = "DTLS 1.3 has no empty identity";

// A handshake of DTLS 1.3 (RFC 9147): an engine, and what carries its messages. Records and answers
// go in, datagrams and questions come out by the outlet, and in the end it is complete, and its
// session takes over what it has come to, or it has failed, or a client's server has chosen an
// older version.
class Handshake13 final : public Negotiation {
 public:
  // What a server's stateless stage has come to: see HelloStage::Result.
  struct Hello {
    std::vector<uint8_t> message;  // with a header of four bytes
    std::vector<uint8_t> first_hello_hash;
    std::vector<uint8_t> retry;
    uint16_t message_sequence = 0;
    uint64_t record_number = 0;
    uint16_t suite = 0;
    uint16_t group = 0;
  };

  Handshake13(Outlet& outlet, Role role, std::shared_ptr<const SecureContext> context,
              std::shared_ptr<const SessionPolicy> policy, double now);
  ~Handshake13() override;
  Handshake13(const Handshake13&) = delete;
  Handshake13& operator=(const Handshake13&) = delete;

  // Once for each SSL_CTX of the engine's: the callbacks by which OpenSSL reaches the handshake
  // that it works for.
  static void install_callbacks(SSL_CTX* ctx);
  // What a context is for DTLS 1.3. Null: `failure` has why.
  static std::shared_ptr<const EngineContext> engine_context(const SecureContext& context,
                                                             Failure& failure);

  void connect(double now) override;
  // Server: begins with a hello whose cookie is good, or that needs none.
  void accept_hello(Hello hello, double now);

  // The records that follow came in another datagram.
  void begin_datagram() {
    flights_->begin_datagram();
    is_of_old_hello_ = false;
  }
  // Takes the first record off the front. False: there is none.
  bool receive(Bytes& datagram, double now);
  // What came of a datagram leaves.
  void end_datagram(double now) { leave(now); }

  void advance(double now) override;
  double deadline() const override;
  void say_goodbye(double now) override;
  void break_off() override;

  void answer_hello(HelloAnswer answer, double now) override;
  void answer_session(Bytes /*session*/, bool /*refused*/, double /*now*/) override {}
  void answer_new_session(double /*now*/) override {}
  void answer_psk(PskAnswer answer, Bytes identity, Bytes key, double now) override;
  void answer_identity(bool accepted, double now) override;
  void answer_ocsp(bool refused, Bytes response, double now) override;

  HandshakeState state() const override { return state_; }
  const Failure& failure() const override { return failure_; }
  const std::shared_ptr<const SecureContext>& context() const override { return context_; }
  const std::shared_ptr<const SessionPolicy>& policy() const override { return policy_; }
  SSL* ssl() const override { return engine_ ? engine_->ssl() : nullptr; }
  uint32_t mtu() const override { return mtu_; }
  bool set_mtu(uint32_t mtu) override;
  void on_moved(double now) override;
  const std::vector<uint8_t>* psk_identity() const override {
    return psk_identity_ ? &*psk_identity_ : nullptr;
  }
  bool is_unproven() const override { return role_ == Role::kServer && !parked(); }
  double peers_turn_since() const override { return peers_turn_since_; }
  const Random& hello_random() const override { return hello_random_; }
  bool beats(Bytes random) override;
  bool takes_hello(uint16_t sequence) const override {
    return role_ == Role::kServer && records_->opening_epoch() == 0 &&
           sequence >= flights_->next_in();
  }
  bool reads_protected() const override { return records_->opening_epoch() != 0; }
  bool encrypts_then_macs() const override { return false; }
  void judges_early_silently() override { counts_early_ = false; }
  bool counts_early() const { return counts_early_; }

  // What can be asked so far. Null before there is an engine.
  std::unique_ptr<SessionFacts> facts() const;

  // kOlderVersion: records in clear that left, behind which the other handshake's go on, and when
  // all of it has to be over.
  uint64_t next_clear_number() const { return records_->next_clear_number(); }
  double time_limit() const { return deadline_; }
  // The server's answer of an older version was a ServerHello, with a flight behind it.
  bool began_older() const { return began_older_; }
  // The older one was nothing that the server wanted: this one goes on, with records in clear from
  // that number on. `anew`: from its front. False: that was so too often.
  bool come_back(uint64_t next_clear_number, bool anew, double now);

  // What a complete handshake leaves to its session.
  struct Handover {
    std::unique_ptr<Records13> records;
    std::unique_ptr<LateHandshake13> late;
    std::unique_ptr<SessionFacts> facts;
    std::vector<std::vector<uint8_t>> held;  // protected records that came before their time
  };
  Handover hand_over(double now);

 private:
  enum class PeerIdentity : uint8_t { kUnasked, kAsked, kAccepted, kRejected };
  enum class OcspVerdict : uint8_t { kUnasked, kAsked, kAccepted, kRefused };

  // An answer in clear beside the one that was taken: none or the same, another ServerHello, a
  // request for another hello.
  enum class Echo : uint8_t { kNone, kOtherHello, kOtherRequest };

  // A pre-shared key that a server was told, or a client tells: external, and no ticket.
  struct ExternalKey {
    std::vector<uint8_t> identity;
    SecretBytes key;
  };

  static Handshake13* of(const SSL* ssl);

  // handshake13.cc
  bool parked() const { return question_.has_value(); }
  bool waits_for(LookupKind kind) const { return question_ == kind; }
  bool failed_or_old() const {
    return state_ == HandshakeState::kFailed || state_ == HandshakeState::kOlderVersion;
  }
  bool over() const {
    return state_ != HandshakeState::kHello && state_ != HandshakeState::kExchange;
  }
  void fail(Failure failure);
  void fail_with(FailureKind kind, uint8_t alert);
  void leave(double now);
  void park(LookupKind kind, Bytes about);
  bool make_engine(double now);
  bool keep_to_context(EngineConfig& config);
  bool configure_client(SSL* ssl);
  bool configure_server(SSL* ssl);
  void begin_client(double now);
  void begin_server(double now);
  void complete(double now);
  bool offers_dtls12() const { return context_->allows(kDtls12); }

  // driving.cc
  void drive(EngineOutcome outcome, double now);
  bool take_outputs();
  void feed_messages(double now);
  bool question_comes_first(const IncomingMessage& message);
  void ask_what_engine_wants();

  // clear_answers.cc
  bool turns_away_next(double now);
  bool is_distrusted(EngineOutcome outcome, const IncomingMessage& message, double now);
  void note_answer(const IncomingMessage& message);
  bool is_of_older_version(const FragmentView& fragment) const;
  Echo compare_answer(const FragmentView& fragment) const;
  bool is_contradiction(Bytes fragments, double now);
  void on_unopened(double now);
  void give_answer_up(double now);
  bool may_begin_anew() const;
  bool begin_anew(double now);
  bool begin_anew_without_cookie(double now);

  // receiving.cc
  RecordOutcome on_ciphertext(const CiphertextView& record, double now);
  RecordOutcome on_clear(const RecordView& record, double now);
  RecordOutcome on_handshake(RecordNumber number, Bytes bytes, double now);
  RecordOutcome on_ack(RecordNumber number, Bytes bytes, double now);
  RecordOutcome on_alert(uint64_t epoch, Bytes alert, double now);
  bool is_hello_for_us(Bytes fragments) const;
  void feed_held(double now);
  void note_outcome(RecordOutcome outcome) { outlet_.count_outcome(outcome); }

  // questions.cc
  void on_hello(double now);
  void consider_keys(double now);
  bool ask_next_key(double now);
  void take_key_of_session(Bytes key);
  void resume(double now);

  // resumption.cc
  bool bind_sessions();
  bool offer_session();
  bool offer_verified_session();
  void answer_session_psk(bool found, Bytes identity, Bytes key, double now);
  void withdraw_session();
  bool may_resume(const SSL_SESSION* session) const;
  SslSessionPtr session_of_key(SSL* ssl, const ExternalKey& external) const;
  bool by_external_key() const;
  std::vector<uint8_t> resumed_key() const;
  static int psk_find_callback(SSL* ssl, const unsigned char* identity, size_t size,
                               SSL_SESSION** session);
  static int psk_use_callback(SSL* ssl, const EVP_MD* md, const unsigned char** id, size_t* id_size,
                              SSL_SESSION** session);
  static int ticket_key_callback(SSL* ssl, unsigned char* name, unsigned char* iv,
                                 EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int sealing);
  static SSL_TICKET_RETURN ticket_opened_callback(SSL* ssl, SSL_SESSION* session,
                                                  const unsigned char* name, size_t name_size,
                                                  SSL_TICKET_STATUS status, void* arg);

  // callbacks.cc
  static int verify_callback(X509_STORE_CTX* store, void* arg);
  static int certificate_callback(SSL* ssl, void* arg);
  static int status_callback(SSL* ssl, void* arg);
  static int server_name_callback(SSL* ssl, int* alert, void* arg);
  static int protocols_callback(SSL* ssl, const unsigned char** out, unsigned char* out_size,
                                const unsigned char* in, unsigned in_size, void* arg);
  static void keylog_callback(const SSL* ssl, const char* line);
  bool lacks_ocsp_answer();

  // failure.cc
  Failure engine_failure();
  Failure timeout_failure() const;

  Outlet& outlet_;
  const Role role_;
  std::shared_ptr<const SecureContext> context_;
  std::shared_ptr<const SessionPolicy> policy_;
  HandshakeState state_;
  Failure failure_;
  std::unique_ptr<HandshakeEngine> engine_;  // null in kHello, and while a client asks for keys
  std::unique_ptr<Records13> records_;       // never null
  std::unique_ptr<Flights> flights_;         // never null
  HeldCiphertexts held_;
  std::optional<LookupKind> question_;
  Hello hello_;  // server
  Random hello_random_{};
  double now_;  // when the call under way began; OpenSSL's callbacks need it
  double deadline_;
  double peers_turn_since_;
  uint32_t mtu_;
  uint16_t next_untold_ = 0;
  bool counts_early_ = true;
  bool heard_ = false;            // of the peer, anything
  bool heard_protected_ = false;  // that was authentic
  uint32_t hellos_turned_away_ = 0;

  // Client: what it has heard in clear, which anybody may have said.
  uint32_t begun_anew_ = 0;
  uint32_t came_back_ = 0;  // from an older version, to go on
  bool began_older_ = false;
  uint32_t doubted_ = 0;         // answers that were not taken
  bool cookie_refused_ = false;  // by an alert, once at least
  std::vector<uint8_t> answer_;  // the last one, while the server's own would have the same bytes
  uint16_t answer_sequence_ = 0;
  bool is_of_old_hello_ = false;  // what else is in the datagram that had all begin anew
  bool contradicted_ = false;     // there was another one
  bool unopened_ = false;         // records that the keys of that answer do not open

  // The hello's names, the answers to them, and what goes by them.
  std::string server_name_;                        // server: what the client asked for
  std::optional<std::vector<uint8_t>> protocols_;  // the answer, as on the wire
  std::vector<uint8_t> refused_protocols_;         // those of the client, when none is shared
  bool name_used_ = false;                         // server: it has chosen the context
  FailureKind cause_ = FailureKind::kNone;         // why a callback of ours refused
  PeerIdentity peer_identity_ = PeerIdentity::kUnasked;
  OcspVerdict ocsp_verdict_ = OcspVerdict::kUnasked;
  bool certificate_withheld_ = false;       // client: it was asked for one, and sent none
  std::optional<IncomingMessage> waiting_;  // comes behind the answer to a question
  // Server: the OCSP responses, by the own certificate that each is about.
  std::vector<std::pair<const X509*, std::vector<uint8_t>>> ocsp_;

  // Pre-shared keys: a server's of the identities in the hello that are no tickets of its own.
  std::vector<std::vector<uint8_t>> asked_identities_;  // still to be asked about, the last first
  bool keys_considered_ = false;
  std::optional<ExternalKey> external_;
  bool external_chosen_ = false;      // server: by OpenSSL, as far as its callbacks tell
  SslSessionPtr external_session_;    // client: what was offered
  std::vector<uint8_t> session_psk_;  // how the session to be resumed knows its key
  bool asks_session_psk_ = false;     // the open question is about that one
  bool session_psk_confirmed_ = false;
  bool session_considered_ = false;                   // client
  std::optional<std::vector<uint8_t>> psk_identity_;  // server: of the key that was used
  bool asked_for_key_ = false;                        // server: by an identity of the client's
  // A server is offered one that is never asked about; a client has one that is never offered.
  bool invalid_identity_ = false;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HANDSHAKE13_HANDSHAKE13_H_
