// Protects: that a session with an AEAD suite has no SSL once it is open, in either role, full or
// resumed, and goes on where OpenSSL has stopped; above all that no two records of its life are
// sealed under one nonce. And that whoever has said the last flight says it again when it was lost.
#include <doctest/doctest.h>

#include <map>
#include <set>

#include "core/handshake/kept_session.h"
#include "harness.h"
#include "session_probe.h"

namespace dtls::test {
namespace {

const std::vector<uint8_t> kKey = {1, 2, 3, 4, 5, 6, 7, 8};

constexpr const char* kAeadSuites[] = {"PSK-AES128-GCM-SHA256", "PSK-AES256-GCM-SHA384",
                                       "PSK-CHACHA20-POLY1305", "PSK-ARIA128-GCM-SHA256",
                                       "PSK-AES128-CCM",        "PSK-AES256-CCM8:@SECLEVEL=0"};
constexpr const char* kCbc = "PSK-AES128-CBC-SHA256";

constexpr uint8_t kHeartbeatRecord = 24;

// Every protected record that went over the wire, and by what it was sealed.
class Wire {
 public:
  void see(const Packet& packet) {
    Bytes rest = view(packet.bytes);
    RecordView record;
    while (take_record(rest, record)) {
      if (record.epoch == 0) continue;
      const int key = packet.to_server ? 1 : 0;
      ++records_;
      const std::vector<uint8_t> whole = copy(record.whole);
      same_ = same_ && numbers_[key].emplace(record.sequence, whole).first->second == whole;
      const std::vector<uint8_t> nonce = copy(record.fragment.first(8));
      same_ =
          same_ && (!explicit_nonces || nonces_[key].emplace(nonce, whole).first->second == whole);
    }
  }

  bool explicit_nonces = true;
  // No two different records have one number, or one nonce.
  bool all_differ() const { return same_; }
  size_t records() const { return records_; }
  size_t numbers(bool to_server) { return numbers_[to_server ? 1 : 0].size(); }

 private:
  std::map<int, std::map<uint64_t, std::vector<uint8_t>>> numbers_;
  std::map<int, std::map<std::vector<uint8_t>, std::vector<uint8_t>>> nonces_;
  bool same_ = true;
  size_t records_ = 0;
};

enum class Kind : uint8_t { kFull, kTicket, kId };
constexpr Kind kKinds[] = {Kind::kFull, Kind::kTicket, Kind::kId};

// A link whose next handshake is of this kind. `lost` says what does not arrive.
struct Session12 : Link {
  Session12(const char* ciphers, Kind kind) : kind_(kind) {
    use_psk("device", kKey);
    server_context = psk_context(ciphers);
    client_context = psk_context(ciphers);
    server_policy.heartbeat = client_policy.heartbeat = HeartbeatMode::kPeerAllowedToSend;
    client_policy.retransmit_initial = client_policy.retransmit_max = 50;
    server_policy.retransmit_initial = server_policy.retransmit_max = 50;
    wire.explicit_nonces = std::string(ciphers).find("CHACHA") == std::string::npos;
    if (kind == Kind::kTicket) server_policy.ticket_keys = std::make_shared<TicketKeys>(3.6e6);
    if (kind == Kind::kId) server_policy.hello_questions = kAskStoredSession | kTellNewSession;
    if (kind != Kind::kFull) {
      REQUIRE(handshake());
      const SecretBytes packed = client().live()->facts()->pack("");
      client_policy.session = KeptSession::parse(packed.view());
      REQUIRE(client_policy.session.get() != nullptr);
      server.events.clear();
      // Before it offers the session it is asked for the key.
      Side& again = add_client();
      again.psk_identity = "device";
      again.psk = kKey;
    }
    network = [this](Packet& packet, std::deque<Packet>& arriving) {
      wire.see(packet);
      if (!lost || !lost(packet)) arriving.push_back(packet);
    };
  }

  void begin() {
    if (kind_ == Kind::kFull) listen();
    connect();
    pump();
  }
  bool both_secure() {
    const bool resumed = kind_ != Kind::kFull;
    return client().secure() && server.secure() &&
           kSecureReused.in(client().last(RecordType::kSecure)->a) == resumed &&
           kSecureReused.in(server.last(RecordType::kSecure)->a) == resumed;
  }
  // Whose flight is the last.
  bool from_last(const Packet& packet) const { return packet.to_server == (kind_ != Kind::kFull); }
  Side& last_speaker() { return kind_ == Kind::kFull ? server : client(); }
  Side& first_to_finish() { return kind_ == Kind::kFull ? client() : server; }
  bool says(Side& from, Side& to, const std::string& text) {
    const size_t before = to.messages().size();
    const bool sent = send(from, view(text)) == SendOutcome::kSent;
    pump();
    return sent && to.messages().size() == before + 1 && to.messages().back() == text;
  }
  bool talks() { return says(client(), server, "there") && says(server, client(), "back"); }

  Wire wire;
  std::function<bool(const Packet&)> lost;

 private:
  const Kind kind_;
};

// How the newest session of a side ended; each end once.
std::vector<FailureKind> ends_of(const Side& side) {
  std::vector<FailureKind> ends;
  for (const Event& event : side.events) {
    if (event.type == RecordType::kClose && event.id.slot == side.session.slot &&
        event.id.generation == side.session.generation) {
      ends.push_back(static_cast<FailureKind>(event.a));
    }
  }
  return ends;
}
const std::vector<FailureKind> kEndedWell{FailureKind::kNone};

bool is_protected(const Packet& packet) {
  Bytes rest = view(packet.bytes);
  RecordView record;
  while (take_record(rest, record)) {
    if (record.epoch != 0) return true;
  }
  return false;
}

TEST_CASE("handover: an open session with an AEAD suite has no SSL, whatever its handshake was") {
  for (const char* ciphers : kAeadSuites) {
    for (const Kind kind : kKinds) {
      CAPTURE(ciphers);
      CAPTURE(static_cast<int>(kind));
      Session12 link(ciphers, kind);
      link.begin();
      REQUIRE(link.both_secure());
      for (Side* side : {&link.client(), &link.server}) {
        CHECK(side->live()->ssl() == nullptr);
        CHECK(SessionProbe::aead(*side->live()) != nullptr);
      }
      CHECK(link.talks());
    }
  }
}

TEST_CASE("handover: a suite without AEAD keeps its SSL") {
  for (const Kind kind : kKinds) {
    Session12 link(kCbc, kind);
    link.begin();
    REQUIRE(link.both_secure());
    CHECK(link.client().live()->ssl() != nullptr);
    CHECK(link.server.live()->ssl() != nullptr);
    CHECK(link.talks());
  }
}

TEST_CASE("handover: all nonces of a session's life are different, on the wire") {
  for (const char* ciphers : kAeadSuites) {
    for (const Kind kind : kKinds) {
      CAPTURE(ciphers);
      CAPTURE(static_cast<int>(kind));
      Session12 link(ciphers, kind);
      // The last flight is lost three times: Finished and its repetitions.
      int losses = 3;
      link.lost = [&](const Packet& packet) {
        return link.from_last(packet) && is_protected(packet) && losses > 0 && losses-- > 0;
      };
      link.begin();
      REQUIRE(link.run_until([&] { return link.both_secure(); }));
      CHECK(losses == 0);
      const auto heartbeat = [&](Side& side) {
        return side.endpoint.heartbeat(side.session.slot, side.session.generation, view("ping"), 16,
                                       50, 3, Link::now());
      };
      for (int i = 0; i < 20; ++i) {
        CHECK(link.talks());
        CHECK(heartbeat(link.client()) == HeartbeatOutcome::kSent);
        CHECK(heartbeat(link.server) == HeartbeatOutcome::kSent);
        link.pump();
        if (i % 5 == 0) {
          Link::skip(Session::kRestAfter);  // contexts are made again
          link.advance();
        }
      }
      // Repetitions of heartbeats, refusals of a renegotiation, repetitions of the last flight.
      link.lost = [](const Packet& packet) { return packet.bytes[0] == kHeartbeatRecord; };
      CHECK(heartbeat(link.client()) == HeartbeatOutcome::kSent);
      link.run_until([] { return false; }, 400);
      link.lost = nullptr;
      std::vector<uint8_t> finished(kHandshakeHeaderSize + 12, 0);
      finished[0] = 20;
      finished[3] = finished[11] = 12;
      std::vector<uint8_t> hello(kHandshakeHeaderSize, 0);
      hello[0] = 1;
      std::vector<uint8_t> request(kHandshakeHeaderSize, 0);
      for (Side* to : {&link.server, &link.client()}) {
        const Session* peer = (to == &link.server ? link.client() : link.server).live();
        uint64_t number = SessionProbe::aead(*peer)->next_number() + 30;
        link.inject(*to, view(seal_record(peer, 22, number++, view(finished))));
        link.inject(
            *to, view(seal_record(peer, 22, number++, view(to == &link.server ? hello : request))));
        link.pump();
        CHECK(to->alerts(true, SSL_AD_NO_RENEGOTIATION) == 1);
      }
      const size_t before = link.wire.records();
      link.client().endpoint.close(link.client().session.slot, link.client().session.generation);
      link.pump();
      CHECK(link.wire.records() == before + 2);  // close_notify, both ways
      CHECK(link.server.alerts(false, SSL_AD_CLOSE_NOTIFY) == 1);
      CHECK(link.wire.all_differ());
      CHECK(link.wire.numbers(true) > 60);
      CHECK(link.wire.numbers(false) > 60);
      CHECK(link.server.endpoint.traffic().badRecords == 0);
      CHECK(link.client().endpoint.traffic().badRecords == 0);
    }
  }
}

TEST_CASE(
    "handover: a lost last flight is said again, by either role, in a full handshake or not") {
  for (const char* ciphers : {kAeadSuites[0], kAeadSuites[2], kAeadSuites[4], kCbc}) {
    for (const Kind kind : kKinds) {
      for (const int times : {1, 2, 5}) {
        CAPTURE(ciphers);
        CAPTURE(static_cast<int>(kind));
        CAPTURE(times);
        Session12 link(ciphers, kind);
        int left = times;
        link.lost = [&](const Packet& packet) {
          return link.from_last(packet) && is_protected(packet) && left > 0 && left-- > 0;
        };
        link.begin();
        REQUIRE(link.last_speaker().secure());
        REQUIRE_FALSE(link.first_to_finish().secure());
        REQUIRE(link.run_until([&] { return link.both_secure(); }));
        CHECK(left == 0);
        CHECK(link.wire.all_differ());
        CHECK(link.last_speaker().endpoint.traffic().retransmissions >= 2U * times);
        CHECK(link.talks());
      }
    }
  }
}

TEST_CASE("handover: a last flight is said again also after data, which waits for it") {
  for (const char* ciphers : {kAeadSuites[0], kAeadSuites[2], kCbc}) {
    for (const Kind kind : kKinds) {
      CAPTURE(ciphers);
      CAPTURE(static_cast<int>(kind));
      Session12 link(ciphers, kind);
      bool cut = true;
      // Only what is data arrives of the side that believes itself done.
      link.lost = [&](const Packet& packet) {
        return cut && link.from_last(packet) && is_protected(packet) && packet.bytes[0] != 23;
      };
      link.begin();
      REQUIRE(link.last_speaker().secure());
      REQUIRE_FALSE(link.first_to_finish().secure());
      for (const char* text : {"one", "two"}) {
        CHECK(link.send(link.last_speaker(), view(std::string(text))) == SendOutcome::kSent);
      }
      link.pump();
      CHECK(link.first_to_finish().messages().empty());
      cut = false;
      REQUIRE(link.run_until([&] { return link.both_secure(); }));
      CHECK(link.first_to_finish().messages() == std::vector<std::string>{"one", "two"});
      CHECK(link.wire.all_differ());
      CHECK(link.first_to_finish().endpoint.traffic().replays == 0);
    }
  }
}

TEST_CASE("handover: data that came before its time is delivered once, however often it comes") {
  for (const Kind kind : kKinds) {
    CAPTURE(static_cast<int>(kind));
    Session12 link(kAeadSuites[0], kind);
    std::vector<Datagram> early;
    bool cut = true;
    link.lost = [&](const Packet& packet) {
      if (link.from_last(packet) && packet.bytes[0] == 23) early.push_back(packet.bytes);
      return cut && link.from_last(packet) && is_protected(packet) && packet.bytes[0] != 23;
    };
    link.begin();
    CHECK(link.send(link.last_speaker(), view(std::string("once"))) == SendOutcome::kSent);
    link.pump();
    cut = false;
    REQUIRE(link.run_until([&] { return link.both_secure(); }));
    REQUIRE(early.size() == 1);
    for (int i = 0; i < 3; ++i) link.inject(link.first_to_finish(), view(early[0]));
    link.pump();
    CHECK(link.first_to_finish().messages() == std::vector<std::string>{"once"});
    CHECK(link.first_to_finish().endpoint.traffic().replays == 3);
  }
}

TEST_CASE("handover: an alert that overtakes the last flight ends the session when it is open") {
  for (const char* ciphers : {kAeadSuites[0], kAeadSuites[2], kCbc}) {
    for (const Kind kind : kKinds) {
      for (const bool behind_change : {false, true}) {
        CAPTURE(ciphers);
        CAPTURE(static_cast<int>(kind));
        CAPTURE(behind_change);
        Session12 link(ciphers, kind);
        std::vector<Datagram> last;
        link.lost = [&](const Packet& packet) {
          if (!link.from_last(packet) || !is_protected(packet) || packet.bytes[0] == 21)
            return false;
          Bytes rest = view(packet.bytes);
          RecordView record;
          while (take_record(rest, record)) last.push_back(copy(record.whole));
          return true;
        };
        link.begin();
        REQUIRE(link.last_speaker().secure());
        REQUIRE_FALSE(link.first_to_finish().secure());
        // What comes before the Finished: a NewSessionTicket, perhaps, and the ChangeCipherSpec.
        const auto deliver = [&](bool finished) {
          for (const Datagram& record : last) {
            if ((record[4] == 1) == finished) link.inject(link.first_to_finish(), view(record));
          }
        };
        if (behind_change) deliver(false);
        const SessionId id = link.last_speaker().session;
        link.last_speaker().endpoint.close(id.slot, id.generation);
        link.pump();
        REQUIRE_FALSE(link.first_to_finish().secure());
        if (!behind_change) deliver(false);
        deliver(true);
        link.pump();
        CHECK(link.first_to_finish().secure());
        CHECK((ends_of(link.first_to_finish()) == kEndedWell));
        // Who comes back from its own port is heard by its old session, too, which cannot open it.
        const uint64_t bad = kind == Kind::kFull ? 0 : 1;
        CHECK(link.first_to_finish().endpoint.traffic().badRecords <= bad);
        CHECK(link.first_to_finish().endpoint.session_count() == 0);
      }
    }
  }
}

TEST_CASE("handover: what came before its time is read in the order in which it came") {
  Session12 link(kAeadSuites[0], Kind::kFull);
  link.server.hold = true;
  std::vector<Datagram> flight;
  link.lost = [&](const Packet& packet) {
    if (!packet.to_server || !is_protected(packet)) return false;
    Bytes rest = view(packet.bytes);
    RecordView record;
    while (take_record(rest, record)) flight.push_back(copy(record.whole));
    return true;
  };
  link.begin();
  REQUIRE_FALSE(flight.empty());
  AeadKeys keys;
  REQUIRE(keys.derive(link.client().live()->ssl()));
  AeadRecords::Start start;
  start.next_number = start.next_explicit_nonce = 50;
  AeadRecords client(keys, std::move(start));
  const auto say = [&](ContentType type, const std::string& text) {
    Datagram record(client.sealed_size(text.size()));
    REQUIRE(client.seal(type, view(text), record.data()) == record.size());
    link.inject(link.server, view(record));
  };
  // The server's question is open: who has this key?
  for (const Datagram& record : flight) {
    if (record[4] == 1) continue;
    link.inject(link.server, view(record));
  }
  say(ContentType::kApplicationData, "before");
  for (const Datagram& record : flight) {
    if (record[4] == 1) link.inject(link.server, view(record));
  }
  say(ContentType::kApplicationData, "behind");
  say(ContentType::kAlert, std::string{1, 0});
  link.server.endpoint.answer_psk(link.server.session.slot, link.server.session.generation,
                                  PskAnswer::kFound, {}, view(kKey), Link::now());
  link.pump();
  CHECK(link.server.secure());
  CHECK(link.server.messages() == std::vector<std::string>{"before", "behind"});
  CHECK((ends_of(link.server) == kEndedWell));
}

TEST_CASE("handover: what can be asked of a session stays until its end has been read") {
  for (const char* ciphers : {kAeadSuites[0], kCbc}) {
    for (const Kind kind : kKinds) {
      CAPTURE(ciphers);
      CAPTURE(static_cast<int>(kind));
      Session12 link(ciphers, kind);
      link.begin();
      REQUIRE(link.both_secure());
      const SessionId id = link.client().session;
      link.client().endpoint.close(id.slot, id.generation);
      link.pump();
      for (Side* side : {&link.client(), &link.server}) {
        REQUIRE((ends_of(*side) == kEndedWell));
        const auto facts = side->live()->facts();
        REQUIRE((facts != nullptr));
        CHECK(facts->cipher() != nullptr);
        SecretBytes key(20);
        CHECK(facts->export_keying_material(key, "EXPORTER-test", nullptr));
        CHECK(!facts->pack("").empty());
        side->endpoint.release(side->session.slot, side->session.generation);
        CHECK(side->live() == nullptr);
      }
    }
  }
}

TEST_CASE("handover: a session that ended with a fatal alert is not to be resumed") {
  Session12 link(kAeadSuites[0], Kind::kFull);
  link.begin();
  REQUIRE(link.both_secure());
  const std::string alert{2, SSL_AD_INTERNAL_ERROR};
  link.inject(link.client(), view(seal_record(link.server.live(), 21, 50, view(alert))));
  CHECK(link.client().live()->facts()->pack("").empty());
}

TEST_CASE(
    "handover: a record longer than max_fragment_length ends the session, and the peer hears") {
  for (const bool to_server : {true, false}) {
    for (const uint8_t type : {21, 22, 23, 24}) {
      CAPTURE(to_server);
      CAPTURE(int{type});
      Session12 link(kAeadSuites[0], Kind::kFull);
      link.client_policy.max_fragment_length = 512;
      link.begin();
      REQUIRE(link.both_secure());
      Side& side = to_server ? link.server : link.client();
      Side& other = to_server ? link.client() : link.server;
      const auto inject = [&](uint64_t number, size_t size) {
        const std::string text(size, 'x');
        link.inject(side, view(seal_record(other.live(), type, number, view(text))));
        link.pump();
      };
      if (type == 23) {
        inject(50, 512);
        CHECK(side.messages().size() == 1);
      }
      inject(51, 513);
      CHECK(side.close_kind() == FailureKind::kProtocolError);
      CHECK(other.close_alert() == SSL_AD_RECORD_OVERFLOW);
      CHECK(side.messages().size() == (type == 23 ? 1 : 0));
    }
  }
}

TEST_CASE("handover: a datagram is read up to its first forgery") {
  for (const char* ciphers : kAeadSuites) {
    CAPTURE(ciphers);
    Session12 link(ciphers, Kind::kFull);
    link.begin();
    REQUIRE(link.both_secure());
    const Datagram first = seal_record(link.client().live(), 23, 50, view(std::string("first")));
    Datagram datagram = first;
    Datagram forged = seal_record(link.client().live(), 23, 51, view(std::string("forged")));
    forged.back() ^= 1;
    for (int i = 0; i < 100; ++i) datagram.insert(datagram.end(), forged.begin(), forged.end());
    link.inject(link.server, view(datagram));
    link.pump();
    CHECK(link.server.messages() == std::vector<std::string>{"first"});
    CHECK(link.server.live()->stats().badRecords == 1);
    CHECK(link.server.live()->stats().discardedRecords == 1);
  }
}

TEST_CASE("handover: a record of the handshake that comes again is a replay") {
  for (const Kind kind : kKinds) {
    CAPTURE(static_cast<int>(kind));
    Session12 link(kAeadSuites[0], kind);
    std::vector<Packet> seen;
    link.lost = [&](const Packet& packet) {
      if (is_protected(packet)) seen.push_back(packet);
      return false;
    };
    link.begin();
    REQUIRE(link.both_secure());
    REQUIRE(seen.size() >= 2);
    const std::vector<Packet> again = seen;
    for (const Packet& packet : again) {
      link.inject(packet.to_server ? link.server : link.client(), view(packet.bytes));
    }
    link.pump();
    CHECK(link.server.endpoint.traffic().replays == 1);
    CHECK(link.client().endpoint.traffic().replays == 1);
    CHECK(link.talks());
  }
}

TEST_CASE("handover: a last flight is said again twelve times at most, and for four minutes") {
  std::vector<uint8_t> finished(kHandshakeHeaderSize + 12, 0);
  finished[0] = 20;
  finished[3] = finished[11] = 12;
  for (const bool late : {false, true}) {
    CAPTURE(late);
    Session12 link(kAeadSuites[0], Kind::kFull);
    link.begin();
    REQUIRE(link.both_secure());
    size_t answers = 0;
    link.lost = [&](const Packet& packet) {
      if (!packet.to_server && is_protected(packet)) ++answers;
      return false;
    };
    if (late) {
      Link::skip(Session::kLinger);
      link.advance();
      CHECK(link.server.endpoint.deadline() == kNever);
    }
    for (uint64_t number = 10; number < 40; ++number) {
      link.inject(link.server, view(seal_record(link.client().live(), 22, number, view(finished))));
      link.pump();
    }
    CHECK(answers == (late ? 0U : LastFlight::kOften));
    CHECK(link.server.count(RecordType::kClose) == 0);
    CHECK(link.talks());
  }
}

TEST_CASE("handover: numbers that are used up end the session, and the last one says goodbye") {
  Session12 link(kAeadSuites[0], Kind::kFull);
  link.begin();
  REQUIRE(link.both_secure());
  SessionProbe::set_next_number(*link.server.live(), AeadRecords::kNumbers - 2);
  CHECK(link.send(link.server, view(std::string("last"))) == SendOutcome::kSent);
  const uint64_t sent = link.server.live()->stats().datagramsSent;
  CHECK(link.send(link.server, view(std::string("none"))) == SendOutcome::kFailed);
  CHECK(link.server.live()->stats().datagramsSent == sent + 1);
  link.pump();
  CHECK(link.server.close_kind() == FailureKind::kNumbersSpent);
  CHECK(link.client().messages() == std::vector<std::string>{"last"});
  CHECK(link.client().close_kind() == FailureKind::kNone);
}

TEST_CASE("handover: a forged record leaves nothing of itself in the memory for messages") {
  for (const char* ciphers : kAeadSuites) {
    CAPTURE(ciphers);
    Session12 link(ciphers, Kind::kFull);
    link.begin();
    REQUIRE(link.both_secure());
    const std::string secret = "what nobody has proved to have said";
    Datagram forged = seal_record(link.client().live(), 23, 700, view(secret));
    forged.back() ^= 1;
    link.inject(link.server, view(forged));
    CHECK(link.server.live()->stats().badRecords == 1);
    CHECK_FALSE(link.server.arena_has(view(secret).first(16)));
    link.inject(link.server, view(seal_record(link.client().live(), 23, 701, view(secret))));
    CHECK(link.server.arena_has(view(secret).first(16)));
    link.pump();
    CHECK(link.server.messages() == std::vector<std::string>{secret});
  }
}

TEST_CASE("handover: a malformed alert of the peer ends the session, and the peer hears of it") {
  for (const std::string& alert : {std::string{2}, std::string{1, 0, 0}, std::string{3, 10}}) {
    Session12 link(kAeadSuites[0], Kind::kFull);
    link.begin();
    REQUIRE(link.both_secure());
    link.inject(link.server, view(seal_record(link.client().live(), 21, 50, view(alert))));
    link.pump();
    CHECK(link.server.close_kind() == FailureKind::kProtocolError);
    CHECK(link.client().close_kind() == FailureKind::kAlertReceived);
    CHECK(link.client().close_alert() ==
          (alert.size() == 2 ? SSL_AD_ILLEGAL_PARAMETER : SSL_AD_UNEXPECTED_MESSAGE));
  }
}

}  // namespace
}  // namespace dtls::test
