#ifndef DGRAM_DTLS_TEST_NATIVE_ENGINE13_PAIR_H_
#define DGRAM_DTLS_TEST_NATIVE_ENGINE13_PAIR_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/engine13/engine.h"
#include "core/wire/wire.h"

// Two engines of DTLS 1.3 in memory, and a judge of what they say to one another.
namespace dtls::test13 {

using Run = std::vector<uint8_t>;

inline Bytes view(const Run& bytes) { return {bytes.data(), bytes.size()}; }
inline Bytes view(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
Run from_hex(const std::string& digits);
std::string to_hex(Bytes bytes);

// ---- certificates ----

struct Named {
  std::string certificate;  // PEM
  std::string key;
};
const Named& authority();
// Signed by the authority.
const Named& issued();

// A context with the certificate, if any, that trusts the authority.
std::shared_ptr<SecureContext> context_of(const Named* own, const char* groups = nullptr);

// ---- ends ----

// What the context's callbacks do: found by the SSL's app data.
struct Wishes {
  bool pause_verification = false;
  bool pause_certificate = false;
  bool verified = false;
  Run protocols;  // server: ALPN that it takes, as on the wire
  std::string psk_identity;
  Run psk;
  std::vector<std::string> keylog;
  SslSessionPtr session;  // that the client was given
  int paused = 0;
};
// The callbacks above.
void install(SSL_CTX* ctx);

struct End {
  Wishes wishes;
  EngineConfig config;
  std::unique_ptr<HandshakeEngine> engine;
  EngineOutcome outcome = EngineOutcome::kGoesOn;
  // A failure's words; empty for none.
  std::string reason;
  std::vector<TrafficSecret> secrets;

  // Makes the engine, configures it, starts it.
  void begin(const std::shared_ptr<SecureContext>& context,
             const std::function<void(SSL*)>& configure = {});
  // Takes what has come out: messages into `sent`.
  void collect();
  std::vector<EngineOutput> sent;

  Run secret(uint64_t epoch, TrafficSecret::Direction direction) const;
};

class Pair {
 public:
  End client;
  End server;
  // Each message that one end gives to the other, as it is on the wire.
  struct Passed {
    bool from_client;
    uint64_t epoch;
    Run message;
  };
  std::vector<Passed> passed;
  // May change a message, or say that it is lost (false).
  std::function<bool(Passed&)> on_message;

  std::shared_ptr<SecureContext> client_context = context_of(nullptr);
  std::shared_ptr<SecureContext> server_context = context_of(&issued());
  std::function<void(SSL*)> configure_client;
  std::function<void(SSL*)> configure_server;

  void begin();
  // Hands messages to and fro until both have nothing to say.
  void exchange();
  // Both.
  void run() {
    begin();
    exchange();
  }
  bool complete() const {
    return client.outcome == EngineOutcome::kComplete && server.outcome == EngineOutcome::kComplete;
  }
  // The same secrets on both sides.
  bool agree() const;
  const Run* message(HandshakeType type, bool from_client) const;
  // Both Finished are what the secrets of the handshake and the bytes on the wire make of them.
  bool finished_by_the_wire() const;

  // The server that keeps nothing: answers the client's first hello with a HelloRetryRequest of
  // this suite, and group where it is not 0, and gets its second hello only. After begin().
  void retry_statelessly(uint16_t suite, uint16_t group);

 private:
  Run transcript_until(HandshakeType type, bool from_client) const;
};

// An extension's data; null when the hello or the EncryptedExtensions on the wire have it not.
Bytes extension_in(const Run& message, uint16_t type);
Run hash(const CipherSuite13& suite, Bytes bytes);

}  // namespace dtls::test13

#endif  // DGRAM_DTLS_TEST_NATIVE_ENGINE13_PAIR_H_
