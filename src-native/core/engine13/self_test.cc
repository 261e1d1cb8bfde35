#include "core/engine13/self_test.h"

#include <openssl/rand.h>

#include <array>
#include <cstring>

#include "core/base/expand_label.h"
#include "core/engine13/library.h"
#include "core/engine13/message_parts.h"
#include "core/engine13/openssl_engine.h"
#include "core/wire/retry_random.h"
#include "core/wire/wire.h"

namespace dtls {

namespace {

using Run = std::vector<uint8_t>;

constexpr char kIdentity[] = "self-test";

Bytes view(const Run& bytes) { return {bytes.data(), bytes.size()}; }

bool equal(Bytes a, Bytes b) {
  return a.size == b.size && CRYPTO_memcmp(a.data, b.data, a.size) == 0;
}

// ---- the independent derivation: RFC 8446 section 7.1 with the labels of RFC 9147 ----

class Schedule {
 public:
  Schedule(const CipherSuite13& suite, Bytes psk) : suite_(suite) {
    const Run zeros(suite.hash_size);
    early_ = extract(view(zeros), psk);
    handshake_ = extract(view(expand(early_, "derived", hash({}))), view(zeros));
    master_ = extract(view(expand(handshake_, "derived", hash({}))), view(zeros));
  }

  Run hash(Bytes bytes) const {
    Run out(suite_.hash_size);
    good_ = good_ && EVP_Q_digest(nullptr, suite_.digest, nullptr, bytes.data, bytes.size,
                                  out.data(), nullptr) == 1;
    return out;
  }
  Run mac(Bytes key, Bytes bytes) const {
    Run out(suite_.hash_size);
    size_t size = 0;
    good_ = good_ && EVP_Q_mac(nullptr, "HMAC", nullptr, suite_.digest, nullptr, key.data, key.size,
                               bytes.data, bytes.size, out.data(), out.size(), &size) != nullptr;
    return out;
  }
  Run expand(const Run& secret, const char* label, const Run& context) const {
    Run out(suite_.hash_size);
    good_ = good_ &&
            expand_label(suite_.digest, view(secret), label, view(context), out.data(), out.size());
    return out;
  }
  Run finished(const Run& secret, Bytes transcript) const {
    return mac(view(expand(secret, "finished", {})), view(hash(transcript)));
  }
  Run binder(Bytes transcript) const {
    return finished(expand(early_, "ext binder", hash({})), transcript);
  }
  Run of_handshake(const char* label, Bytes transcript) const {
    return expand(handshake_, label, hash(transcript));
  }
  Run of_application(const char* label, Bytes transcript) const {
    return expand(master_, label, hash(transcript));
  }
  bool good() const { return good_; }

 private:
  // HKDF-Extract is HMAC: RFC 5869 section 2.2.
  Run extract(Bytes salt, Bytes key) const { return mac(salt, key); }

  const CipherSuite13& suite_;
  Run early_;
  Run handshake_;
  Run master_;
  mutable bool good_ = true;
};

// ---- the handshake ----

// What OpenSSL asks both ends for. Found by the app data of their SSL.
struct KnownKey {
  const CipherSuite13* suite = nullptr;
  std::array<uint8_t, 48> psk{};
  Bytes key() const { return {psk.data(), suite->hash_size}; }

  SSL_SESSION* session(SSL* ssl) const {
    const std::array<uint8_t, 2> id = {static_cast<uint8_t>(suite->id >> 8),
                                       static_cast<uint8_t>(suite->id)};
    const SSL_CIPHER* const cipher = SSL_CIPHER_find(ssl, id.data());
    SslSessionPtr made(SSL_SESSION_new());
    if (cipher == nullptr || !made ||
        SSL_SESSION_set1_master_key(made.get(), psk.data(), suite->hash_size) != 1 ||
        SSL_SESSION_set_cipher(made.get(), cipher) != 1 ||
        SSL_SESSION_set_protocol_version(made.get(), TLS1_3_VERSION) != 1) {
      return nullptr;
    }
    return made.release();
  }
  static const KnownKey& of(SSL* ssl) {
    return *static_cast<const KnownKey*>(SSL_get_app_data(ssl));
  }
  static int find(SSL* ssl, const unsigned char* identity, size_t size, SSL_SESSION** session) {
    const bool known = size == sizeof kIdentity - 1 && std::memcmp(identity, kIdentity, size) == 0;
    *session = known ? of(ssl).session(ssl) : nullptr;
    return 1;
  }
  static int use(SSL* ssl, const EVP_MD* /*digest*/, const unsigned char** identity, size_t* size,
                 SSL_SESSION** session) {
    *session = of(ssl).session(ssl);
    *identity = reinterpret_cast<const unsigned char*>(kIdentity);
    *size = sizeof kIdentity - 1;
    return 1;
  }
};

// One end, and what it has put out.
struct End {
  std::unique_ptr<OpenSslEngine> engine;
  EngineOutcome outcome = EngineOutcome::kGoesOn;
  std::array<std::array<Run, 4>, 2> secrets;  // by direction and epoch

  bool make(const KnownKey& key, bool server, const Run& hello_hash, const Run& retry) {
    SslCtxPtr ctx(SSL_CTX_new_ex(engine_library()->context, EngineLibrary::kOurs, TLS_method()));
    if (!ctx || SSL_CTX_set_min_proto_version(ctx.get(), TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(ctx.get(), key.suite->name) != 1 ||
        // They have no group in common: what is left is the key.
        SSL_CTX_set1_groups_list(ctx.get(), server ? "P-256" : "X25519") != 1 ||
        SSL_CTX_set_num_tickets(ctx.get(), 0) != 1 || !OpenSslEngine::install(ctx.get(), nullptr)) {
      return false;
    }
    SSL_CTX_set_options(ctx.get(), SSL_OP_ALLOW_NO_DHE_KEX);
    SSL_CTX_set_psk_find_session_callback(ctx.get(), KnownKey::find);
    SSL_CTX_set_psk_use_session_callback(ctx.get(), KnownKey::use);
    EngineConfig config;
    config.server = server;
    config.context = EngineContext::bare(std::move(ctx));
    config.owner = const_cast<KnownKey*>(&key);
    config.first_hello_hash = hello_hash;
    config.retry_request = retry;
    engine = std::make_unique<OpenSslEngine>(std::move(config));
    return engine->set_up() && (outcome = engine->start()) != EngineOutcome::kFailed;
  }

  // The messages that it has to say.
  std::vector<EngineOutput> messages() {
    std::vector<EngineOutput> all;
    EngineOutput output;
    while (engine->take(output)) {
      if (!output.is_secret()) {
        all.push_back(std::move(output));
        continue;
      }
      const TrafficSecret& secret = output.secret;
      const size_t direction = secret.direction == TrafficSecret::Direction::kSeal ? 1 : 0;
      // One of an epoch that no handshake has is missing in the comparison, as it should be.
      if (secret.epoch >= secrets[direction].size()) continue;
      secrets[direction][secret.epoch].assign(secret.bytes.data(),
                                              secret.bytes.data() + secret.bytes.size());
    }
    return all;
  }
  const Run& opens(size_t epoch) const { return secrets[0][epoch]; }
  const Run& seals(size_t epoch) const { return secrets[1][epoch]; }
};

// A HelloRetryRequest with a cookie and nothing else, in the shape of the wire.
Run retry_request(const CipherSuite13& suite) {
  Run message = {2, 0, 0, 0, 0xfe, 0xfd};
  message.insert(message.end(), kRetryRandom.begin(), kRetryRandom.end());
  const Run rest = {0, static_cast<uint8_t>(suite.id >> 8), static_cast<uint8_t>(suite.id), 0,
                    // supported_versions, and a cookie of three bytes
                    0, 15, 0, 43, 0, 2, 0xfe, 0xfc, 0, 44, 0, 5, 0, 3, 1, 2, 3};
  message.insert(message.end(), rest.begin(), rest.end());
  write_u24(message.data() + 1, static_cast<uint32_t>(message.size() - kMessageHeaderSize));
  return message;
}

class Handshake {
 public:
  Handshake(const CipherSuite13& suite, bool retry) : suite_(suite), retry_(retry) {
    key_.suite = &suite;
  }

  const char* run() {
    if (RAND_bytes(key_.psk.data(), static_cast<int>(key_.psk.size())) != 1) return "no randomness";
    if (!client_.make(key_, false, {}, {})) return "no client";
    if (!exchange()) return "the handshake fails";
    return compare();
  }

 private:
  bool first_hello(Run& hash, Run& request) {
    std::vector<EngineOutput> hello = client_.messages();
    if (hello.size() != 1) return false;
    if (!retry_) {
      waiting_ = std::move(hello);
      return true;
    }
    request = retry_request(suite_);
    hash = Schedule(suite_, {}).hash(view(hello.front().message));
    transcript_ = {254, 0, 0, static_cast<uint8_t>(hash.size())};
    transcript_.insert(transcript_.end(), hash.begin(), hash.end());
    transcript_.insert(transcript_.end(), request.begin(), request.end());
    client_.outcome = client_.engine->receive(0, view(request));
    waiting_ = client_.messages();
    return waiting_.size() == 1 && client_.engine->retried();
  }

  // Hands the messages over, and keeps where in the transcript each of them ends.
  bool pass(End& to) {
    for (const EngineOutput& one : waiting_) {
      transcript_.insert(transcript_.end(), one.message.begin(), one.message.end());
      ends_.push_back(transcript_.size());
      last_.push_back(one.message);
      to.outcome = to.engine->receive(one.epoch, view(one.message));
      if (to.outcome == EngineOutcome::kFailed) return false;
    }
    waiting_ = to.messages();
    return true;
  }

  bool exchange() {
    Run hash;
    Run request;
    // ClientHello; ServerHello, EncryptedExtensions, Finished; Finished.
    return first_hello(hash, request) && server_.make(key_, true, hash, request) && pass(server_) &&
           pass(client_) && pass(server_) && ends_.size() == 5 &&
           client_.outcome == EngineOutcome::kComplete &&
           server_.outcome == EngineOutcome::kComplete && client_.engine->suite() == &suite_;
  }

  Bytes until(size_t message) const { return view(transcript_).first(ends_[message]); }

  const char* compare() {
    enum Message : size_t { kHello, kServerHello, kExtensions, kServerFinished, kClientFinished };
    const Schedule schedule(suite_, key_.key());
    const Run client = schedule.of_handshake("c hs traffic", until(kServerHello));
    const Run server = schedule.of_handshake("s hs traffic", until(kServerHello));
    if (!agree(2, client, server)) return "a secret of the handshake is another one";
    if (!agree(3, schedule.of_application("c ap traffic", until(kServerFinished)),
               schedule.of_application("s ap traffic", until(kServerFinished)))) {
      return "a secret of the application is another one";
    }
    // The binder is behind its length and that of its list.
    const size_t binders = 3 + suite_.hash_size;
    const Bytes hello = until(kHello);
    if (!ends_with(last_[kHello], schedule.binder(hello.first(hello.size - binders)))) {
      return "a binder is another one";
    }
    if (!ends_with(last_[kServerFinished], schedule.finished(server, until(kExtensions))) ||
        !ends_with(last_[kClientFinished], schedule.finished(client, until(kServerFinished)))) {
      return "a Finished is another one";
    }
    const Run exporter = schedule.of_application("exp master", until(kServerFinished));
    for (End* end : {&client_, &server_}) {
      if (!equal(end->engine->take_exporter_secret().view(), view(exporter))) {
        return "the secret of exporters is another one";
      }
    }
    return schedule.good() ? nullptr : "OpenSSL cannot derive secrets";
  }

  bool agree(size_t epoch, const Run& client, const Run& server) const {
    return equal(view(client_.seals(epoch)), view(client)) &&
           equal(view(server_.opens(epoch)), view(client)) &&
           equal(view(client_.opens(epoch)), view(server)) &&
           equal(view(server_.seals(epoch)), view(server));
  }

  static bool ends_with(const Run& message, const Run& end) {
    return message.size() > end.size() &&
           equal(view(message).from(message.size() - end.size()), view(end));
  }

  const CipherSuite13& suite_;
  const bool retry_;
  KnownKey key_;
  End client_;
  End server_;
  std::vector<EngineOutput> waiting_;
  Run transcript_;            // as on the wire
  std::vector<size_t> ends_;  // of the messages from the last hello on, in it
  std::vector<Run> last_;     // the messages
};

}  // namespace

const char* engine_self_test() {
  const ErrorQueueScope errors;
  const CipherSuite13& sha256 = *cipher_suite13(0x1301);
  const CipherSuite13& sha384 = *cipher_suite13(0x1302);
  for (const bool retry : {false, true}) {
    for (const CipherSuite13* suite : {&sha256, &sha384}) {
      if (const char* complaint = Handshake(*suite, retry).run()) return complaint;
    }
  }
  return nullptr;
}

}  // namespace dtls
