#include "core/hello_exchange.h"

#include <algorithm>
#include <utility>

namespace dtls {

namespace {

constexpr size_t kMaxSent = 32;

FragmentView whole(HandshakeType type, uint16_t sequence, Bytes body) {
  FragmentView message;
  message.type = static_cast<uint8_t>(type);
  message.message_length = static_cast<uint32_t>(body.size);
  message.message_sequence = sequence;
  message.body = body;
  return message;
}

}  // namespace

HelloExchange::HelloExchange(HandshakeMessage hello) : bare_(std::move(hello)), due_(bare_) {}

// A HelloVerifyRequest has the number of the hello that it answers, or always 0: many servers keep
// nothing of a hello, and write what RFC 6347 section 4.2.2 has for the first one.
bool HelloExchange::may_answer(uint16_t sequence) const {
  return sequence < kMaxHelloNumber &&
         std::any_of(sent_.begin(), sent_.end(),
                     [sequence](const Sent& sent) { return sent.sequence == sequence; });
}

bool HelloExchange::on_verify_request(const FragmentView& fragment) {
  constexpr size_t kFront = 2 + 1;  // server_version, and the cookie's length
  const Bytes body = fragment.body;
  if (body.size != fragment.message_length || body.size <= kFront ||
      body.data[2] != body.size - kFront || !may_answer(fragment.message_sequence)) {
    return false;
  }
  const Bytes cookie = body.from(kFront);
  const bool again = std::any_of(asked_.begin(), asked_.end(), [&](const Asked& asked) {
    return asked.sequence == fragment.message_sequence &&
           std::equal(asked.cookie.begin(), asked.cookie.end(), cookie.data,
                      cookie.data + cookie.size);
  });
  ClientHelloFront front;
  if (again || !parse_client_hello_front(bare_.body(), front)) return false;
  if (asked_.size() >= kMaxSent) asked_.erase(asked_.begin());
  asked_.push_back({fragment.message_sequence, {cookie.data, cookie.data + cookie.size}});
  ++cookies_;

  const Bytes hello = bare_.body();
  std::vector<uint8_t> with_cookie(hello.data, front.cookie.data);
  with_cookie.back() = static_cast<uint8_t>(cookie.size);
  with_cookie.insert(with_cookie.end(), cookie.data, cookie.data + cookie.size);
  with_cookie.insert(with_cookie.end(), front.cookie.data, hello.data + hello.size);
  due_cookie_ = asked_.back().cookie;
  due_ =
      HandshakeMessage(bare_.version(), whole(HandshakeType::kClientHello,
                                              static_cast<uint16_t>(fragment.message_sequence + 1),
                                              {with_cookie.data(), with_cookie.size()}));
  return ++at_once_ <= kMaxAtOnce;
}

void HelloExchange::on_timer() {
  at_once_ = 0;
  if (asked_.size() <= 1) return;
  asked_.clear();
  due_ = bare_;
  due_cookie_.clear();
}

void HelloExchange::on_sent(uint64_t from, uint64_t to) {
  if (sent_.size() >= kMaxSent) sent_.erase(sent_.begin());
  sent_.push_back({from, to, due_.sequence(), due_cookie_});
}

// RFC 6347 section 4.2.1: the ServerHello has the record number of the ClientHello that it answers.
// Some servers number otherwise; the newest hello is then the likeliest.
const HelloExchange::Sent* HelloExchange::taken(uint16_t sequence) const {
  const Sent* newest = nullptr;
  for (const Sent& sent : sent_) {
    if (sent.sequence != sequence) continue;
    newest = &sent;
    if (server_hello_number_ >= sent.from && server_hello_number_ < sent.to) return newest;
  }
  return newest;
}

}  // namespace dtls
