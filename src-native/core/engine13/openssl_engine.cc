#include "core/engine13/openssl_engine.h"

#include <openssl/core_dispatch.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/engine13/hello_views.h"
#include "core/engine13/library.h"
#include "core/engine13/message_parts.h"
#include "core/engine13/quic_calls.h"
#include "core/wire/wire.h"

namespace dtls {

namespace {

// OpenSSL's levels of protection are the epochs of DTLS 1.3: 0 none, 1 early data, 2 the handshake,
// 3 the application (RFC 9147 section 6.1).
constexpr uint32_t kHandshakeLevel = 2;
constexpr uint32_t kApplicationLevel = 3;

const ProcessMark& mark() { return engine_library()->mark; }

Bytes view(const std::vector<uint8_t>& bytes) { return {bytes.data(), bytes.size()}; }

// RFC 8446 section 4.4.1: what stands for the first hello in the transcript, and the
// HelloRetryRequest that answered it.
std::vector<uint8_t> transcript_before(const EngineConfig& config) {
  std::vector<uint8_t> before;
  if (config.first_hello_hash.empty()) return before;
  constexpr uint8_t kMessageHash = 254;
  before = {kMessageHash, 0, 0, static_cast<uint8_t>(config.first_hello_hash.size())};
  before.insert(before.end(), config.first_hello_hash.begin(), config.first_hello_hash.end());
  before.insert(before.end(), config.retry_request.begin(), config.retry_request.end());
  return before;
}

using KeylogCallback = void (*)(const SSL*, const char*);

// Of an SSL_CTX: the key log callback that others have set.
int keylog_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// The last field of a line of the key log, in hexadecimal digits. Empty when it is not.
SecretBytes last_field(const char* line) {
  const char* digits = std::strrchr(line, ' ');
  if (digits == nullptr) return {};
  const size_t length = std::strlen(++digits);
  SecretBytes bytes(length / 2);
  for (size_t i = 0; i < length; ++i) {
    const int digit = OPENSSL_hexchar2int(static_cast<unsigned char>(digits[i]));
    if (digit < 0 || length % 2 != 0) return {};
    uint8_t& byte = bytes.data()[i / 2];
    byte = static_cast<uint8_t>(byte << 4 | digit);
  }
  return bytes;
}

}  // namespace

// ---- setting up ----

int OpenSslEngine::index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

OpenSslEngine* OpenSslEngine::of(const SSL* ssl) {
  return static_cast<OpenSslEngine*>(SSL_get_ex_data(ssl, index()));
}

bool OpenSslEngine::install(SSL_CTX* ctx, void (*others)(SSL_CTX*)) {
  if (SSL_CTX_add_custom_ext(ctx, static_cast<unsigned>(Extension::kConnectionId),
                             SSL_EXT_CLIENT_HELLO | SSL_EXT_TLS1_3_SERVER_HELLO, add_connection_id,
                             nullptr, nullptr, parse_connection_id, nullptr) != 1) {
    return false;
  }
  if (others != nullptr) others(ctx);
  // OpenSSL keeps pointers to objects here, and has no other place for one to a function.
  auto* const kept = reinterpret_cast<void*>(SSL_CTX_get_keylog_callback(ctx));
  if (SSL_CTX_set_ex_data(ctx, keylog_index(), kept) != 1) return false;
  SSL_CTX_set_keylog_callback(ctx, keylog_callback);
  return true;
}

OpenSslEngine::OpenSslEngine(EngineConfig config) : config_(std::move(config)) {
  if (config_.connection_id && config_.connection_id->size() <= UINT8_MAX) {
    connection_id_.push_back(static_cast<uint8_t>(config_.connection_id->size()));
    connection_id_.insert(connection_id_.end(), config_.connection_id->begin(),
                          config_.connection_id->end());
  }
}

// OpenSSL forbids to resume a session whose SSL is freed without a close_notify, or this.
OpenSslEngine::~OpenSslEngine() {
  if (!ssl_) return;
  SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN);
  SSL_set_ex_data(ssl_.get(), index(), nullptr);
}

bool OpenSslEngine::set_up() {
  static const auto any = [](auto* function) { return reinterpret_cast<void (*)()>(function); };
  static const std::array<OSSL_DISPATCH, 7> kTable = {{
      {quic::kSend, any(send_callback)},
      {quic::kReceive, any(receive_callback)},
      {quic::kRelease, any(release_callback)},
      {quic::kSecret, any(secret_callback)},
      {quic::kParameters, any(parameters_callback)},
      {quic::kAlert, any(alert_callback)},
      {0, nullptr},
  }};
  if (engine_library() == nullptr) return false;
  ssl_.reset(SSL_new(config_.context->get()));
  SSL* const ssl = ssl_.get();
  if (ssl == nullptr || SSL_set_ex_data(ssl, index(), this) != 1 ||
      SSL_set_app_data(ssl, config_.owner) != 1) {
    return false;
  }
  if (config_.server) {
    SSL_set_accept_state(ssl);
  } else {
    SSL_set_connect_state(ssl);
  }
  return quic::set_callbacks(ssl, kTable.data(), this) && pin();
}

// What a HelloRetryRequest has promised is all that there is to choose from.
bool OpenSslEngine::pin() const {
  if (config_.suite != 0) {
    const CipherSuite13* const suite = cipher_suite13(config_.suite);
    if (suite == nullptr || SSL_set_ciphersuites(ssl(), suite->name) != 1) return false;
  }
  if (config_.group != 0) {
    const char* const name = SSL_group_to_name(ssl(), TLSEXT_nid_unknown | config_.group);
    if (name == nullptr || SSL_set1_groups_list(ssl(), name) != 1) return false;
  }
  return true;
}

bool OpenSslEngine::set_parameters(const HelloAdditions& additions) {
  parameters_ = carry_additions(mark(), additions);
  return quic::set_parameters(ssl(), parameters_.data(), parameters_.size());
}

// ---- driving ----

EngineOutcome OpenSslEngine::settle(EngineOutcome outcome) {
  outcome_ = outcome;
  if (outcome != EngineOutcome::kFailed) ErrorQueueScope::clear();
  return outcome;
}

EngineOutcome OpenSslEngine::fail(uint8_t alert) {
  alert_ = alert;
  incoming_.clear();
  reading_.clear();
  return settle(EngineOutcome::kFailed);
}

EngineOutcome OpenSslEngine::fail(uint8_t alert, int reason) {
  ERR_raise(ERR_LIB_SSL, reason);
  return fail(alert);
}

EngineOutcome OpenSslEngine::start() {
  if (started_ || outcome_ == EngineOutcome::kFailed) return EngineOutcome::kFailed;
  ErrorQueueScope::clear();
  started_ = true;
  if (config_.server) return settle(EngineOutcome::kGoesOn);
  HelloAdditions additions = config_.additions;
  if (!config_.srtp_profiles.empty()) {
    const std::vector<uint8_t> srtp = write_srtp(config_.srtp_profiles);
    additions.extensions.insert(additions.extensions.end(), srtp.begin(), srtp.end());
  }
  if (!set_parameters(additions)) return fail(SSL_AD_INTERNAL_ERROR);
  return run();
}

EngineOutcome OpenSslEngine::receive(uint64_t epoch, Bytes message) {
  if (!started_ || outcome_ == EngineOutcome::kFailed) return EngineOutcome::kFailed;
  ErrorQueueScope::clear();
  incoming_.push_back({epoch, {message.data, message.data + message.size}});
  return outcome_ == EngineOutcome::kPaused ? outcome_ : run();
}

EngineOutcome OpenSslEngine::resume() {
  if (outcome_ != EngineOutcome::kPaused) return outcome_;
  ErrorQueueScope::clear();
  return run();
}

// OpenSSL gets one message at a time: what it does about one may change the epoch of the next.
EngineOutcome OpenSslEngine::run() {
  bool resumes = outcome_ == EngineOutcome::kPaused || incoming_.empty();
  while (resumes || !incoming_.empty()) {
    if (!resumes && !feed()) return outcome_;
    resumes = false;
    const EngineOutcome outcome = step();
    if (outcome == EngineOutcome::kFailed || outcome == EngineOutcome::kPaused) return outcome;
    if (!reading_.empty()) return fail(SSL_AD_DECODE_ERROR, SSL_R_EXCESSIVE_MESSAGE_SIZE);
  }
  return outcome_;
}

EngineOutcome OpenSslEngine::step() {
  int result = 1;
  if (SSL_is_init_finished(ssl()) == 0) {
    result = SSL_do_handshake(ssl());
    if (result == 1) return settle(EngineOutcome::kComplete);
  } else {
    // This is how OpenSSL takes messages after the handshake; there is nothing else to be read.
    char byte = 0;
    result = SSL_read(ssl(), &byte, 1);
  }
  want_ = SSL_get_error(ssl(), result);
  switch (want_) {
    case SSL_ERROR_WANT_READ:
      return settle(SSL_is_init_finished(ssl()) != 0 ? EngineOutcome::kComplete
                                                     : EngineOutcome::kGoesOn);
    case SSL_ERROR_WANT_RETRY_VERIFY:
    case SSL_ERROR_WANT_X509_LOOKUP:
    case SSL_ERROR_WANT_CLIENT_HELLO_CB:
      return settle(EngineOutcome::kPaused);
    default:
      return fail(alerted_ ? alert_ : SSL_AD_INTERNAL_ERROR);
  }
}

// Gives OpenSSL the next message. False: it has failed.
bool OpenSslEngine::feed() {
  const Incoming next = std::move(incoming_.front());
  incoming_.pop_front();
  const Bytes message = view(next.message);
  if (message.size < kMessageHeaderSize ||
      message.size - kMessageHeaderSize != read_u24(message.data + 1)) {
    fail(SSL_AD_DECODE_ERROR, SSL_R_LENGTH_MISMATCH);
    return false;
  }
  const auto type = static_cast<HandshakeType>(message.data[0]);
  // RFC 9147 has no EndOfEarlyData (section 5.6), and what KeyUpdate says concerns records.
  if (next.epoch != read_epoch_ || type == HandshakeType::kKeyUpdate ||
      type == HandshakeType::kEndOfEarlyData) {
    fail(SSL_AD_UNEXPECTED_MESSAGE, SSL_R_UNEXPECTED_MESSAGE);
    return false;
  }
  std::vector<uint8_t> before;
  if (type == HandshakeType::kClientHello && !hello_taken_) before = transcript_before(config_);
  TakenOut taken;
  uint8_t alert = to_openssl(mark(), message, view(before), reading_, taken);
  if (alert == 0) alert = look_at(type, taken);
  if (alert != 0) {
    fail(alert, alert == SSL_AD_PROTOCOL_VERSION ? SSL_R_UNSUPPORTED_PROTOCOL
                : alert == SSL_AD_DECODE_ERROR   ? SSL_R_LENGTH_MISMATCH
                                                 : SSL_R_BAD_EXTENSION);
    return false;
  }
  return true;
}

// What is done here of the message that OpenSSL gets next. 0, or the alert that is due.
uint8_t OpenSslEngine::look_at(HandshakeType type, const TakenOut& taken) {
  switch (type) {
    case HandshakeType::kClientHello: {
      // A second hello to OpenSSL's own HelloRetryRequest says the same again.
      if (!config_.server || std::exchange(hello_taken_, true)) return 0;
      return choose_srtp(taken.srtp);
    }
    case HandshakeType::kServerHello:
      return config_.server || on_server_hello(view(reading_)) ? 0 : SSL_AD_DECODE_ERROR;
    case HandshakeType::kEncryptedExtensions:
      return config_.server ? 0 : accept_srtp(taken.srtp);
    default:
      return 0;
  }
}

// ---- use_srtp, RFC 5764 section 4.1.1 ----

uint8_t OpenSslEngine::choose_srtp(Bytes offered) {
  HelloAdditions additions;
  Bytes profiles;
  bool has_mki = false;
  if (offered.data != nullptr) {
    if (!read_srtp_profiles(offered, profiles, has_mki)) return SSL_AD_DECODE_ERROR;
    const auto is_offered = [profiles](uint16_t profile) {
      for (size_t at = 0; at < profiles.size; at += 2) {
        if (read_u16(profiles.data + at) == profile) return true;
      }
      return false;
    };
    const auto& own = config_.srtp_profiles;
    const auto chosen = std::find_if(own.begin(), own.end(), is_offered);
    if (chosen != own.end()) {
      srtp_profile_ = *chosen;
      additions.extensions = write_srtp({srtp_profile_});
    }
  }
  return set_parameters(additions) ? 0 : SSL_AD_INTERNAL_ERROR;
}

uint8_t OpenSslEngine::accept_srtp(Bytes answer) {
  if (answer.data == nullptr) return 0;
  const auto& own = config_.srtp_profiles;
  if (own.empty()) return SSL_AD_UNSUPPORTED_EXTENSION;
  Bytes profiles;
  bool has_mki = false;
  if (!read_srtp_profiles(answer, profiles, has_mki)) return SSL_AD_DECODE_ERROR;
  const auto chosen = static_cast<uint16_t>(read_u16(profiles.data));
  if (profiles.size != 2 || has_mki || std::find(own.begin(), own.end(), chosen) == own.end()) {
    return SSL_AD_ILLEGAL_PARAMETER;
  }
  srtp_profile_ = chosen;
  return 0;
}

// ---- what OpenSSL calls ----

bool OpenSslEngine::on_server_hello(Bytes message) {
  ServerHelloView hello;
  if (!read_server_hello(message, hello)) return false;
  retried_ = retried_ || hello.retry;
  if (hello.retry) return !config_.server || config_.first_hello_hash.empty();
  suite_ = cipher_suite13(hello.suite);
  group_ = hello.group;
  // OpenSSL refuses a suite that it does not have, with the alert for it.
  return suite_ != nullptr || !config_.server;
}

bool OpenSslEngine::write(Bytes bytes) {
  writing_.insert(writing_.end(), bytes.data, bytes.data + bytes.size);
  Bytes rest = view(writing_);
  while (rest.size >= kMessageHeaderSize) {
    const size_t size = kMessageHeaderSize + read_u24(rest.data + 1);
    if (rest.size < size) break;
    if (!write_message(rest.first(size))) return false;
    rest = rest.from(size);
  }
  writing_.erase(writing_.begin(), writing_.end() - static_cast<std::ptrdiff_t>(rest.size));
  return true;
}

bool OpenSslEngine::write_message(Bytes message) {
  const bool server_hello = message.data[0] == static_cast<uint8_t>(HandshakeType::kServerHello);
  if (server_hello && !on_server_hello(message)) return false;
  EngineOutput output;
  output.epoch = write_epoch_;
  if (!to_wire(mark(), message, output.message)) return false;
  outgoing_.push_back(std::move(output));
  return true;
}

bool OpenSslEngine::take(EngineOutput& output) {
  if (outgoing_.empty()) return false;
  output = std::move(outgoing_.front());
  outgoing_.pop_front();
  return true;
}

int OpenSslEngine::send_callback(SSL* /*ssl*/, const unsigned char* bytes, size_t size,
                                 size_t* taken, void* self) {
  *taken = size;
  return static_cast<OpenSslEngine*>(self)->write({bytes, size}) ? 1 : 0;
}

int OpenSslEngine::receive_callback(SSL* /*ssl*/, const unsigned char** bytes, size_t* size,
                                    void* self) {
  const std::vector<uint8_t>& reading = static_cast<OpenSslEngine*>(self)->reading_;
  *bytes = reading.data();
  *size = reading.size();
  return 1;
}

int OpenSslEngine::release_callback(SSL* /*ssl*/, size_t size, void* self) {
  std::vector<uint8_t>& reading = static_cast<OpenSslEngine*>(self)->reading_;
  if (size > reading.size()) return 0;
  reading.erase(reading.begin(), reading.begin() + static_cast<std::ptrdiff_t>(size));
  return 1;
}

int OpenSslEngine::secret_callback(SSL* /*ssl*/, uint32_t level, int outgoing,
                                   const unsigned char* bytes, size_t size, void* self) {
  OpenSslEngine& engine = *static_cast<OpenSslEngine*>(self);
  if (level != kHandshakeLevel && level != kApplicationLevel) return 1;
  if (engine.suite_ == nullptr || engine.suite_->hash_size != size || !engine.writing_.empty()) {
    return 0;
  }
  (outgoing != 0 ? engine.write_epoch_ : engine.read_epoch_) = level;
  EngineOutput output;
  output.epoch = level;
  output.secret.suite = engine.suite_;
  output.secret.epoch = level;
  output.secret.direction =
      outgoing != 0 ? TrafficSecret::Direction::kSeal : TrafficSecret::Direction::kOpen;
  output.secret.bytes = SecretBytes(Bytes{bytes, size});
  engine.outgoing_.push_back(std::move(output));
  return 1;
}

int OpenSslEngine::parameters_callback(SSL* /*ssl*/, const unsigned char* /*bytes*/,
                                       size_t /*size*/, void* /*self*/) {
  return 1;  // they are this side's own
}

int OpenSslEngine::alert_callback(SSL* /*ssl*/, unsigned char description, void* self) {
  OpenSslEngine& engine = *static_cast<OpenSslEngine*>(self);
  engine.alert_ = description;
  engine.alerted_ = true;
  return 1;
}

void OpenSslEngine::keylog_callback(const SSL* ssl, const char* line) {
  static constexpr char kExporter[] = "EXPORTER_SECRET ";
  OpenSslEngine* const engine = of(ssl);
  if (engine != nullptr && std::strncmp(line, kExporter, sizeof kExporter - 1) == 0) {
    engine->exporter_secret_ = last_field(line);
  }
  void* const kept = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), keylog_index());
  if (const auto others = reinterpret_cast<KeylogCallback>(kept)) others(ssl, line);
}

// ---- connection_id, RFC 9146 section 3 ----

int OpenSslEngine::add_connection_id(SSL* ssl, unsigned /*type*/, unsigned /*context*/,
                                     const unsigned char** out, size_t* out_size,
                                     X509* /*certificate*/, size_t /*chain_index*/, int* /*alert*/,
                                     void* /*arg*/) {
  const OpenSslEngine* const engine = of(ssl);
  if (engine == nullptr || engine->connection_id_.empty()) return 0;  // send no extension
  *out = engine->connection_id_.data();
  *out_size = engine->connection_id_.size();
  return 1;
}

int OpenSslEngine::parse_connection_id(SSL* ssl, unsigned /*type*/, unsigned /*context*/,
                                       const unsigned char* in, size_t in_size,
                                       X509* /*certificate*/, size_t /*chain_index*/, int* alert,
                                       void* /*arg*/) {
  if (in_size == 0 || in[0] != in_size - 1) {
    *alert = SSL_AD_DECODE_ERROR;
    return 0;
  }
  OpenSslEngine* const engine = of(ssl);
  if (engine != nullptr && !engine->connection_id_.empty()) {
    engine->peer_connection_id_.emplace(in + 1, in + in_size);
  }
  return 1;
}

std::unique_ptr<HandshakeEngine> make_engine(EngineConfig config) {
  ErrorQueueScope::clear();
  if (!engine_support()) return nullptr;
  auto engine = std::make_unique<OpenSslEngine>(std::move(config));
  if (!engine->set_up()) return nullptr;
  return engine;
}

}  // namespace dtls
