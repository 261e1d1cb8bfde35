#include "harness.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include "session_probe.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DGRAM_DTLS_ADDRESS_SANITIZER
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define DGRAM_DTLS_ADDRESS_SANITIZER
#endif
#ifdef DGRAM_DTLS_ADDRESS_SANITIZER
#include <sanitizer/allocator_interface.h>
#else
#include <malloc.h>
#endif

namespace {

double virtual_now = 1.7e12;  // milliseconds since the Unix epoch

}  // namespace

// The clock of OpenSSL's retransmission timers, up to 3.5 at least. A program's own definition
// comes before the C library's, for shared libraries too.
extern "C" int gettimeofday(timeval* now, void* /*zone*/) noexcept {
  const double seconds = std::floor(virtual_now / 1000);
  now->tv_sec = static_cast<time_t>(seconds);
  now->tv_usec = static_cast<suseconds_t>((virtual_now - seconds * 1000) * 1000);
  return 0;
}

namespace dtls::test {

namespace {

void require(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(what);
}

using X509ExtensionPtr =
    std::unique_ptr<X509_EXTENSION, OpenSslFree<X509_EXTENSION, X509_EXTENSION_free>>;

std::string contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(size)};
}

std::string to_pem(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  require(PEM_write_bio_X509(bio.get(), certificate) == 1, "PEM certificate");
  return contents(bio.get());
}

std::string to_pem(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  require(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
          "PEM key");
  return contents(bio.get());
}

EvpPkeyPtr new_key(bool rsa = false) {
  EvpPkeyPtr key(rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"));
  require(key != nullptr, "a key");
  return key;
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const X509ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  require(extension && X509_add_ext(certificate, extension.get(), -1) == 1, "extension");
}

struct CertificateOptions {
  std::string name;
  bool authority = false;
  bool expired = false;
  size_t padding = 0;
};

// Self-signed when `issuer` is null.
X509Ptr new_certificate(const CertificateOptions& options, EVP_PKEY* key, X509* issuer,
                        EVP_PKEY* issuer_key) {
  static long serial = 1;
  X509Ptr certificate(X509_new());
  X509* raw = certificate.get();
  require(raw != nullptr && X509_set_version(raw, X509_VERSION_3) == 1, "X509_new");
  ASN1_INTEGER_set(X509_get_serialNumber(raw), serial++);
  constexpr long kDay = 24 * 3600;
  X509_gmtime_adj(X509_getm_notBefore(raw), -30 * kDay);
  X509_gmtime_adj(X509_getm_notAfter(raw), (options.expired ? -1 : 30) * kDay);
  X509_set_pubkey(raw, key);
  X509_NAME* name = X509_get_subject_name(raw);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(options.name.c_str()), -1, -1,
                             0);
  X509_set_issuer_name(raw, X509_get_subject_name(issuer != nullptr ? issuer : raw));
  X509* signer = issuer != nullptr ? issuer : raw;
  add_extension(raw, signer, NID_basic_constraints,
                options.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  add_extension(raw, signer, NID_subject_key_identifier, "hash");
  if (!options.authority) add_extension(raw, signer, NID_subject_alt_name, "DNS:" + options.name);
  if (options.padding != 0) {
    add_extension(raw, signer, NID_netscape_comment, std::string(options.padding, 'x'));
  }
  require(X509_sign(raw, issuer_key != nullptr ? issuer_key : key, EVP_sha256()) != 0, "X509_sign");
  return certificate;
}

}  // namespace

PeerAddress address(uint32_t host, uint16_t port) {
  const std::array<uint8_t, 4> bytes = {
      static_cast<uint8_t>(host >> 24), static_cast<uint8_t>(host >> 16),
      static_cast<uint8_t>(host >> 8), static_cast<uint8_t>(host)};
  PeerAddress peer;
  peer.assign({bytes.data(), bytes.size()}, port);
  return peer;
}

Authority::Authority(const std::string& name)
    : key_(new_key()), certificate_(new_certificate({name, true}, key_.get(), nullptr, nullptr)) {
  pem_ = to_pem(certificate_.get());
}

Identity Authority::issue(const LeafOptions& options) const {
  X509* issuer = certificate_.get();
  EVP_PKEY* issuer_key = key_.get();
  std::vector<EvpPkeyPtr> keys;
  std::vector<X509Ptr> chain;
  for (size_t i = 0; i < options.intermediates; ++i) {
    keys.push_back(new_key());
    chain.push_back(
        new_certificate({"intermediate " + std::to_string(i), true, false, options.padding},
                        keys.back().get(), issuer, issuer_key));
    issuer = chain.back().get();
    issuer_key = keys.back().get();
  }
  const EvpPkeyPtr key = new_key(options.rsa);
  const X509Ptr leaf = new_certificate({options.name, false, options.expired, options.padding},
                                       key.get(), issuer, issuer_key);
  Identity identity{to_pem(leaf.get()), to_pem(key.get())};
  for (auto it = chain.rbegin(); it != chain.rend(); ++it) identity.chain += to_pem(it->get());
  return identity;
}

const Authority& authority() {
  static const Authority shared("test authority");
  return shared;
}

const Identity& server_identity() {
  static const Identity shared = authority().issue();
  return shared;
}

Identity self_signed(const std::string& name) {
  const EvpPkeyPtr key = new_key();
  const X509Ptr certificate = new_certificate({name}, key.get(), nullptr, nullptr);
  return {to_pem(certificate.get()), to_pem(key.get())};
}

ContextPtr certificate_context(const Identity* identity) {
  auto context = std::make_shared<SecureContext>(Handshake::install_callbacks);
  require(context->valid(), "SSL_CTX");
  require(!context->add_ca(view(authority().pem()), true), "add_ca");
  if (identity != nullptr) {
    require(!context->add_certificate(view(identity->chain)), "add_certificate");
    require(!context->add_key(view(identity->key), {}), "add_key");
    require(!context->check_identities(), "check_identities");
  }
  return context;
}

ContextPtr psk_context(const char* ciphers) {
  auto context = std::make_shared<SecureContext>(Handshake::install_callbacks);
  require(context->valid() && !context->set_ciphers(ciphers), "PSK context");
  return context;
}

SessionPolicy quick_policy() {
  SessionPolicy policy;
  policy.retransmit_initial = 20;
  policy.retransmit_max = 200;
  policy.request_certificate = false;
  return policy;
}

SessionPolicy psk_policy() {
  SessionPolicy policy = quick_policy();
  policy.ask_psk = true;
  return policy;
}

// ---- Side ----

Side::Side(uint32_t id) : records_(64), arena_(64 * 1024), endpoint(outbox_, id) {
  outbox_.attach(&control_, records_.data(), records_.size(), arena_.data(), arena_.size());
}

std::vector<Event> Side::drain() {
  std::vector<Event> drained;
  while (control_.records != 0) {
    for (uint32_t i = 0; i < control_.records; ++i) {
      const Record& record = records_[i];
      const uint8_t* bytes = arena_.data() + record.offset;
      drained.push_back({static_cast<RecordType>(record.type),
                         {record.endpoint, record.slot, record.generation},
                         record.a,
                         record.b,
                         {bytes, bytes + record.length}});
    }
    outbox_.reset();
  }
  return drained;
}

size_t Side::count(RecordType type) const {
  return static_cast<size_t>(std::count_if(events.begin(), events.end(),
                                           [type](const Event& e) { return e.type == type; }));
}

const Event* Side::last(RecordType type) const {
  const auto found = std::find_if(events.rbegin(), events.rend(),
                                  [type](const Event& e) { return e.type == type; });
  return found == events.rend() ? nullptr : &*found;
}

bool Side::waits_for_nothing() const {
  return endpoint.deadline() > Link::now() + Session::kRestAfter / 2;
}

std::vector<std::string> Side::messages() const {
  std::vector<std::string> all;
  for (const Event& event : events) {
    if (event.type == RecordType::kMessage) all.push_back(text_of(view(event.bytes)));
  }
  return all;
}

FailureKind Side::close_kind() const {
  const Event* close = last(RecordType::kClose);
  return close == nullptr ? FailureKind::kNone : static_cast<FailureKind>(close->a);
}

uint32_t Side::close_alert() const {
  const Event* close = last(RecordType::kClose);
  return close == nullptr ? kCloseNoAlert : kCloseAlert.of(close->b);
}

bool Side::arena_has(Bytes bytes) const {
  return std::search(arena_.begin(), arena_.end(), bytes.data, bytes.data + bytes.size) !=
         arena_.end();
}

size_t Side::alerts(bool sent, uint32_t description) const {
  return static_cast<size_t>(std::count_if(events.begin(), events.end(), [&](const Event& e) {
    return e.type == RecordType::kAlert && kOut.in(e.a) == sent &&
           kAlertDescription.of(e.a) == description;
  }));
}

// ---- Link ----

Link::Link()
    : server_context(certificate_context(&server_identity())),
      client_context(certificate_context()) {
  add_client(address(0x0a000002, 5000));
}

void Link::use_psk(const std::string& identity, const std::vector<uint8_t>& key) {
  server_context = psk_context();
  client_context = psk_context();
  server_policy = psk_policy();
  client_policy = psk_policy();
  server.keys[identity] = key;
  client().psk_identity = identity;
  client().psk = key;
}

void Link::listen() {
  ListenerConfig config = listener;
  config.context = server_context;
  config.policy = std::make_shared<SessionPolicy>(server_policy);
  server.endpoint.listen(std::move(config));
}

Side& Link::add_client() {
  const PeerAddress first = addresses.front();
  return add_client(first);
}

Side& Link::add_client(const PeerAddress& peer) {
  clients.push_back(std::make_unique<Side>(static_cast<uint32_t>(100 + clients.size())));
  addresses.push_back(peer);
  return *clients.back();
}

Session& Link::connect() {
  Session& session = client().endpoint.connect(
      server_address, client_context, std::make_shared<SessionPolicy>(client_policy), now());
  client().session = session.id();
  return session;
}

bool Link::handshake() {
  listen();
  connect();
  pump();
  return client().secure() && server.secure();
}

double Link::now() { return virtual_now; }

void Side::store(const Event& told) {
  const Bytes bytes = view(told.bytes);
  const size_t id_size = bytes.data[0];
  stored[copy(bytes.first(1 + id_size).from(1))] = copy(bytes.from(1 + id_size));
}

void Link::skip(double milliseconds) { virtual_now += milliseconds; }

double Link::next_deadline() const {
  double next = server.endpoint.deadline();
  for (const auto& side : clients) next = std::min(next, side->endpoint.deadline());
  return next;
}

void Link::answer(Side& side, const Event& event) {
  const SessionId id = event.id;
  switch (static_cast<LookupKind>(event.a)) {
    case LookupKind::kPskServer: {
      const auto key = side.keys.find(text_of(view(event.bytes)));
      const bool found = key != side.keys.end();
      side.endpoint.answer_psk(id.slot, id.generation,
                               found ? PskAnswer::kFound : PskAnswer::kUnknown, {},
                               found ? view(key->second) : Bytes{}, now());
      return;
    }
    case LookupKind::kPskClient:
      side.endpoint.answer_psk(id.slot, id.generation,
                               side.psk.empty() ? PskAnswer::kUnknown : PskAnswer::kFound,
                               view(side.psk_identity), view(side.psk), now());
      return;
    case LookupKind::kPeerIdentity:
    case LookupKind::kSessionIdentity:
      side.endpoint.answer_identity(id.slot, id.generation, side.accept_identity, now());
      return;
    case LookupKind::kClientHello:
      side.endpoint.answer_hello(id.slot, id.generation, {}, now());
      return;
    case LookupKind::kStoredSession: {
      const auto stored = side.stored.find(event.bytes);
      side.endpoint.answer_session(id.slot, id.generation,
                                   stored == side.stored.end() ? Bytes{} : view(stored->second),
                                   false, now());
      return;
    }
    case LookupKind::kOcspResponse:
    case LookupKind::kOcspVerdict:
      side.endpoint.answer_ocsp(id.slot, id.generation, false, {}, now());
      return;
    case LookupKind::kNewSession:
      side.store(event);
      side.endpoint.answer_new_session(id.slot, id.generation, now());
      return;
  }
}

bool Link::collect(Side& side, size_t client, bool is_server) {
  bool any = false;
  for (Event& event : side.drain()) {
    any = true;
    if (event.type == RecordType::kBegin) {
      peer_of_[{event.id.slot, event.id.generation}] = event.a;
      side.session = event.id;
    }
    if (event.type == RecordType::kTransmit) {
      size_t to = client;
      if (is_server) {
        to = event.id.slot == kNoSlot ? event.a : peer_of_.at({event.id.slot, event.id.generation});
      }
      if (to >= clients.size()) {
        stray.push_back(event.bytes);
      } else {
        Packet packet{!is_server, to, event.bytes};
        if (network) {
          network(packet, arriving);
        } else {
          arriving.push_back(std::move(packet));
        }
      }
    }
    const bool asked = event.type == RecordType::kLookup && !side.hold;
    side.events.push_back(std::move(event));
    if (asked) {
      const Event question = side.events.back();
      answer(side, question);
    }
  }
  return any;
}

void Link::pump() {
  constexpr int kRounds = 100000;  // more means that the two sides talk in circles
  for (int round = 0; round < kRounds; ++round) {
    bool any = collect(server, 0, true);
    for (size_t i = 0; i < clients.size(); ++i) any = collect(*clients[i], i, false) || any;
    if (arriving.empty()) {
      if (!any) return;
      continue;
    }
    const Packet packet = std::move(arriving.front());
    arriving.pop_front();
    if (packet.to_server) {
      server.endpoint.receive(view(packet.bytes), addresses[packet.client],
                              static_cast<uint32_t>(packet.client), now());
    } else {
      clients[packet.client]->endpoint.receive(view(packet.bytes), server_address, 0, now());
    }
  }
  throw std::runtime_error("Link::pump never came to rest");
}

void Link::advance() {
  server.endpoint.advance(now());
  for (const auto& side : clients) side->endpoint.advance(now());
  pump();
}

bool Link::run_until(const std::function<bool()>& done, double milliseconds) {
  const double end = now() + milliseconds;
  pump();
  while (!done()) {
    if (now() >= end) return false;
    // A deadline that has passed and is still there asks for another turn.
    skip(std::min(std::max(next_deadline() - now(), 1.0), end - now()));
    advance();
  }
  return true;
}

SendOutcome Link::send(Side& side, Bytes message) {
  return side.endpoint.send(side.session.slot, side.session.generation, message, 0, now());
}

void Link::inject(Side& to, Bytes datagram) {
  if (&to == &server) {
    server.endpoint.receive(datagram, addresses.back(), static_cast<uint32_t>(clients.size() - 1),
                            now());
  } else {
    to.endpoint.receive(datagram, server_address, 0, now());
  }
}

// ---- records by hand ----

Datagram plain_record(uint8_t type, uint16_t epoch, uint64_t sequence, Bytes fragment) {
  Datagram record(kRecordHeaderSize);
  record[0] = type;
  write_u16(&record[1], DTLS1_2_VERSION);
  write_u16(&record[3], epoch);
  write_u24(&record[5], static_cast<uint32_t>(sequence >> 24));
  write_u24(&record[8], static_cast<uint32_t>(sequence & 0xffffff));
  write_u16(&record[11], static_cast<uint32_t>(fragment.size));
  record.insert(record.end(), fragment.data, fragment.data + fragment.size);
  return record;
}

Datagram handshake_record(uint8_t type, uint16_t message_sequence, Bytes body) {
  std::vector<uint8_t> message(kHandshakeHeaderSize);
  message[0] = type;
  write_u24(&message[1], static_cast<uint32_t>(body.size));
  write_u16(&message[4], message_sequence);
  write_u24(&message[9], static_cast<uint32_t>(body.size));
  message.insert(message.end(), body.data, body.data + body.size);
  return plain_record(static_cast<uint8_t>(ContentType::kHandshake), 0, message_sequence,
                      view(message));
}

std::vector<uint8_t> hello_body(uint8_t random, size_t session_id_size, Bytes cookie,
                                size_t extra) {
  std::vector<uint8_t> body = {0xfe, 0xfd};
  body.insert(body.end(), kRandomSize, random);
  body.push_back(static_cast<uint8_t>(session_id_size));
  body.insert(body.end(), session_id_size, 7);
  body.push_back(static_cast<uint8_t>(cookie.size));
  body.insert(body.end(), cookie.data, cookie.data + cookie.size);
  body.insert(body.end(), extra, 0);
  return body;
}

Datagram seal_record(const Session* sender, uint8_t type, uint64_t sequence, Bytes plaintext) {
  constexpr uint64_t kFirst = uint64_t{1} << 48;
  const AeadProtection::Header header{static_cast<ContentType>(type), DTLS1_2_VERSION,
                                      kFirst | sequence, kFirst | sequence};
  const auto seal = [&](AeadProtection& protection) {
    Datagram record(protection.sealed_size(plaintext.size));
    require(protection.wake() && protection.seal(header, plaintext, record.data()) == record.size(),
            "seal_record");
    return record;
  };
  if (sender->state() == SessionState::kOpen) return seal(SessionProbe::outgoing(*sender));
  AeadKeys keys;
  require(keys.derive(sender->ssl()), "keys of a handshake");
  AeadProtection protection(*keys.suite, AeadProtection::Direction::kSeal, keys.key(keys.server),
                            keys.iv(keys.server));
  return seal(protection);
}

size_t allocated_bytes() {
#ifdef DGRAM_DTLS_ADDRESS_SANITIZER
  return __sanitizer_get_current_allocated_bytes();
#else
  return mallinfo2().uordblks;
#endif
}

}  // namespace dtls::test
