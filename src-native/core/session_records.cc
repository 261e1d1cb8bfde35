// How records reach OpenSSL, one at a time: what is screened out, what waits for an answer, what
// came of the rest.

#include <algorithm>

#include "core/psk_lookahead.h"
#include "core/session.h"

namespace dtls {

namespace {

// Handshake messages that only the other role sends, RFC 5246 section 7.3.
bool is_from_other_role(uint8_t type, Role receiver) {
  switch (type) {
    case SSL3_MT_CLIENT_HELLO:
    case SSL3_MT_CERTIFICATE_VERIFY:
    case SSL3_MT_CLIENT_KEY_EXCHANGE:
      return receiver == Role::kServer;
    case SSL3_MT_HELLO_REQUEST:
    case SSL3_MT_SERVER_HELLO:
    case DTLS1_MT_HELLO_VERIFY_REQUEST:
    case SSL3_MT_NEWSESSION_TICKET:
    case SSL3_MT_SERVER_KEY_EXCHANGE:
    case SSL3_MT_CERTIFICATE_REQUEST:
    case SSL3_MT_SERVER_DONE:
    case SSL3_MT_CERTIFICATE_STATUS:
      return receiver == Role::kClient;
    default:
      return true;
  }
}

bool is_handshake(const RecordView& record) {
  return record.type == static_cast<uint8_t>(ContentType::kHandshake);
}

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
  switch (static_cast<ContentType>(record.type)) {
    case ContentType::kChangeCipherSpec:
      return record.fragment.size != 1 || record.fragment.data[0] != 1;
    case ContentType::kAlert:
      return record.fragment.size != 2;
    case ContentType::kHandshake: {
      Bytes rest = record.fragment;
      FragmentView fragment;
      do {
        if (!take_fragment(rest, fragment) || !is_from_other_role(fragment.type, receiver)) {
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
  return record.epoch == 0 && record.type == static_cast<uint8_t>(ContentType::kAlert) &&
         record.fragment.size == 2 && record.fragment.data[0] == SSL3_AL_WARNING &&
         record.fragment.data[1] != SSL_AD_CLOSE_NOTIFY;
}

// What a suite's nonce and tag, or MAC, take. A protected record below that is fatal to OpenSSL,
// where RFC 6347 section 4.1.2.7 has it dropped; before a suite is chosen it keeps such records for
// later, and no Finished message is that short.
size_t shortest_protected_record(const SSL* ssl) {
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
  if (cipher == nullptr) cipher = SSL_get_pending_cipher(ssl);
  const AeadSuite aead = aead_suite(cipher);
  if (aead.valid()) return aead.overhead();
  constexpr size_t kLongestNonceAndTag = 8 + 16;
  if (cipher == nullptr) return kLongestNonceAndTag;
  const EVP_MD* digest = EVP_get_digestbynid(SSL_CIPHER_get_digest_nid(cipher));
  return digest == nullptr ? 0 : static_cast<size_t>(EVP_MD_get_size(digest)) + 1;
}

}  // namespace

void Session::fix_suite() {
  shortest_record_ = shortest_protected_record(ssl_.get());
  checks_macs_ = encrypts_then_macs();
  max_fragment_ = max_fragment();
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
    count<&TrafficStats::discardedRecords>();
    return;
  }
  RecordView record;
  while (state_ != SessionState::kClosed && take_record(datagram, record)) {
    on_record(record, scratch, now);
  }
  if (datagram.size != 0 && state_ != SessionState::kClosed) {
    count<&TrafficStats::discardedRecords>();
  }
}

void Session::on_record(const RecordView& record, uint8_t* scratch, double now) {
  // An authentic record of another type is fatal to OpenSSL, RFC 6520 heartbeats among them; and
  // anybody can send one in clear during the handshake. So is application data that is in clear.
  const auto application_data = static_cast<uint8_t>(ContentType::kApplicationData);
  if (record.type == static_cast<uint8_t>(ContentType::kHeartbeat) && record.epoch != 0 &&
      state_ == SessionState::kOpen && heartbeat_ && heartbeat_->negotiated()) {
    on_heartbeat_record(record, scratch, now);
    return;
  }
  if (record.epoch != 0 && state_ == SessionState::kOpen &&
      (record.type == static_cast<uint8_t>(ContentType::kHandshake) ||
       record.type == static_cast<uint8_t>(ContentType::kAlert))) {
    if (has_record_keys()) {
      on_control_record(record, scratch, now);
      return;
    }
    // Of a suite without AEAD: a repeated Finished, or nothing that is of use.
    if (record.type == static_cast<uint8_t>(ContentType::kHandshake) && !may_repeat_finished()) {
      return;
    }
  }
  if (record.type < static_cast<uint8_t>(ContentType::kChangeCipherSpec) ||
      record.type > application_data || (record.type == application_data && record.epoch == 0) ||
      is_of_earlier_attempt(record) || is_out_of_place_in_clear(record, role_)) {
    if (handshake_ && is_handshake_in_clear(record) && !holds_whole_fragments(record)) {
      handshake_->heard_anything = true;
      handshake_->messages.refuse("a fragment reaches past the end of its message or its record");
    }
    count<&TrafficStats::discardedRecords>();
    return;
  }
  if (handshake_) {
    handshake_->heard_anything = true;
    if (record.epoch != 0) handshake_->heard_protected = true;
    if (handshake_->question) {
      keep(record, now);
      return;
    }
    if (handshake_->hello) {
      FragmentView fragment;
      Bytes rest = record.fragment;
      if (!is_handshake_in_clear(record)) return;
      comes_later(record);
      while (take_fragment(rest, fragment)) {
        const bool empty = fragment.body.size == 0 && fragment.message_length != 0;
        const char* complaint =
            empty ? MessageAssembly::kEmptyFragment : handshake_->hello->add(fragment);
        if (complaint != nullptr) handshake_->messages.refuse(complaint);
      }
      if (handshake_->hello->complete()) on_hello(scratch, now);
      return;
    }
    if (is_mere_warning(record)) {
      on_alert(false, record.fragment.data[0], record.fragment.data[1]);
      return;
    }
  }
  if (!handshake_ || record.epoch != 0) {
    feed(record, scratch, now);
  } else if (is_handshake_in_clear(record)) {
    on_handshake_record(record, scratch, now);
  } else {
    feed_in_clear(record, scratch, now);
  }
  if (handshake_) feed_early(scratch, now);
}

// Until resume().
void Session::keep(const RecordView& record, double now) {
  Handshake& handshake = *handshake_;
  if (is_handshake_in_clear(record)) {
    if (handshake.hello) return;  // until the hello is answered the peer can only repeat it
    Bytes rest = record.fragment;
    FragmentView fragment;
    bool repeated = true;
    bool asks = false;
    while (take_fragment(rest, fragment)) {
      repeated = repeated && handshake.messages.was_taken(fragment.message_sequence);
      asks = asks || asks_again(fragment);
    }
    if (repeated) {
      if (asks && comes_later(record)) answer_again(now);
      return;
    }
  }
  if (!handshake.waiting.keep(record)) count<&TrafficStats::discardedRecords>();
}

// Records that were held have their turn, in the order in which they came. Where another question
// has come up they wait again.
void Session::replay(const std::vector<std::vector<uint8_t>>& held, uint8_t* scratch, double now) {
  for (const std::vector<uint8_t>& bytes : held) {
    Bytes rest{bytes.data(), bytes.size()};
    RecordView record;
    if (state_ == SessionState::kClosed || !take_record(rest, record)) return;
    on_record(record, scratch, now);
  }
}

void Session::on_handshake_record(const RecordView& record, uint8_t* scratch, double now) {
  Bytes rest = record.fragment;
  FragmentView fragment;
  const bool later = comes_later(record);
  bool asks = false;
  while (take_fragment(rest, fragment)) {
    // RFC 5246 section 7.4.1.1: a client that negotiates already ignores it. It has no place in the
    // order of messages, because OpenSSL, which also makes servers, gives it none.
    if (fragment.type == static_cast<uint8_t>(HandshakeType::kHelloRequest)) continue;
    if (fragment.type == static_cast<uint8_t>(HandshakeType::kHelloVerifyRequest)) {
      on_verify_request(fragment, now);
      continue;
    }
    if (fragment.type == static_cast<uint8_t>(HandshakeType::kServerHello) &&
        fragment.offset == 0 && handshake_->hellos) {
      handshake_->hellos->on_server_hello(record.sequence);
    }
    const MessageAssembly::Outcome outcome = handshake_->messages.add(record.version, fragment);
    // The peer repeats its flight; OpenSSL has nothing to do with that.
    if (outcome == MessageAssembly::Outcome::kRepeated) asks = asks || asks_again(fragment);
    if (outcome == MessageAssembly::Outcome::kRefused) count<&TrafficStats::discardedRecords>();
  }
  // What is repeated by the network alone has a number that is not new.
  if (asks && later) answer_again(now);
  feed_messages(scratch, now);
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
  }
}

// A ChangeCipherSpec or an alert.
void Session::feed_in_clear(const RecordView& record, uint8_t* scratch, double now) {
  std::vector<uint8_t> bytes(record.whole.data, record.whole.data + record.whole.size);
  write_u48(&bytes[5], handshake_->next_number_in++);
  Bytes rest{bytes.data(), bytes.size()};
  RecordView renumbered;
  if (take_record(rest, renumbered)) feed(renumbered, scratch, now);
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

void Session::feed(const RecordView& record, uint8_t* scratch, double now) {
  const bool in_handshake = state_ == SessionState::kHandshaking;
  const bool application_data =
      record.type == static_cast<uint8_t>(ContentType::kApplicationData) && record.epoch != 0;
  const bool replay = application_data && replay_window_.has_seen(record.sequence);

  // What the suite says is known for good once the handshake is over.
  const bool fixed = !handshake_;
  if (record.epoch != 0 && ssl_ &&
      record.fragment.size < (fixed ? shortest_record_ : shortest_protected_record(ssl_.get()))) {
    if (application_data && !in_handshake) {
      count<&TrafficStats::badRecords>();
    } else {
      count<&TrafficStats::discardedRecords>();
    }
    return;
  }

  if (record.epoch != 0 && ssl_ && (!fixed || checks_macs_)) {
    switch (judge_mac(record)) {
      case MacVerdict::kTooEarly:
        if (!handshake_ || !handshake_->early.keep(record)) {
          count<&TrafficStats::discardedRecords>();
        }
        return;
      case MacVerdict::kForged:
        if (handshake_ && is_handshake(record)) ++handshake_->undecrypted;
        if (application_data && !in_handshake) count<&TrafficStats::badRecords>();
        return;
      case MacVerdict::kPass:
        break;
    }
  }

  offer(record.whole);
  if (in_handshake) drive_handshake(now);
  size_t messages = 0;
  if (state_ == SessionState::kOpen) messages = read_messages(scratch);
  take_back();
  send_flight(now);

  if (in_handshake) {
    if (handshake_ && record.epoch != 0 && is_handshake(record)) ++handshake_->undecrypted;
    return;
  }
  if (!application_data) return;
  if (messages != 0) {
    replay_window_.mark(record.sequence);
    last_activity_ = last_heard_ = now;
  } else if (replay) {
    count<&TrafficStats::replays>();
  } else {
    count<&TrafficStats::badRecords>();
  }
}

// Takes every message that OpenSSL has; returns how many there were. The error queue is empty when
// it is called.
size_t Session::read_messages(uint8_t* scratch) {
  size_t messages = 0;
  for (;;) {
    size_t size = 0;
    uint8_t* const room = outbox_.room(kMaxPlaintext);
    uint8_t* const out = room != nullptr ? room : scratch;
    const int result = SSL_read_ex(ssl_.get(), out, kMaxPlaintext, &size);
    if (result == 1) {
      ++messages;
      count<&TrafficStats::messagesReceived>();
      count<&TrafficStats::messageBytesReceived>(size);
      outbox_.append(RecordType::kMessage, id_, 0, 0, {out, size});
      // Records come in one by one: asking again would only go all the way to an empty BIO. What
      // OpenSSL has kept are records that came during the handshake, and it keeps no others.
      if (nothing_kept_) return messages;
      nothing_kept_ = SSL_has_pending(ssl_.get()) == 0;
      if (nothing_kept_) return messages;
      continue;
    }
    switch (SSL_get_error(ssl_.get(), result)) {
      case SSL_ERROR_WANT_READ:
        ErrorQueueScope::clear();  // why a record was dropped, where OpenSSL says so
        return messages;
      case SSL_ERROR_ZERO_RETURN:
        close();  // answers the peer's close_notify with ours, RFC 5246 section 7.2.1
        return messages;
      default:
        fail(session_failure(FailureKind::kProtocolError));
        return messages;
    }
  }
}

}  // namespace dtls
