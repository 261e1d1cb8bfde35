// Protects what an open session answers from in place of its SSL, against the SSL itself: for each
// kind of handshake, and for both ends, the facts say what OpenSSL says at that moment, and go on
// saying it when the SSL is gone. Two ends of OpenSSL alone shake hands here, without sessions.
#include <doctest/doctest.h>
#include <openssl/srtp.h>
#include <openssl/x509v3.h>

#include <cstring>

#include "core/base/encoding.h"
#include "core/handshake/kept_session.h"
#include "core/handshake/session_facts.h"
#include "core/handshake/srtp.h"
#include "core/identity/issuer_chain.h"
#include "core/identity/raw_public_key.h"
#include "core/records/aead_suite.h"
#include "core/records/datagram_bio.h"
#include "harness.h"

namespace dtls::test {
namespace {

using DerList = std::vector<std::vector<uint8_t>>;

const std::string kName = "localhost";
const std::vector<uint8_t> kKey(16, 7);

// One end of a handshake.
class End final : public DatagramPort {
 public:
  End(SSL_CTX* context, bool server) : ssl(SSL_new(context)) {
    BioPtr bio = make_bio();
    REQUIRE(ssl.get() != nullptr);
    SSL_set_bio(ssl.get(), bio.get(), bio.get());
    static_cast<void>(bio.release());
    REQUIRE(DTLS_set_link_mtu(ssl.get(), 1200) == 1);
    if (server) {
      SSL_set_accept_state(ssl.get());
    } else {
      SSL_set_connect_state(ssl.get());
    }
  }
  ~End() override { free_ssl(); }
  End(const End&) = delete;
  End& operator=(const End&) = delete;

  bool done() const { return SSL_is_init_finished(ssl.get()) == 1; }

  // OpenSSL forbids to resume a session whose SSL is freed without a close_notify.
  void free_ssl() {
    if (ssl) SSL_set_shutdown(ssl.get(), SSL_SENT_SHUTDOWN);
    ssl.reset();
  }

  // The whole records that it has written reach the other end.
  void give(End& other) {
    const std::vector<uint8_t> written = std::move(written_);
    written_.clear();
    Bytes rest = view(written);
    RecordView record;
    while (take_record(rest, record)) {
      other.offer(record.whole);
      SSL_do_handshake(other.ssl.get());
      other.take_back();
    }
    written_.insert(written_.begin(), rest.data, rest.data + rest.size);
  }

  SslPtr ssl;

 private:
  void on_datagram(Bytes datagram) override {
    written_.insert(written_.end(), datagram.data, datagram.data + datagram.size);
  }
  std::vector<uint8_t> written_;
};

ContextPtr context_of(const Identity* identity, const char* ciphers, int version) {
  auto context = std::make_shared<SecureContext>([](SSL_CTX*) {});
  REQUIRE(context->valid());
  REQUIRE_FALSE(context->set_ciphers(ciphers));
  REQUIRE_FALSE(context->set_versions(version, version));
  REQUIRE_FALSE(context->add_ca(view(authority().pem()), true));
  if (identity != nullptr) {
    REQUIRE_FALSE(context->add_certificate(view(identity->chain)));
    REQUIRE_FALSE(context->add_key(view(identity->key), {}));
  }
  return context;
}

unsigned give_key(SSL* /*ssl*/, const char* /*identity*/, unsigned char* key, unsigned size) {
  REQUIRE(size >= kKey.size());
  std::copy(kKey.begin(), kKey.end(), key);
  return static_cast<unsigned>(kKey.size());
}

unsigned give_identity(SSL* ssl, const char* /*hint*/, char* identity, unsigned capacity,
                       unsigned char* key, unsigned size) {
  REQUIRE(capacity > 6);
  std::memcpy(identity, "device", 7);
  return give_key(ssl, identity, key, size);
}

// A kind of session.
struct Kind {
  std::string name;
  const char* ciphers;
  int version = DTLS1_2_VERSION;
  bool rsa = false;
  bool client_certificate = false;
  bool by_id = false;  // resumed by its id, not by a ticket
  std::function<void(SSL* client, SSL* server)> arrange = [](SSL*, SSL*) {};

  bool psk() const { return std::strstr(ciphers, "PSK") != nullptr; }
};

int take_first(SSL* /*ssl*/, const unsigned char** out, unsigned char* size,
               const unsigned char* in, unsigned /*in_size*/, void* /*arg*/) {
  *out = in + 1;
  *size = in[0];
  return SSL_TLSEXT_ERR_OK;
}

int accept_name(SSL* /*ssl*/, int* /*alert*/, void* /*arg*/) { return SSL_TLSEXT_ERR_OK; }

int staple(SSL* ssl, void* /*arg*/) {
  if (SSL_is_server(ssl) == 0) return 1;
  auto* response = static_cast<unsigned char*>(OPENSSL_malloc(3));
  std::memcpy(response, "ok!", 3);
  SSL_set_tlsext_status_ocsp_resp(ssl, response, 3);
  return SSL_TLSEXT_ERR_OK;
}

// Contexts of both ends, and handshakes between them.
struct Two {
  explicit Two(const Kind& the_kind) : kind(the_kind) {
    LeafOptions options;
    options.rsa = kind.rsa;
    options.intermediates = 1;
    const Identity of_server = authority().issue(options);
    options.name = "client";
    const Identity of_client = authority().issue(options);
    server = context_of(kind.psk() ? nullptr : &of_server, kind.ciphers, kind.version);
    client = context_of(kind.client_certificate ? &of_client : nullptr, kind.ciphers, kind.version);
    SSL_CTX_set_session_cache_mode(server->get(), SSL_SESS_CACHE_SERVER);
    SSL_CTX_set_session_id_context(server->get(), kKey.data(), 4);
    if (kind.by_id) SSL_CTX_set_options(server->get(), SSL_OP_NO_TICKET);
    SSL_CTX_set_verify(client->get(), SSL_VERIFY_PEER, nullptr);
    if (kind.client_certificate) SSL_CTX_set_verify(server->get(), SSL_VERIFY_PEER, nullptr);
    if (kind.psk()) {
      SSL_CTX_set_psk_server_callback(server->get(), give_key);
      SSL_CTX_set_psk_client_callback(client->get(), give_identity);
    }
    SSL_CTX_set_alpn_select_cb(server->get(), take_first, nullptr);
    SSL_CTX_set_tlsext_servername_callback(server->get(), accept_name);
    SSL_CTX_set_tlsext_status_cb(server->get(), staple);
    SSL_CTX_set_tlsext_status_cb(client->get(), staple);
  }

  // Goes on from `session` where there is one.
  void shake(SSL_SESSION* session = nullptr) {
    const ErrorQueueScope errors;
    at_server = std::make_unique<End>(server->get(), true);
    at_client = std::make_unique<End>(client->get(), false);
    kind.arrange(at_client->ssl.get(), at_server->ssl.get());
    if (session != nullptr) REQUIRE(SSL_set_session(at_client->ssl.get(), session) == 1);
    SSL_do_handshake(at_client->ssl.get());
    for (int i = 0; i < 20 && !(at_client->done() && at_server->done()); ++i) {
      at_client->give(*at_server);
      at_server->give(*at_client);
    }
    REQUIRE(at_client->done());
    REQUIRE(at_server->done());
    REQUIRE((SSL_session_reused(at_server->ssl.get()) == 1) == (session != nullptr));
  }

  const Kind kind;
  ContextPtr server;
  ContextPtr client;
  std::unique_ptr<End> at_server;
  std::unique_ptr<End> at_client;
};

// All that can be asked, in a form that can be compared.
struct Answers {
  std::vector<std::string> names;  // what each of the values is
  DerList values;

  void add(const std::string& name, std::vector<uint8_t> value) {
    names.push_back(name);
    values.push_back(std::move(value));
  }
  void add(const std::string& name, const std::string& value) { add(name, copy(view(value))); }
  void add(const std::string& name, const char* value) {
    add(name, std::string(value != nullptr ? value : ""));
  }
  void add(const std::string& name, long value) { add(name, std::to_string(value)); }
  void add(const std::string& name, const SecretBytes& value) { add(name, copy(value.view())); }
};

void check_same(const Answers& got, const Answers& expected) {
  REQUIRE(got.names == expected.names);
  for (size_t i = 0; i < got.values.size(); ++i) {
    CAPTURE(got.names[i]);
    CHECK(got.values[i] == expected.values[i]);
  }
}

struct Label {
  std::string label;
  std::optional<std::string> context;
  size_t size;
};

const std::vector<Label>& labels() {
  static const std::vector<Label> all = {
      {"EXTRACTOR-dtls_srtp", std::nullopt, 60},
      {"EXPERIMENTAL", std::nullopt, 1},
      {"EXPERIMENTAL", "", 32},
      {"EXPERIMENTAL", "context", 32},
      {"EXPERIMENTAL", std::string(255, 'c'), 1000},
      {"EXPERIMENTAL", std::string(300, 'c'), 65536},
      {"", std::nullopt, 20},
      {"", "context", 20},
      {std::string(700, 'l'), "context", 20},
      // OpenSSL 3.0 and 3.1 have no room for these, later ones do.
      {std::string(2000, 'l'), std::nullopt, 20},
      {"EXPERIMENTAL", std::string(65535, 'c'), 20},
      {"client finished", std::nullopt, 20},
      {"server finished", std::nullopt, 20},
      {"master secret", std::nullopt, 20},
      {"extended master secret", "context", 20},
      {"key expansion", std::nullopt, 20},
      {"key expansions", std::nullopt, 20},
      {"client finishe", std::nullopt, 20},
      {"Client finished", std::nullopt, 20},
  };
  return all;
}

std::string name_of(const Label& one) {
  return "exported under " + one.label.substr(0, 30) + " " + std::to_string(one.label.size()) +
         (one.context ? " in " + std::to_string(one.context->size()) : "");
}

const std::vector<size_t>& mtus() {
  static const std::vector<size_t> all = {208, 256, 300, 548, 1199, 1200, 1280, 1500, 9000, 16384};
  return all;
}

std::vector<std::string> signature_algorithms(SSL* ssl) {
  const std::map<int, std::string> known = {
      {EVP_PKEY_RSA, "RSA"},  {EVP_PKEY_RSA_PSS, "RSA-PSS"}, {EVP_PKEY_DSA, "DSA"},
      {EVP_PKEY_EC, "ECDSA"}, {EVP_PKEY_ED25519, "Ed25519"}, {EVP_PKEY_ED448, "Ed448"}};
  std::vector<std::string> names;
  int sign = 0;
  int hash = 0;
  for (int i = 0; SSL_get_shared_sigalgs(ssl, i, &sign, &hash, nullptr, nullptr, nullptr) > i;
       ++i) {
    const auto found = known.find(sign);
    names.push_back((found != known.end() ? found->second : OBJ_nid2sn(sign)) + "+" +
                    (hash == NID_undef ? "UNDEF" : OBJ_nid2sn(hash)));
  }
  return names;
}

EphemeralKeyInfo ephemeral_key(SSL* ssl) {
  EVP_PKEY* raw = nullptr;
  if (SSL_get_peer_tmp_key(ssl, &raw) != 1) return {};
  const EvpPkeyPtr key(raw);
  const int id = EVP_PKEY_get_base_id(key.get());
  EphemeralKeyInfo info{id == EVP_PKEY_DH ? "DH" : "ECDH", "", EVP_PKEY_get_bits(key.get())};
  std::array<char, 64> group{};
  size_t size = 0;
  if (id == EVP_PKEY_DH) return info;
  const bool named = EVP_PKEY_get_group_name(key.get(), group.data(), group.size(), &size) == 1;
  info.name = named ? group.data() : OBJ_nid2sn(EVP_PKEY_get_id(key.get()));
  return info;
}

// As OpenSSL tells it.
Answers ask(SSL* ssl, X509_STORE* trusted) {
  const ErrorQueueScope errors;
  Answers answers;
  SSL_SESSION* session = SSL_get_session(ssl);
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
  answers.add("server", SSL_is_server(ssl));
  answers.add("complete", SSL_is_init_finished(ssl));
  answers.add("reused", SSL_session_reused(ssl));
  answers.add("extended master secret", SSL_get_extms_support(ssl));
  answers.add("version", SSL_version(ssl));
  answers.add("verify result", SSL_get_verify_result(ssl));
  answers.add("max fragment", SSL_SESSION_get_max_fragment_length(session));
  answers.add("cipher", SSL_CIPHER_get_name(cipher));
  answers.add("standard name", SSL_CIPHER_standard_name(cipher));
  answers.add("its version", SSL_CIPHER_get_version(cipher));
  answers.add("server name", SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
  const unsigned char* protocol = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl, &protocol, &size);
  answers.add("protocol", copy({protocol, size}));
  const EphemeralKeyInfo key = ephemeral_key(ssl);
  answers.add("key type", key.type);
  answers.add("key name", key.name);
  answers.add("key bits", key.bits);
  // Both sides know the group of the key that a client is told.
  const bool exchanged = SSL_session_reused(ssl) == 0 && SSL_get_negotiated_group(ssl) > 0;
  answers.add("group",
              exchanged ? OBJ_nid2sn(static_cast<int>(SSL_get_negotiated_group(ssl))) : "");
  for (const std::string& name : signature_algorithms(ssl)) answers.add("sigalg", name);
  std::vector<uint8_t> message(EVP_MAX_MD_SIZE);
  message.resize(SSL_get_finished(ssl, message.data(), message.size()));
  answers.add("finished", message);
  message.resize(EVP_MAX_MD_SIZE);
  message.resize(SSL_get_peer_finished(ssl, message.data(), message.size()));
  answers.add("peer's finished", message);
  X509* leaf = SSL_get0_peer_certificate(ssl);
  answers.add("peer", to_der(leaf));
  answers.add("peer's key", rpk::to_der(leaf != nullptr ? X509_get0_pubkey(leaf) : nullptr));
  answers.add("is host", leaf != nullptr &&
                             X509_check_host(leaf, kName.data(), kName.size(), 0, nullptr) == 1);
  answers.add("is address", 0L);
  if (leaf != nullptr) X509_up_ref(leaf);
  const DerList chain = issuer_chain(X509Ptr(leaf), SSL_get_peer_cert_chain(ssl), trusted);
  for (const std::vector<uint8_t>& der : chain) answers.add("chain", der);
  X509* own = SSL_get_certificate(ssl);
  STACK_OF(X509)* own_chain = nullptr;
  SSL_get0_chain_certs(ssl, &own_chain);
  answers.add("own", to_der(own));
  answers.add("own issuer", own == nullptr ? std::vector<uint8_t>{}
                                           : to_der(find_issuer(own, own_chain, trusted).get()));
  for (const Label& one : labels()) {
    std::vector<uint8_t> out(one.size);
    const Bytes context = one.context ? view(*one.context) : Bytes{};
    const bool done =
        SSL_export_keying_material(ssl, out.data(), out.size(), one.label.data(), one.label.size(),
                                   context.data, context.size, one.context ? 1 : 0) == 1;
    answers.add(name_of(one), done ? out : std::vector<uint8_t>{});
  }
  const SRTP_PROTECTION_PROFILE* srtp = SSL_get_selected_srtp_profile(ssl);
  answers.add("SRTP", srtp != nullptr ? srtp->name : "");
  // RFC 5764 section 4.1.2, RFC 7714 section 12: keys and salts of both directions.
  const std::map<std::string, size_t> sizes = {{"SRTP_AEAD_AES_256_GCM", 2 * (32 + 12)},
                                               {"SRTP_AEAD_AES_128_GCM", 2 * (16 + 12)}};
  const auto found = sizes.find(srtp != nullptr ? srtp->name : "");
  std::vector<uint8_t> material(found != sizes.end() ? found->second : 2 * (16 + 14));
  REQUIRE(SSL_export_keying_material(ssl, material.data(), material.size(), "EXTRACTOR-dtls_srtp",
                                     19, nullptr, 0, 0) == 1);
  answers.add("SRTP keys", srtp != nullptr ? material : std::vector<uint8_t>{});
  if (aead_suite(cipher).valid()) {
    for (const size_t mtu : mtus()) {
      REQUIRE(SSL_set_mtu(ssl, static_cast<long>(mtu)) != 0);
      answers.add("data MTU", static_cast<long>(DTLS_get_data_mtu(ssl)));
    }
  }
  const unsigned char* ticket = nullptr;
  size_t ticket_size = 0;
  if (SSL_is_server(ssl) == 0) SSL_SESSION_get0_ticket(session, &ticket, &ticket_size);
  answers.add("ticket", copy({ticket, ticket_size}));
  return answers;
}

// As the facts tell it.
Answers ask(const SessionFacts& facts, SSL_CTX* context, X509_STORE* trusted) {
  Answers answers;
  answers.add("server", facts.server());
  answers.add("complete", facts.complete());
  answers.add("reused", facts.reused());
  answers.add("extended master secret", facts.extended_master_secret());
  answers.add("version", facts.version());
  answers.add("verify result", facts.verify_result());
  answers.add("max fragment", facts.max_fragment_code());
  const CipherInfo cipher = facts.cipher_info();
  answers.add("cipher", cipher.name);
  answers.add("standard name", cipher.standard_name);
  answers.add("its version", cipher.version);
  answers.add("server name", facts.server_name());
  answers.add("protocol", facts.protocol());
  const EphemeralKeyInfo key = facts.ephemeral_key();
  answers.add("key type", key.type);
  answers.add("key name", key.name);
  answers.add("key bits", key.bits);
  answers.add("group", facts.shared_group());
  for (const std::string& name : facts.shared_signature_algorithms()) answers.add("sigalg", name);
  answers.add("finished", facts.finished(false));
  answers.add("peer's finished", facts.finished(true));
  answers.add("peer", facts.peer_certificate());
  answers.add("peer's key", facts.peer_public_key());
  answers.add("is host", facts.peer_is_host(kName));
  answers.add("is address", facts.peer_is_address("127.0.0.1"));
  for (const auto& der : facts.peer_chain(trusted)) answers.add("chain", der);
  answers.add("own", to_der(facts.own_certificate()));
  answers.add("own issuer", to_der(own_issuer(context, facts.own_certificate(), trusted).get()));
  for (const Label& one : labels()) {
    SecretBytes out(one.size);
    const Bytes about = one.context ? view(*one.context) : Bytes{};
    const bool done = facts.export_keying_material(out, one.label, one.context ? &about : nullptr);
    answers.add(name_of(one), done ? copy(out.view()) : std::vector<uint8_t>{});
  }
  const SrtpKeys srtp = srtp_keys(facts);
  answers.add("SRTP", srtp.profile != nullptr ? srtp.profile->name : "");
  std::vector<uint8_t> material;
  const bool server = facts.server();
  for (const SecretBytes* part :
       {server ? &srtp.remote_key : &srtp.local_key, server ? &srtp.local_key : &srtp.remote_key,
        server ? &srtp.remote_salt : &srtp.local_salt,
        server ? &srtp.local_salt : &srtp.remote_salt}) {
    material.insert(material.end(), part->data(), part->data() + part->size());
  }
  answers.add("SRTP keys", material);
  if (aead_suite(facts.cipher()).valid()) {
    for (const size_t mtu : mtus()) {
      answers.add("data MTU", static_cast<long>(facts.data_mtu(mtu)));
    }
  }
  answers.add("ticket", facts.session_ticket());
  return answers;
}

// What KeptSession says of a session that was packed, and OpenSSL of what is in it.
void check_packed(Bytes packed, const SSL_SESSION* session, const std::string& name) {
  const auto kept = KeptSession::parse(packed);
  REQUIRE(kept.get() != nullptr);
  CHECK(kept->name() == name);
  size_t size = 0;
  std::array<std::array<uint8_t, SSL_MAX_MASTER_KEY_LENGTH>, 2> masters{};
  size = SSL_SESSION_get_master_key(session, masters[0].data(), masters[0].size());
  CHECK(SSL_SESSION_get_master_key(kept->get(), masters[1].data(), masters[1].size()) == size);
  CHECK(masters[0] == masters[1]);
  CHECK(to_der(kept->leaf()) == to_der(SSL_SESSION_get0_peer(const_cast<SSL_SESSION*>(session))));
}

// The facts of one end, against its SSL while it is there, and without it.
void compare(const Two& two, bool server, const SSL_SESSION* kept) {
  CAPTURE(server);
  End& end = server ? *two.at_server : *two.at_client;
  SSL_CTX* context = (server ? two.server : two.client)->get();
  X509_STORE* trusted = SSL_CTX_get_cert_store(context);
  SessionFacts::Alike alike;
  SSL* ssl = end.ssl.get();
  const Answers expected = ask(ssl, trusted);
  SessionFacts facts(ssl, alike);
  check_same(ask(facts, context, trusted), expected);

  const SecretBytes whole = KeptSession::pack(SSL_get_session(ssl));
  const bool again = SSL_session_reused(ssl) == 1;
  facts.settle(kept);
  const SslSessionPtr session(SSL_get1_session(ssl));
  end.free_ssl();
  check_same(ask(facts, context, trusted), expected);
  const SecretBytes packed = facts.pack("a name");
  if (server) {
    CHECK(copy(packed.view()) == copy(whole.view()));
  } else if (facts.extended_master_secret() && SSL_SESSION_is_resumable(session.get()) == 1) {
    // One that was resumed says what its full handshake noted: here nothing did.
    if (again) {
      CHECK(copy(packed.view()) == copy(whole.view()));
    } else {
      check_packed(packed.view(), session.get(), "a name");
    }
  } else {
    CHECK(packed.empty());
  }
}

std::vector<Kind> kinds() {
  const auto name = [](SSL* client, SSL*) { SSL_set_tlsext_host_name(client, kName.c_str()); };
  std::vector<Kind> all = {
      {"PSK GCM", "PSK-AES128-GCM-SHA256"},
      {"PSK GCM 256", "PSK-AES256-GCM-SHA384"},
      {"PSK ChaCha20", "PSK-CHACHA20-POLY1305"},
      {"PSK CCM", "PSK-AES128-CCM"},
      {"PSK CCM 8", "PSK-AES256-CCM8:@SECLEVEL=0"},
      {"PSK CBC", "PSK-AES128-CBC-SHA256"},
      {"PSK CBC 384", "PSK-AES256-CBC-SHA384"},
      {"ECDHE PSK", "ECDHE-PSK-CHACHA20-POLY1305"},
      {"ECDHE PSK CBC", "ECDHE-PSK-AES128-CBC-SHA256"},
      {"ECDSA GCM", "ECDHE-ECDSA-AES128-GCM-SHA256"},
      {"ECDSA GCM 384", "ECDHE-ECDSA-AES256-GCM-SHA384"},
      {"ECDSA ChaCha20", "ECDHE-ECDSA-CHACHA20-POLY1305"},
      {"ECDSA CCM", "ECDHE-ECDSA-AES128-CCM"},
      {"ECDSA CCM 8", "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0"},
      {"ECDSA CBC", "ECDHE-ECDSA-AES128-SHA"},
      {"ECDSA CBC 384", "ECDHE-ECDSA-AES256-SHA384"},
      {"RSA GCM", "ECDHE-RSA-AES128-GCM-SHA256", DTLS1_2_VERSION, true},
      {"RSA alone", "AES128-GCM-SHA256", DTLS1_2_VERSION, true},
      {"RSA CBC", "ECDHE-RSA-AES256-SHA", DTLS1_2_VERSION, true},
      {"client certificate", "ECDHE-ECDSA-AES128-GCM-SHA256", DTLS1_2_VERSION, false, true},
      {"client certificate, RSA", "ECDHE-RSA-AES128-GCM-SHA256", DTLS1_2_VERSION, true, true},
      {"by id", "ECDHE-ECDSA-AES128-GCM-SHA256", DTLS1_2_VERSION, false, true, true},
      {"PSK by id", "PSK-AES128-GCM-SHA256", DTLS1_2_VERSION, false, false, true},
      {"DTLS 1.0", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0", DTLS1_VERSION},
      {"DTLS 1.0, PSK", "PSK-AES128-CBC-SHA:@SECLEVEL=0", DTLS1_VERSION},
      {"DTLS 1.0, SHA-384", "PSK-AES256-CBC-SHA384:@SECLEVEL=0", DTLS1_VERSION},
      {"SNI", "ECDHE-ECDSA-AES128-GCM-SHA256", DTLS1_2_VERSION, false, false, false, name},
      {"SNI, by id", "ECDHE-ECDSA-AES128-GCM-SHA256", DTLS1_2_VERSION, false, true, true, name},
      {"ALPN", "PSK-AES128-GCM-SHA256", DTLS1_2_VERSION, false, false, false,
       [](SSL* client, SSL*) {
         SSL_set_alpn_protos(client, reinterpret_cast<const unsigned char*>("\4coap\2h2"), 8);
       }},
      {"OCSP", "ECDHE-ECDSA-AES128-GCM-SHA256", DTLS1_2_VERSION, false, false, false,
       [](SSL* client, SSL*) { SSL_set_tlsext_status_type(client, TLSEXT_STATUSTYPE_ocsp); }},
      {"max fragment length", "ECDHE-ECDSA-AES128-GCM-SHA256", DTLS1_2_VERSION, false, false, false,
       [](SSL* client, SSL*) {
         SSL_set_tlsext_max_fragment_length(client, TLSEXT_max_fragment_length_1024);
       }},
      {"no extended master secret", "ECDHE-ECDSA-AES128-GCM-SHA256", DTLS1_2_VERSION, false, false,
       true, [](SSL* client, SSL*) { SSL_set_options(client, SSL_OP_NO_EXTENDED_MASTER_SECRET); }},
  };
  for (const char* group : {"X25519", "P-256", "P-384", "P-521", "X448"}) {
    // The certificate's curve has to be among them.
    const std::string list =
        std::string(group) == "P-256" ? "P-256" : std::string(group) + ":P-256";
    all.push_back({group, "ECDHE-ECDSA-AES128-GCM-SHA256", DTLS1_2_VERSION, false, false, false,
                   [list](SSL* client, SSL* server) {
                     REQUIRE(SSL_set1_groups_list(client, list.c_str()) == 1);
                     REQUIRE(SSL_set1_groups_list(server, list.c_str()) == 1);
                   }});
  }
  all.push_back({"DHE", "DHE-RSA-AES128-GCM-SHA256", DTLS1_2_VERSION, true, false, false,
                 [](SSL*, SSL* server) { SSL_set_dh_auto(server, 1); }});
  for (const SrtpProfile& profile : kSrtpProfiles) {
    all.push_back({profile.name, "PSK-AES128-GCM-SHA256", DTLS1_2_VERSION, false, false, false,
                   [&profile](SSL* client, SSL* server) {
                     SSL_set_tlsext_use_srtp(client, profile.name);
                     SSL_set_tlsext_use_srtp(server, profile.name);
                   }});
  }
  return all;
}

TEST_CASE("session facts: say what OpenSSL says, full and resumed, with and without the SSL") {
  for (const Kind& kind : kinds()) {
    CAPTURE(kind.name);
    Two two(kind);
    two.shake();
    const SslSessionPtr session(SSL_get1_session(two.at_client->ssl.get()));
    CHECK(SSL_version(two.at_client->ssl.get()) == kind.version);
    compare(two, true, nullptr);
    compare(two, false, nullptr);
    if (SSL_SESSION_is_resumable(session.get()) != 1) continue;
    two.shake(session.get());
    compare(two, true, nullptr);
    compare(two, false, nullptr);
    // A client that keeps the session itself shares it.
    two.shake(session.get());
    compare(two, true, session.get());
    compare(two, false, session.get());
  }
}

TEST_CASE("session facts: both ends derive the same, and nothing before the handshake is over") {
  Two two({"ECDSA", "ECDHE-ECDSA-AES128-GCM-SHA256"});
  two.at_client = std::make_unique<End>(two.client->get(), false);
  SSL_do_handshake(two.at_client->ssl.get());
  SessionFacts::Alike alike;
  SecretBytes out(32);
  const SessionFacts early(two.at_client->ssl.get(), alike);
  CHECK_FALSE(early.complete());
  CHECK_FALSE(early.export_keying_material(out, "EXPERIMENTAL", nullptr));
  CHECK(early.cipher() == nullptr);
  CHECK(early.cipher_info().name.empty());
  CHECK(early.data_mtu(1200) == 0);
  CHECK(early.finished(true).empty());
  CHECK(early.peer_certificate().empty());
  CHECK(early.peer_chain(SSL_CTX_get_cert_store(two.client->get())).empty());
  CHECK(early.session_ticket().empty());

  two.shake();
  const SessionFacts client(two.at_client->ssl.get(), alike);
  const SessionFacts server(two.at_server->ssl.get(), alike);
  CHECK(client.finished(false) == server.finished(true));
  CHECK(client.finished(true) == server.finished(false));
  SecretBytes theirs(32);
  REQUIRE(client.export_keying_material(out, "EXPERIMENTAL", nullptr));
  REQUIRE(server.export_keying_material(theirs, "EXPERIMENTAL", nullptr));
  CHECK(copy(out.view()) == copy(theirs.view()));
  CHECK(client.peer_certificate() == to_der(server.own_certificate()));
}

TEST_CASE("session facts: what sessions have alike is stored once, while one of them is there") {
  Two two({"ECDSA", "ECDHE-ECDSA-AES128-GCM-SHA256"});
  SessionFacts::Alike alike;
  std::vector<std::unique_ptr<SessionFacts>> clients;
  for (int i = 0; i < 3; ++i) {
    two.shake();
    clients.push_back(std::make_unique<SessionFacts>(two.at_client->ssl.get(), alike));
    clients.back()->settle(nullptr);
    CHECK(alike.size() == 2);  // the server's certificates, and what was agreed on
  }
  const std::vector<uint8_t> leaf = clients[0]->peer_certificate();
  Two other({"another server", "ECDHE-ECDSA-AES128-GCM-SHA256"});
  other.shake();
  clients.push_back(std::make_unique<SessionFacts>(other.at_client->ssl.get(), alike));
  CHECK(alike.size() == 3);
  CHECK(clients[3]->peer_certificate() != leaf);
  clients.pop_back();
  CHECK(alike.size() == 2);
  clients.erase(clients.begin());
  CHECK(clients[0]->peer_certificate() == leaf);
  clients.clear();
  CHECK(alike.size() == 0);
}

TEST_CASE("session facts: they are small") {
  for (const Kind& kind :
       {Kind{"PSK", "PSK-AES128-GCM-SHA256"}, Kind{"ECDSA", "ECDHE-ECDSA-AES128-GCM-SHA256"}}) {
    CAPTURE(kind.name);
    Two two(kind);
    SessionFacts::Alike alike;
    for (const bool server : {true, false}) {
      CAPTURE(server);
      two.shake();
      std::vector<std::unique_ptr<SessionFacts>> facts;
      SSL* ssl = (server ? two.at_server : two.at_client)->ssl.get();
      facts.push_back(std::make_unique<SessionFacts>(ssl, alike));
      facts.back()->settle(nullptr);
      facts.reserve(101);
      const size_t before = allocated_bytes();
      for (int i = 0; i < 100; ++i) {
        facts.push_back(std::make_unique<SessionFacts>(ssl, alike));
        facts.back()->settle(nullptr);
      }
      const size_t each = (allocated_bytes() - before) / 100;
      MESSAGE(std::string(kind.name)
              << ": " << each << " bytes, of which the object " << sizeof(SessionFacts));
      // A ticket takes some 200 bytes of a client's.
      CHECK(each <= (server ? 512 : 704));
    }
  }
}

TEST_CASE("session facts: of a session, from the moment that it is open until it is released") {
  Link link;
  link.listen();
  const Session& session = link.connect();
  REQUIRE(session.facts().get() != nullptr);
  CHECK_FALSE(session.facts()->complete());
  CHECK(session.max_message_size() == 0);
  link.pump();
  for (Side* side : {&link.client(), &link.server}) {
    Session* live = side->live();
    REQUIRE(live != nullptr);
    const auto facts = live->facts();
    REQUIRE(facts.get() != nullptr);
    CHECK(facts->complete());
    CHECK(facts.get() == live->facts().get());
    CHECK(facts->server() == (side == &link.server));
    CHECK(live->max_message_size() == facts->data_mtu(live->mtu()));
    CHECK(live->set_mtu(500));
    CHECK(live->max_message_size() == facts->data_mtu(500));
    CHECK_FALSE(live->set_mtu(200));
    CHECK(live->mtu() == 500);
  }
  const SessionId id = link.client().session;
  link.client().endpoint.close(id.slot, id.generation);
  REQUIRE(session.facts().get() != nullptr);
  CHECK(session.facts()->complete());
  CHECK(session.trusted() != nullptr);
  CHECK_FALSE(link.client().live()->set_mtu(600));
  link.client().endpoint.release(id.slot, id.generation);
  CHECK(link.client().live() == nullptr);
}

TEST_CASE("session facts: of a handshake that has failed there are none") {
  Link link;
  link.listen();
  const Session& session = link.connect();
  const SessionId id = link.client().session;
  link.client().endpoint.close(id.slot, id.generation);
  CHECK(session.facts().get() == nullptr);
  CHECK(session.max_message_size() == 0);
  CHECK(session.trusted() == nullptr);
}

TEST_CASE("session facts: a kept session is forbidden by a fatal alert, and no other") {
  Two two({"ECDSA", "ECDHE-ECDSA-AES128-GCM-SHA256"});
  two.shake();
  const SslSessionPtr session(SSL_get1_session(two.at_client->ssl.get()));
  two.shake(session.get());
  SessionFacts::Alike alike;
  SessionFacts own(two.at_client->ssl.get(), alike);
  own.settle(nullptr);
  own.forbid_resumption(two.client->get());
  CHECK(SSL_SESSION_is_resumable(session.get()) == 1);
  SessionFacts shared(two.at_client->ssl.get(), alike);
  shared.settle(session.get());
  CHECK_FALSE(shared.pack("").empty());
  shared.forbid_resumption(two.client->get());
  CHECK(shared.pack("").empty());
}

}  // namespace
}  // namespace dtls::test
