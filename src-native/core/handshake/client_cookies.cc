// The cookie exchange (RFC 6347 section 4.2.1), of which OpenSSL hears when it is over. Then it
// goes through it, under the same numbers and with the same cookie, because the ClientHello that
// the server took counts in the Finished messages.

#include "core/handshake/handshake.h"

namespace dtls {

namespace {

// A whole message as a record in clear.
std::vector<uint8_t> record_of(HandshakeType type, uint16_t version, uint16_t sequence, Bytes body,
                               uint64_t number) {
  FragmentView whole;
  whole.type = type;
  whole.message_length = static_cast<uint32_t>(body.size);
  whole.message_sequence = sequence;
  whole.body = body;
  size_t offset = 0;
  return HandshakeMessage(version, whole).record(offset, number);
}

}  // namespace

// Gives OpenSSL these messages, and sees that it answers each with one of its own, which stays
// here.
bool Handshake::rehearse(HandshakeType type, uint16_t version, Bytes body, uint16_t count) {
  attempt_->speech = Speech::kRehearsed;
  bool answered = true;
  for (uint16_t sequence = 0; answered && sequence < count; ++sequence) {
    const std::vector<uint8_t> record =
        record_of(type, version, sequence, body, attempt_->next_number_in++);
    offer({record.data(), record.size()});
    const int result = SSL_do_handshake(ssl_.get());
    answered = SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ;
    take_back();
  }
  attempt_->speech = Speech::kMeant;
  return answered;
}

// Server: the endpoint has verified the hello's cookie. OpenSSL gets the hello without it under
// each number before. DTLSv1_listen would do as much, but for the number 1 only.
bool Handshake::pass_cookie_exchange(const HandshakeMessage& hello) {
  ClientHelloFront front;
  if (hello.sequence() == 0 || !parse_client_hello_front(hello.body(), front)) return true;
  const Bytes body = hello.body();
  std::vector<uint8_t> bare(body.data, front.cookie.data);
  bare.back() = 0;  // the cookie's length
  bare.insert(bare.end(), front.cookie.data + front.cookie.size, body.data + body.size);
  SSL_set_options(ssl_.get(), SSL_OP_COOKIE_EXCHANGE);
  return rehearse(HandshakeType::kClientHello, hello.version(), {bare.data(), bare.size()},
                  hello.sequence());
}

// Client: the server, or somebody else, asks for a hello with this cookie. False: it is not taken.
bool Handshake::on_verify_request(const FragmentView& fragment, double now) {
  using Outcome = HelloExchange::Outcome;
  HelloExchange* hellos = attempt_->hellos.get();
  if (hellos == nullptr) return false;
  const Outcome outcome = hellos->on_verify_request(fragment, now);
  if (outcome == Outcome::kDropped) return false;
  if (outcome == Outcome::kRepeated) return true;
  note_message(false, false, {fragment.type, fragment.message_length});
  if (outcome == Outcome::kWaits) return true;
  note_message(true, false,
               {HandshakeType::kClientHello, static_cast<uint32_t>(hellos->due().size())});
  send_hello(now);
  // OpenSSL's timer runs since the first hello.
  attempt_->hello_due = now + static_cast<double>(last_wait_) / 1000;
  update_retransmission(now);
  return true;
}

// Client, until the ServerHello: what OpenSSL writes is its first hello, once and then by its
// timer.
void Handshake::on_own_hello(const HandshakeMessage& hello, double now) {
  if (attempt_->hellos) {
    attempt_->hellos->on_timer();
  } else {
    attempt_->hellos = std::make_unique<HelloExchange>(hello);
  }
  do {
    send_hello(now);
  } while (attempt_->hellos->next_due());
}

// Client: a server answers a wrong cookie with another HelloVerifyRequest, or it ends its handshake
// (OpenSSL's, when it has not begun with DTLSv1_listen). So where several cookies were tried an
// alert in clear may be about one that somebody forged, and the exchange goes on with the timer.
bool Handshake::may_be_about_cookie(const RecordView& record) const {
  return record.epoch == 0 && record.type == ContentType::kAlert && attempt_->hellos &&
         attempt_->hellos->is_in_doubt();
}

void Handshake::send_hello(double now) {
  HelloExchange& hellos = *attempt_->hellos;
  if (hellos.cookies() > HelloExchange::kMaxAtOnce) next_number_out_ += HelloExchange::kApart;
  const uint64_t from = next_number_out_;
  send(Flight(hellos.due()), now);
  hellos.on_sent(from, next_number_out_, now);
}

// Client. True: the server has taken a hello, and OpenSSL is where it gets the ServerHello.
bool Handshake::has_hello_taken() {
  Attempt& attempt = *attempt_;
  if (attempt.hello_taken) return true;
  const HandshakeMessage* answer = attempt.messages.whole(HandshakeType::kServerHello);
  if (answer == nullptr || !attempt.hellos) return false;
  const HelloExchange::Sent* taken = attempt.hellos->taken(answer->sequence());
  if (taken == nullptr) return false;
  std::vector<uint8_t> request(3);
  write_u16(request.data(), DTLS1_VERSION);
  request[2] = static_cast<uint8_t>(taken->cookie.size());
  request.insert(request.end(), taken->cookie.begin(), taken->cookie.end());
  const ErrorQueueScope errors;
  if (!rehearse(HandshakeType::kHelloVerifyRequest, DTLS1_VERSION, {request.data(), request.size()},
                taken->sequence)) {
    fail(handshake_failure());
    return false;
  }
  attempt.messages.begin_at(taken->sequence);
  attempt.next_sequence_out = uint32_t{taken->sequence} + 1;
  attempt.hello_taken = true;
  attempt.hellos.reset();
  return true;
}

}  // namespace dtls
