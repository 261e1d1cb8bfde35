#include "core/handshake/spent_cookies.h"

#include <cstring>

namespace dtls {

SpentCookies::Key SpentCookies::key_of(const CookieJar::Cookie& cookie) {
  Key key = 0;
  std::memcpy(&key, cookie.data() + cookie.size() - sizeof key, sizeof key);
  return key;
}

bool SpentCookies::may_begin(const CookieJar::Cookie& cookie, double now) const {
  const auto use = uses_.find(key_of(cookie));
  return use == uses_.end() || now >= use->second.not_before;
}

void SpentCookies::on_begun(const CookieJar::Cookie& cookie, double now, double wait) {
  const auto [use, first] = uses_.try_emplace(key_of(cookie), Use{now + wait, wait});
  if (!first) {
    use->second.wait *= 2;
    use->second.not_before = now + use->second.wait;
    return;
  }
  order_.push_back({use->first, now});
  // A cookie that has begun a handshake a lifetime ago is not good any more.
  while (order_.size() > kMost || now >= order_.front().at + lifetime_) {
    uses_.erase(order_.front().key);
    order_.pop_front();
  }
}

}  // namespace dtls
