#ifndef DGRAM_DTLS_TEST_NATIVE_PLAIN_OPENSSL_H_
#define DGRAM_DTLS_TEST_NATIVE_PLAIN_OPENSSL_H_

#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/handshake/datagram_bio.h"
#include "core/records/aead_records.h"
#include "core/wire/wire.h"

// Two SSLs that speak DTLS 1.2 to one another by a pre-shared key, without the core's sessions: who
// judges the core's own records.
namespace dtls::test {

inline void insist_on(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

// One end.
class PlainSsl : public DatagramPort {
 public:
  PlainSsl(const char* ciphers, bool server) : ctx_(SSL_CTX_new(DTLS_method())) {
    insist_on(ctx_ && SSL_CTX_set_cipher_list(ctx_.get(), ciphers) == 1 &&
                  SSL_CTX_set_min_proto_version(ctx_.get(), DTLS1_2_VERSION) == 1,
              "a context");
    SSL_CTX_set_options(ctx_.get(), SSL_OP_NO_QUERY_MTU);
    SSL_CTX_set_psk_server_callback(ctx_.get(), find_key);
    SSL_CTX_set_psk_client_callback(ctx_.get(), choose_key);
    ssl_.reset(SSL_new(ctx_.get()));
    BioPtr bio = make_bio();
    insist_on(ssl_ && bio, "an SSL");
    BIO* const shared = bio.release();
    SSL_set_bio(ssl_.get(), shared, shared);
    DTLS_set_link_mtu(ssl_.get(), 1400);
    if (server) {
      SSL_set_accept_state(ssl_.get());
    } else {
      SSL_set_connect_state(ssl_.get());
    }
  }

  SSL* ssl() const { return ssl_.get(); }

  // What it has written since, all in one.
  std::vector<uint8_t> take_written() { return std::exchange(written_, {}); }

  std::vector<uint8_t> write(Bytes message) {
    size_t done = 0;
    insist_on(SSL_write_ex(ssl(), message.data, message.size, &done) == 1, "SSL_write_ex");
    return take_written();
  }

  // What it reads from one record; empty where it drops it.
  std::vector<uint8_t> read(Bytes record) {
    std::vector<uint8_t> message(kMaxPlaintext);
    size_t size = 0;
    offer(record);
    if (SSL_read_ex(ssl(), message.data(), message.size(), &size) != 1) size = 0;
    take_back();
    ErrorQueueScope::clear();
    message.resize(size);
    return message;
  }

  // Where it will go on in epoch 1.
  AeadRecords::Start next_out() const {
    AeadRecords::Start start;
    start.next_number = number_ + 1;
    start.next_explicit_nonce = explicit_nonce_ + 1;
    return start;
  }

 private:
  static constexpr std::array<uint8_t, 16> kKey = {7, 7, 7, 7};

  static unsigned find_key(SSL* /*ssl*/, const char* /*identity*/, uint8_t* out, unsigned size) {
    insist_on(size >= kKey.size(), "room for the key");
    std::copy(kKey.begin(), kKey.end(), out);
    return kKey.size();
  }
  static unsigned choose_key(SSL* ssl, const char* /*hint*/, char* identity, unsigned room,
                             uint8_t* out, unsigned size) {
    std::snprintf(identity, room, "device");
    return find_key(ssl, identity, out, size);
  }

  void on_datagram(Bytes datagram) override {
    written_.insert(written_.end(), datagram.data, datagram.data + datagram.size);
    // A handshake may come in pieces; Finished does not, nor does what comes after it.
    RecordView record;
    while (take_record(datagram, record)) {
      if (record.epoch != 1) continue;
      number_ = record.sequence;
      if (record.fragment.size < 8) continue;
      explicit_nonce_ = uint64_t{read_u16(record.fragment.data)} << 48 |
                        uint64_t{read_u24(record.fragment.data + 2)} << 24 |
                        read_u24(record.fragment.data + 5);
    }
  }

  SslCtxPtr ctx_;
  SslPtr ssl_;
  std::vector<uint8_t> written_;
  uint64_t number_ = 0;
  uint64_t explicit_nonce_ = 0;
};

// Both ends, with the handshake behind them.
struct PlainSession {
  explicit PlainSession(const char* ciphers) : client(ciphers, false), server(ciphers, true) {
    SSL_do_handshake(client.ssl());
    for (int turn = 0; turn < 10; ++turn) {
      pass(client, server);
      pass(server, client);
    }
    insist_on(SSL_is_init_finished(client.ssl()) == 1 && SSL_is_init_finished(server.ssl()) == 1,
              "the handshake");
    insist_on(client_keys.derive(client.ssl()) && server_keys.derive(server.ssl()), "the keys");
  }

  PlainSsl client;
  PlainSsl server;
  AeadKeys client_keys;
  AeadKeys server_keys;

 private:
  static void pass(PlainSsl& from, PlainSsl& to) {
    const std::vector<uint8_t> written = from.take_written();
    Bytes rest{written.data(), written.size()};
    RecordView record;
    while (take_record(rest, record)) {
      to.offer(record.whole);
      SSL_do_handshake(to.ssl());
      to.take_back();
    }
    ErrorQueueScope::clear();
  }
};

}  // namespace dtls::test

#endif  // DGRAM_DTLS_TEST_NATIVE_PLAIN_OPENSSL_H_
