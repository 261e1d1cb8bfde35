// How records reach OpenSSL, one at a time: what is screened out, what waits for an answer, what
// came of the rest.

#include <algorithm>
#include <cstring>

#include "core/handshake/psk_lookahead.h"
#include "core/identity/cipher_suites.h"
#include "core/records/integrity_limit.h"
#include "core/session/session.h"

namespace dtls {

namespace {

// Whether the other role sends such handshake messages: RFC 5246 section 7.3.
bool is_for(Role receiver, HandshakeType type) {
  switch (type) {
    case HandshakeType::kClientHello:
    case HandshakeType::kCertificateVerify:
    case HandshakeType::kClientKeyExchange:
      return receiver == Role::kServer;
    case HandshakeType::kHelloRequest:
    case HandshakeType::kServerHello:
    case HandshakeType::kHelloVerifyRequest:
    case HandshakeType::kNewSessionTicket:
    case HandshakeType::kServerKeyExchange:
    case HandshakeType::kCertificateRequest:
    case HandshakeType::kServerHelloDone:
    case HandshakeType::kCertificateStatus:
      return receiver == Role::kClient;
    case HandshakeType::kCertificate:
    case HandshakeType::kFinished:
      return true;
  }
  return false;  // what is none of all that, nobody sends
}

bool is_handshake(const RecordView& record) { return record.type == ContentType::kHandshake; }

bool is_handshake_in_clear(const RecordView& record) {
  return record.epoch == 0 && is_handshake(record);
}

bool holds_whole_fragments(const RecordView& record) {
  Bytes rest = record.fragment;
  FragmentView fragment;
  while (rest.size != 0) {
    if (!take_fragment(rest, fragment)) return false;
  }
  return true;
}

// Whether a record in clear is not what its type says, or is what only a peer of the same role
// would send (two ends that dialled each other at once do). OpenSSL ends the handshake for it,
// where RFC 6347 section 4.1.2.7 has it dropped: anybody can send one.
bool is_out_of_place_in_clear(const RecordView& record, Role receiver) {
  if (record.epoch != 0) return false;
  switch (record.type) {
    case ContentType::kChangeCipherSpec:
      return record.fragment.size != 1 || record.fragment.data[0] != 1;
    case ContentType::kAlert:
      // RFC 5246 section 7.2: there are two levels, and OpenSSL answers another with a fatal alert.
      return record.fragment.size != 2 || record.fragment.data[0] < SSL3_AL_WARNING ||
             record.fragment.data[0] > SSL3_AL_FATAL;
    case ContentType::kHandshake: {
      Bytes rest = record.fragment;
      FragmentView fragment;
      do {
        if (!take_fragment(rest, fragment) || !is_for(receiver, fragment.type)) {
          return true;
        }
      } while (rest.size != 0);
      return false;
    }
    default:
      return false;
  }
}

// RFC 5246 section 7.2: the handshake goes on. OpenSSL reads such an alert over and over until it
// is one too many, and gives up.
bool is_mere_warning(const RecordView& record) {
  return record.epoch == 0 && record.type == ContentType::kAlert && record.fragment.size == 2 &&
         record.fragment.data[0] == SSL3_AL_WARNING &&
         record.fragment.data[1] != SSL_AD_CLOSE_NOTIFY;
}

// What a suite's nonce and tag, or MAC, take. A protected record below that is fatal to OpenSSL,
// where RFC 6347 section 4.1.2.7 has it dropped.
size_t shortest_protected_record(const SSL* ssl) {
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
  if (cipher == nullptr) cipher = SSL_get_pending_cipher(ssl);
  if (cipher == nullptr) return 0;
  const AeadSuite aead = aead_suite(cipher);
  if (aead.valid()) return aead.overhead();
  const EVP_MD* digest = EVP_get_digestbynid(SSL_CIPHER_get_digest_nid(cipher));
  return digest == nullptr ? 0 : static_cast<size_t>(EVP_MD_get_size(digest)) + 1;
}

}  // namespace

void Session::fix_suite() {
  shortest_record_ = shortest_protected_record(ssl_.get());
  checks_macs_ = encrypts_then_macs();
  max_fragment_ = max_fragment();
  integrity_limit_ = integrity_limit(SSL_get_current_cipher(ssl_.get()));
}

// Bytes of a record's plaintext, by max_fragment_length as far as it has been negotiated.
size_t Session::max_fragment() const {
  const SSL_SESSION* session = SSL_get_session(ssl_.get());
  const uint8_t code = session == nullptr ? 0 : SSL_SESSION_get_max_fragment_length(session);
  return code >= 1 && code <= 4 ? size_t{256} << code : kMaxPlaintext;
}

void Session::receive(Bytes datagram, uint8_t* scratch, double now) {
  if (state_ == SessionState::kClosed) return;
  note_datagram(datagram.size);
  if (!wake(now)) {
    drop();
    return;
  }
  if (handshake_) handshake_->messages.begin_datagram();
  RecordView record;
  while (state_ != SessionState::kClosed && take_record(datagram, record)) {
    note_outcome(record, on_record(record, scratch, now));
    feed_held(scratch, now);
  }
  if (datagram.size != 0) drop();  // no record, or behind the session's end
}

// An authentic record of another type is fatal to OpenSSL, RFC 6520 heartbeats among them; and
// anybody can send one in clear during the handshake. So is application data that is in clear.
// Without renegotiation there is one epoch that is protected, and one before it.
bool Session::is_out_of_place(const RecordView& record) const {
  if (record.epoch > 1) return true;
  if (!handshake_ && record.epoch == 0) return true;
  switch (record.type) {
    case ContentType::kHeartbeat:
      return handshake_ || !heartbeat_ || !heartbeat_->negotiated();
    case ContentType::kApplicationData:
      return record.epoch == 0;
    case ContentType::kChangeCipherSpec:
    case ContentType::kAlert:
    case ContentType::kHandshake:
      return is_of_earlier_attempt(record) || is_out_of_place_in_clear(record, role_);
  }
  return true;
}

// Looks at the record's header, at what is in clear and at the session, and changes nothing.
Session::RecordKind Session::classify(const RecordView& record) const {
  if (is_out_of_place(record)) return RecordKind::kOutOfPlace;
  if (handshake_) return classify_in_handshake(record);
  if (record.fragment.size < shortest_record_) return RecordKind::kTooShort;
  switch (record.type) {
    case ContentType::kHeartbeat:
      return RecordKind::kHeartbeat;
    case ContentType::kApplicationData:
      return RecordKind::kForOpenSsl;
    default:
      return RecordKind::kControl;
  }
}

// OpenSSL reads protected records once it has the peer's ChangeCipherSpec, and shows messages only
// when the handshake is over. What comes before its time waits here, and is judged when it is given
// to OpenSSL; which would keep it, too, and not say what became of it.
Session::RecordKind Session::classify_in_handshake(const RecordView& record) const {
  if (handshake_->question) return RecordKind::kWhileAsked;
  if (handshake_->hello) return RecordKind::kOfHello;
  if (record.epoch != 0) {
    return record.type == ContentType::kApplicationData || !reads_protected()
               ? RecordKind::kEarly
               : RecordKind::kForOpenSsl;
  }
  if (is_mere_warning(record)) return RecordKind::kWarning;
  if (may_be_about_cookie(record)) return RecordKind::kDoubtfulAlert;
  return is_handshake(record) ? RecordKind::kMessages : RecordKind::kInClear;
}

RecordOutcome Session::on_record(const RecordView& record, uint8_t* scratch, double now) {
  const RecordKind kind = classify(record);
  if (handshake_ && kind != RecordKind::kOutOfPlace) {
    handshake_->heard_anything = true;
    if (record.epoch != 0) handshake_->heard_protected = true;
  }
  switch (kind) {
    case RecordKind::kOutOfPlace:
      note_out_of_place(record);
      return RecordOutcome::kDiscarded;
    case RecordKind::kTooShort:
      return RecordOutcome::kBad;
    case RecordKind::kWhileAsked:
      return hold_while_asked(record, now);
    case RecordKind::kOfHello:
      return on_hello_record(record, scratch, now);
    case RecordKind::kEarly:
      return hold(record,
                  record.type == ContentType::kApplicationData ? Until::kOpen : Until::kKeys);
    case RecordKind::kDoubtfulAlert:
      handshake_->doubted_alert = record.fragment.data[1];
      handshake_->hellos->on_refused();
      [[fallthrough]];
    case RecordKind::kWarning:
      on_alert(false, record.fragment.data[0], record.fragment.data[1]);
      return RecordOutcome::kTaken;
    case RecordKind::kMessages:
      return on_messages(record, scratch, now);
    case RecordKind::kInClear:
      return feed_in_clear(record, scratch, now);
    case RecordKind::kForOpenSsl:
      return feed(record, scratch, now);
    case RecordKind::kHeartbeat:
      return on_heartbeat_record(record, scratch, now);
    case RecordKind::kControl:
      return has_record_keys() ? on_control_record(record, scratch, now)
                               : feed(record, scratch, now);
  }
  return RecordOutcome::kDiscarded;
}

// Counts what RFC 6347 section 4.1.2.7 has dropped without a word.
void Session::note_outcome(const RecordView& record, RecordOutcome outcome) {
  switch (outcome) {
    case RecordOutcome::kTaken:
    case RecordOutcome::kHeld:
      return;
    case RecordOutcome::kDiscarded:
      drop();
      return;
    case RecordOutcome::kBad:
      count<&TrafficStats::badRecords>();
      return;
    case RecordOutcome::kForged:
      count<&TrafficStats::badRecords>();
      on_forged_record(record);
      return;
    case RecordOutcome::kReplayed:
      count<&TrafficStats::replays>();
      return;
    case RecordOutcome::kHeartbeatDiscarded:
      count<&TrafficStats::heartbeatsDiscarded>();
      return;
  }
}

// A handshake that fails for want of such a fragment's message says what was wrong with it.
void Session::note_out_of_place(const RecordView& record) {
  if (!handshake_ || !is_handshake_in_clear(record) || holds_whole_fragments(record)) return;
  handshake_->heard_anything = true;
  handshake_->messages.refuse("a fragment reaches past the end of its message or its record");
}

// Whether a fragment that contradicts the hello may stand in its place, as MessageAssembly::add has
// it for other messages: one of the hello that the handshake began with, and of no other.
bool Session::may_begin_hello_anew(const FragmentView& fragment) const {
  ClientHelloFront front;
  return fragment.type == HandshakeType::kClientHello && fragment.body.size != 0 &&
         fragment.message_sequence == handshake_->hello->sequence() &&
         fragment.message_length <= kMaxHello &&
         (fragment.offset != 0 ||
          (parse_client_hello_front(fragment.body, front) && began_with(front.random)));
}

// More of the ClientHello that a handshake began with.
RecordOutcome Session::on_hello_record(const RecordView& record, uint8_t* scratch, double now) {
  bool taken = is_handshake_in_clear(record);
  if (taken) comes_later(record);
  FragmentView fragment;
  Bytes rest = record.fragment;
  while (is_handshake_in_clear(record) && take_fragment(rest, fragment)) {
    const bool empty = fragment.body.size == 0 && fragment.message_length != 0;
    const char* complaint =
        empty ? MessageAssembly::kEmptyFragment : handshake_->hello->add(fragment);
    if (complaint == nullptr) continue;
    handshake_->messages.refuse(complaint);
    taken = false;
    if (may_begin_hello_anew(fragment) &&
        handshake_->messages.begins_anew(fragment.message_sequence)) {
      *handshake_->hello = HandshakeMessage(record.version, fragment);
    }
  }
  if (handshake_->hello->complete()) on_hello(scratch, now);
  return taken ? RecordOutcome::kTaken : RecordOutcome::kDiscarded;
}

bool Session::reads_protected() const {
  if (!ssl_) return false;
  // "Read ChangeCipherSpec", of either role. The numbers of these states are not the same in all
  // versions of OpenSSL, their names are.
  return SSL_is_init_finished(ssl_.get()) == 1 ||
         std::strcmp(SSL_state_string(ssl_.get()), "TRCCS") == 0;
}

void Session::uncount_drops(const Drops& since) {
  const Drops after = drops();
  const auto take = [](TrafficStats& stats, const Drops& amount) {
    stats.replays -= amount[0];
    stats.badRecords -= amount[1];
    stats.discardedRecords -= amount[2];
    stats.heartbeatsDiscarded -= amount[3];
  };
  Drops grown{};
  for (size_t i = 0; i < grown.size(); ++i) grown[i] = after[i] - since[i];
  take(stats_, grown);
  take(totals_, grown);
}

RecordOutcome Session::hold(const RecordView& record, Until until) {
  return held_.hold(record, until) ? RecordOutcome::kHeld : RecordOutcome::kDiscarded;
}

// While a question is open the peer may repeat itself, but what it has to say is bounded by a
// flight.
RecordOutcome Session::hold_while_asked(const RecordView& record, double now) {
  Handshake& handshake = *handshake_;
  if (is_handshake_in_clear(record)) {
    Bytes rest = record.fragment;
    FragmentView fragment;
    bool repeated = true;
    bool asks = false;
    while (take_fragment(rest, fragment)) {
      const bool known = handshake.hello
                             ? fragment.type == HandshakeType::kClientHello
                             : fragment.type != HandshakeType::kHelloVerifyRequest &&
                                   handshake.messages.was_taken(fragment.message_sequence);
      repeated = repeated && known;
      asks = asks || (!handshake.hello && asks_again(fragment));
    }
    if (repeated) {
      if (asks && comes_later(record)) answer_again(now);
      return RecordOutcome::kTaken;
    }
    // Until the hello is answered the peer can only repeat it.
    if (handshake.hello) return RecordOutcome::kDiscarded;
  }
  return hold(record, Until::kAnswer);
}

// Which held records are due. When an answer has ended the session no question is open any more:
// what waited for it is dropped then, and counted.
HeldRecords::Due Session::due() const {
  return {!parked(), !parked() && reads_protected(), state_ == SessionState::kOpen};
}

// Held records have their turn, in the order in which they came, when what they waited for is
// there. One may bring what another waits for, or a question that it waits for again.
void Session::feed_held(uint8_t* scratch, double now) {
  while (!held_.empty()) {
    const std::vector<HeldRecords::Held> due_now = held_.take(due());
    if (due_now.empty()) return;
    for (const HeldRecords::Held& held : due_now) replay(held, scratch, now);
  }
}

void Session::replay(const HeldRecords::Held& held, uint8_t* scratch, double now) {
  const Drops before = drops();
  Bytes rest{held.bytes.data(), held.bytes.size()};
  RecordView record;
  if (state_ == SessionState::kClosed) {
    drop();
  } else if (take_record(rest, record)) {
    if (handshake_) handshake_->messages.begin_datagram();
    note_outcome(record, on_record(record, scratch, now));
  }
  if (held.until != Until::kAnswer && !counts_early_) uncount_drops(before);
}

RecordOutcome Session::on_messages(const RecordView& record, uint8_t* scratch, double now) {
  using Outcome = MessageAssembly::Outcome;
  // Behind the peer's ChangeCipherSpec it has nothing new to say in clear.
  const bool over = reads_protected();
  bool taken = true;
  Bytes rest = record.fragment;
  FragmentView fragment;
  const bool later = comes_later(record);
  bool asks = false;
  while (take_fragment(rest, fragment)) {
    // RFC 5246 section 7.4.1.1: a client that negotiates already ignores it. It has no place in the
    // order of messages, because OpenSSL, which also makes servers, gives it none.
    if (fragment.type == HandshakeType::kHelloRequest) {
      taken = false;
      continue;
    }
    if (!over && fragment.type == HandshakeType::kHelloVerifyRequest) {
      taken = on_verify_request(fragment, now) && taken;
      continue;
    }
    HelloExchange* hellos = handshake_->hellos.get();
    const bool answer = hellos != nullptr && fragment.type == HandshakeType::kServerHello;
    Outcome outcome = Outcome::kRefused;
    if (answer && !hellos->has_sent(fragment.message_sequence)) {
      handshake_->messages.refuse("a ServerHello answers no ClientHello that was sent");
    } else if (!over) {
      outcome = handshake_->messages.add(record.version, fragment);
    } else if (handshake_->messages.was_taken(fragment.message_sequence)) {
      outcome = Outcome::kRepeated;
    }
    if (answer && fragment.offset == 0 && outcome != Outcome::kRefused) {
      hellos->on_server_hello(record.sequence);
    }
    // The peer repeats its flight; OpenSSL has nothing to do with that.
    if (outcome == Outcome::kRepeated) asks = asks || asks_again(fragment);
    if (outcome == Outcome::kRefused || outcome == Outcome::kBegunAnew) taken = false;
  }
  // What is repeated by the network alone has a number that is not new.
  if (asks && later) answer_again(now);
  feed_messages(scratch, now);
  return taken ? RecordOutcome::kTaken : RecordOutcome::kDiscarded;
}

// Gives OpenSSL the messages that are whole, in order, up to one that a question comes before.
void Session::feed_messages(uint8_t* scratch, double now) {
  if (role_ == Role::kClient && handshake_ && !has_hello_taken()) return;
  while (handshake_ && !parked()) {
    const HandshakeMessage* next = handshake_->messages.next();
    if (next == nullptr || question_comes_first(*next)) return;
    const HandshakeMessage message = handshake_->messages.take();
    size_t offset = 0;
    do {
      // OpenSSL refuses records that are longer than what it has negotiated itself.
      const std::vector<uint8_t> bytes =
          message.record(offset, handshake_->next_number_in++, max_fragment());
      Bytes rest{bytes.data(), bytes.size()};
      RecordView record;
      if (take_record(rest, record)) feed(record, scratch, now);
    } while (handshake_ && offset < message.size());
    if (handshake_ && !handshake_->messages.was_taken(message.sequence())) drop();
  }
}

// A ChangeCipherSpec or an alert.
RecordOutcome Session::feed_in_clear(const RecordView& record, uint8_t* scratch, double now) {
  const bool change = record.type == ContentType::kChangeCipherSpec;
  if (reads_protected()) {
    // A ChangeCipherSpec belongs to a flight that is repeated.
    return change ? RecordOutcome::kTaken : RecordOutcome::kDiscarded;
  }
  std::vector<uint8_t> bytes(record.whole.data, record.whole.data + record.whole.size);
  write_u48(&bytes[5], handshake_->next_number_in++);
  Bytes rest{bytes.data(), bytes.size()};
  RecordView renumbered;
  if (take_record(rest, renumbered)) feed(renumbered, scratch, now);
  // OpenSSL has nothing to say about a ChangeCipherSpec that comes before its time.
  return change && handshake_ && !reads_protected() ? RecordOutcome::kDiscarded
                                                    : RecordOutcome::kTaken;
}

// True: OpenSSL must not get the message before a question has been answered, since its callback
// will need the answer at once.
bool Session::question_comes_first(const HandshakeMessage& message) {
  if (psk_question_comes_first(message)) return true;
  // Behind it this side's flight leaves, and the server may take the handshake for done.
  if (message.type() != HandshakeType::kServerHelloDone || !policy_->request_ocsp ||
      handshake_->ocsp_asked) {
    return false;
  }
  ask_ocsp_verdict();
  return true;
}

bool Session::psk_question_comes_first(const HandshakeMessage& message) {
  Handshake& handshake = *handshake_;
  if (!policy_->ask_psk || handshake.psk_asked ||
      !is_psk_suite(SSL_get_pending_cipher(ssl_.get()))) {
    return false;
  }
  Bytes name;
  switch (message.type()) {
    case HandshakeType::kServerKeyExchange:
      if (read_psk_name(message.body(), name)) {
        handshake.psk_hint.assign(name.data, name.data + name.size);
      }
      return false;
    case HandshakeType::kServerHelloDone:
      handshake.psk_asked = true;
      park(LookupKind::kPskClient, {handshake.psk_hint.data(), handshake.psk_hint.size()});
      return true;
    case HandshakeType::kClientKeyExchange:
      if (!read_psk_name(message.body(), name)) return false;
      handshake.psk_asked = true;
      psk_identity_.emplace(name.data, name.data + name.size);
      // OpenSSL's callback sees a C string: it would look up another identity than the peer sent.
      if (std::find(psk_identity_->begin(), psk_identity_->end(), 0) != psk_identity_->end()) {
        handshake.cause = FailureKind::kPskIdentityInvalid;
        return false;
      }
      park(LookupKind::kPskServer, name);
      return true;
    default:
      return false;
  }
}

// Gives a record to OpenSSL, which does not say what it drops: only what it does tells.
// `authentic`: that is known already.
RecordOutcome Session::feed(const RecordView& record, uint8_t* scratch, double now,
                            bool authentic) {
  const bool in_handshake = handshake_ != nullptr;
  if (record.epoch != 0) {
    if (in_handshake && record.fragment.size < shortest_protected_record(ssl_.get())) {
      return RecordOutcome::kBad;
    }
    if (in_handshake ? encrypts_then_macs() : checks_macs_) {
      if (!has_right_mac(record)) return RecordOutcome::kForged;
      authentic = true;
    }
  }
  // Where the suite is no AEAD nobody has looked into it: it is a repeated Finished, or nothing
  // that is of use.
  if (!in_handshake && is_handshake(record) && !may_repeat_finished()) {
    return RecordOutcome::kDiscarded;
  }
  const bool replayed = record.epoch != 0 && replay_window_.has_seen(record.sequence);
  const uint64_t heard = heard_;
  offer(record.whole);
  if (in_handshake) {
    drive_handshake(now);
  } else {
    read_message(scratch);
  }
  take_back();
  send_flight(now);
  if (record.epoch == 0 || state_ == SessionState::kClosed) return RecordOutcome::kTaken;
  if (!in_handshake && heard_ == heard && !replayed && is_empty_message(record, authentic)) {
    emit_message({});
  }
  if (heard_ == heard && (!authentic || replayed)) {
    return replayed ? RecordOutcome::kReplayed : RecordOutcome::kForged;
  }
  replay_window_.mark(record.sequence);
  if (record.type == ContentType::kApplicationData) last_activity_ = last_heard_ = now;
  return RecordOutcome::kTaken;
}

// Forged records are dropped, until there were too many for the suite.
void Session::on_forged_record(const RecordView& record) {
  if (handshake_ && is_handshake(record)) ++handshake_->undecrypted;
  if (++forged_ <= integrity_limit_) return;
  const ErrorQueueScope errors;
  SSL_shutdown(ssl_.get());  // the peer's keys are used up as well
  Failure failure;
  failure.kind = FailureKind::kIntegrityLimit;
  fail(failure);
}

// Whether a record of which OpenSSL has said nothing is a message without content (RFC 5246 section
// 6.2.1): from 3.2 on it takes those and drops them. Where MAC and plaintext are encrypted together
// nobody but OpenSSL can tell.
bool Session::is_empty_message(const RecordView& record, bool authentic) {
  if (record.type != ContentType::kApplicationData) return false;
  if (authentic) return true;
  std::vector<uint8_t> plaintext;
  return record.fragment.size == shortest_record_ && has_record_keys() &&
         open_record(record, plaintext);
}

void Session::emit_message(Bytes message) {
  ++heard_;
  count<&TrafficStats::messagesReceived>();
  count<&TrafficStats::messageBytesReceived>(message.size);
  outbox_.append(RecordType::kMessage, id_, 0, 0, message);
}

// Takes the message of the record that OpenSSL was given, if it has one. The error queue is empty
// when it is called.
void Session::read_message(uint8_t* scratch) {
  size_t size = 0;
  uint8_t* const out = outbox_.room(kMaxPlaintext, scratch);
  const int result = SSL_read_ex(ssl_.get(), out, kMaxPlaintext, &size);
  if (result == 1) {
    emit_message({out, size});
    return;
  }
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      ErrorQueueScope::clear();  // why a record was dropped, where OpenSSL says so
      return;
    case SSL_ERROR_ZERO_RETURN:
      close();  // answers the peer's close_notify with ours, RFC 5246 section 7.2.1
      return;
    default:
      fail(session_failure(FailureKind::kProtocolError));
  }
}

}  // namespace dtls
