// Protects: that a server that has DTLS 1.3 says so in the random of a ServerHello of 1.2 (RFC 8446
// section 4.1.3), in full handshakes and resumed ones, and that nothing else is marked.
#include "core/identity/marked_random.h"

#include <doctest/doctest.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include "core/hello13/dtls12_suites.h"
#include "core/wire/server_choice.h"
#include "hellos13.h"

namespace dtls::test {
namespace {

SslCtxPtr server_context(SSL_CTX* made, bool tickets) {
  SslCtxPtr ctx(made);
  REQUIRE(ctx);
  SSL_CTX_set_options(ctx.get(), SSL_OP_NO_QUERY_MTU | (tickets ? 0 : SSL_OP_NO_TICKET));
  SSL_CTX_set_session_id_context(ctx.get(), reinterpret_cast<const uint8_t*>("test"), 4);
  // Of the process's own library, as a context gets it from its user.
  const BioPtr chain(BIO_new_mem_buf(server_identity().chain.data(), -1));
  const BioPtr key_bio(BIO_new_mem_buf(server_identity().key.data(), -1));
  const X509Ptr leaf(PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr));
  const EvpPkeyPtr key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
  REQUIRE(SSL_CTX_use_certificate(ctx.get(), leaf.get()) == 1);
  REQUIRE(SSL_CTX_use_PrivateKey(ctx.get(), key.get()) == 1);
  return ctx;
}

struct End {
  SslPtr ssl;
  BIO* in = BIO_new(BIO_s_mem());
  BIO* out = BIO_new(BIO_s_mem());

  End(SSL_CTX* ctx, bool server) : ssl(SSL_new(ctx)) {
    BIO_set_mem_eof_return(in, -1);
    BIO_set_mem_eof_return(out, -1);
    SSL_set_bio(ssl.get(), in, out);
    SSL_set_mtu(ssl.get(), 16000);
    if (server) {
      SSL_set_accept_state(ssl.get());
    } else {
      SSL_set_connect_state(ssl.get());
    }
  }
  void give(End& to) {
    Blob bytes(size_t{1} << 16);
    const int size = BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
    if (size > 0) BIO_write(to.in, bytes.data(), size);
  }
  Blob server_random() const {
    Blob random(kRandomSize);
    SSL_get_server_random(ssl.get(), random.data(), random.size());
    return random;
  }
  Blob session_id() const {
    unsigned size = 0;
    const uint8_t* id = SSL_SESSION_get_id(SSL_get0_session(ssl.get()), &size);
    return {id, id + size};
  }
};

struct Result {
  bool open = false;
  Blob random;
  Blob session_id;
  bool resumed = false;
  bool drawn = false;
  SslSessionPtr session;
};

Result shake_hands(SSL_CTX* server_ctx, bool marked, SSL_SESSION* session = nullptr) {
  const SslCtxPtr client_ctx(SSL_CTX_new(DTLS_method()));
  SSL_CTX_set_options(client_ctx.get(), SSL_OP_NO_QUERY_MTU);
  End client(client_ctx.get(), false);
  End server(server_ctx, true);
  if (session != nullptr) SSL_set_session(client.ssl.get(), session);
  Result result;
  for (int turn = 0; turn < 8; ++turn) {
    SSL_do_handshake(client.ssl.get());
    client.give(server);
    if (marked) {
      const MarksNextRandom marks;
      SSL_do_handshake(server.ssl.get());
      if (turn == 0) result.drawn = MarksNextRandom::is_drawn();
    } else {
      SSL_do_handshake(server.ssl.get());
    }
    server.give(client);
  }
  result.open = SSL_is_init_finished(client.ssl.get()) && SSL_is_init_finished(server.ssl.get());
  CHECK(client.server_random() == server.server_random());
  result.random = client.server_random();
  result.session_id = server.session_id();
  result.resumed = SSL_session_reused(client.ssl.get()) == 1;
  result.session.reset(SSL_get1_session(client.ssl.get()));
  // Not to be forgotten when the SSLs go: RFC 5246 section 7.2.1.
  for (SSL* ssl : {client.ssl.get(), server.ssl.get()}) {
    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }
  ERR_clear_error();
  return result;
}

TEST_CASE("marked random: a ServerHello of 1.2 has the sentinel, its session id has none") {
  const SslCtxPtr ctx = server_context(new_marking_context(), false);
  Blob before;
  for (int i = 0; i < 3; ++i) {
    const Result result = shake_hands(ctx.get(), true);
    CHECK(result.open);
    CHECK(result.drawn);
    CHECK(is_downgraded(view(result.random)));
    CHECK(result.random[31] == 1);
    CHECK(result.session_id.size() == 32);
    CHECK_FALSE(is_downgraded(view(result.session_id)));
    // The other 24 bytes are random.
    CHECK(result.random != before);
    before = result.random;
    CHECK(std::count(before.begin(), before.begin() + 24, before[0]) < 12);
  }
}

TEST_CASE("marked random: resumed sessions, by id and by ticket") {
  for (const bool tickets : {false, true}) {
    const SslCtxPtr ctx = server_context(new_marking_context(), tickets);
    const Result full = shake_hands(ctx.get(), true);
    REQUIRE(full.open);
    const Result resumed = shake_hands(ctx.get(), true, full.session.get());
    CHECK(resumed.open);
    CHECK(resumed.resumed);
    CHECK(is_downgraded(view(resumed.random)));
  }
}

TEST_CASE("marked random: nothing is marked unless it is told so, and only one") {
  const SslCtxPtr ctx = server_context(new_marking_context(), false);
  const Result result = shake_hands(ctx.get(), false);
  CHECK(result.open);
  CHECK_FALSE(is_downgraded(view(result.random)));
  const auto draws_mark = [](OSSL_LIB_CTX* library, bool is_private, size_t size) {
    Blob random(size);
    const int drawn = is_private ? RAND_priv_bytes_ex(library, random.data(), size, 0)
                                 : RAND_bytes_ex(library, random.data(), size, 0);
    CHECK(drawn == 1);
    CHECK(random != Blob(size, 0));
    return is_downgraded(view(random));
  };
  {
    const MarksNextRandom marks;
    CHECK_FALSE(draws_mark(nullptr, false, 32));  // the process's own
    CHECK_FALSE(draws_mark(marking_library(), false, 48));
    CHECK_FALSE(MarksNextRandom::is_drawn());
    CHECK(draws_mark(marking_library(), false, 32));
    CHECK(MarksNextRandom::is_drawn());
    CHECK_FALSE(draws_mark(marking_library(), false, 32));
  }
  { const MarksNextRandom marks; }
  for (const bool is_private : {false, true}) {
    CHECK_FALSE(draws_mark(marking_library(), is_private, 32));
  }
}

TEST_CASE("marked random: another context is served as ever") {
  const SslCtxPtr ctx = server_context(SSL_CTX_new(DTLS_method()), false);
  const Result result = shake_hands(ctx.get(), true);
  CHECK(result.open);
  CHECK_FALSE(is_downgraded(view(result.random)));
}

TEST_CASE("suites of 1.2 for a hello of 1.3: those of the context, without 1.3's, and the SCSV") {
  const SslCtxPtr ctx(SSL_CTX_new(DTLS_method()));
  REQUIRE(SSL_CTX_set_cipher_list(ctx.get(),
                                  "ECDHE-ECDSA-AES128-GCM-SHA256:"
                                  "ECDHE-RSA-CHACHA20-POLY1305") == 1);
  CHECK(dtls12_suites(ctx.get()) == numbers({0xc02b, 0xcca8, 0x00ff}));
  // Without a key to use there is none.
  REQUIRE(SSL_CTX_set_cipher_list(ctx.get(), "PSK-AES128-GCM-SHA256") == 1);
  CHECK(dtls12_suites(ctx.get()).empty());
  ERR_clear_error();
}

}  // namespace
}  // namespace dtls::test
