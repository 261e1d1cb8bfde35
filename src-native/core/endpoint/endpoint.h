#ifndef DGRAM_DTLS_CORE_ENDPOINT_ENDPOINT_H_
#define DGRAM_DTLS_CORE_ENDPOINT_ENDPOINT_H_

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/base/peer_address.h"
#include "core/base/peer_address_hash.h"
#include "core/base/timer_queue.h"
#include "core/endpoint/asked_peers.h"
#include "core/endpoint/known_peers.h"
#include "core/endpoint/moved_peers.h"
#include "core/endpoint/peer_table.h"
#include "core/endpoint/server_offer.h"
#include "core/endpoint/slot_queue.h"
#include "core/handshake/cookie.h"
#include "core/handshake/spent_cookies.h"
#include "core/hello13/hello_stage.h"
#include "core/outbox/outbox.h"
#include "core/outbox/stats.h"
#include "core/outbox/transmitter.h"
#include "core/session/session.h"

namespace dtls {

// How many sessions and handshakes a server has at a time; 0 for any number.
struct ListenerLimits {
  uint32_t sessions = 10000;
  uint32_t pending_handshakes = 1000;
  uint32_t sessions_per_host = 1000;
  uint32_t pending_handshakes_per_host = 250;
};

// What makes an endpoint a server.
struct ListenerConfig {
  std::shared_ptr<const SecureContext> context;
  std::shared_ptr<const SessionPolicy> policy;
  bool cookie_exchange = true;
  double cookie_lifetime = 30000;
  ListenerLimits limits;
};

// What becomes of a session whose peer is to be at another address.
enum class MoveOutcome : uint32_t { kMoved = 0, kNotOpen, kTaken, kHostFull };

// All sessions behind one UDP port, of both roles: finds the session for a datagram, answers
// ClientHellos without keeping anything until their cookie is valid, and keeps the deadlines.
// Every call writes what happened into the Outbox; `now` as in Session.
class Endpoint {
 public:
  Endpoint(Outbox& outbox, uint32_t id);

  // As records name it.
  uint32_t id() const { return outlets_.endpoint; }

  // Sets by which way datagrams leave; called before there is a session. Borrowed.
  void use(Transmitter* transmitter) { outlets_.transmitter = transmitter; }

  // Makes the endpoint a server. Without a shared secret for its cookies it has secrets of its own,
  // and changes them.
  void listen(ListenerConfig config, Bytes cookie_secret = {});
  // Sets other limits for a server that listens already.
  void set_limits(const ListenerLimits& limits);
  // New handshakes use the new context or policy; running ones and sessions keep theirs.
  void set_context(std::shared_ptr<const SecureContext> context);
  void set_policy(std::shared_ptr<const SessionPolicy> policy);
  // Before a server answers a peer, or keeps anything of it, there is a PEER_QUESTION, which is
  // open for `timeout` milliseconds at most.
  void ask_peers(double timeout);
  // Its answer; rules without a context refuse the peer. `peer_index`: as in receive(). False:
  // nobody waits for it any more.
  bool answer_peer(uint32_t question, PeerRules rules, uint32_t peer_index, double now);
  // A peer that has been answered for, or asked about, is asked about again at its next hello.
  // Returns whose answer that is, or would have been; see AskedPeers::forget.
  uint32_t forget_peer(const PeerAddress& peer, uint32_t last_put, double now) {
    return asked_ ? asked_->forget(peer, last_put, now) : 0;
  }
  // No new sessions; a restarted peer is no longer answered.
  void stop_listening();
  // While busy, ClientHellos that would begin a session are counted and dropped.
  void set_busy(bool busy) { busy_ = busy; }
  // Sets whether a DROPPED record tells of each datagram of which something was dropped.
  void report_drops(bool report) { report_drops_ = report; }
  // Sets whether datagrams that are not DTLS become PACKET records.
  void report_packets(bool report) { report_packets_ = report; }

  // `peer_index` comes back in records that have no session to name their peer.
  void receive(Bytes datagram, const PeerAddress& peer, uint32_t peer_index, double now) {
    receive_merged(datagram, datagram.size, peer, peer_index, now);
  }
  // Datagrams from one peer that lie behind one another, each `segment` bytes, the last perhaps
  // fewer.
  void receive_merged(Bytes datagrams, size_t segment, const PeerAddress& peer, uint32_t peer_index,
                      double now);
  // The same of a peer whom nobody wants to hear, or who has no port to answer to (RFC 768): they
  // are counted, and nothing else.
  enum class Unheard { kBlocked, kUnanswerable };
  void drop(Bytes datagrams, size_t segment, const PeerAddress& peer, uint32_t peer_index,
            Unheard why);

  // The way to `peer` has failed, by a system's error number: a record for the peer's session.
  void transport_error(const PeerAddress& peer, int error);
  // The transport itself is of no use any more.
  void transport_broke(int error);

  // Returns the new session. Its slot stays taken until release().
  Session& connect(const PeerAddress& peer, std::shared_ptr<const SecureContext> context,
                   std::shared_ptr<const SessionPolicy> policy, double now);
  SendOutcome send(uint32_t slot, uint32_t generation, Bytes message, uint32_t token, double now);

  // The number by which packets can be sent to a peer, until all numbers are forgotten: to be done
  // when no record waits, since PACKET records name their peers by them, too.
  uint32_t number_of(const PeerAddress& peer);
  void forget_numbers() { known_peers_.forget(); }
  // Sends what is none of DTLS beside it, to the peer of a session or, with slot kNoSlot, to the
  // one whose number is in the place of the generation. With a `token` the sender waits for a SENT
  // record. False when there is no such session, or number.
  bool send_packet(uint32_t slot, uint32_t generation, Bytes packet, uint32_t token);

  // The session's peer is at another address from now on: what it sends from there is the
  // session's, and what is sent goes there. The consumer knows that address to be the peer's;
  // another session that has it keeps it (kTaken), unless it is a client's that has not finished
  // its handshake, and a server's limits for a host hold for the new one, too. For a while what was
  // on its way from the old address is opened as well, see MovedPeers. Whoever finds a peer anew by
  // what its records say (connection IDs, RFC 9146 section 6) calls the same.
  MoveOutcome move(uint32_t slot, uint32_t generation, const PeerAddress& to, double now);
  // What move() would return. Nothing changes.
  MoveOutcome may_move(uint32_t slot, uint32_t generation, const PeerAddress& to, double now);

  KeyUpdateOutcome update_keys(uint32_t slot, uint32_t generation, bool both, double now);
  HeartbeatOutcome heartbeat(uint32_t slot, uint32_t generation, Bytes payload, size_t padding,
                             double timeout, uint32_t retries, double now);
  void close(uint32_t slot, uint32_t generation, bool notify = true);
  void answer_hello(uint32_t slot, uint32_t generation, HelloAnswer answer, double now);
  void answer_session(uint32_t slot, uint32_t generation, Bytes stored, bool refused, double now);
  void answer_new_session(uint32_t slot, uint32_t generation, double now);
  void answer_psk(uint32_t slot, uint32_t generation, PskAnswer answer, Bytes identity, Bytes key,
                  double now);
  void answer_identity(uint32_t slot, uint32_t generation, bool accepted, double now);
  void answer_ocsp(uint32_t slot, uint32_t generation, bool refused, Bytes response, double now);
  // The consumer has seen the session's CLOSE record: the slot may be used again.
  void release(uint32_t slot, uint32_t generation);

  void advance(double now);
  double deadline() const { return std::min(timers_.next(), moved_.deadline()); }

  // Null for a slot that was released, or used again since.
  Session* find(uint32_t slot, uint32_t generation);

  const TrafficStats& traffic() const { return outlets_.totals; }
  const EndpointStats& stats() const { return stats_; }
  uint32_t session_count() const { return active_; }
  // For tests.
  uint32_t pending_count() const { return pending_; }

 private:
  struct Slot {
    std::unique_ptr<Session> session;
    uint32_t generation = 0;
    bool counted = false;  // among active_, and the sessions of its host
    bool pending = false;  // among pending_, and a server's among those of its host
    // A ClientHello with a valid cookie from a peer that has a session starts another beside it,
    // which takes its place when its handshake has succeeded (RFC 6347 section 4.2.8).
    uint32_t candidate = kNoSlot;
    // It has moved, and at which address of this host its peer looks for it is not known: its next
    // authentic record shows that.
    bool learns_path = false;
    double turn_since = 0;  // Session::peers_turn_since, when it was put into the queues
  };

  // What one host has here, see PeerAddress::host.
  struct Host {
    uint32_t sessions = 0;
    uint32_t pending = 0;  // handshakes that it began
    SlotQueue unproven;    // those of them that are in the queue of all
  };

  // The slot of the session at that address, not of a candidate; or kNoSlot.
  uint32_t slot_of(const PeerAddress& peer) const;
  uint32_t hash(const PeerAddress& peer) const;

  // These three: true when an open session took it, or it was none of DTLS, and neither a state nor
  // OpenSSL's error queue has anything to be dealt with before the next datagram of a run.
  bool receive_one(Bytes datagram, const PeerAddress& peer, uint32_t peer_index, double now);
  bool take(Bytes datagram, const PeerAddress& peer, uint32_t peer_index, double now);
  bool deliver(uint32_t slot, Bytes datagram, double now);
  void deliver_to_either(const RecordView& first, uint32_t current, uint32_t candidate,
                         Bytes datagram, double now);
  void on_packet(Bytes packet, const PeerAddress& peer, uint32_t peer_index);
  void tell_drops(const DropCounts& before, size_t size, const PeerAddress& peer,
                  uint32_t peer_index);

  // client_hellos.cc
  bool on_client_hello(const RecordView& record, Bytes datagram, const PeerAddress& peer,
                       uint32_t peer_index, double now);
  bool on_hello12(const RecordView& record, const FragmentView& fragment,
                  const ClientHelloFront& hello, Bytes datagram, const PeerAddress& peer,
                  uint32_t peer_index, double now);
  bool on_hello13(const RecordView& record, const FragmentView& fragment, Bytes datagram,
                  const PeerAddress& peer, uint32_t peer_index, double now);
  void count_refused(HelloStage::Why why);
  bool is_reflected(Bytes random) const;
  void begin13(HelloStage::Result hello, size_t size, const PeerAddress& peer, uint32_t peer_index,
               double now);
  bool waits_for_hello(const PeerAddress& peer, uint16_t sequence, double now);
  void offer_dtls13();
  void answer_unknown(const PeerAddress& peer, uint32_t peer_index, Bytes bytes);
  void send_hello_verify_request(const RecordView& record, const FragmentView& fragment,
                                 const PeerAddress& peer, Bytes random, uint32_t peer_index,
                                 double now);

  // admission.cc
  bool admit(const PeerAddress& peer, double now);
  // A session and its candidate, or neither.
  using Pair = std::array<uint32_t, 2>;
  bool make_room(const SlotQueue& unproven, const SlotLinks& links, double now);
  uint32_t who_gives_way(const SlotQueue& unproven, const SlotLinks& links, double now,
                         const Pair& besides = {kNoSlot, kNoSlot});
  void displace(uint32_t slot);
  bool make_way_beside(uint32_t current, double now);

  // peer_questions.cc
  struct Chosen {
    std::shared_ptr<const SecureContext> context;
    std::shared_ptr<const SessionPolicy> policy;
    uint32_t question;  // whose answer it is; 0: nobody was asked
  };
  bool is_held_back(const FragmentView& fragment, Bytes datagram, const PeerAddress& peer,
                    double now);
  bool asks_unproven(const FragmentView& fragment, Bytes datagram, const PeerAddress& peer,
                     uint32_t peer_index, double now);
  bool asks_proven(const FragmentView& fragment, Bytes datagram, const PeerAddress& peer,
                   uint32_t peer_index, double now);
  bool asks_proven13(HelloStage::Result& hello, size_t size, const PeerAddress& peer,
                     uint32_t peer_index, double now);
  void begin_by_rules(HelloStage::Result hello, const PeerRules& rules, size_t size,
                      const PeerAddress& peer, uint32_t peer_index, double now);
  AskedPeers::Asked* ask(const PeerAddress& peer, bool proven, uint32_t peer_index, double now);
  Chosen chosen_for(const PeerAddress& peer);

  Session& begin(Role role, const PeerAddress& peer, std::shared_ptr<const SecureContext> context,
                 std::shared_ptr<const SessionPolicy> policy, bool dtls13, double now);
  template <typename Act>
  void with(uint32_t slot, uint32_t generation, const Act& act);
  void settle(uint32_t slot);
  void queue(uint32_t slot);
  void end_as_replaced(uint32_t slot);
  void on_handshake_done(uint32_t slot);
  void on_handshake_over(uint32_t slot);
  void on_closed(uint32_t slot);
  void leave_address(uint32_t slot);
  // moving.cc
  struct Room {
    MoveOutcome outcome = MoveOutcome::kMoved;
    Pair replaced{kNoSlot, kNoSlot};  // half handshakes that have the place
    uint32_t displaced = kNoSlot;     // one that makes room among those of the host
  };
  Room room_at(const PeerAddress& to, const Session* session, double now);
  bool gives_way_at(const PeerAddress& to, const Session& to_whom, Room& room) const;
  bool has_room_at(const PeerAddress& to, const Session& session, double now, Room& room);
  PeerAddress path_to(PeerAddress to, const PeerAddress& before) const;
  void leave_queues(uint32_t slot);
  void learn_path(uint32_t slot, const PeerAddress& from, double now);
  uint32_t moved_from(const PeerAddress& peer, double now);
  bool take_of_moved(Bytes datagram, const PeerAddress& peer, double now);

  uint32_t take_slot();
  Host& host_of(uint32_t slot) { return hosts_.find(slots_[slot].session->peer().host())->second; }

  Outlets outlets_;
  std::unique_ptr<ListenerConfig> listener_;
  bool busy_ = false;
  bool report_drops_ = false;
  bool report_packets_ = false;
  std::unique_ptr<CookieJar> cookies_;
  std::optional<SpentCookies> spent_;
  uint32_t last_question_ = 0;
  std::unique_ptr<AskedPeers> asked_;     // null where the server has the same rules for all
  std::unique_ptr<HelloStage> hellos13_;  // null where the server has no DTLS 1.3
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  PeerAddressHash hash_;
  PeerTable peers_;
  // The slot of the peer whose datagrams are being received, when it has been looked up.
  uint32_t known_ = kNoSlot;
  // The number of that peer, when a packet of it has been told of.
  uint32_t packets_from_ = KnownPeers::kNone;
  KnownPeers known_peers_;
  MovedPeers moved_;
  uint32_t unsettled_ = kNoSlot;  // to be settled when all datagrams of the run are dealt with
  std::unordered_map<PeerAddress, Host, PeerAddressHash> hosts_;
  // Handshakes of which Session::is_unproven holds, in the order in which it became their peers'
  // turn: all of them, and those of each host.
  SlotQueue unproven_;
  SlotLinks unproven_links_;
  SlotLinks host_links_;
  TimerQueue timers_;
  std::vector<uint32_t> dialling_;  // slots of clients in their handshake
  uint32_t active_ = 0;
  uint32_t pending_ = 0;
  EndpointStats stats_;
  std::unique_ptr<uint8_t[]> scratch_;  // one plaintext at a time
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_ENDPOINT_ENDPOINT_H_
