#include "core/hello13/hello_stage.h"

#include <openssl/ssl.h>

#include <utility>

#include "core/hello13/stateless_retry.h"

namespace dtls {

namespace {

constexpr size_t kMessageHeaderSize = 4;

// One record of epoch 0. RFC 9147 section 4: its version is that of 1.2.
std::vector<uint8_t> record_of(ContentType type, uint64_t number, Bytes front, Bytes rest) {
  std::vector<uint8_t> record(kRecordHeaderSize);
  record.reserve(kRecordHeaderSize + front.size + rest.size);
  write_clear_header(record.data(), type, kDtls12, number, front.size + rest.size);
  record.insert(record.end(), front.data, front.data + front.size);
  record.insert(record.end(), rest.data, rest.data + rest.size);
  return record;
}

// `message`: with a header of four bytes.
std::vector<uint8_t> message_record(Bytes message, uint16_t sequence, uint64_t number) {
  FragmentHeader header;
  header.type = HandshakeType{message.data[0]};
  header.message_length = header.length = static_cast<uint32_t>(message.size - kMessageHeaderSize);
  header.message_sequence = sequence;
  uint8_t front[kHandshakeHeaderSize];
  write_fragment_header(front, header);
  return record_of(ContentType::kHandshake, number, {front, sizeof front},
                   {message.data + kMessageHeaderSize, message.size - kMessageHeaderSize});
}

Bytes view(const std::vector<uint8_t>& bytes) { return {bytes.data(), bytes.size()}; }

}  // namespace

HelloStage::HelloStage(CookieJar* jar, ServerOffer offer, const HeldHellos::Limits& limits)
    : offer_(std::move(offer)), held_(limits) {
  if (jar != nullptr) retry_.emplace(*jar);
}

HelloStage::Result HelloStage::drop(Why why) {
  Result result;
  result.why = why;
  return result;
}

// 15 bytes, and shorter than any hello. It has the hello's number, as there is nothing by which to
// choose one: RFC 6347 section 4.2.1.
HelloStage::Result HelloStage::refuse(uint8_t alert, Why why, uint64_t record_number) {
  Result result;
  result.verdict = Verdict::kAlert;
  result.why = why;
  result.alert = alert;
  const uint8_t body[] = {SSL3_AL_FATAL, alert};
  result.datagram = record_of(ContentType::kAlert, record_number, {body, sizeof body}, {});
  return result;
}

// A hello with a cookie of 1.3 answers a HelloRetryRequest, which has promised 1.3: its client has
// to abort where the ServerHello is of another version (RFC 8446 section 4.1.4), though it may
// offer that (section 4.2.1). This server, or its rules for that peer, have changed since; so the
// cookie is not good any more, which allows the client to begin anew without one (RFC 9147
// section 5.1).
HelloStage::Result HelloStage::refuse_other_version(uint64_t record_number) {
  return refuse(SSL_AD_ILLEGAL_PARAMETER, Why::kCookie, record_number);
}

HelloStage::Result HelloStage::reconsider(Result begins, const ServerOffer& offer) {
  ClientOffer hello;
  const bool is_other = read_client_offer(view(begins.hello).from(kMessageHeaderSize), hello) &&
                        choose_version(hello, offer) == VersionChoice::kDtls12;
  return is_other ? refuse_other_version(begins.record_number) : std::move(begins);
}

// A client may have put several fragments of its hello into one datagram.
HelloStage::Result HelloStage::take(Bytes datagram, const PeerAddress& peer, double now,
                                    const ServerOffer* offer) {
  offered_ = offer != nullptr ? offer : &offer_;
  Result result = drop(Why::kMalformed);
  RecordView record;
  while (take_record(datagram, record)) {
    if (record.epoch != 0 || record.type != ContentType::kHandshake) break;
    Bytes rest = record.fragment;
    FragmentView fragment;
    while (dtls::take_fragment(rest, fragment)) {
      if (fragment.type != HandshakeType::kClientHello) return result;
      result = take_fragment(record, fragment, peer, now);
      if (result.verdict != Verdict::kHeld) return result;
    }
  }
  return result;
}

HelloStage::Result HelloStage::take_fragment(const RecordView& record, const FragmentView& fragment,
                                             const PeerAddress& peer, double now) {
  if (record.sequence > kMaxHelloRecordNumber) return drop(Why::kMalformed);
  ClientHelloFront front;
  if (fragment.offset == 0 && offered().dtls12 && parse_client_hello_front(fragment.body, front) &&
      front.cookie.size != 0) {
    // RFC 9147 section 5.3: a hello with a cookie of 1.2 is none of 1.3. Its front is enough for
    // 1.2, and nothing of it is kept here.
    Result result;
    result.verdict = Verdict::kVersion12;
    return result;
  }
  std::vector<uint8_t> hello;
  const HeldHellos::Outcome outcome = held_.add(peer, record.version, fragment, now, hello);
  if (outcome == HeldHellos::Outcome::kRefused) return drop(Why::kMalformed);
  Result held;
  held.verdict = Verdict::kHeld;
  if (outcome == HeldHellos::Outcome::kHeld) return held;
  const bool was_cut = fragment.body.size != fragment.message_length;
  Result result = judge(hello, record.sequence, fragment.message_sequence, peer, now);
  if (result.verdict != Verdict::kAnswer) {
    held_.forget(peer);
  } else if (outcome == HeldHellos::Outcome::kRepeated &&
             result.datagram.size() > kRecordHeaderSize + record.fragment.size) {
    // The rest of the hello was answered before: this question is the fragment alone.
    return held;
  }
  if (result.verdict == Verdict::kBegin) {
    result.hello = std::move(hello);
  } else if (result.verdict == Verdict::kVersion12 && was_cut) {
    result.datagram = message_record(view(hello), fragment.message_sequence, record.sequence);
  }
  return result;
}

HelloStage::Result HelloStage::judge(const std::vector<uint8_t>& hello, uint64_t record_number,
                                     uint16_t message_sequence, const PeerAddress& peer,
                                     double now) {
  Result result;
  ClientOffer offer;
  if (!read_client_offer(view(hello).from(kMessageHeaderSize), offer)) {
    // What 1.2 makes of it is as it is without 1.3.
    if (!offered().dtls12) return drop(Why::kMalformed);
    result.verdict = Verdict::kVersion12;
    return result;
  }
  switch (choose_version(offer, offered())) {
    case VersionChoice::kDtls12:
      if (offer.cookie.data != nullptr) return refuse_other_version(record_number);
      result.verdict = Verdict::kVersion12;
      return result;
    case VersionChoice::kNone:
      return refuse(SSL_AD_PROTOCOL_VERSION, Why::kNothingShared, record_number);
    case VersionChoice::kDtls13:
      break;
  }
  if (offer.fault != 0) return refuse(offer.fault, Why::kMalformed, record_number);
  // RFC 9147 section 5.3, RFC 8446 section 4.1.2: no cookie of 1.2, no compression.
  if (offer.legacy_cookie.size != 0 || offer.compressions.size != 1 ||
      offer.compressions.data[0] != 0) {
    return refuse(SSL_AD_ILLEGAL_PARAMETER, Why::kMalformed, record_number);
  }
  result.record_number = record_number;
  result.message_sequence = message_sequence;
  // A client's first hello is its first message, and has no cookie; the second one has the cookie
  // that it was asked for.
  const bool has_cookie = offer.cookie.data != nullptr;
  if (message_sequence != (has_cookie ? 1 : 0)) return drop(Why::kMalformed);
  if (!retry_) return begin(offer, has_cookie, std::move(result));
  return has_cookie ? check(offer, peer, now, std::move(result))
                    : ask(hello, offer, peer, now, record_number);
}

// Without cookies the engine makes a HelloRetryRequest by itself, without a cookie. So a hello with
// one is of a handshake that is not there.
HelloStage::Result HelloStage::begin(const ClientOffer& offer, bool has_cookie, Result result) {
  if (has_cookie) {
    return refuse(SSL_AD_ILLEGAL_PARAMETER, Why::kCookie, result.record_number);
  }
  const Choice choice = choose(offer, offered());
  if (choice.alert != 0) return refuse(choice.alert, Why::kNothingShared, result.record_number);
  result.verdict = Verdict::kBegin;
  result.suite = choice.suite;
  result.group = choice.group;
  return result;
}

HelloStage::Result HelloStage::ask(const std::vector<uint8_t>& hello, const ClientOffer& offer,
                                   const PeerAddress& peer, double now, uint64_t record_number) {
  const StatelessRetry::Answer answer = retry_->answer(view(hello), offer, offered(), peer, now);
  switch (answer.outcome) {
    case StatelessRetry::Outcome::kAlert:
      return refuse(answer.alert, Why::kNothingShared, record_number);
    case StatelessRetry::Outcome::kSilent:
      return drop(Why::kTooShort);
    case StatelessRetry::Outcome::kAnswer:
      break;
  }
  Result result;
  result.verdict = Verdict::kAnswer;
  result.datagram = message_record(view(answer.message), 0, record_number);
  return result;
}

HelloStage::Result HelloStage::check(const ClientOffer& offer, const PeerAddress& peer, double now,
                                     Result result) {
  StatelessRetry::Verified verified = retry_->check(offer, offered(), peer, now);
  if (verified.alert != 0) return refuse(verified.alert, Why::kCookie, result.record_number);
  result.verdict = Verdict::kBegin;
  result.suite = verified.suite;
  result.group = verified.group;
  result.first_hello_hash = std::move(verified.first_hello_hash);
  result.retry = std::move(verified.retry);
  result.has_cookie = true;
  result.cookie = verified.cookie;
  return result;
}

}  // namespace dtls
