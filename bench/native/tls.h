#ifndef DGRAM_DTLS_BENCH_TLS_H_
#define DGRAM_DTLS_BENCH_TLS_H_

#include <openssl/ssl.h>

#include <functional>
#include <memory>
#include <string>

// What a plain C program on OpenSSL does, and nothing of the library under test: the reference.
namespace bench {

struct SslCtxFree {
  void operator()(SSL_CTX* ctx) const { SSL_CTX_free(ctx); }
};
struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using SslCtxPtr = std::unique_ptr<SSL_CTX, SslCtxFree>;
using SslPtr = std::unique_ptr<SSL, SslFree>;

struct Credentials {
  std::string cert;
  std::string key;
  std::string ca;
};

// The options are those that the library gives its contexts; tickets are on, as in the library.
SslCtxPtr make_server_context(const Credentials& credentials);
SslCtxPtr make_client_context(const Credentials& credentials);

// What carries an SSL's datagrams.
class Link {
 public:
  Link() = default;
  virtual ~Link() = default;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  // One datagram, or -1 when there is none.
  virtual int read(uint8_t* out, int capacity) = 0;
  virtual void write(const uint8_t* data, int size) = 0;
};

enum class Side { kClient, kServer };

// An SSL over `link`, which must outlive it. A client verifies the certificate and its name.
SslPtr make_ssl(SSL_CTX* ctx, Side side, Link& link);

// Another link from now on; it must outlive the SSL, too.
void set_link(SSL* ssl, Link& link);

// A server's part of the cookie exchange. False: the hello with the cookie has not come yet.
bool listen_step(SSL* ssl);
// False: something has to come from the peer first. Throws when the handshake failed.
bool handshake_step(SSL* ssl);

// Both ends in this thread, cookie exchange and session ticket included, over links that never
// wait. `carry` delivers what either has written, where the links do not do so by themselves.
void handshake_in_turns(SSL* client, SSL* server, const std::function<void()>& carry);
// A close_notify from each, the client's first.
void close_in_turns(SSL* client, SSL* server, const std::function<void()>& carry);

}  // namespace bench

#endif  // DGRAM_DTLS_BENCH_TLS_H_
