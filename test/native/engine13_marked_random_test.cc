// Protects: that a server that has DTLS 1.3 says so in the random of a ServerHello of 1.2 (RFC 8446
// section 4.1.3), in full handshakes and resumed ones, by any context; that nothing else is marked,
// and that OpenSSL's generator is in its place again behind it.
// Runs where OpenSSL has the calls for it: in Node (test/engine13).
#include "core/identity/marked_random.h"

#include <doctest/doctest.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <algorithm>
#include <thread>

#include "core/wire/server_choice.h"
#include "engine13_pair.h"

namespace dtls::test13 {
namespace {

// Elsewhere than in such a Node there is nothing to be tested.
#define NEEDS_ENGINE                   \
  if (!engine_support()) {             \
    MESSAGE(engine_support().missing); \
    return;                            \
  }                                    \
  static_assert(true)

SslCtxPtr server_context(bool tickets) {
  SslCtxPtr ctx(SSL_CTX_new(DTLS_method()));
  REQUIRE(ctx);
  SSL_CTX_set_options(ctx.get(), SSL_OP_NO_QUERY_MTU | (tickets ? 0 : SSL_OP_NO_TICKET));
  SSL_CTX_set_session_id_context(ctx.get(), reinterpret_cast<const uint8_t*>("test"), 4);
  const BioPtr chain(BIO_new_mem_buf(issued().certificate.data(), -1));
  const BioPtr key_bio(BIO_new_mem_buf(issued().key.data(), -1));
  const X509Ptr leaf(PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr));
  const EvpPkeyPtr key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
  REQUIRE(SSL_CTX_use_certificate(ctx.get(), leaf.get()) == 1);
  REQUIRE(SSL_CTX_use_PrivateKey(ctx.get(), key.get()) == 1);
  return ctx;
}

struct Side {
  SslPtr ssl;
  BIO* in = BIO_new(BIO_s_mem());
  BIO* out = BIO_new(BIO_s_mem());

  Side(SSL_CTX* ctx, bool server) : ssl(SSL_new(ctx)) {
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
  void give(Side& to) {
    Run bytes(size_t{1} << 16);
    const int size = BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
    if (size > 0) BIO_write(to.in, bytes.data(), size);
  }
  Run server_random() const {
    Run random(kRandomSize);
    SSL_get_server_random(ssl.get(), random.data(), random.size());
    return random;
  }
  Run session_id() const {
    unsigned size = 0;
    const uint8_t* id = SSL_SESSION_get_id(SSL_get0_session(ssl.get()), &size);
    return {id, id + size};
  }
};

struct Result {
  bool open = false;
  Run random;
  Run session_id;
  bool resumed = false;
  bool drawn = false;
  SslSessionPtr session;
};

Result shake_hands(SSL_CTX* server_ctx, bool marked, SSL_SESSION* session = nullptr) {
  const SslCtxPtr client_ctx(SSL_CTX_new(DTLS_method()));
  SSL_CTX_set_options(client_ctx.get(), SSL_OP_NO_QUERY_MTU);
  Side client(client_ctx.get(), false);
  Side server(server_ctx, true);
  if (session != nullptr) SSL_set_session(client.ssl.get(), session);
  Result result;
  for (int turn = 0; turn < 8; ++turn) {
    SSL_do_handshake(client.ssl.get());
    client.give(server);
    if (marked) {
      const MarksNextRandom marks(server.ssl.get());
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
  NEEDS_ENGINE;
  const SslCtxPtr ctx = server_context(false);
  Run before;
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
  NEEDS_ENGINE;
  for (const bool tickets : {false, true}) {
    const SslCtxPtr ctx = server_context(tickets);
    const Result full = shake_hands(ctx.get(), true);
    REQUIRE(full.open);
    const Result resumed = shake_hands(ctx.get(), true, full.session.get());
    CHECK(resumed.open);
    CHECK(resumed.resumed);
    CHECK(is_downgraded(view(resumed.random)));
  }
}

Run drawn(bool is_private, size_t size) {
  Run random(size);
  const int done = is_private ? RAND_priv_bytes_ex(nullptr, random.data(), size, 0)
                              : RAND_bytes_ex(nullptr, random.data(), size, 0);
  CHECK(done == 1);
  CHECK(random != Run(size, 0));
  return random;
}

TEST_CASE("marked random: nothing is marked unless it is told so, and only one") {
  NEEDS_ENGINE;
  const SslCtxPtr ctx = server_context(false);
  const Result result = shake_hands(ctx.get(), false);
  CHECK(result.open);
  CHECK_FALSE(is_downgraded(view(result.random)));
  CHECK_FALSE(is_downgraded(view(drawn(false, 32))));
  {
    const MarksNextRandom marks(nullptr);
    CHECK_FALSE(is_downgraded(view(drawn(true, 32))));  // a key, perhaps
    CHECK_FALSE(is_downgraded(view(drawn(false, 48))));
    CHECK_FALSE(MarksNextRandom::is_drawn());
    // Of another thread's generator it says nothing.
    std::thread([] { CHECK_FALSE(is_downgraded(view(drawn(false, 32)))); }).join();
    CHECK_FALSE(MarksNextRandom::is_drawn());
    CHECK(is_downgraded(view(drawn(false, 32))));
    CHECK(MarksNextRandom::is_drawn());
    CHECK_FALSE(is_downgraded(view(drawn(false, 32))));
  }
  { const MarksNextRandom marks(nullptr); }
  CHECK_FALSE(is_downgraded(view(drawn(false, 32))));
}

TEST_CASE("marked random: OpenSSL's generator is in its place again") {
  NEEDS_ENGINE;
  EVP_RAND_CTX* const before = RAND_get0_public(nullptr);
  EVP_RAND_CTX* const own = RAND_get0_private(nullptr);
  for (int i = 0; i < 100; ++i) {
    const MarksNextRandom marks(nullptr);
    CHECK(RAND_get0_public(nullptr) != before);
    CHECK(RAND_get0_private(nullptr) == own);
    drawn(false, 32);
  }
  CHECK(RAND_get0_public(nullptr) == before);
  std::thread([before] {
    EVP_RAND_CTX* const others = RAND_get0_public(nullptr);
    CHECK(others != before);
    { const MarksNextRandom marks(nullptr); }
    CHECK(RAND_get0_public(nullptr) == others);
  }).join();
  CHECK(drawn(false, 32) != drawn(false, 32));
}

}  // namespace
}  // namespace dtls::test13
