#ifndef DGRAM_DTLS_CORE_HANDSHAKE_HELLO_EXCHANGE_H_
#define DGRAM_DTLS_CORE_HANDSHAKE_HELLO_EXCHANGE_H_

#include <vector>

#include "core/wire/message_assembly.h"

namespace dtls {

// The client's side of the cookie exchange (RFC 6347 section 4.2.1): the ClientHello under the
// cookies that it has been asked for. Nothing authenticates a HelloVerifyRequest. So none is
// settled on before the server has taken one, which its ServerHello tells: the first cookies are
// tried at once, and of those beyond them as many as are bearable with the timer, by chance. Then
// the genuine one is found however many are forged, and who forges them cannot choose.
class HelloExchange {
 public:
  // How many cookies are tried at once, and how many wait, in each wait of the retransmission
  // timer.
  static constexpr uint32_t kMaxAtOnce = 8;
  static constexpr size_t kMaxWaiting = 32;

  // Record numbers between two hellos where there are many cookies: a server goes on from the
  // number of the hello that it takes, so those of its flight and of all its repetitions tell it.
  // Hellos with the first kMaxAtOnce cookies are numbered one after the other, as GnuTLS bears no
  // such steps.
  static constexpr uint64_t kApart = uint64_t{1} << 16;

  enum class Outcome : uint8_t {
    kAtOnce,    // the hello that is due now is to be sent
    kWaits,     // the timer will send it
    kRepeated,  // its cookie has been tried
    kDropped,   // it answers no hello, is malformed, or there is no room, for it or for another
  };

  struct Sent {
    uint64_t from;      // the first record's number
    uint64_t to;        // behind the last one's
    double at;          // when it left
    uint16_t sequence;  // message_seq
    std::vector<uint8_t> cookie;
  };

  // `hello`: without a cookie.
  explicit HelloExchange(HandshakeMessage hello);

  // The fragment of a HelloVerifyRequest.
  Outcome on_verify_request(const FragmentView& fragment, double now);
  // The retransmission timer has fired: the hello that is due is to be sent, and as long as
  // `next_due` says so, the next one. Where one cookie was not the end of it these are hellos with
  // cookies that waited, and one without any, with which the exchange begins anew.
  void on_timer();
  bool next_due();

  // The hello to be sent.
  const HandshakeMessage& due() const { return due_; }
  // It has left, in records with numbers from `from` on and below `to`.
  void on_sent(uint64_t from, uint64_t to, double now);
  // Whether a hello with this message_seq has left.
  bool has_sent(uint16_t sequence) const;

  // An alert that may be about a cookie has come: a server that has ended its handshake for it
  // keeps state, and has numbers of its own.
  void on_refused() { server_counts_ = true; }
  // Whether a ServerHello with this message_seq, whose first record has this number, can be the
  // answer to a hello that has left.
  bool can_answer(uint16_t sequence, uint64_t number, double now) const;
  // The peer is at another address: how long the way to it is has yet to be seen.
  void on_moved() { round_trip_ = 0; }
  // The first record of a ServerHello.
  void on_server_hello(uint64_t number) { server_hello_number_ = number; }
  // The hello that a ServerHello with this message_seq answers; null when there was none.
  const Sent* taken(uint16_t sequence) const;

  // Cookies that were tried.
  uint32_t cookies() const { return cookies_; }
  // More than one since the exchange began, or began anew: all but one are forged, or out of date.
  bool is_in_doubt() const { return tried_ > 1; }

 private:
  struct Asked {
    uint16_t sequence;  // that the HelloVerifyRequest has
    std::vector<uint8_t> cookie;

    bool operator==(const Asked& other) const {
      return sequence == other.sequence && cookie == other.cookie;
    }
  };

  void note_round_trip(uint16_t sequence, double now);
  void wait(Asked asked);
  void use(Asked asked);

  const HandshakeMessage bare_;
  HandshakeMessage due_;
  std::vector<uint8_t> due_cookie_;
  // These four since the exchange began, or began anew.
  std::vector<Asked> at_once_;
  std::vector<Asked> waiting_;
  uint32_t waited_ = 0;  // how many have come that had to wait
  uint32_t tried_ = 0;
  std::vector<Asked> queue_;  // due one after the other, from the back; one has no cookie
  std::vector<Sent> sent_;    // the latest
  double round_trip_ = 0;     // what the quickest HelloVerifyRequest took; 0: none has come
  uint64_t server_hello_number_ = 0;
  bool server_counts_ = false;
  uint32_t cookies_ = 0;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HANDSHAKE_HELLO_EXCHANGE_H_
