// What a client hears in clear. Anybody can write it: until something authentic has come, no single
// datagram that does not fit ends the handshake. It is not taken, or where it was, all begins anew,
// a few times. A fatal alert does end it: who can write that has no need of the rest.

#include <openssl/err.h>

#include <algorithm>

#include "core/handshake13/handshake13.h"
#include "core/wire/server_choice.h"

namespace dtls {

namespace {

// A handshake begins anew so often.
constexpr uint32_t kMostAnew = 5;
// Answers that do not fit, and answers that OpenSSL refuses, are distrusted so often. A server that
// has nothing better to say should not take long to tell.
constexpr uint32_t kMostDoubted = 2;

constexpr size_t kHeader = 4;

Bytes body_of(const std::vector<uint8_t>& message) {
  return Bytes{message.data(), message.size()}.from(kHeader);
}

}  // namespace

// The first answer tells the version, and so does the one to the second hello. True: what was next
// is gone.
bool Handshake13::turns_away_next(double now) {
  if (role_ != Role::kClient || engine_->suite() != nullptr) return false;
  const HandshakeMessage* const answer = flights_->peek();
  if (answer == nullptr) return false;
  const ServerChoice choice = read_server_choice(answer->type(), answer->body());
  if (choice == ServerChoice::kDtls13 || choice == ServerChoice::kRetry13) return false;
  const auto tell = [&] {
    outlet_.message(false, false, static_cast<uint8_t>(answer->type()),
                    static_cast<uint32_t>(answer->size()));
  };
  const bool older = choice == ServerChoice::kDtls12 || choice == ServerChoice::kVerify12;
  if (older && offers_dtls12() && !engine_->retried()) {
    tell();
    flights_->turn_away(false);
    began_older_ = choice == ServerChoice::kDtls12;
    state_ = HandshakeState::kOlderVersion;
    return true;
  }
  if (engine_->retried() && begin_anew(now)) return true;
  if (doubted_ < kMostDoubted) {
    ++doubted_;
    flights_->turn_away(true);
    return true;
  }
  if (choice == ServerChoice::kMalformed) return false;  // OpenSSL has words for it
  tell();
  if (older) {
    fail_with(FailureKind::kVersionMismatch, SSL_AD_PROTOCOL_VERSION);
    failure_.detail = "the server has no DTLSv1.3, and this side asks for it";
  } else {
    fail_with(FailureKind::kVersionMismatch, SSL_AD_ILLEGAL_PARAMETER);
    failure_.detail =
        "the server says that it has DTLSv1.3, and speaks an older version: somebody in between "
        "has changed this side's hello";
  }
  return true;
}

// OpenSSL does not take an answer in clear. It cannot go back to where it was before. The alert
// ends what the server may have begun.
bool Handshake13::is_distrusted(EngineOutcome outcome, const IncomingMessage& message, double now) {
  if (outcome != EngineOutcome::kFailed || role_ != Role::kClient || message.epoch != kClearEpoch ||
      begun_anew_ >= kMostDoubted || !may_begin_anew()) {
    return false;
  }
  Departures{outlet_, *flights_, *records_, next_untold_}.alert_in(kClearEpoch, SSL3_AL_FATAL,
                                                                   engine_->alert());
  ERR_clear_error();
  return begin_anew(now);
}

// The server's own ServerHello has the same bytes whenever it comes. So has a HelloRetryRequest
// without a cookie, while cookies tell the time.
void Handshake13::note_answer(const IncomingMessage& message) {
  if (role_ != Role::kClient || message.epoch != kClearEpoch) return;
  answer_sequence_ = message.message_seq;
  const Bytes body = body_of(message.bytes);
  const bool differs =
      read_server_choice(message.type(), body) == ServerChoice::kRetry13 && has_cookie(body);
  answer_ = differs ? std::vector<uint8_t>() : message.bytes;
}

// A ServerHello of 1.3 was taken, and here is one of a server that has no 1.3, and whose records
// will tell nothing: to the same hello, or to a later one of an older handshake that was under way.
bool Handshake13::is_of_older_version(const FragmentView& fragment) const {
  return engine_->suite() != nullptr && fragment.body.size == fragment.message_length &&
         read_server_choice(fragment.type, fragment.body) == ServerChoice::kDtls12;
}

// What the fragment says of the answer that was taken, if it is one to the same hello.
Handshake13::Echo Handshake13::compare_answer(const FragmentView& fragment) const {
  if (is_of_older_version(fragment)) return Echo::kOtherRequest;
  if (fragment.message_sequence >= flights_->next_in()) return Echo::kNone;
  if (fragment.type == HandshakeType::kHelloVerifyRequest) return Echo::kOtherRequest;
  if (fragment.type != HandshakeType::kServerHello ||
      fragment.message_sequence != answer_sequence_) {
    return Echo::kNone;
  }
  const bool front = fragment.offset == 0;
  const bool retry = front && begins_as_retry(fragment.body);
  // Another cookie is no contradiction.
  if (answer_.empty()) return front && !retry ? Echo::kOtherHello : Echo::kNone;
  const Bytes taken = body_of(answer_);
  const bool same = fragment.message_length == taken.size &&
                    std::equal(fragment.body.data, fragment.body.data + fragment.body.size,
                               taken.from(fragment.offset).data);
  if (same) return Echo::kNone;
  return retry ? Echo::kOtherRequest : Echo::kOtherHello;
}

// One of two answers to the same hello is not the server's: perhaps the one that was taken. Between
// two ServerHellos the server's next records tell, which open, or do not. Between others nothing
// does. True: all has begun anew.
bool Handshake13::is_contradiction(Bytes fragments, double now) {
  if (!may_begin_anew() || flights_->next_in() == 0) return false;
  FragmentView fragment;
  Echo worst = Echo::kNone;
  while (take_fragment(fragments, fragment)) worst = std::max(worst, compare_answer(fragment));
  if (worst == Echo::kNone) return false;
  contradicted_ = true;
  if (worst == Echo::kOtherHello && engine_->suite() != nullptr && !unopened_) return false;
  give_answer_up(now);
  return true;
}

void Handshake13::on_unopened(double now) {
  if (role_ != Role::kClient || heard_protected_) return;
  unopened_ = true;
  if (contradicted_ && may_begin_anew()) give_answer_up(now);
}

// The alert ends what the server may have begun for this hello: its flight, repeated, would be
// taken for the answer to the next one.
void Handshake13::give_answer_up(double now) {
  Departures{outlet_, *flights_, *records_, next_untold_}.alert_in(kClearEpoch, SSL3_AL_FATAL,
                                                                   SSL_AD_UNEXPECTED_MESSAGE);
  begin_anew(now);
}

// Not where it is too late for that, or was done often enough.
bool Handshake13::may_begin_anew() const {
  return role_ == Role::kClient && engine_ && !heard_protected_ && !parked() &&
         begun_anew_ < kMostAnew;
}

// From the front, with another hello. False: it may not.
bool Handshake13::begin_anew(double now) {
  if (!may_begin_anew()) return false;
  ++begun_anew_;
  SSL_set_shutdown(engine_->ssl(), SSL_SENT_SHUTDOWN);
  engine_.reset();
  flights_ = std::make_unique<Flights>(flights_config(role_, *policy_, 0, 0));
  records_ = std::make_unique<Records13>(records_options(*policy_, records_->next_clear_number()));
  held_.take();
  waiting_.reset();
  answer_.clear();
  contradicted_ = unopened_ = false;
  is_of_old_hello_ = true;
  cause_ = FailureKind::kNone;
  next_untold_ = 0;
  if (make_engine(now)) {
    begin_client(now);
  } else {
    fail(failure_from_openssl(FailureKind::kInternal));
  }
  return true;
}

// RFC 9147 section 5.1: a server that does not take the cookie (any more, or another one of its
// fleet) says so with illegal_parameter, which allows the client to begin anew. False: the alert is
// about something else, or comes once too often.
bool Handshake13::begin_anew_without_cookie(double now) {
  if (role_ != Role::kClient || !engine_ || engine_->suite() != nullptr || parked()) return false;
  // Another one about the cookie that was refused before.
  if (!engine_->retried()) return cookie_refused_;
  cookie_refused_ = true;
  return begin_anew(now);
}

// An answer of 1.3 that flights do not take leaves all as it was, for the next one of 1.2: each
// turn is a hello.
bool Handshake13::come_back(uint64_t next_clear_number, bool anew, double now) {
  const ErrorQueueScope errors;
  if (!anew && ++came_back_ > kMostAnew) return false;
  state_ = HandshakeState::kExchange;
  records_ = std::make_unique<Records13>(records_options(*policy_, next_clear_number));
  if (!anew) return true;
  const bool begun = begin_anew(now);
  leave(now);
  return begun;
}

}  // namespace dtls
