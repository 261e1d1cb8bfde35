#ifndef DGRAM_DTLS_CORE_HANDSHAKE_ATTEMPT_H_
#define DGRAM_DTLS_CORE_HANDSHAKE_ATTEMPT_H_

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/openssl_ptr.h"
#include "core/base/secret.h"
#include "core/base/timer_queue.h"
#include "core/handshake/hello_exchange.h"
#include "core/outbox/outbox.h"
#include "core/wire/flight.h"
#include "core/wire/heartbeat.h"
#include "core/wire/message_assembly.h"
#include "core/wire/wire.h"

namespace dtls {

// What a handshake has come to so far, and all that ends when a client begins anew.
struct HandshakeAttempt {
  enum class PeerIdentity : uint8_t { kUnasked, kAsked, kAccepted, kRejected };
  enum class Psk : uint8_t { kUnasked, kAsked, kMissing, kFound };
  // Whether the identity of the session to be resumed has the key still that it was made with. On a
  // client kConfirmed says that this was answered: a session whose key is another one is not
  // offered.
  enum class SessionPsk : uint8_t { kUnasked, kAsked, kConfirmed };
  // Client: about what the server stapled.
  enum class OcspVerdict : uint8_t { kUnasked, kAsked, kAccepted, kRefused };
  enum class Heard : uint8_t { kNothing, kSomething, kProtected };
  // How far this side's last flight has got.
  enum class Sent : uint8_t { kInClear, kChangeCipherSpec, kFinished };
  // What becomes of what OpenSSL says.
  enum class Speech : uint8_t {
    kMeant,
    kRehearsed,  // the cookie exchange is over, and OpenSSL goes through it: nothing of it leaves
    kAbandoned,  // it says of the handshake what is not so
  };

  std::optional<LookupKind> question;       // open: records wait
  std::unique_ptr<HandshakeMessage> hello;  // until the SSL is made
  MessageAssembly messages;
  // OpenSSL gets the peer's records in clear under numbers of ours, since they are cut anew.
  uint64_t next_number_in = 0;
  std::optional<uint64_t> latest_number_in;  // the highest of the peer's records in clear
  double peers_turn_since;

  // Flights.
  Flight flight;  // our latest one
  // Its datagrams that have not left yet; the next burst of them is due at that time.
  std::deque<std::vector<uint8_t>> leaving;
  double burst_at = kNever;
  // The messages of that flight, and those written since.
  std::vector<MessageName> flight_messages;
  std::vector<MessageName> written_messages;
  // It answers the peer's messages with these numbers; the last one is not among them.
  uint32_t answered_from = 0;
  uint32_t answered_to = 0;
  uint32_t next_sequence_out = 0;

  // Client: cookies.
  uint32_t hellos_turned_away = 0;
  std::unique_ptr<HelloExchange> hellos;  // until a hello is taken
  double hello_due = 0;                   // no earlier is the latest one repeated

  // Client: flights of the server that are none of this handshake's, see other_flights.cc.
  std::optional<uint64_t> other_from;  // records in clear from this number on are of one
  bool datagram_is_other = false;      // what is left of the one that is being looked at

  // The hello's names, the answers to them, and what goes by them.
  std::string server_name;                        // server: what the client asked for
  std::optional<std::vector<uint8_t>> protocols;  // the answer, as on the wire
  std::vector<uint8_t> refused_protocols;         // those of the client, when none is shared
  std::vector<uint8_t> psk_hint;
  SecretBytes psk_key;
  std::vector<uint8_t> offered_identity;
  // Server: the OCSP responses, by the own certificate that each is about.
  std::vector<std::pair<const X509*, std::vector<uint8_t>>> ocsp;
  SslSessionPtr stored_session;      // what came of asking for the client's session id
  std::vector<uint8_t> session_psk;  // how the session to be resumed knows its key

  // What it has come to.
  uint32_t questions = 0;                  // hello_questions of the policy it began with
  uint32_t undecrypted = 0;                // Finished messages, it seems, that nobody could decrypt
  FailureKind cause = FailureKind::kNone;  // why a callback of ours refused
  int later_version = 0;  // server: the version that the client offers, when it is none of ours
  Heard heard = Heard::kNothing;
  Sent sent = Sent::kInClear;
  Speech speech = Speech::kMeant;
  Psk psk = Psk::kUnasked;
  SessionPsk session_psk_state = SessionPsk::kUnasked;
  PeerIdentity peer_identity = PeerIdentity::kUnasked;
  OcspVerdict ocsp_verdict = OcspVerdict::kUnasked;
  HeartbeatMode peer_heartbeat = HeartbeatMode::kOff;
  std::optional<uint8_t> doubted_alert;  // client: may_be_about_cookie
  bool change_cipher_spec_received = false;
  bool hello_taken = false;            // client: by the server, as its ServerHello says
  bool name_used = false;              // server: it has chosen the context
  bool unproving_refused = false;      // a suite that would have been used proves nothing
  bool certificate_withheld = false;   // client: it was asked for one, and sent none
  bool certificate_requested = false;  // server: of the client
  bool session_asked = false;          // whether somebody knows the client's session id
  bool new_session_told = false;
  bool ticket_received = false;

  explicit HandshakeAttempt(double since) : peers_turn_since(since) {}
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HANDSHAKE_ATTEMPT_H_
