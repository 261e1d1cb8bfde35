#ifndef DGRAM_DTLS_TEST_NATIVE_PLAIN_OPENSSL_H_
#define DGRAM_DTLS_TEST_NATIVE_PLAIN_OPENSSL_H_

#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/records/aead_records.h"
#include "core/records/datagram_bio.h"
#include "core/wire/wire.h"
#include "insist.h"

// Two SSLs that speak DTLS 1.2 to one another by a pre-shared key, without the core's sessions: who
// judges the core's own records.
namespace dtls::test {

// One end.
class PlainSsl : public DatagramPort {
 public:
  PlainSsl(const char* ciphers, bool server) : PlainSsl(make_context(ciphers), server) {}
  // From the context of that one: it knows the same tickets.
  PlainSsl(const PlainSsl& before, bool server) : PlainSsl(before.ctx_, server) {}
  PlainSsl(std::shared_ptr<SSL_CTX> ctx, bool server) : ctx_(std::move(ctx)) {
    ssl_.reset(SSL_new(ctx_.get()));
    BioPtr bio = make_bio();
    insist(ssl_ && bio, "an SSL");
    BIO* const shared = bio.release();
    SSL_set_bio(ssl_.get(), shared, shared);
    DTLS_set_link_mtu(ssl_.get(), 1400);
    SSL_set_msg_callback(ssl_.get(), on_message);
    SSL_set_msg_callback_arg(ssl_.get(), this);
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
    insist(SSL_write_ex(ssl(), message.data, message.size, &done) == 1, "SSL_write_ex");
    return take_written();
  }

  // The Finished that it has sent, in clear, with its header.
  const std::vector<uint8_t>& finished() const { return finished_; }

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

  static std::shared_ptr<SSL_CTX> make_context(const char* ciphers) {
    SslCtxPtr ctx(SSL_CTX_new(DTLS_method()));
    insist(ctx && SSL_CTX_set_cipher_list(ctx.get(), ciphers) == 1 &&
               SSL_CTX_set_min_proto_version(ctx.get(), DTLS1_2_VERSION) == 1,
           "a context");
    SSL_CTX_set_options(ctx.get(), SSL_OP_NO_QUERY_MTU);
    SSL_CTX_set_psk_server_callback(ctx.get(), find_key);
    SSL_CTX_set_psk_client_callback(ctx.get(), choose_key);
    return ctx;
  }
  static void on_message(int write, int /*version*/, int type, const void* bytes, size_t size,
                         SSL* /*ssl*/, void* arg) {
    const auto* message = static_cast<const uint8_t*>(bytes);
    if (write == 0 || type != SSL3_RT_HANDSHAKE || size == 0 || message[0] != SSL3_MT_FINISHED) {
      return;
    }
    static_cast<PlainSsl*>(arg)->finished_.assign(message, message + size);
  }
  static unsigned find_key(SSL* /*ssl*/, const char* /*identity*/, uint8_t* out, unsigned size) {
    insist(size >= kKey.size(), "room for the key");
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

  std::shared_ptr<SSL_CTX> ctx_;
  SslPtr ssl_;
  std::vector<uint8_t> written_;
  std::vector<uint8_t> finished_;
  uint64_t number_ = 0;
  uint64_t explicit_nonce_ = 0;
};

// Both ends, with the handshake behind them.
struct PlainSession {
  // Which flights arrive; all of them, unless it says no.
  using Arrives = std::function<bool(bool to_server, const std::vector<uint8_t>& flight)>;

  explicit PlainSession(const char* ciphers, const Arrives& arrives = nullptr)
      : client(ciphers, false), server(ciphers, true) {
    run(arrives);
  }
  // One that is resumed.
  explicit PlainSession(const PlainSession& before, const Arrives& arrives = nullptr)
      : client(before.client, false), server(before.server, true) {
    insist(SSL_set_session(client.ssl(), SSL_get_session(before.client.ssl())) == 1,
           "a session to resume");
    run(arrives);
  }

  PlainSsl client;
  PlainSsl server;
  AeadKeys client_keys;
  AeadKeys server_keys;

  // The records of a flight, one by one, to who goes on with the handshake.
  static void deliver(const std::vector<uint8_t>& flight, PlainSsl& to) {
    Bytes rest{flight.data(), flight.size()};
    RecordView record;
    while (take_record(rest, record)) {
      to.offer(record.whole);
      SSL_do_handshake(to.ssl());
      to.take_back();
    }
    ErrorQueueScope::clear();
  }

 private:
  void run(const Arrives& arrives) {
    SSL_do_handshake(client.ssl());
    for (int turn = 0; turn < 10; ++turn) {
      pass(client, server, true, arrives);
      pass(server, client, false, arrives);
    }
    insist(client_keys.derive(client.ssl()) && server_keys.derive(server.ssl()), "the keys");
    insist(arrives ||
               (SSL_is_init_finished(client.ssl()) == 1 && SSL_is_init_finished(server.ssl()) == 1),
           "the handshake");
  }
  static void pass(PlainSsl& from, PlainSsl& to, bool to_server, const Arrives& arrives) {
    const std::vector<uint8_t> flight = from.take_written();
    if (!flight.empty() && (!arrives || arrives(to_server, flight))) deliver(flight, to);
  }
};

}  // namespace dtls::test

#endif  // DGRAM_DTLS_TEST_NATIVE_PLAIN_OPENSSL_H_
