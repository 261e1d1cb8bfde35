#ifndef DGRAM_DTLS_CORE_HELLO13_HELLO_STAGE_H_
#define DGRAM_DTLS_CORE_HELLO13_HELLO_STAGE_H_

#include <optional>
#include <vector>

#include "core/base/peer_address.h"
#include "core/handshake/cookie.h"
#include "core/hello13/choice.h"
#include "core/hello13/held_hellos.h"
#include "core/hello13/stateless_retry.h"
#include "core/wire/wire.h"

// What a server with 1.3 does with each ClientHello before there is a handshake. One for each
// listener, beside its CookieJar.
namespace dtls {

class HelloStage {
 public:
  // `jar`: borrowed, null when the server asks for no cookies.
  HelloStage(CookieJar* jar, ServerOffer offer, const HeldHellos::Limits& limits = {});

  // The context has changed.
  void set_offer(ServerOffer offer) { offer_ = std::move(offer); }

  enum class Verdict : uint8_t {
    // Go on as a server of 1.2 does, with the datagram at hand, or with `datagram` where that is
    // not empty.
    kVersion12,
    kAnswer,  // send `datagram`, a HelloRetryRequest; nothing is kept
    kAlert,   // send `datagram`, a fatal alert (`alert`); nothing is kept
    kHeld,    // more fragments must come
    kBegin,   // begin a handshake with `hello`
    kDrop,    // `why`
  };
  enum class Why : uint8_t {
    kNone,
    kMalformed,     // no hello that a client sends: count it with the malformed datagrams
    kTooShort,      // the answer would be longer than the hello, or OpenSSL has failed
    kCookie,        // with kAlert: the cookie is not good: stats cookiesRefused
    kNothingShared  // with kAlert: no version, suite or group in common, or an extension lacks:
                    // stats hellosRefused
  };

  struct Result {
    Verdict verdict = Verdict::kDrop;
    Why why = Why::kNone;
    uint8_t alert = 0;
    // One record. With kVersion12: the hello, put together of its fragments, in one record with the
    // number of the last of them.
    std::vector<uint8_t> datagram;

    // With kBegin, for the engine: the hello in its DTLS shape with a header of four bytes, and
    // what is ahead of it in the transcript, see StatelessRetry::Verified; empty where there was
    // no HelloRetryRequest of this stage.
    std::vector<uint8_t> hello;
    std::vector<uint8_t> first_hello_hash;
    std::vector<uint8_t> retry;
    // And for flights: the hello's message_seq, which is the server's next, too, as each side has
    // sent as many messages (a HelloRetryRequest has 0, so the ServerHello has 1 after it). The
    // number of the last record that it came in: the server's records in clear go on from it, as
    // at 1.2 (RFC 6347 section 4.2.1); the HelloRetryRequest had the number of an earlier one.
    uint16_t message_sequence = 0;
    uint64_t record_number = 0;
    // What the engine is to be held to (EngineConfig). The group is 0 for a PSK without a key
    // exchange. Where there was no HelloRetryRequest the hello may have no share of the group: the
    // engine asks for it.
    uint16_t suite = 0;
    uint16_t group = 0;
    // For SpentCookies; set when a cookie was checked.
    bool has_cookie = false;
    CookieJar::Cookie cookie{};
  };

  // For a datagram of which the first fragment is one of a ClientHello in epoch 0. There is one
  // answer at most: what is behind the fragment that it is due to does not count. A fragment that
  // is not the first one (offset) of an address that has a handshake belongs to that handshake, and
  // is not for this. `offer`: what this peer is offered in place of what all others are; null for
  // that. Borrowed for the call.
  Result take(Bytes datagram, const PeerAddress& peer, double now,
              const ServerOffer* offer = nullptr);

  // What becomes of a hello that might begin a handshake when it shows what its peer is offered.
  // kAlert: its client may begin anew, by an older version. Where that is of no use to it, the
  // handshake finds that there is no version in common.
  static Result reconsider(Result begins, const ServerOffer& offer);

  bool holds(const PeerAddress& peer, uint16_t sequence, double now) const {
    return held_.holds(peer, sequence, now);
  }
  // Something of this address has become a handshake.
  void forget(const PeerAddress& peer) { held_.forget(peer); }

  // For tests and statistics: hellos of which fragments are kept.
  size_t held() const { return held_.size(); }

 private:
  static Result drop(Why why);
  static Result refuse(uint8_t alert, Why why, uint64_t record_number);
  static Result refuse_other_version(uint64_t record_number);

  Result take_fragment(const RecordView& record, const FragmentView& fragment,
                       const PeerAddress& peer, double now);
  Result judge(const std::vector<uint8_t>& hello, uint64_t record_number, uint16_t message_sequence,
               const PeerAddress& peer, double now);
  Result begin(const ClientOffer& offer, bool has_cookie, Result result);
  Result ask(const std::vector<uint8_t>& hello, const ClientOffer& offer, const PeerAddress& peer,
             double now, uint64_t record_number);
  Result check(const ClientOffer& offer, const PeerAddress& peer, double now, Result result);

  const ServerOffer& offered() const { return *offered_; }

  ServerOffer offer_;
  const ServerOffer* offered_ = &offer_;  // within take(): to the peer that it hears
  HeldHellos held_;
  std::optional<StatelessRetry> retry_;  // unset: the server asks for no cookies
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HELLO13_HELLO_STAGE_H_
