// A session's handshake, and what the session takes over when it is complete.

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/records/aead_records.h"
#include "core/records/openssl_records.h"
#include "core/session/session.h"
#include "core/wire/server_choice.h"

namespace dtls {

// Has `act` done with the handshake, if there is still one, and takes over what comes of it.
template <typename Act>
void Session::with_handshake(uint8_t* scratch, double now, const Act& act) {
  if (!handshake_) return;
  act(*handshake_);
  conclude(scratch, now);
}

void Session::conclude(uint8_t* scratch, double now) {
  switch (handshake_->state()) {
    case HandshakeState::kHello:
    case HandshakeState::kExchange:
      return;
    case HandshakeState::kComplete:
      established(scratch, now);
      return;
    case HandshakeState::kOlderVersion:
      go_back(scratch, now);
      return;
    case HandshakeState::kFailed:
      if (newer_ && handshake12_->was_downgraded() && return_to_newer(true, now)) {
        conclude(scratch, now);
        return;
      }
      fail(handshake_->failure());
      return;
  }
}

void Session::connect(double now) {
  handshake_->connect(now);
  conclude(nullptr, now);
}

void Session::begin12(std::shared_ptr<const SecureContext> context,
                      std::shared_ptr<const SessionPolicy> policy, double now) {
  auto handshake =
      std::make_unique<Handshake>(outlet_, role_, std::move(context), std::move(policy), now);
  handshake12_ = handshake.get();
  handshake13_ = nullptr;
  handshake_ = std::move(handshake);
}

void Session::begin13(std::shared_ptr<const SecureContext> context,
                      std::shared_ptr<const SessionPolicy> policy, double now) {
  auto handshake =
      std::make_unique<Handshake13>(outlet_, role_, std::move(context), std::move(policy), now);
  handshake13_ = handshake.get();
  handshake_ = std::move(handshake);
}

// Client: the server has no DTLS 1.3, and says so by its first message. An older handshake begins
// from the front, as if there had been none, with records numbered behind those that left. The
// message may be forged: the newer one is put aside until there is something authentic.
void Session::go_back(uint8_t* scratch, double now) {
  static_cast<void>(handshake_.release());  // it is handshake13_
  newer_.reset(handshake13_);
  begin12(newer_->context(), newer_->policy(), now);
  handshake12_->follow(newer_->next_clear_number(), newer_->time_limit(), newer_->began_older());
  handshake12_->connect(now);
  conclude(scratch, now);
}

// Whether the server has DTLS 1.3 after all. Its answer to the first hello is one fragment, as the
// one to the hello of 1.2 is. It does not count while the older handshake waits for the consumer,
// whose answer would come to be one to what the newer handshake asks; the server repeats itself.
bool Session::is_answer_to_newer(const RecordView& record) const {
  if (!newer_ || handshake12_->parked() || record.epoch != 0 ||
      record.type != ContentType::kHandshake || handshake_->reads_protected()) {
    return false;
  }
  Bytes rest = record.fragment;
  FragmentView fragment;
  if (!take_fragment(rest, fragment) || fragment.message_sequence != 0 ||
      fragment.body.size != fragment.message_length) {
    return false;
  }
  const ServerChoice choice = read_server_choice(fragment.type, fragment.body);
  return choice == ServerChoice::kDtls13 || choice == ServerChoice::kRetry13;
}

// `anew`: from its front, which is not done without end. False: the older one is what there is.
bool Session::return_to_newer(bool anew, double now) {
  if (!newer_->come_back(handshake12_->next_clear_number(), anew, now)) return false;
  handshake12_ = nullptr;
  handshake13_ = newer_.get();
  handshake_ = std::move(newer_);
  return true;
}

void Session::accept_hello(const RecordView& record, const FragmentView& fragment, Bytes random) {
  handshake12_->accept_hello(record, fragment, random);
}

void Session::accept_hello13(Handshake13::Hello hello, size_t size, uint8_t* scratch, double now) {
  outlet_.count_datagram(size);
  handshake13_->accept_hello(std::move(hello), now);
  conclude(scratch, now);
}

void Session::answer_hello(HelloAnswer answer, uint8_t* scratch, double now) {
  with_handshake(scratch, now,
                 [&](Negotiation& handshake) { handshake.answer_hello(std::move(answer), now); });
}

void Session::answer_session(Bytes session, bool refused, uint8_t* scratch, double now) {
  with_handshake(scratch, now,
                 [&](Negotiation& handshake) { handshake.answer_session(session, refused, now); });
}

void Session::answer_new_session(uint8_t* scratch, double now) {
  with_handshake(scratch, now, [&](Negotiation& handshake) { handshake.answer_new_session(now); });
}

void Session::answer_psk(PskAnswer answer, Bytes identity, Bytes key, uint8_t* scratch,
                         double now) {
  with_handshake(scratch, now,
                 [&](Negotiation& handshake) { handshake.answer_psk(answer, identity, key, now); });
}

void Session::answer_identity(bool accepted, uint8_t* scratch, double now) {
  with_handshake(scratch, now,
                 [&](Negotiation& handshake) { handshake.answer_identity(accepted, now); });
}

void Session::answer_ocsp(bool refused, Bytes response, uint8_t* scratch, double now) {
  with_handshake(scratch, now,
                 [&](Negotiation& handshake) { handshake.answer_ocsp(refused, response, now); });
}

// What every open session has of its handshake.
void Session::open_with(const Negotiation& handshake, double now) {
  completed_handshake_ = true;
  state_ = SessionState::kOpen;
  newer_.reset();
  last_activity_ = last_heard_ = now;
  rest_at_ = now + kRestAfter;
  context_ = handshake.context();
  policy_ = handshake.policy();
  mtu_ = handshake.mtu();
  if (role_ == Role::kClient && handshake.hello_random() != Handshake::Random{}) {
    turned_away_ = std::make_unique<const Handshake::Random>(handshake.hello_random());
  }
  keep_psk_identity(handshake);
}

// The handshake's SSL ends here, unless the records need it. Nothing else could seal anything under
// the session's keys from now on.
void Session::established(uint8_t* scratch, double now) {
  const std::unique_ptr<Negotiation> keeper = std::move(handshake_);
  if (Handshake13* handshake = std::exchange(handshake13_, nullptr)) {
    established13(*handshake, scratch, now);
    return;
  }
  Handshake* const handshake = std::exchange(handshake12_, nullptr);
  open_with(*handshake, now);
  encrypts_then_macs_ = handshake->encrypts_then_macs();
  max_fragment_ = static_cast<uint32_t>(handshake->max_fragment());
  auto facts = std::make_unique<SessionFacts>(handshake->ssl(), context_->alike());
  Handshake::Handover handover = handshake->hand_over();
  const std::vector<HeldRecords::Held> held = std::move(handover.held);
  const bool new_session = handover.new_session;
  if (policy_->heartbeat != HeartbeatMode::kOff) {
    heartbeat_ = std::make_unique<Heartbeat>();
    heartbeat_->own = policy_->heartbeat;
    heartbeat_->peer = handover.peer_heartbeat;
  }
  if (!take_records(std::move(handover), now)) {
    fail_as_openssl_says(FailureKind::kInternal);
    return;
  }
  facts->settle(policy_->session ? policy_->session->get() : nullptr);
  facts_ = std::move(facts);
  tell_secure();
  if (new_session) outlet_.append(RecordType::kSession, 0, 0);
  for (const HeldRecords::Held& early : held) {
    replay(early, handshake->counts_early(), scratch, now);
  }
}

void Session::established13(Handshake13& handshake, uint8_t* scratch, double now) {
  open_with(handshake, now);
  Handshake13::Handover handover = handshake.hand_over(now);
  if (const uint8_t code = handover.facts->max_fragment_code(); code >= 1 && code <= 4) {
    max_fragment_ = uint32_t{256} << code;
  }
  handover.facts->settle(policy_->session ? policy_->session->get() : nullptr);
  facts_ = std::move(handover.facts);
  records_ = std::move(handover.records);
  late13_ = std::move(handover.late);
  tell_secure();
  for (const std::vector<uint8_t>& early : handover.held) {
    Bytes rest{early.data(), early.size()};
    const Drops before = drops();
    if (state_ == SessionState::kClosed || !receive_one13(rest, scratch, now)) drop();
    if (!handshake.counts_early()) uncount_drops(before);
  }
  leave13(now);
}

bool Session::take_records(Handshake::Handover handover, double now) {
  AeadKeys keys;
  if (keys.derive(handover.ssl.get())) {
    if (handover.last_flight) {
      const std::vector<uint8_t>& finished = handover.finished;
      said_last_ = std::make_unique<SaidLast>(
          SaidLast{LastFlight(std::move(*handover.last_flight), {finished.data(), finished.size()},
                              now + kLinger),
                   handover.next_number_in_clear, handover.repetitions, now});
    }
    AeadRecords::Start start;
    start.next_number = handover.sealed.next_number;
    start.next_explicit_nonce = handover.sealed.next_explicit_nonce;
    start.sealed_blocks = handover.sealed.blocks;
    start.seen = ReplayWindow(policy_->replay_window, handover.seen);
    start.takes_repeated_messages = policy_->replay_window == 0;
    start.forged = handover.forged;
    records_ = std::make_unique<AeadRecords>(keys, std::move(start));
    // OpenSSL forbids to resume a session whose SSL is freed without a close_notify, or this.
    SSL_set_shutdown(handover.ssl.get(), SSL_SENT_SHUTDOWN);
    return true;
  }
  OpensslRecords::Start start;
  start.ssl = std::move(handover.ssl);
  start.seen = std::move(handover.seen);
  start.forged = handover.forged;
  start.encrypts_then_macs = encrypts_then_macs_;
  start.incoming_mac = std::move(handover.incoming_mac);
  start.max_fragment = max_fragment_;
  start.next_number_in_clear = handover.next_number_in_clear;
  start.answered_again = handover.answered_again;
  auto records = std::make_unique<OpensslRecords>(outlet_, mtu_, std::move(start));
  const bool ready = records->ready();
  records_ = std::move(records);
  return ready;
}

void Session::tell_secure() {
  const SessionFacts& facts = *facts_;
  const uint32_t what = kSecureVersion.put(static_cast<uint32_t>(facts.version())) |
                        kSecurePeerCertificate.put(facts.peer_showed_key()) |
                        kSecurePsk.put(facts.by_psk()) | kSecureReused.put(facts.reused()) |
                        kSecureEncryptThenMac.put(encrypts_then_macs_) |
                        kSecureExtendedMasterSecret.put(facts.extended_master_secret()) |
                        kSecureMaxFragment.put(uint32_t{max_fragment_code(max_fragment_)});
  const std::vector<uint8_t> protocol = facts.protocol();
  outlet_.append(RecordType::kSecure, what, static_cast<uint32_t>(facts.verify_result()),
                 {protocol.data(), protocol.size()});
}

// A record that came before its time, in the handshake.
void Session::replay(const HeldRecords::Held& held, bool counts_early, uint8_t* scratch,
                     double now) {
  const Drops before = drops();
  Bytes rest{held.bytes.data(), held.bytes.size()};
  RecordView record;
  if (state_ == SessionState::kClosed) {
    drop();
  } else if (take_record(rest, record)) {
    // A Finished that came more than once while the first one waited was sent before this side's
    // flight left: it does not ask for that again.
    const bool asks_nothing =
        said_last_ && record.epoch == 1 && record.type == ContentType::kHandshake;
    size_t size = 0;
    note_outcome(asks_nothing ? opened(record, scratch, size) : on_record(record, scratch, now));
  }
  if (held.until != Until::kAnswer && !counts_early) uncount_drops(before);
}

bool Session::gives_way(double now) const {
  return is_unproven() &&
         now >= handshake_->peers_turn_since() + handshake_->policy()->retransmit_initial;
}

void Session::displace() {
  handshake_->break_off();
  Failure failure;
  failure.kind = FailureKind::kDisplaced;
  fail(failure);
}

bool Session::began_with(Bytes random) const {
  if (role_ != Role::kServer || random.size != kRandomSize || (!handshake_ && !facts_))
    return false;
  const uint8_t* own =
      handshake_ ? handshake_->hello_random().data() : facts_->client_random().data;
  return std::memcmp(random.data, own, kRandomSize) == 0;
}

bool Session::said_hello_with(Bytes random) const {
  if (role_ != Role::kClient || random.size != kRandomSize || !handshake_) return false;
  const SSL* ssl = handshake_->ssl();
  std::array<uint8_t, kRandomSize> own{};
  return ssl != nullptr && SSL_get_client_random(ssl, own.data(), own.size()) == own.size() &&
         std::memcmp(random.data, own.data(), kRandomSize) == 0;
}

// Two ends that dial each other at once have both sent a ClientHello, from and to the same ports.
// Both get to see both, and whoever sent the one that goes on stays the client.
bool Session::turns_away(Bytes random) {
  const bool away = is_beaten(random);
  if (away) drop();
  return away;
}

bool Session::is_beaten(Bytes random) {
  if (role_ != Role::kClient || state_ == SessionState::kClosed) return false;
  if (handshake_) return handshake_->beats(random);
  // A late repetition; another random is a peer that has restarted.
  return turned_away_ && std::memcmp(random.data, turned_away_->data(), kRandomSize) == 0;
}

void Session::keep_psk_identity(const Negotiation& handshake) {
  if (const std::vector<uint8_t>* identity = handshake.psk_identity()) {
    psk_identity_ = std::make_unique<const std::vector<uint8_t>>(*identity);
  }
}

}  // namespace dtls
