#include "core/handshake/hello_exchange.h"

#include <openssl/rand.h>

#include <algorithm>
#include <utility>

#include "core/base/openssl_ptr.h"

namespace dtls {

namespace {

// So many hellos are remembered, those of several waits of the timer: the ServerHello that answers
// one may be long on its way.
constexpr size_t kMaxSent = 256;

FragmentView whole(HandshakeType type, uint16_t sequence, Bytes body) {
  FragmentView message;
  message.type = type;
  message.message_length = static_cast<uint32_t>(body.size);
  message.message_sequence = sequence;
  message.body = body;
  return message;
}

// Below `bound`, and not to be foreseen. Without randomness it is 0, and no handshake will succeed
// either.
uint32_t random_below(uint32_t bound) {
  uint32_t random = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&random), sizeof random) != 1) ERR_clear_error();
  return random % bound;
}

}  // namespace

HelloExchange::HelloExchange(HandshakeMessage hello) : bare_(std::move(hello)), due_(bare_) {}

bool HelloExchange::has_sent(uint16_t sequence) const {
  return std::any_of(sent_.begin(), sent_.end(),
                     [sequence](const Sent& sent) { return sent.sequence == sequence; });
}

// A HelloVerifyRequest has the number of the hello that it answers, or always 0: many servers keep
// nothing of a hello, and write what RFC 6347 section 4.2.2 has for the first one.
HelloExchange::Outcome HelloExchange::on_verify_request(const FragmentView& fragment, double now) {
  constexpr size_t kFront = 2 + 1;  // server_version, and the cookie's length
  const Bytes body = fragment.body;
  if (body.size != fragment.message_length || body.size <= kFront ||
      body.data[2] != body.size - kFront || fragment.message_sequence >= kMaxHelloNumber ||
      !has_sent(fragment.message_sequence)) {
    return Outcome::kDropped;
  }
  note_round_trip(fragment.message_sequence, now);
  Asked asked{fragment.message_sequence, {body.data + kFront, body.data + body.size}};
  if (std::find(at_once_.begin(), at_once_.end(), asked) != at_once_.end()) {
    return Outcome::kRepeated;
  }
  if (at_once_.size() >= kMaxAtOnce) {
    wait(std::move(asked));
    return waited_ <= kMaxWaiting ? Outcome::kWaits : Outcome::kDropped;
  }
  at_once_.push_back(asked);
  use(std::move(asked));
  return Outcome::kAtOnce;
}

// Each one that comes is as likely as any other to be among those that are kept (reservoir
// sampling). A cookie that is asked for more often is more likely, so to ask for one over and over
// gains as much as to ask for as many, and no more.
void HelloExchange::wait(Asked asked) {
  if (waited_ < UINT32_MAX) ++waited_;
  if (waiting_.size() < kMaxWaiting) {
    waiting_.push_back(std::move(asked));
  } else if (const uint32_t place = random_below(waited_); place < kMaxWaiting) {
    waiting_[place] = std::move(asked);
  }
}

void HelloExchange::use(Asked asked) {
  ClientHelloFront front;
  const Bytes hello = bare_.body();
  if (!parse_client_hello_front(hello, front)) return;
  std::vector<uint8_t> with_cookie(hello.data, front.cookie.data);
  with_cookie.back() = static_cast<uint8_t>(asked.cookie.size());
  with_cookie.insert(with_cookie.end(), asked.cookie.begin(), asked.cookie.end());
  with_cookie.insert(with_cookie.end(), front.cookie.data, hello.data + hello.size);
  due_ = HandshakeMessage(
      bare_.version(), whole(HandshakeType::kClientHello, static_cast<uint16_t>(asked.sequence + 1),
                             {with_cookie.data(), with_cookie.size()}));
  due_cookie_ = std::move(asked.cookie);
  ++tried_;
  ++cookies_;
}

void HelloExchange::on_timer() {
  const bool one = at_once_.size() <= 1 && waiting_.empty();
  if (one) {  // the same hello again
    tried_ = due_cookie_.empty() ? 0 : 1;
    return;
  }
  // The hello without a cookie is the last: a server that has ended its handshake for a wrong one
  // begins another with it.
  queue_.assign(1, Asked{});
  for (Asked& asked : waiting_) {
    if (std::find(queue_.begin(), queue_.end(), asked) == queue_.end()) {
      queue_.push_back(std::move(asked));
    }
  }
  at_once_.clear();
  waiting_.clear();
  waited_ = tried_ = 0;
  next_due();
}

bool HelloExchange::next_due() {
  if (queue_.empty()) return false;
  Asked asked = std::move(queue_.back());
  queue_.pop_back();
  if (asked.cookie.empty()) {
    due_ = bare_;
    due_cookie_.clear();
  } else {
    use(std::move(asked));
  }
  return true;
}

void HelloExchange::on_sent(uint64_t from, uint64_t to, double now) {
  if (sent_.size() >= kMaxSent) sent_.erase(sent_.begin());
  sent_.push_back({from, to, now, due_.sequence(), due_cookie_});
}

// From the latest hello that it may answer, so that nothing is taken for slower than it is.
void HelloExchange::note_round_trip(uint16_t sequence, double now) {
  const auto latest = std::find_if(sent_.rbegin(), sent_.rend(), [sequence](const Sent& sent) {
    return sent.sequence == sequence;
  });
  const double took = now - latest->at;
  if (round_trip_ == 0 || took < round_trip_) round_trip_ = took;
}

// RFC 6347 section 4.2.1: the first ServerHello has the record number of the ClientHello. One with
// a later number is a repetition, or one of a handshake that somebody began from this port before,
// with the same message_seq. A repetition comes no sooner than the answer would have, and that
// takes as long as the HelloVerifyRequest took. Servers that count on their own are below. On short
// ways little can come in between, and the time that a message takes says little.
bool HelloExchange::can_answer(uint16_t sequence, uint64_t number, double now) const {
  constexpr double kShortWay = 20;
  double first_at = 0;
  bool sent_any = false;
  for (const Sent& sent : sent_) {
    if (sent.sequence != sequence) continue;
    if (number < sent.to) return true;
    if (!sent_any) first_at = sent.at;
    sent_any = true;
  }
  return sent_any && (round_trip_ < kShortWay || now - first_at >= round_trip_);
}

// RFC 6347 section 4.2.1: the server's records go on from the number of the ClientHello that its
// ServerHello answers. Some servers number otherwise; the newest hello is then the likeliest.
const HelloExchange::Sent* HelloExchange::taken(uint16_t sequence) const {
  const Sent* newest = nullptr;
  const Sent* answered = nullptr;
  for (const Sent& sent : sent_) {
    if (sent.sequence != sequence) continue;
    newest = &sent;
    if (!server_counts_ && sent.from <= server_hello_number_) answered = &sent;
  }
  return answered != nullptr ? answered : newest;
}

}  // namespace dtls
