#ifndef DGRAM_DTLS_CORE_HELLO_EXCHANGE_H_
#define DGRAM_DTLS_CORE_HELLO_EXCHANGE_H_

#include <vector>

#include "core/message_assembly.h"

namespace dtls {

// The client's side of the cookie exchange (RFC 6347 section 4.2.1): the ClientHello under the
// cookies that it has been asked for. Nothing authenticates a HelloVerifyRequest. So every cookie
// is tried, and none is settled on before the server has taken one, which its ServerHello tells.
class HelloExchange {
 public:
  // So many are answered at once; then the newest waits for the retransmission timer.
  static constexpr uint32_t kMaxAtOnce = 8;

  struct Sent {
    uint64_t from;  // record numbers, `to` is behind the last
    uint64_t to;
    uint16_t sequence;  // message_seq
    std::vector<uint8_t> cookie;
  };

  // `hello`: without a cookie.
  explicit HelloExchange(HandshakeMessage hello);

  // The fragment of a HelloVerifyRequest. True: the hello that is due now is to be sent at once.
  bool on_verify_request(const FragmentView& fragment);
  // The retransmission timer has fired. Where one cookie was not the end of it the exchange begins
  // anew, without any.
  void on_timer();

  // The hello to be sent.
  const HandshakeMessage& due() const { return due_; }
  // It has left, in records with these numbers.
  void on_sent(uint64_t from, uint64_t to);

  // The first record of a ServerHello.
  void on_server_hello(uint64_t number) { server_hello_number_ = number; }
  // The hello that a ServerHello with this message_seq answers; null when there was none.
  const Sent* taken(uint16_t sequence) const;

  uint32_t cookies() const { return cookies_; }

 private:
  struct Asked {
    uint16_t sequence;  // of the HelloVerifyRequest
    std::vector<uint8_t> cookie;
  };

  bool may_answer(uint16_t sequence) const;

  const HandshakeMessage bare_;
  HandshakeMessage due_;
  std::vector<uint8_t> due_cookie_;
  std::vector<Asked> asked_;  // since the exchange began, or began anew
  std::vector<Sent> sent_;    // the latest
  uint64_t server_hello_number_ = 0;
  uint32_t at_once_ = 0;
  uint32_t cookies_ = 0;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HELLO_EXCHANGE_H_
