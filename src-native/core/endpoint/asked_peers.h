#ifndef DGRAM_DTLS_CORE_ENDPOINT_ASKED_PEERS_H_
#define DGRAM_DTLS_CORE_ENDPOINT_ASKED_PEERS_H_

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/base/peer_address.h"
#include "core/base/peer_address_hash.h"
#include "core/handshake/session_policy.h"
#include "core/hello13/hello_stage.h"

namespace dtls {

// What counts for one peer of a server, in place of what counts for all.
struct PeerRules {
  std::shared_ptr<const SecureContext> context;
  std::shared_ptr<const SessionPolicy> policy;
  std::optional<ServerOffer> offer;  // for the stateless stage of DTLS 1.3
};

// The peers about whom a server's consumer is being asked, or has answered. Everything here is
// bounded, whoever sends: a peer that has proved its address by a cookie takes the place of a
// handshake; one that has not is asked about so seldom that forged addresses neither have the
// consumer's code run at the rate of the line nor keep many questions open. Where there is no room
// such a peer gets its cookie first, which costs nothing here.
class AskedPeers {
 public:
  // `timeout`: in milliseconds; a question that is open for longer is forgotten. `last_question`:
  // the number of the last one that was asked, whichever server of the transport asked it; outlives
  // this. Servers follow one another on a transport, and what is answered to one is not to be taken
  // for an answer to the next.
  AskedPeers(double timeout, uint32_t& last_question)
      : timeout_(timeout), hosts_(0, hash_), by_peer_(0, hash_), last_question_(last_question) {}
  AskedPeers(const AskedPeers&) = delete;
  AskedPeers& operator=(const AskedPeers&) = delete;
  ~AskedPeers() = default;

  static constexpr size_t kUnproven = 256;  // questions about peers that have proved nothing
  static constexpr size_t kUnprovenOfHost = 32;
  static constexpr double kUnprovenPerSecond = 128;
  static constexpr size_t kProven = 4096;   // the others, whatever limits the server has
  static constexpr size_t kAnswers = 4096;  // of each kind; the oldest go
  static constexpr double kAdmittedFor = 10'000;
  static constexpr double kRefusedFor = 1000;
  // What waits with a question: an honest hello, also one with post-quantum shares in pieces.
  static constexpr size_t kHeldDatagrams = 8;
  static constexpr size_t kHeldBytes = 4096;

  // Peers that have proved their address, and wait, at most; 0: any number.
  struct Room {
    uint32_t all;
    uint32_t of_host;
  };

  enum class State : uint8_t { kWaiting, kAdmitted, kRefused };

  struct Held {
    std::vector<uint8_t> datagram;
    uint16_t sequence;
    uint32_t offset;
  };
  struct Hello13 {
    HelloStage::Result hello;
    size_t size;  // of the datagram that brought the last of it
  };

  struct Asked {
    PeerAddress peer;
    PeerAddress host;
    uint32_t question = 0;
    State state = State::kWaiting;
    bool proven = false;
    double until = 0;
    std::vector<Held> held;
    size_t held_bytes = 0;
    std::unique_ptr<Hello13> hello13;  // in place of datagrams: it is whole, and its cookie good
    PeerRules rules;                   // of one that is admitted
  };

  // Null: nobody has been asked, or the answer is too old.
  Asked* find(const PeerAddress& peer, double now);
  const PeerRules* rules_for(const PeerAddress& peer, double now);

  // A new question about a peer that find() has not found. Null: there is no room for one.
  Asked* ask(const PeerAddress& peer, bool proven, Room room, double now);
  // Keeps a datagram until the answer. False: there is no room for it, or this piece is there.
  static bool hold(Asked& asked, Bytes datagram, uint16_t sequence, uint32_t offset);

  // The peer of an open question; null where nobody waits any more.
  Asked* waiting(uint32_t question, double now);
  // Its answer. What was held is for the caller to take before.
  void admit(Asked& asked, PeerRules rules, double now);
  void refuse(Asked& asked, double now);

  // A handshake begins: the answer is used up. The peer has been admitted.
  Asked use(const PeerAddress& peer);
  // Returns the question that the peer was asked about by; 0 where there is nothing to forget: one
  // behind `last_put`, which has yet to reach the consumer, will have an answer that counts. 0:
  // none of this server's has reached it.
  uint32_t forget(const PeerAddress& peer, uint32_t last_put, double now);

  // For tests.
  size_t size() const { return by_peer_.size(); }

 private:
  using Place = std::list<Asked>::iterator;
  struct Waiting {
    uint32_t proven = 0;
    uint32_t unproven = 0;
  };

  std::list<Asked>& list_of(State state);
  bool may_ask(const PeerAddress& host, bool proven, Room room);
  bool take_turn(double now);
  void keep(Asked& asked, State state, double until);
  void stop_waiting(const Asked& asked);
  void erase(Place place);
  void drop_old(double now);
  uint32_t next_question();

  const double timeout_;
  PeerAddressHash hash_;
  // Each in the order in which it grows too old.
  std::list<Asked> waiting_;
  std::list<Asked> admitted_;
  std::list<Asked> refused_;
  Waiting all_;
  std::unordered_map<PeerAddress, Waiting, PeerAddressHash> hosts_;
  std::unordered_map<PeerAddress, Place, PeerAddressHash> by_peer_;
  std::unordered_map<uint32_t, Place> by_question_;  // those that wait
  uint32_t& last_question_;
  double turns_ = kUnprovenPerSecond;  // questions about unproven peers that may be asked at once
  double turns_at_ = 0;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_ENDPOINT_ASKED_PEERS_H_
