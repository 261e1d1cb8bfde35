#ifndef DGRAM_DTLS_CORE_ENGINE13_ENGINE_H_
#define DGRAM_DTLS_CORE_ENGINE13_ENGINE_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/openssl_ptr.h"
#include "core/base/secret.h"
#include "core/base/traffic_secret.h"
#include "core/engine13/context.h"
#include "core/engine13/hello_additions.h"

// Who makes handshakes of DTLS 1.3 (RFC 9147 section 5): messages in, messages and secrets out. No
// records, no fragments, no epochs of its own making, no time, no I/O.
//
// A message is whole, and has the header of TLS: type(1), length(3), body. It has neither
// message_seq nor the fields of fragments, which RFC 9147 section 5.2 leaves out of the transcript,
// too. Hellos and EncryptedExtensions have the shape that they have in DTLS: what an engine needs
// besides is its own affair.
namespace dtls {

// What this OpenSSL gives to DTLS 1.3, found out when first asked for: a handshake in memory whose
// secrets are compared with an independent derivation is part of it.
struct EngineSupport {
  std::string name;     // of the engine; empty where there is none
  std::string missing;  // why there is none, a clause: "OpenSSL 3.0.17 lacks …"

  explicit operator bool() const { return !name.empty(); }
};
// Made once for all threads. Lives as long as the process.
const EngineSupport& engine_support();

// Next in what an engine puts out: a message, or a secret when `secret.suite` is not null.
struct EngineOutput {
  uint64_t epoch = 0;            // that the message leaves under: 0, 2 or 3
  std::vector<uint8_t> message;  // empty for a secret
  TrafficSecret secret;

  bool is_secret() const { return secret.suite != nullptr; }
};

enum class EngineOutcome : uint8_t {
  kGoesOn,    // it is the peer's turn
  kPaused,    // a callback of the context asked for time: want() says which
  kComplete,  // this side has all that it needs; messages that come later are taken, too
  kFailed,    // for good: alert() is to be sent, and why is in OpenSSL's error queue
};

struct EngineConfig {
  bool server = false;
  std::shared_ptr<const EngineContext> context;
  void* owner = nullptr;  // what SSL_get_app_data says of the engine's SSL; not looked at

  HelloAdditions additions;  // client

  // use_srtp (RFC 5764), in this side's order; empty for none. A server takes the first of its own
  // that the client has, and goes on without where there is none.
  std::vector<uint16_t> srtp_profiles;

  // connection_id (RFC 9146 section 3, RFC 9147 section 9): what the peer is to put into its
  // records, which may be empty; unset: not offered. A server answers only who offers it.
  std::optional<std::vector<uint8_t>> connection_id;

  // Server. The first hello was answered without an engine: its hash (32 or 48 bytes), and the
  // whole HelloRetryRequest as it was sent. The hello that the engine then gets first is the second
  // one.
  std::vector<uint8_t> first_hello_hash;
  std::vector<uint8_t> retry_request;
  // Server. What the ServerHello is to choose, of what context->suites() and groups() have; 0:
  // OpenSSL chooses. Both are given after a HelloRetryRequest, which has promised them.
  uint16_t suite = 0;
  uint16_t group = 0;
};

// One handshake. For one thread. Is never driven after it has failed, and refuses it. It never
// calls its owner, except by the callbacks that the context's `install` has set. Each call begins
// with an empty error queue, and leaves one that has the reason of a failure, and nothing
// otherwise.
class HandshakeEngine {
 public:
  virtual ~HandshakeEngine() = default;
  HandshakeEngine(const HandshakeEngine&) = delete;
  HandshakeEngine& operator=(const HandshakeEngine&) = delete;

  // To be configured between making the engine and start() (verification, ALPN, server name,
  // session to be resumed, …), and read at any time. Borrowed. Nobody else drives it, gives it a
  // BIO, app data, or QUIC's callbacks.
  virtual SSL* ssl() const = 0;

  // Once. A client says its first hello; a server has nothing to say yet.
  virtual EngineOutcome start() = 0;
  // The peer's next message, in order, each once, and the epoch that it came under. A message of
  // another epoch than the handshake has come to fails with unexpected_message, and so does
  // KeyUpdate, which is the records' affair. While the engine is paused messages wait in it.
  // After kComplete: NewSessionTicket on a client; whoever gets a session by it is the context's
  // new-session callback (SSL_CTX_sess_set_new_cb), or SSL_get1_session.
  virtual EngineOutcome receive(uint64_t epoch, Bytes message) = 0;
  // What it waited for is there: the callback is called again, and messages that waited are taken.
  virtual EngineOutcome resume() = 0;

  // In the order in which they arise: a secret comes before the first message under it. False:
  // nothing is left. To be called until then after each call above, a failed one included, whose
  // messages may be left unsent.
  virtual bool take(EngineOutput& output) = 0;

  // kPaused: SSL_ERROR_WANT_RETRY_VERIFY, SSL_ERROR_WANT_X509_LOOKUP or
  // SSL_ERROR_WANT_CLIENT_HELLO_CB.
  virtual int want() const = 0;
  // kFailed: the description of the alert that says so to the peer.
  virtual uint8_t alert() const = 0;

  // ---- what it has come to ----

  // Null before the ServerHello.
  virtual const CipherSuite13* suite() const = 0;
  // Of the key exchange; 0 where there was none, or before the ServerHello. IANA's number.
  virtual uint16_t group() const = 0;
  // 0: none was agreed on.
  virtual uint16_t srtp_profile() const = 0;
  // What this side is to put into its records; unset: connection IDs are not in use.
  virtual const std::optional<std::vector<uint8_t>>& peer_connection_id() const = 0;
  // A client that was told to retry, by a HelloRetryRequest.
  virtual bool retried() const = 0;
  // For export_keys, from kComplete on. Once: the engine keeps none.
  virtual SecretBytes take_exporter_secret() = 0;

 protected:
  HandshakeEngine() = default;
};

// Null when OpenSSL fails, and why is in its queue, or where engine_support() has none.
std::unique_ptr<HandshakeEngine> make_engine(EngineConfig config);

// Exporters (RFC 8446 section 7.5, with the labels of RFC 9147 section 5.9). A context that is
// absent and an empty one are the same. False when OpenSSL fails or label or size are longer than
// HKDF takes; `out` then has zeros.
bool export_keys(const CipherSuite13& suite, Bytes exporter_secret, const std::string& label,
                 Bytes context, SecretBytes& out);

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_ENGINE13_ENGINE_H_
