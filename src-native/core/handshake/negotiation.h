#ifndef DGRAM_DTLS_CORE_HANDSHAKE_NEGOTIATION_H_
#define DGRAM_DTLS_CORE_HANDSHAKE_NEGOTIATION_H_

#include <array>
#include <memory>
#include <vector>

#include "core/base/error.h"
#include "core/base/openssl_ptr.h"
#include "core/handshake/session_policy.h"
#include "core/outbox/outbox.h"
#include "core/wire/wire.h"

namespace dtls {

//            accept_hello                      connect
//                 |                               |
//                 v     whole, and answered       v
//               kHello -----------------------> kExchange --- Finished verified ---> kComplete
//                 |                               |   |
//                 |                               |   +----> kOlderVersion
//                 +---- failure, deadline --------+----> kFailed
//
// In kHello there is no SSL: a server puts its ClientHello together, and what that asks about is
// answered. In both of the first two a question may be open, while which records wait.
// kOlderVersion: a client's server has chosen DTLS 1.2 or 1.0, and another handshake goes on.
enum class HandshakeState : uint8_t { kHello, kExchange, kComplete, kOlderVersion, kFailed };

// What the consumer says of a pre-shared key. Refused: it could not say, and nothing else is to
// stand in for the key.
enum class PskAnswer : uint8_t { kFound, kUnknown, kRefused };

// A handshake of some version, as its session sees it. No I/O, no clock: `now` is milliseconds
// since the Unix epoch, monotonic.
class Negotiation {
 public:
  Negotiation() = default;
  Negotiation(const Negotiation&) = delete;
  Negotiation& operator=(const Negotiation&) = delete;
  virtual ~Negotiation() = default;

  // Client: sends the ClientHello.
  virtual void connect(double now) = 0;
  virtual void advance(double now) = 0;
  virtual double deadline() const = 0;
  // close_notify, as far as there is a way to say it.
  virtual void say_goodbye(double now) = 0;
  // The same where the peer cannot have an open session by this side's doing.
  virtual void break_off() = 0;

  // Answers to LOOKUP records. Too late or unasked: ignored.
  virtual void answer_hello(HelloAnswer answer, double now) = 0;
  // `session`: what kNewSession brought behind the id, or empty. Refused: the handshake ends.
  virtual void answer_session(Bytes session, bool refused, double now) = 0;
  virtual void answer_new_session(double now) = 0;
  virtual void answer_psk(PskAnswer answer, Bytes identity, Bytes key, double now) = 0;
  virtual void answer_identity(bool accepted, double now) = 0;
  // Server: the response; no bytes: none. Client: the verdict alone. Refused: the handshake fails.
  virtual void answer_ocsp(bool refused, Bytes response, double now) = 0;

  virtual HandshakeState state() const = 0;
  // Meaningful when it has failed.
  virtual const Failure& failure() const = 0;

  virtual const std::shared_ptr<const SecureContext>& context() const = 0;
  virtual const std::shared_ptr<const SessionPolicy>& policy() const = 0;
  // Null before there is one.
  virtual SSL* ssl() const = 0;
  virtual uint32_t mtu() const = 0;
  virtual bool set_mtu(uint32_t mtu) = 0;
  // The way to the peer is another one. What waits for an answer leaves again at once: it may have
  // been lost on the old one, of which nothing holds that was learnt of it.
  virtual void on_moved(double now) = 0;
  // Null where no pre-shared key was asked for; an identity may be empty.
  virtual const std::vector<uint8_t>* psk_identity() const = 0;

  // Server: its client has not finished the handshake, whatever else it has said: only its Finished
  // takes more than bytes that anybody can make up. Not while this side owes an answer.
  virtual bool is_unproven() const = 0;
  // Since when it is the client's turn, in an unproven session. Its hello, each later message that
  // OpenSSL takes, and each answer of this side's renew it, which a handshake has few of; garbage
  // and repetitions do not.
  virtual double peers_turn_since() const = 0;
  // Server: of the hello that it began with. Client: of the peer's hello that it turned away.
  using Random = std::array<uint8_t, kRandomSize>;
  virtual const Random& hello_random() const = 0;
  // Client: the peer's hello, by ours.
  virtual bool beats(Bytes random) = 0;
  // Server: whether a fragment of a hello with that message_seq may be of the hello that it waits
  // for; or else it is of a client that begins anew.
  virtual bool takes_hello(uint16_t sequence) const = 0;
  // Whether it can judge the peer's protected records.
  virtual bool reads_protected() const = 0;
  // Whether encrypt-then-MAC (RFC 7366) is in use. Meaningful once the suite is known.
  virtual bool encrypts_then_macs() const = 0;
  // The protected records that wait for keys have been counted: another session could not use them.
  virtual void judges_early_silently() = 0;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HANDSHAKE_NEGOTIATION_H_
