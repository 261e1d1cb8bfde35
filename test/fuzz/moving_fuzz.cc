// Looks for what is left over when peers are asked about and sessions move: the input is a list of
// calls. Clients dial from a few places, vanish and come back elsewhere; the server moves its
// sessions, also onto places of others, dials as well, and has its rules answered late, or not at
// all, or taken back; the network between loses, repeats and delays. Beyond what the sanitizers
// see, it insists that a refused move changes nothing, that a session hears its own peer alone,
// that the endpoint's counts are those of its records, and that nothing is left in the end: no
// session, no deadline, no question, and no place in the books of a host.
#include <array>
#include <map>
#include <set>
#include <string>

#include "../native/harness.h"
#include "input.h"

namespace dtls::test {
namespace {

using Key = std::pair<uint32_t, uint32_t>;  // slot, generation

constexpr uint32_t kHosts = 3;
constexpr uint32_t kPorts = 4;
constexpr uint32_t kPlaces = kHosts * kPorts;
constexpr size_t kMostClients = 24;  // so that an input has its end
constexpr double kAskFor = 2000;

PeerAddress place(uint32_t index) {
  constexpr uint32_t kFirstHost = 0x0a000001;
  return address(kFirstHost + (index / kPorts << 8), static_cast<uint16_t>(1 + index % kPorts));
}

const std::vector<uint8_t> kKey(16, 7);

// Contexts cost time, and are the same for all inputs.
const ContextPtr& keys_context() {
  static const ContextPtr context = psk_context();
  return context;
}

// A client, at a place until it vanishes, or another one takes it.
struct Client {
  explicit Client(uint32_t id, uint32_t at) : side(100 + id), place(at) {}
  Side side;
  uint32_t place;
  bool reachable = true;
};

// A datagram on its way, and where it comes from, or goes to.
struct InFlight {
  bool to_server;
  uint32_t place;
  Datagram bytes;
};

class World {
 public:
  World(Input& input, uint8_t setting) : input_(input) {
    ListenerConfig config;
    config.context = keys_context();
    config.policy = std::make_shared<SessionPolicy>(psk_policy());
    config.cookie_exchange = (setting & 1) != 0;
    asks_ = (setting & 2) != 0;
    if ((setting & 4) != 0) {
      config.limits.sessions_per_host = 2;
      config.limits.pending_handshakes_per_host = 1;
    }
    if ((setting & 8) != 0) config.limits.pending_handshakes = 3;
    server_.endpoint.listen(std::move(config));
    if (asks_) server_.endpoint.ask_peers(kAskFor);
  }

  void step() {
    const uint8_t what = input_.byte();
    constexpr uint8_t kHolds = 0x80;
    switch ((what & ~kHolds) % 12) {
      case 0:
        dial(input_.below(kPlaces));
        break;
      case 1:
      case 2:
        move(input_.byte());
        break;
      case 3:
        if (Client* one = client()) put(*one, input_.below(kPlaces));
        break;
      case 4:
      case 5:
        answer(input_.below(4));
        break;
      case 6:
        forget(input_.below(kPlaces), questions_.empty() ? 0 : input_.byte());
        break;
      case 7:
        pass(input_.byte() * 8.0);
        break;
      case 8:
        end_session(input_.byte());
        break;
      case 9:
        speak();
        break;
      case 10:
        dial_from_server(input_.below(kPlaces));
        break;
      default:
        lossy_ = input_.byte();
        break;
    }
    // In the middle of a handshake, too, there is a next call.
    pump((what & kHolds) != 0 ? input_.below(8) : SIZE_MAX);
  }

  // Everybody leaves. Then there is nothing, and each host may have what its limits say.
  void end() {
    lossy_ = 0;
    late_.clear();
    for (auto& one : clients_) vanish(*one);
    while (!live_.empty()) {
      const Key id = *live_.begin();
      server_.endpoint.close(id.first, id.second);
      collect();
    }
    arriving_.clear();
    for (const auto& [question, _] : questions_) {
      server_.endpoint.answer_peer(question, {}, 0, Link::now());
    }
    collect();
    Link::skip(std::max(kAskFor, MovedPeers::kGrace) + AskedPeers::kAdmittedFor);
    server_.endpoint.advance(Link::now());
    check();
    insist(server_.endpoint.session_count() == 0, "no session is left over");
    insist(server_.endpoint.pending_count() == 0, "no handshake is left over");
    insist(server_.endpoint.deadline() == kNever, "no deadline is left over");
    const EndpointStats& stats = server_.endpoint.stats();
    insist(stats.handshakesStarted == begun_, "a handshake begins with a record");
    insist(stats.handshakesStarted == stats.handshakesCompleted + stats.handshakesFailed,
           "a handshake is completed, or fails");
    insist(stats.peersAsked == asked_, "a question is a record");
    for (const auto& [question, _] : questions_) {
      insist(!server_.endpoint.answer_peer(question, {}, 0, Link::now()), "no question is open");
    }
    ListenerLimits limits;
    limits.sessions_per_host = limits.pending_handshakes_per_host = 1;
    server_.endpoint.set_limits(limits);
    for (uint32_t host = 0; host < kHosts; ++host) {
      Client& one = dial(host * kPorts);
      pump();
      while (!questions_.empty()) answer(1);
      pump();
      insist(one.side.secure(), "each host has room for one");
    }
  }

 private:
  Client* client() {
    return clients_.empty() ? nullptr : clients_[input_.below(clients_.size())].get();
  }

  Client& dial(uint32_t at) {
    if (clients_.size() == kMostClients) {
      vanish(*clients_.front());
      clients_.erase(clients_.begin());
    }
    clients_.push_back(std::make_unique<Client>(next_client_++, at));
    Client& one = *clients_.back();
    put(one, at);
    one.side.session = one.side.endpoint
                           .connect(server_address_, keys_context(),
                                    std::make_shared<SessionPolicy>(psk_policy()), Link::now())
                           .id();
    return one;
  }

  // Whoever was there before has gone without a word.
  void put(Client& one, uint32_t at) {
    for (auto& other : clients_) {
      if (other->place == at) other->reachable = false;
    }
    one.place = at;
    one.reachable = true;
  }

  void vanish(Client& one) {
    const SessionId id = one.side.session;
    one.side.endpoint.release(id.slot, id.generation);
    collect();
    one.reachable = false;
  }

  // The server dials a place, where nobody answers.
  void dial_from_server(uint32_t at) {
    const Session& session = server_.endpoint.connect(
        place(at), keys_context(), std::make_shared<SessionPolicy>(psk_policy()), Link::now());
    live_.insert({session.id().slot, session.id().generation});
    ++begun_;
  }

  Key session(uint8_t which) {
    auto found = live_.begin();
    std::advance(found, which % live_.size());
    return *found;
  }

  void move(uint8_t which) {
    const uint32_t to = input_.below(kPlaces);
    if (live_.empty()) return;
    const Key id = session(which);
    Endpoint& endpoint = server_.endpoint;
    const Session* const moving = endpoint.find(id.first, id.second);
    const PeerAddress from = moving->peer();
    const auto counts = [&] {
      const EndpointStats& stats = endpoint.stats();
      return std::array<uint64_t, 5>{endpoint.session_count(), endpoint.pending_count(),
                                     stats.handshakesFailed, stats.handshakesDisplaced,
                                     endpoint.traffic().datagramsSent};
    };
    const auto before = counts();
    const MoveOutcome expected = endpoint.may_move(id.first, id.second, place(to), Link::now());
    insist(counts() == before && server_.drain().empty(), "to ask changes nothing");
    const MoveOutcome outcome = endpoint.move(id.first, id.second, place(to), Link::now());
    insist(outcome == expected, "a move is as it was said to be");
    if (outcome != MoveOutcome::kMoved) {
      insist(counts() == before && server_.drain().empty(), "a refused move changes nothing");
      insist(moving->peer() == from, "a refused session stays");
      return;
    }
    insist(moving->peer() == place(to), "a session is where it was moved");
    insist(endpoint.move(id.first, id.second, place(to), Link::now()) == MoveOutcome::kMoved,
           "a session may stay where it is");
    // Most often the client has moved, too.
    const auto whose = speaks_.find(id);
    if (whose == speaks_.end() || input_.below(4) == 0) return;
    for (auto& one : clients_) {
      if (one->side.endpoint.id() == whose->second) put(*one, to);
    }
  }

  void answer(uint32_t how) {
    if (questions_.empty()) return;
    const auto asked = std::next(questions_.begin(), input_.below(questions_.size()));
    const auto [question, at] = *asked;
    questions_.erase(asked);
    PeerRules rules;
    if (how != 0) {
      rules.context = keys_context();
      rules.policy = std::make_shared<SessionPolicy>(psk_policy());
    }
    server_.endpoint.answer_peer(question, std::move(rules), at, Link::now());
  }

  // `put`: which questions have reached the consumer.
  void forget(uint32_t at, uint8_t put) {
    const uint32_t last = questions_.empty() ? asked_ : asked_ - put % 2;
    const uint32_t question = server_.endpoint.forget_peer(place(at), last, Link::now());
    if (question == 0) return;
    insist(question <= last, "a question that has yet to be put stays");
    insist(!server_.endpoint.answer_peer(question, {}, at, Link::now()), "it is forgotten");
    questions_.erase(question);
  }

  void pass(double milliseconds) {
    Link::skip(milliseconds);
    server_.endpoint.advance(Link::now());
    for (auto& one : clients_) one->side.endpoint.advance(Link::now());
  }

  void end_session(uint8_t which) {
    if ((which & 1) != 0) {
      if (Client* one = client()) vanish(*one);
    } else if (!live_.empty()) {
      const Key id = session(which >> 1);
      server_.endpoint.close(id.first, id.second, (which & 2) != 0);
    }
  }

  void speak() {
    for (auto& one : clients_) {
      const SessionId id = one->side.session;
      const std::string text = std::to_string(one->side.endpoint.id());
      one->side.endpoint.send(id.slot, id.generation, view(text), 0, Link::now());
    }
    for (const auto& [id, whose] : speaks_) {
      if (live_.count(id) == 0) continue;
      server_.endpoint.send(id.first, id.second, view(std::to_string(whose)), 0, Link::now());
    }
  }

  // ---- the network ----

  void carry(InFlight datagram) {
    const uint8_t fate = lossy_ == 0 ? 0 : input_.byte() & lossy_;
    if ((fate & 0x03) == 1) return;
    if ((fate & 0x0c) == 4) {
      late_.push_back(std::move(datagram));
      return;
    }
    if ((fate & 0x10) != 0) arriving_.push_back(datagram);
    arriving_.push_back(std::move(datagram));
    if ((fate & 0x0c) != 8) return;
    for (InFlight& one : late_) arriving_.push_back(std::move(one));
    late_.clear();
  }

  void deliver(const InFlight& datagram) {
    if (datagram.to_server) {
      PeerAddress from = place(datagram.place);
      if ((lossy_ & 0x20) != 0) {
        const std::array<uint8_t, 4> local{127, 0, 0, static_cast<uint8_t>(1 + input_.below(2))};
        from.set_local({local.data(), local.size()});
      }
      server_.endpoint.receive(view(datagram.bytes), from, datagram.place, Link::now());
      return;
    }
    for (auto& one : clients_) {
      if (!one->reachable || one->place != datagram.place) continue;
      one->side.endpoint.receive(view(datagram.bytes), server_address_, 0, Link::now());
    }
  }

  // So many datagrams arrive, and then the others are still on their way.
  void pump(size_t most = SIZE_MAX) {
    constexpr int kRounds = 100000;  // more means that the sides talk in circles
    for (int round = 0; round < kRounds; ++round) {
      const bool any = collect();
      if (arriving_.empty() || most == 0) {
        if (!any) return check();
        continue;
      }
      --most;
      const InFlight datagram = std::move(arriving_.front());
      arriving_.pop_front();
      deliver(datagram);
    }
    insist(false, "the network comes to rest");
  }

  bool collect() {
    bool any = false;
    for (const Event& event : server_.drain()) {
      any = true;
      on_server(event);
    }
    for (auto& one : clients_) {
      for (const Event& event : one->side.drain()) {
        any = true;
        on_client(*one, event);
      }
    }
    return any;
  }

  void on_server(const Event& event) {
    const Key id{event.id.slot, event.id.generation};
    Session* const session = server_.endpoint.find(id.first, id.second);
    switch (event.type) {
      case RecordType::kBegin:
        insist(live_.insert(id).second, "a session begins once");
        insist(!asks_ || event.b != 0, "a session begins by an answer");
        ++begun_;
        return;
      case RecordType::kTransmit: {
        const uint32_t to = session == nullptr ? event.a : index_of(session->peer());
        if (session != nullptr || id.first == kNoSlot) carry({false, to, event.bytes});
        return;
      }
      case RecordType::kPeerQuestion:
        insist(asks_ && event.b == ++asked_, "questions are numbered");
        questions_[event.b] = event.a;
        return;
      case RecordType::kLookup:
        if (session == nullptr) return;
        if (static_cast<LookupKind>(event.a) == LookupKind::kPskServer) {
          server_.endpoint.answer_psk(id.first, id.second, PskAnswer::kFound, {}, view(kKey),
                                      Link::now());
        } else {
          server_.endpoint.answer_psk(id.first, id.second, PskAnswer::kFound,
                                      view(std::string("server")), view(kKey), Link::now());
        }
        return;
      case RecordType::kMessage: {
        const auto whose = static_cast<uint32_t>(std::stoul(text_of(view(event.bytes))));
        insist(speaks_.emplace(id, whose).first->second == whose, "a session has one peer");
        return;
      }
      case RecordType::kClose:
        insist(live_.erase(id) == 1, "a session ends once");
        speaks_.erase(id);
        server_.endpoint.release(id.first, id.second);
        return;
      default:
        return;
    }
  }

  void on_client(Client& one, const Event& event) {
    const SessionId id = event.id;
    Endpoint& endpoint = one.side.endpoint;
    switch (event.type) {
      case RecordType::kTransmit:
        // Who is at no place says nothing that anybody hears.
        if (one.reachable) carry({true, one.place, event.bytes});
        return;
      case RecordType::kLookup:
        endpoint.answer_psk(id.slot, id.generation, PskAnswer::kFound, view(std::string("client")),
                            view(kKey), Link::now());
        return;
      case RecordType::kMessage:
        insist(text_of(view(event.bytes)) == std::to_string(endpoint.id()),
               "a client hears its own session");
        return;
      case RecordType::kClose:
        endpoint.release(id.slot, id.generation);
        return;
      case RecordType::kSecure:
        one.side.events.push_back(event);
        return;
      default:
        return;
    }
  }

  static uint32_t index_of(const PeerAddress& peer) {
    for (uint32_t index = 0; index < kPlaces; ++index) {
      if (peer == place(index)) return index;
    }
    insist(false, "a peer is at a place");
    return 0;
  }

  void check() const {
    insist(server_.endpoint.session_count() == live_.size(), "sessions are counted");
  }

  Input& input_;
  Side server_{1};
  bool asks_ = false;
  uint8_t lossy_ = 0;
  const PeerAddress server_address_ = address(0x0b000001, 4433);
  std::vector<std::unique_ptr<Client>> clients_;
  uint32_t next_client_ = 0;
  std::set<Key> live_;                      // the server's sessions, until they are over
  std::map<Key, uint32_t> speaks_;          // whom they have heard
  std::map<uint32_t, uint32_t> questions_;  // that are open, and about which place
  uint32_t asked_ = 0;
  uint64_t begun_ = 0;
  std::deque<InFlight> arriving_;
  std::vector<InFlight> late_;
};

}  // namespace
}  // namespace dtls::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dtls::test;
  constexpr size_t kMostBytes = 600;
  Input input(data, std::min(size, kMostBytes));
  World world(input, input.byte());
  while (!input.empty()) world.step();
  world.end();
  return 0;
}
