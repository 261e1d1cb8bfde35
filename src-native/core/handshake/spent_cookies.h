#ifndef DGRAM_DTLS_CORE_HANDSHAKE_SPENT_COOKIES_H_
#define DGRAM_DTLS_CORE_HANDSHAKE_SPENT_COOKIES_H_

#include <deque>
#include <unordered_map>

#include "core/handshake/cookie.h"

namespace dtls {

// Good cookies that have begun a handshake. A cookie proves an address once; whoever has recorded
// the ClientHello that carries it can repeat it while the cookie lasts, and end each handshake by a
// forged alert. So the same cookie begins another handshake no sooner than the retransmission timer
// of the first one would have sent its flight again, each time after twice the wait: the alerts
// gain nothing, and a client whose handshake somebody has ended so still gets through.
class SpentCookies {
 public:
  // The oldest are forgotten first. To have one of them forgotten takes as many handshakes of
  // one's own.
  static constexpr size_t kMost = 4096;

  // `lifetime`: of a cookie, in milliseconds.
  explicit SpentCookies(double lifetime) : lifetime_(lifetime) {}

  bool may_begin(const CookieJar::Cookie& cookie, double now) const;
  // `wait`: of the retransmission timer, at first.
  void on_begun(const CookieJar::Cookie& cookie, double now, double wait);

  // For tests.
  size_t size() const { return uses_.size(); }

 private:
  // A piece of the HMAC, which nobody else can choose.
  using Key = uint64_t;

  struct Use {
    double not_before;
    double wait;
  };
  struct First {
    Key key;
    double at;
  };

  static Key key_of(const CookieJar::Cookie& cookie);

  double lifetime_;
  std::unordered_map<Key, Use> uses_;
  std::deque<First> order_;  // the same, oldest first
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HANDSHAKE_SPENT_COOKIES_H_
