#ifndef DGRAM_DTLS_CORE_ENGINE13_OPENSSL_ENGINE_H_
#define DGRAM_DTLS_CORE_ENGINE13_OPENSSL_ENGINE_H_

#include <deque>

#include "core/engine13/engine.h"
#include "core/engine13/message_shapes.h"
#include "core/wire/wire.h"

namespace dtls {

// The engine on OpenSSL's handshake of TLS 1.3 for QUIC (quic_calls.h), in the library context of
// library.h. OpenSSL reads and writes messages by callbacks; those that differ on the wire are
// rewritten on their way (message_shapes.h).
class OpenSslEngine final : public HandshakeEngine {
 public:
  explicit OpenSslEngine(EngineConfig config);
  ~OpenSslEngine() override;
  OpenSslEngine(const OpenSslEngine&) = delete;
  OpenSslEngine& operator=(const OpenSslEngine&) = delete;

  // False: OpenSSL has failed, and why is in its queue.
  bool set_up();
  // For each SSL_CTX: what engines need of it, and what `others` sets.
  static bool install(SSL_CTX* ctx, void (*others)(SSL_CTX*));

  SSL* ssl() const override { return ssl_.get(); }
  EngineOutcome start() override;
  EngineOutcome receive(uint64_t epoch, Bytes message) override;
  EngineOutcome resume() override;
  bool take(EngineOutput& output) override;
  int want() const override { return want_; }
  uint8_t alert() const override { return alert_; }
  const CipherSuite13* suite() const override { return suite_; }
  uint16_t group() const override { return group_; }
  uint16_t srtp_profile() const override { return srtp_profile_; }
  const std::optional<std::vector<uint8_t>>& peer_connection_id() const override {
    return peer_connection_id_;
  }
  bool retried() const override { return retried_; }
  SecretBytes take_exporter_secret() override { return std::move(exporter_secret_); }

 private:
  struct Incoming {
    uint64_t epoch = 0;
    std::vector<uint8_t> message;
  };

  static int index();
  static OpenSslEngine* of(const SSL* ssl);

  bool pin() const;
  EngineOutcome run();
  EngineOutcome step();
  EngineOutcome fail(uint8_t alert);
  // An error of this side's own finding goes where OpenSSL's are.
  EngineOutcome fail(uint8_t alert, int reason);
  EngineOutcome settle(EngineOutcome outcome);
  bool feed();
  uint8_t look_at(HandshakeType type, const TakenOut& taken);
  uint8_t choose_srtp(Bytes offered);
  uint8_t accept_srtp(Bytes answer);
  bool set_parameters(const HelloAdditions& additions);
  bool on_server_hello(Bytes message);
  bool write(Bytes bytes);
  bool write_message(Bytes message);
  void on_secret(uint32_t level, bool outgoing, Bytes secret);

  // What OpenSSL calls.
  static int send_callback(SSL* ssl, const unsigned char* bytes, size_t size, size_t* taken,
                           void* self);
  static int receive_callback(SSL* ssl, const unsigned char** bytes, size_t* size, void* self);
  static int release_callback(SSL* ssl, size_t size, void* self);
  static int secret_callback(SSL* ssl, uint32_t level, int outgoing, const unsigned char* bytes,
                             size_t size, void* self);
  static int parameters_callback(SSL* ssl, const unsigned char* bytes, size_t size, void* self);
  static int alert_callback(SSL* ssl, unsigned char description, void* self);
  static void keylog_callback(const SSL* ssl, const char* line);
  static int add_connection_id(SSL* ssl, unsigned type, unsigned context, const unsigned char** out,
                               size_t* out_size, X509* certificate, size_t chain_index, int* alert,
                               void* arg);
  static int parse_connection_id(SSL* ssl, unsigned type, unsigned context, const unsigned char* in,
                                 size_t in_size, X509* certificate, size_t chain_index, int* alert,
                                 void* arg);

  EngineConfig config_;
  std::vector<uint8_t> parameters_;     // of extension 57; OpenSSL borrows them
  std::vector<uint8_t> connection_id_;  // the extension's data
  SslPtr ssl_;

  EngineOutcome outcome_ = EngineOutcome::kGoesOn;
  bool started_ = false;
  bool alerted_ = false;
  uint8_t alert_ = 0;
  int want_ = 0;

  std::deque<Incoming> incoming_;  // not yet given to OpenSSL
  std::vector<uint8_t> reading_;   // the message that OpenSSL is reading
  uint64_t read_epoch_ = 0;
  std::vector<uint8_t> writing_;  // of a message that OpenSSL has not written to its end
  uint64_t write_epoch_ = 0;
  std::deque<EngineOutput> outgoing_;

  const CipherSuite13* suite_ = nullptr;
  uint16_t group_ = 0;
  uint16_t srtp_profile_ = 0;
  bool retried_ = false;
  bool hello_taken_ = false;  // server: the first one that the engine got
  std::optional<std::vector<uint8_t>> peer_connection_id_;
  SecretBytes exporter_secret_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_ENGINE13_OPENSSL_ENGINE_H_
