#include "tls.h"

#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <string_view>

namespace bench {

namespace {

constexpr unsigned kCookieSize = 16;
constexpr int kMtu = 1200;

// For what ends after a few turns. When the kernel has much to do, it delivers later than at once.
class Deadline {
 public:
  bool passed() const { return Clock::now() - start_ > std::chrono::seconds(5); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

struct BioFree {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
struct AddressFree {
  void operator()(BIO_ADDR* address) const { BIO_ADDR_free(address); }
};
struct X509Free {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct KeyFree {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using BioPtr = std::unique_ptr<BIO, BioFree>;
using X509Ptr = std::unique_ptr<X509, X509Free>;
using KeyPtr = std::unique_ptr<EVP_PKEY, KeyFree>;

[[noreturn]] void fail(const char* what) {
  std::array<char, 256> reason{};
  ERR_error_string_n(ERR_get_error(), reason.data(), reason.size());
  ERR_clear_error();
  throw std::runtime_error(std::string(what) + ": " + reason.data());
}

BioPtr over(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

X509Ptr read_certificate(const std::string& pem) {
  X509Ptr certificate(PEM_read_bio_X509(over(pem).get(), nullptr, nullptr, nullptr));
  if (!certificate) fail("certificate");
  return certificate;
}

// The address would be part of it, if there were more than one peer at a time.
bool compute_cookie(std::array<unsigned char, EVP_MAX_MD_SIZE>& cookie) {
  static constexpr std::array<unsigned char, 32> kKey{1, 2, 3, 4};
  static constexpr std::array<unsigned char, 48> kAbout{127, 0, 0, 1};
  unsigned size = 0;
  return HMAC(EVP_sha256(), kKey.data(), kKey.size(), kAbout.data(), kAbout.size(), cookie.data(),
              &size) != nullptr;
}

int generate_cookie(SSL* /*ssl*/, unsigned char* cookie, unsigned* size) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  if (!compute_cookie(digest)) return 0;
  std::memcpy(cookie, digest.data(), kCookieSize);
  *size = kCookieSize;
  return 1;
}

int verify_cookie(SSL* /*ssl*/, const unsigned char* cookie, unsigned size) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  return size == kCookieSize && compute_cookie(digest) &&
                 CRYPTO_memcmp(cookie, digest.data(), kCookieSize) == 0
             ? 1
             : 0;
}

// One key for whoever asks.
unsigned find_psk(SSL* /*ssl*/, const char* /*identity*/, unsigned char* out, unsigned capacity) {
  static constexpr std::string_view kKey = "benchmark secret";
  if (capacity < kKey.size()) return 0;
  std::copy(kKey.begin(), kKey.end(), out);
  return kKey.size();
}

SslCtxPtr make_context() {
  SslCtxPtr ctx(SSL_CTX_new(DTLS_method()));
  if (!ctx) fail("SSL_CTX_new");
  SSL_CTX_set_options(ctx.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_NO_QUERY_MTU | SSL_OP_SINGLE_DH_USE |
                                     SSL_OP_SINGLE_ECDH_USE);
  SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_OFF);
  if (SSL_CTX_set_min_proto_version(ctx.get(), DTLS1_2_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(ctx.get(), DTLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(ctx.get(), "ECDHE-ECDSA-AES128-GCM-SHA256") != 1 ||
      SSL_CTX_set1_groups_list(ctx.get(), "X25519:P-256") != 1) {
    fail("context");
  }
  return ctx;
}

int link_read(BIO* bio, char* out, int size) {
  BIO_clear_retry_flags(bio);
  const int got =
      static_cast<Link*>(BIO_get_data(bio))->read(reinterpret_cast<uint8_t*>(out), size);
  if (got < 0) BIO_set_retry_read(bio);
  return got;
}

int link_write(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  static_cast<Link*>(BIO_get_data(bio))->write(reinterpret_cast<const uint8_t*>(data), size);
  return size;
}

long link_ctrl(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT ? 1 : 0;
}

const BIO_METHOD* link_method() {
  static const BIO_METHOD* const shared = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "bench link");
    if (made == nullptr) fail("BIO_meth_new");
    BIO_meth_set_read(made, link_read);
    BIO_meth_set_write(made, link_write);
    BIO_meth_set_ctrl(made, link_ctrl);
    return made;
  }();
  return shared;
}

}  // namespace

SslCtxPtr make_server_context(const Credentials& credentials) {
  SslCtxPtr ctx = make_context();
  const X509Ptr certificate = read_certificate(credentials.cert);
  const KeyPtr key(PEM_read_bio_PrivateKey(over(credentials.key).get(), nullptr, nullptr, nullptr));
  if (!key || SSL_CTX_use_certificate(ctx.get(), certificate.get()) != 1 ||
      SSL_CTX_use_PrivateKey(ctx.get(), key.get()) != 1) {
    fail("identity");
  }
  // Some packages that are measured beside the library know no certificates, or not these.
  if (SSL_CTX_set_cipher_list(ctx.get(), "ECDHE-ECDSA-AES128-GCM-SHA256:PSK-AES128-GCM-SHA256") !=
      1) {
    fail("cipher list");
  }
  SSL_CTX_set_psk_server_callback(ctx.get(), find_psk);
  SSL_CTX_set_cookie_generate_cb(ctx.get(), generate_cookie);
  SSL_CTX_set_cookie_verify_cb(ctx.get(), verify_cookie);
  return ctx;
}

SslCtxPtr make_client_context(const Credentials& credentials) {
  SslCtxPtr ctx = make_context();
  const X509Ptr authority = read_certificate(credentials.ca);
  if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx.get()), authority.get()) != 1) fail("ca");
  SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_PEER, nullptr);
  return ctx;
}

SslPtr make_ssl(SSL_CTX* ctx, Side side, Link& link) {
  SslPtr ssl(SSL_new(ctx));
  BIO* bio = BIO_new(link_method());
  if (!ssl || bio == nullptr) fail("SSL_new");
  BIO_set_data(bio, &link);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl.get(), bio, bio);
  DTLS_set_link_mtu(ssl.get(), kMtu);
  if (side == Side::kServer) {
    SSL_set_accept_state(ssl.get());
    return ssl;
  }
  if (SSL_set_tlsext_host_name(ssl.get(), "localhost") != 1 ||
      SSL_set1_host(ssl.get(), "localhost") != 1) {
    fail("host name");
  }
  SSL_set_connect_state(ssl.get());
  return ssl;
}

void set_link(SSL* ssl, Link& link) { BIO_set_data(SSL_get_wbio(ssl), &link); }

bool listen_step(SSL* ssl) {
  const std::unique_ptr<BIO_ADDR, AddressFree> unused(BIO_ADDR_new());
  const int listened = DTLSv1_listen(ssl, unused.get());
  if (listened < 0) fail("DTLSv1_listen");
  return listened == 1;
}

bool handshake_step(SSL* ssl) {
  const int result = SSL_do_handshake(ssl);
  if (result == 1) return true;
  if (SSL_get_error(ssl, result) != SSL_ERROR_WANT_READ) fail("handshake");
  return false;
}

void handshake_in_turns(SSL* client, SSL* server, const std::function<void()>& carry) {
  bool listening = true;
  for (const Deadline deadline; !deadline.passed();) {
    const bool client_done = handshake_step(client);
    carry();
    if (listening) listening = !listen_step(server);
    const bool server_done = !listening && handshake_step(server);
    carry();
    if (client_done && server_done) return;
  }
  throw std::runtime_error("the handshake did not end");
}

void close_in_turns(SSL* client, SSL* server, const std::function<void()>& carry) {
  SSL_shutdown(client);
  carry();
  for (const Deadline deadline; !deadline.passed();) {
    std::array<unsigned char, 16> nothing{};
    const int result = SSL_read(server, nothing.data(), static_cast<int>(nothing.size()));
    if (SSL_get_error(server, result) != SSL_ERROR_ZERO_RETURN) continue;
    SSL_shutdown(server);
    carry();
    return;
  }
  throw std::runtime_error("no close_notify came");
}

}  // namespace bench
