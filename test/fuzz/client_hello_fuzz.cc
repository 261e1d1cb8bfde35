// Looks for a ClientHello that is read ahead in another way than OpenSSL reads it: the input is the
// body of one. What OpenSSL accepts must have been read, with the very name and protocols that
// OpenSSL sees; else a context would be chosen for a name that the session does not have.
#include <openssl/pem.h>

#include <memory>

#include "../native/harness.h"
#include "core/wire/client_hello.h"
#include "input.h"

namespace dtls::test {
namespace {

bool within(Bytes part, Bytes whole) {
  return part.size == 0 ||
         (part.data >= whole.data && part.data + part.size <= whole.data + whole.size);
}

// What a server on OpenSSL makes of hellos, and nothing of this package's in between.
struct Judge {
  std::string name;
  std::string protocols;
  bool has_name = false;
  SslCtxPtr ctx{SSL_CTX_new(DTLS_method())};

  Judge() {
    SSL_CTX_set_cipher_list(ctx.get(), "ALL:@SECLEVEL=0");
    SSL_CTX_set_options(ctx.get(), SSL_OP_NO_QUERY_MTU);
    SSL_CTX_set_tlsext_servername_callback(
        ctx.get(), +[](SSL* ssl, int*, void* self) -> int {
          const char* seen = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
          static_cast<Judge*>(self)->has_name = seen != nullptr;
          if (seen != nullptr) static_cast<Judge*>(self)->name = seen;
          return SSL_TLSEXT_ERR_OK;
        });
    SSL_CTX_set_tlsext_servername_arg(ctx.get(), this);
    SSL_CTX_set_alpn_select_cb(
        ctx.get(),
        [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in,
           unsigned in_size, void* self) -> int {
          static_cast<Judge*>(self)->protocols.assign(reinterpret_cast<const char*>(in), in_size);
          *out = in + 1;
          *size = in[0];
          return SSL_TLSEXT_ERR_OK;
        },
        this);
    const BioPtr bio(BIO_new_mem_buf(server_identity().chain.data(), -1));
    const BioPtr key_bio(BIO_new_mem_buf(server_identity().key.data(), -1));
    const X509Ptr leaf(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    const EvpPkeyPtr key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
    insist(SSL_CTX_use_certificate(ctx.get(), leaf.get()) == 1 &&
               SSL_CTX_use_PrivateKey(ctx.get(), key.get()) == 1,
           "the judge has a certificate");
  }

  // Whether OpenSSL answers the hello with a flight.
  bool accepts(Bytes body) {
    name.clear();
    protocols.clear();
    has_name = false;
    const SslPtr ssl(SSL_new(ctx.get()));
    const Datagram datagram = handshake_record(1, 0, body);
    BIO* in = BIO_new_mem_buf(datagram.data(), static_cast<int>(datagram.size()));
    BIO* out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in, -1);
    SSL_set_bio(ssl.get(), in, out);
    SSL_set_mtu(ssl.get(), 1200);
    SSL_set_accept_state(ssl.get());
    const int result = SSL_do_handshake(ssl.get());
    const bool waits = SSL_get_error(ssl.get(), result) == SSL_ERROR_WANT_READ;
    ERR_clear_error();
    return waits && SSL_get_pending_cipher(ssl.get()) != nullptr;
  }
};

}  // namespace
}  // namespace dtls::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dtls;
  using namespace dtls::test;
  static Judge judge;
  const Bytes body{data, size};
  if (size > 4096) return 0;
  ClientHelloView hello;
  const bool read = parse_client_hello(body, hello);
  if (read) {
    insist(within(hello.session_id, body) && within(hello.server_name, body) &&
               within(hello.protocols, body),
           "what was read lies within");
    insist(pack_client_hello(hello).size() ==
               3 + hello.session_id.size + hello.server_name.size + hello.protocols.size,
           "all of it is packed");
  }
  if (!judge.accepts(body)) return 0;
  insist(read, "what OpenSSL accepts is read");
  insist(text_of(hello.server_name) == judge.name, "the name is OpenSSL's");
  insist(text_of(hello.protocols) == judge.protocols, "the protocols are OpenSSL's");
  return 0;
}
