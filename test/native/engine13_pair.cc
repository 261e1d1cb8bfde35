#include "engine13_pair.h"

#include <openssl/crypto.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cstring>
#include <ctime>

#include "core/base/expand_label.h"
#include "core/identity/certificate_maker.h"

namespace dtls::test13 {

// A server that asks for certificates needs one: the session id context.
constexpr unsigned char kSessions[] = "tests";

Run from_hex(const std::string& digits) {
  Run bytes(digits.size() / 2);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<uint8_t>(std::stoi(digits.substr(2 * i, 2), nullptr, 16));
  }
  return bytes;
}

std::string to_hex(Bytes bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string digits;
  for (size_t i = 0; i < bytes.size; ++i) {
    digits += kDigits[bytes.data[i] >> 4];
    digits += kDigits[bytes.data[i] & 15];
  }
  return digits;
}

// ---- certificates ----

namespace {

std::string new_key() {
  const EvpPkeyPtr key(EVP_EC_gen("P-256"));
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<size_t>(size)};
}

Named make(const Named* issuer) {
  Named made;
  made.key = new_key();
  CertificateRequest request;
  request.subject = {{"CN", issuer == nullptr ? "authority" : "localhost"}};
  if (issuer != nullptr) request.dns_names = {"localhost"};
  request.authority = issuer == nullptr;
  const auto now = static_cast<double>(std::time(nullptr));
  request.not_before = now - 3600;
  request.not_after = now + 24 * 3600;
  request.key = view(made.key);
  if (issuer != nullptr) {
    request.issuer_certificate = view(issuer->certificate);
    request.issuer_key = view(issuer->key);
  }
  Run der;
  if (make_certificate(request, der)) return made;
  const uint8_t* at = der.data();
  const X509Ptr certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate.get());
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  made.certificate.assign(text, static_cast<size_t>(size));
  return made;
}

}  // namespace

const Named& authority() {
  static const Named made = make(nullptr);
  return made;
}

const Named& issued() {
  static const Named made = make(&authority());
  return made;
}

std::shared_ptr<SecureContext> context_of(const Named* own, const char* groups) {
  auto context = std::make_shared<SecureContext>([](SSL_CTX*) {});
  if (own != nullptr) {
    context->add_certificate(view(own->certificate));
    context->add_key(view(own->key), {});
  }
  context->add_ca(view(authority().certificate), false);
  if (groups != nullptr) context->set_dtls13({"", groups, ""});
  return context;
}

// ---- callbacks ----

namespace {

Wishes* wishes_of(const SSL* ssl) { return static_cast<Wishes*>(SSL_get_app_data(ssl)); }

int verify(X509_STORE_CTX* store, void* /*arg*/) {
  SSL* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  Wishes& wishes = *wishes_of(ssl);
  if (wishes.pause_verification && wishes.paused++ == 0) return SSL_set_retry_verify(ssl);
  wishes.verified = X509_verify_cert(store) == 1;
  return wishes.verified ? 1 : 0;
}

int choose_certificate(SSL* ssl, void* /*arg*/) {
  Wishes* const wishes = wishes_of(ssl);
  return wishes != nullptr && wishes->pause_certificate && wishes->paused++ == 0 ? -1 : 1;
}

int choose_protocol(SSL* ssl, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* in, unsigned in_size, void* /*arg*/) {
  const Run& own = wishes_of(ssl)->protocols;
  if (own.empty()) return SSL_TLSEXT_ERR_NOACK;
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, own.data(), static_cast<unsigned>(own.size()), in,
                            in_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

SSL_SESSION* session_of_key(SSL* ssl, const Run& key) {
  static constexpr unsigned char kSuite[] = {0x13, 0x01};
  SSL_SESSION* const session = SSL_SESSION_new();
  SSL_SESSION_set1_master_key(session, key.data(), key.size());
  SSL_SESSION_set_cipher(session, SSL_CIPHER_find(ssl, kSuite));
  SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION);
  // A client's is compared with that of its SSL; a server's OpenSSL sets it itself.
  SSL_SESSION_set1_id_context(session, kSessions, sizeof kSessions);
  return session;
}

int find_psk(SSL* ssl, const unsigned char* identity, size_t size, SSL_SESSION** session) {
  const Wishes& wishes = *wishes_of(ssl);
  const bool known = !wishes.psk.empty() && size == wishes.psk_identity.size() &&
                     std::memcmp(identity, wishes.psk_identity.data(), size) == 0;
  *session = known ? session_of_key(ssl, wishes.psk) : nullptr;
  return 1;
}

int use_psk(SSL* ssl, const EVP_MD* digest, const unsigned char** identity, size_t* size,
            SSL_SESSION** session) {
  const Wishes* const wishes = wishes_of(ssl);
  *session = nullptr;
  *identity = nullptr;
  *size = 0;
  if (wishes == nullptr || wishes->psk.empty()) return 1;
  // After a HelloRetryRequest: keys are bound to a hash.
  if (digest != nullptr && EVP_MD_is_a(digest, "SHA2-256") == 0) return 1;
  *session = session_of_key(ssl, wishes->psk);
  *identity = reinterpret_cast<const unsigned char*>(wishes->psk_identity.data());
  *size = wishes->psk_identity.size();
  return 1;
}

int keep_session(SSL* ssl, SSL_SESSION* session) {
  Wishes* const wishes = wishes_of(ssl);
  if (wishes == nullptr || SSL_is_server(ssl) != 0) return 0;
  wishes->session.reset(session);
  return 1;
}

void keep_line(const SSL* ssl, const char* line) {
  if (wishes_of(ssl) != nullptr) wishes_of(ssl)->keylog.emplace_back(line);
}

}  // namespace

void install(SSL_CTX* ctx) {
  SSL_CTX_set_cert_verify_callback(ctx, verify, nullptr);
  SSL_CTX_set_cert_cb(ctx, choose_certificate, nullptr);
  SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, nullptr);
  SSL_CTX_set_psk_find_session_callback(ctx, find_psk);
  SSL_CTX_set_psk_use_session_callback(ctx, use_psk);
  SSL_CTX_sess_set_new_cb(ctx, keep_session);
  SSL_CTX_set_keylog_callback(ctx, keep_line);
}

// ---- ends ----

void End::begin(const std::shared_ptr<SecureContext>& context,
                const std::function<void(SSL*)>& configure) {
  Failure failure;
  config.context = EngineContext::of(*context, install, failure);
  if (!config.context) {
    outcome = EngineOutcome::kFailed;
    reason = failure.line;
    return;
  }
  config.owner = &wishes;
  engine = make_engine(config);
  if (!engine) {
    outcome = EngineOutcome::kFailed;
    reason = "no engine";
    return;
  }
  SSL_set_verify(engine->ssl(), config.server ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
  SSL_set_session_id_context(engine->ssl(), kSessions, sizeof kSessions);
  if (configure) configure(engine->ssl());
  outcome = engine->start();
  collect();
}

void End::collect() {
  EngineOutput output;
  while (engine->take(output)) {
    if (output.is_secret()) {
      secrets.push_back(std::move(output.secret));
    } else {
      sent.push_back(std::move(output));
    }
  }
  if (outcome == EngineOutcome::kFailed && reason.empty()) {
    reason = failure_from_openssl(FailureKind::kProtocolError).reason;
  }
}

Run End::secret(uint64_t epoch, TrafficSecret::Direction direction) const {
  for (const TrafficSecret& one : secrets) {
    if (one.epoch == epoch && one.direction == direction) {
      return {one.bytes.data(), one.bytes.data() + one.bytes.size()};
    }
  }
  return {};
}

// ---- pairs ----

void Pair::begin() {
  server.config.server = true;
  client.begin(client_context, configure_client);
}

void Pair::exchange() {
  if (client.outcome == EngineOutcome::kFailed) return;
  if (!server.engine) server.begin(server_context, configure_server);
  for (bool moved = true; moved;) {
    moved = false;
    for (const bool from_client : {true, false}) {
      End& from = from_client ? client : server;
      End& to = from_client ? server : client;
      for (EngineOutput& output : std::exchange(from.sent, {})) {
        Passed one{from_client, output.epoch, std::move(output.message)};
        if (on_message && !on_message(one)) continue;
        if (to.outcome == EngineOutcome::kFailed) continue;
        to.outcome = to.engine->receive(one.epoch, view(one.message));
        to.collect();
        passed.push_back(std::move(one));
        moved = true;
      }
    }
  }
}

bool Pair::agree() const {
  using Direction = TrafficSecret::Direction;
  for (const uint64_t epoch : {2, 3}) {
    for (const bool up : {true, false}) {
      const Run sealing = (up ? client : server).secret(epoch, Direction::kSeal);
      const Run opening = (up ? server : client).secret(epoch, Direction::kOpen);
      if (sealing.empty() || sealing != opening) return false;
    }
  }
  return true;
}

const Run* Pair::message(HandshakeType type, bool from_client) const {
  const Run* found = nullptr;
  for (const Passed& one : passed) {
    if (one.from_client == from_client && one.message[0] == static_cast<uint8_t>(type)) {
      found = &one.message;
    }
  }
  return found;
}

namespace {

bool is_retry(const Run& message) {
  return message[0] == 2 && message.size() > 38 && message[6] == 0xcf && message[7] == 0x21;
}

}  // namespace

// RFC 8446 section 4.4.1, by what was on the wire; the message itself is not part of it.
Run Pair::transcript_until(HandshakeType type, bool from_client) const {
  Run transcript;
  const Passed* first = nullptr;
  for (const Passed& one : passed) {
    if (one.from_client == from_client && one.message[0] == static_cast<uint8_t>(type)) break;
    if (one.epoch == 3) continue;  // tickets
    if (is_retry(one.message)) {
      const Run of_first = hash(*client.engine->suite(), view(first->message));
      transcript = {254, 0, 0, static_cast<uint8_t>(of_first.size())};
      transcript.insert(transcript.end(), of_first.begin(), of_first.end());
    }
    if (first == nullptr) first = &one;
    transcript.insert(transcript.end(), one.message.begin(), one.message.end());
  }
  return transcript;
}

bool Pair::finished_by_the_wire() const {
  const CipherSuite13* const suite = client.engine->suite();
  if (suite == nullptr) return false;
  for (const bool of_client : {true, false}) {
    const Run* const finished = message(HandshakeType::kFinished, of_client);
    if (finished == nullptr) return false;
    const Run secret = (of_client ? client : server).secret(2, TrafficSecret::Direction::kSeal);
    Run key(suite->hash_size);
    if (!expand_label(suite->digest, view(secret), "finished", {}, key.data(), key.size())) {
      return false;
    }
    const Run of_transcript =
        hash(*suite, view(transcript_until(HandshakeType::kFinished, of_client)));
    Run mac(suite->hash_size);
    size_t size = 0;
    EVP_Q_mac(nullptr, "HMAC", nullptr, suite->digest, nullptr, key.data(), key.size(),
              of_transcript.data(), of_transcript.size(), mac.data(), mac.size(), &size);
    if (Run(finished->begin() + 4, finished->end()) != mac) return false;
  }
  return true;
}

void Pair::retry_statelessly(uint16_t suite, uint16_t group) {
  Run retry =
      from_hex("02000000fefdcf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c00");
  const auto add = [&retry](std::initializer_list<int> bytes) {
    for (const int byte : bytes) retry.push_back(static_cast<uint8_t>(byte));
  };
  add({suite >> 8, suite & 255, 0, 0, group == 0 ? 16 : 22});
  add({0, 43, 0, 2, 0xfe, 0xfc, 0, 44, 0, 6, 0, 4, 1, 2, 3, 4});
  if (group != 0) add({0, 51, 0, 2, group >> 8, group & 255});
  write_u24(retry.data() + 1, static_cast<uint32_t>(retry.size() - 4));
  const EngineOutput hello = std::move(client.sent.at(0));
  client.sent.clear();
  server.config.first_hello_hash = hash(*cipher_suite13(suite), view(hello.message));
  server.config.retry_request = retry;
  server.config.suite = suite;
  server.config.group = group;
  passed.push_back({true, 0, hello.message});
  passed.push_back({false, 0, retry});
  client.outcome = client.engine->receive(0, view(retry));
  client.collect();
}

Bytes extension_in(const Run& message, uint16_t type) {
  Bytes rest = view(message).from(4);
  if (message[0] == 1) {
    rest = rest.from(34);
    rest = rest.from(1 + size_t{rest.data[0]});
    rest = rest.from(1 + size_t{rest.data[0]});
    rest = rest.from(2 + size_t{read_u16(rest.data)});
    rest = rest.from(1 + size_t{rest.data[0]});
  } else if (message[0] == 2) {
    rest = rest.from(34);
    rest = rest.from(1 + size_t{rest.data[0]} + 3);
  }
  rest = rest.from(2);
  while (rest.size >= 4) {
    const size_t size = read_u16(rest.data + 2);
    if (read_u16(rest.data) == type) return rest.from(4).first(size);
    rest = rest.from(4 + size);
  }
  return {};
}

Run hash(const CipherSuite13& suite, Bytes bytes) {
  Run out(suite.hash_size);
  EVP_Q_digest(nullptr, suite.digest, nullptr, bytes.data, bytes.size, out.data(), nullptr);
  return out;
}

}  // namespace dtls::test13
