// Protects: that a session whose peer is at another address is found there and nowhere else, in the
// books of hosts, too; that what was on its way from the old address is opened for a while and not
// longer, and ends when somebody else is there; that candidates stay where they are; and that what
// waits for an answer leaves again, and nothing is kept of a move.
#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "core/endpoint/moved_peers.h"
#include "harness.h"

namespace dtls::test {
namespace {

PeerAddress elsewhere(uint16_t port = 7) { return address(0x0a000063, port); }

MoveOutcome move_server(Link& link, const PeerAddress& to) {
  return link.server.endpoint.move(link.server.session.slot, link.server.session.generation, to,
                                   Link::now());
}

// The client's datagrams arrive from there from now on, and what is sent there reaches it.
void client_is_at(Link& link, const PeerAddress& to) { link.addresses.front() = to; }

std::vector<std::string> heard(Link& link) {
  link.pump();
  return link.server.messages();
}

TEST_CASE("moving: what was on its way is opened for three seconds, and then it is nobody's") {
  Link link;
  REQUIRE(link.handshake());
  const PeerAddress before = link.addresses.front();
  REQUIRE(move_server(link, elsewhere()) == MoveOutcome::kMoved);
  CHECK(link.server.live()->peer() == elsewhere());
  link.send(link.client(), view(std::string("on its way")));
  CHECK(heard(link).size() == 1);
  link.skip(MovedPeers::kGrace - 1);
  link.send(link.client(), view(std::string("late")));
  CHECK(heard(link).size() == 2);
  CHECK(link.server.endpoint.stats().unknownPeerDatagrams == 0);
  link.skip(1);
  link.send(link.client(), view(std::string("too late")));
  CHECK(heard(link).size() == 2);
  CHECK(link.server.endpoint.stats().unknownPeerDatagrams == 1);
  client_is_at(link, elsewhere());
  link.send(link.client(), view(std::string("from there")));
  CHECK(heard(link).size() == 3);
  CHECK(!(before == elsewhere()));
}

TEST_CASE("moving: forged datagrams from the old place have no answer, and count as forged") {
  Link link;
  REQUIRE(link.handshake());
  const PeerAddress before = link.addresses.front();
  REQUIRE(move_server(link, elsewhere()) == MoveOutcome::kMoved);
  link.pump();
  const uint64_t sent = link.server.endpoint.traffic().datagramsSent;
  const Datagram forged = plain_record(23, 1, 1000, view(std::string(64, 'x')));
  link.server.endpoint.receive(view(forged), before, 0, Link::now());
  const Datagram in_clear = plain_record(21, 0, 1000, view(std::string("\x02\x28", 2)));
  link.server.endpoint.receive(view(in_clear), before, 0, Link::now());
  CHECK(link.server.live()->state() == SessionState::kOpen);
  CHECK(link.server.live()->stats().badRecords == 1);
  CHECK(link.server.endpoint.traffic().datagramsSent == sent);
}

TEST_CASE("moving: another session has its address, a handshake of somebody's has not") {
  Link link;
  REQUIRE(link.handshake());
  const SessionId first = link.server.session;
  Endpoint& server = link.server.endpoint;
  // One that is open.
  link.add_client(elsewhere());
  link.connect();
  link.pump();
  REQUIRE(link.server.live()->state() == SessionState::kOpen);
  CHECK(server.move(first.slot, first.generation, elsewhere(), Link::now()) == MoveOutcome::kTaken);
  CHECK(server.find(first.slot, first.generation)->peer() == link.addresses.front());
  server.close(link.server.session.slot, link.server.session.generation);
  CHECK(server.move(first.slot, first.generation, elsewhere(), Link::now()) == MoveOutcome::kMoved);
  // Half a handshake: the client's second flight is lost.
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    const Session* const half = link.server.live();
    const bool begun = half != nullptr && half->state() == SessionState::kHandshaking;
    if (!packet.to_server || !begun) arriving.push_back(packet);
  };
  link.add_client(elsewhere(8));
  link.connect();
  link.pump();
  const SessionId half = link.server.session;
  REQUIRE(server.pending_count() == 1);
  CHECK(server.move(first.slot, first.generation, elsewhere(8), Link::now()) ==
        MoveOutcome::kMoved);
  CHECK(server.find(half.slot, half.generation)->failure() == FailureKind::kReplaced);
  CHECK(server.pending_count() == 0);
  CHECK(server.session_count() == 1);
}

TEST_CASE("moving: a host has its sessions where they are, within the limits") {
  Link link;
  link.listener.limits.sessions_per_host = 1;
  REQUIRE(link.handshake());
  const SessionId first = link.server.session;
  Endpoint& server = link.server.endpoint;
  link.add_client(elsewhere(9));
  link.connect();
  link.pump();
  const SessionId second = link.server.session;
  REQUIRE(second.slot != first.slot);
  const PeerAddress there = elsewhere(10);
  CHECK(server.move(first.slot, first.generation, there, Link::now()) == MoveOutcome::kHostFull);
  CHECK(server.find(first.slot, first.generation)->peer() == link.addresses.front());
  // Within its own host, and to one that has nobody.
  CHECK(server.move(second.slot, second.generation, there, Link::now()) == MoveOutcome::kMoved);
  const PeerAddress third = address(0x0b000001, 1);
  CHECK(server.move(second.slot, second.generation, third, Link::now()) == MoveOutcome::kMoved);
  CHECK(server.move(first.slot, first.generation, there, Link::now()) == MoveOutcome::kMoved);
  for (const SessionId& id : {first, second}) server.close(id.slot, id.generation);
  CHECK(server.session_count() == 0);
  // The books are empty: each of these hosts may have its one session again.
  for (const PeerAddress& at : {address(0x0b000001, 2), elsewhere(11)}) {
    link.add_client(at);
    link.connect();
    link.pump();
    CHECK(link.server.live()->state() == SessionState::kOpen);
  }
}

// Keeps a client's half handshake from going on: what the server says to it is lost.
SessionId begin_half_handshake(Link& link, const PeerAddress& at) {
  link.network = [&link](Packet& packet, std::deque<Packet>& arriving) {
    const Session* const half = link.server.live();
    const bool begun = half != nullptr && half->state() == SessionState::kHandshaking;
    if (packet.to_server || !begun) arriving.push_back(packet);
  };
  link.add_client(at);
  link.connect();
  link.pump();
  return link.server.session;
}

TEST_CASE("moving: one that is refused has ended nobody's handshake") {
  Link link;
  link.listener.limits.sessions_per_host = 1;
  REQUIRE(link.handshake());
  const SessionId first = link.server.session;
  Endpoint& server = link.server.endpoint;
  const PeerAddress there = elsewhere(9);
  const SessionId half = begin_half_handshake(link, there);
  REQUIRE(server.pending_count() == 1);
  // The endpoint dials, too, for which no limit holds: this host has more than one is to have.
  const auto policy = std::make_shared<SessionPolicy>(link.client_policy);
  const SessionId dialled =
      server.connect(elsewhere(10), link.client_context, policy, Link::now()).id();
  const size_t told = link.server.drain().size();
  CHECK(server.move(first.slot, first.generation, there, Link::now()) == MoveOutcome::kHostFull);
  CHECK(server.may_move(first.slot, first.generation, there, Link::now()) ==
        MoveOutcome::kHostFull);
  CHECK(link.server.drain().empty());
  CHECK(told != 0);
  CHECK(server.find(half.slot, half.generation)->state() == SessionState::kHandshaking);
  CHECK(server.find(first.slot, first.generation)->peer() == link.addresses.front());
  CHECK(server.stats().handshakesDisplaced == 0);
  CHECK(server.pending_count() == 2);
  server.release(dialled.slot, dialled.generation);
  link.server.drain();
  link.network = nullptr;
  CHECK(link.run_until([&] { return link.client().secure(); }));
}

TEST_CASE("moving: to ask whether a session may move ends nobody's handshake") {
  for (const bool at_that_place : {true, false}) {
    Link link;
    link.listener.limits.sessions_per_host = 1;
    REQUIRE(link.handshake());
    const SessionId first = link.server.session;
    Endpoint& server = link.server.endpoint;
    const PeerAddress there = elsewhere(9);
    const SessionId half = begin_half_handshake(link, at_that_place ? there : elsewhere(10));
    link.skip(1000);  // it has had the time for an answer
    CHECK(server.may_move(first.slot, first.generation, there, Link::now()) == MoveOutcome::kMoved);
    CHECK(server.find(half.slot, half.generation)->state() == SessionState::kHandshaking);
    CHECK(server.find(first.slot, first.generation)->peer() == link.addresses.front());
    CHECK(server.move(first.slot, first.generation, there, Link::now()) == MoveOutcome::kMoved);
    CHECK(server.find(half.slot, half.generation)->state() == SessionState::kClosed);
    CHECK(server.stats().handshakesDisplaced == (at_that_place ? 0 : 1));
    CHECK(server.session_count() == 1);
  }
}

TEST_CASE("moving: a candidate stays, and has the address") {
  Link link;
  REQUIRE(link.handshake());
  const SessionId first = link.server.session;
  Endpoint& server = link.server.endpoint;
  const PeerAddress before = link.addresses.front();
  // It restarts, and its handshake waits for an answer.
  bool stop = false;
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    stop = stop || (!packet.to_server && packet.bytes.size() > 100);
    if (!stop) arriving.push_back(packet);
  };
  link.add_client(before);
  link.connect();
  link.pump();
  const SessionId candidate = link.server.session;
  REQUIRE(candidate.slot != first.slot);
  REQUIRE(server.move(first.slot, first.generation, elsewhere(), Link::now()) ==
          MoveOutcome::kMoved);
  link.network = nullptr;
  REQUIRE(link.run_until([&] { return link.client().secure(); }));
  const Session* const restarted = server.find(candidate.slot, candidate.generation);
  CHECK(restarted->state() == SessionState::kOpen);
  CHECK(restarted->peer() == before);
  // The first has not been replaced by it.
  CHECK(server.find(first.slot, first.generation)->state() == SessionState::kOpen);
  CHECK(server.session_count() == 2);
}

TEST_CASE("moving: in the handshake what waits for an answer leaves again at once") {
  for (const bool psk : {false, true}) {
    Link link;
    link.server_policy.retransmit_initial = link.client_policy.retransmit_initial = 10000;
    link.listener.limits.pending_handshakes_per_host = 1;
    if (psk) link.use_psk("device", std::vector<uint8_t>(16, 7));
    link.listen();
    // The server's first flight is lost.
    bool lost = false;
    link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
      lost = lost || (!packet.to_server && link.server.session.slot != kNoSlot);
      if (!lost) arriving.push_back(packet);
    };
    link.connect();
    link.pump();
    REQUIRE(lost);
    link.network = nullptr;
    client_is_at(link, elsewhere());
    REQUIRE(move_server(link, elsewhere()) == MoveOutcome::kMoved);
    link.pump();
    CHECK(link.client().secure());
    CHECK(link.server.secure());
    CHECK(link.server.live()->stats().retransmissions > 0);
    CHECK(link.server.endpoint.pending_count() == 0);
    // And none is left in the books of either host, which may have one at a time.
    for (const PeerAddress& at : {elsewhere(20), address(0x0a000002, 9)}) {
      link.add_client(at);
      if (psk) {
        link.client().psk_identity = "device";
        link.client().psk = std::vector<uint8_t>(16, 7);
      }
      link.connect();
      link.pump();
      CHECK(link.client().secure());
    }
  }
}

TEST_CASE("moving: the rest of a hello that was on its way is its handshake's") {
  Link link;
  link.client_policy.mtu = 256;
  link.client_policy.protocols = std::vector<uint8_t>(201, 200);  // a name of 200 bytes
  std::vector<Datagram> rest;
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    const Datagram& bytes = packet.bytes;
    const uint8_t* const fragment = bytes.data() + kRecordHeaderSize;
    const bool is_rest = packet.to_server && bytes.size() > kRecordHeaderSize + 9 &&
                         bytes[0] == 22 && fragment[0] == 1 && read_u24(fragment + 6) != 0;
    if (is_rest) {
      rest.push_back(bytes);
    } else {
      arriving.push_back(packet);
    }
  };
  link.listen();
  link.connect();
  link.pump();
  REQUIRE(link.server.live() != nullptr);
  REQUIRE_FALSE(rest.empty());
  const PeerAddress before = link.addresses.front();
  REQUIRE(move_server(link, elsewhere()) == MoveOutcome::kMoved);
  client_is_at(link, elsewhere());
  link.network = nullptr;
  for (const Datagram& bytes : rest) {
    link.server.endpoint.receive(view(bytes), before, 0, Link::now());
  }
  link.pump();
  CHECK(link.server.secure());
  CHECK(link.client().secure());
}

TEST_CASE("moving: the mtu is the policy's again, and where it is already nothing changes") {
  Link link;
  REQUIRE(link.handshake());
  const uint32_t mtu = link.server.live()->mtu();
  link.server.live()->set_mtu(400);
  CHECK(move_server(link, link.addresses.front()) == MoveOutcome::kMoved);
  CHECK(link.server.live()->mtu() == 400);
  CHECK(move_server(link, elsewhere()) == MoveOutcome::kMoved);
  CHECK(link.server.live()->mtu() == mtu);
}

TEST_CASE("moving: a session that is over, or gone, does not move") {
  Link link;
  REQUIRE(link.handshake());
  const SessionId id = link.server.session;
  Endpoint& server = link.server.endpoint;
  server.close(id.slot, id.generation);
  CHECK(server.move(id.slot, id.generation, elsewhere(), Link::now()) == MoveOutcome::kNotOpen);
  server.release(id.slot, id.generation);
  CHECK(server.move(id.slot, id.generation, elsewhere(), Link::now()) == MoveOutcome::kNotOpen);
  CHECK(server.move(99, 0, elsewhere(), Link::now()) == MoveOutcome::kNotOpen);
}

TEST_CASE("moving: answers leave from where the peer has been heard, once it has proved itself") {
  const auto to = [](uint8_t local) {
    PeerAddress peer = elsewhere();
    const std::array<uint8_t, 4> bytes{127, 0, 0, local};
    peer.set_local({bytes.data(), bytes.size()});
    return peer;
  };
  Link link;
  link.listen();
  // Its first place came to one address of the server's.
  PeerAddress first = link.addresses.front();
  const std::array<uint8_t, 4> one{127, 0, 0, 1};
  first.set_local({one.data(), one.size()});
  link.addresses.front() = first;
  link.connect();
  link.pump();
  REQUIRE(link.server.secure());
  REQUIRE(link.server.live()->peer().same_path(first));
  REQUIRE(move_server(link, elsewhere()) == MoveOutcome::kMoved);
  CHECK(link.server.live()->peer().same_path(to(1)));
  const Datagram forged = plain_record(23, 1, 1000, view(std::string(64, 'x')));
  link.skip(1);
  link.server.endpoint.receive(view(forged), to(3), 0, Link::now());
  CHECK(link.server.live()->peer().same_path(to(1)));
  client_is_at(link, to(2));
  link.skip(1);
  link.send(link.client(), view(std::string("here")));
  CHECK(heard(link).size() == 1);
  CHECK(link.server.live()->peer().same_path(to(2)));
  // Only the first time: later ones may have been sent on by anybody.
  client_is_at(link, to(4));
  link.skip(1);
  link.send(link.client(), view(std::string("and here")));
  CHECK(heard(link).size() == 2);
  CHECK(link.server.live()->peer().same_path(to(2)));
}

TEST_CASE("moving: addresses that were left are few, and forgotten in time") {
  MovedPeers moved;
  for (uint32_t i = 0; i < MovedPeers::kMost + 100; ++i) moved.add(address(i, 1), {i, 0}, 1000);
  CHECK(moved.size() == MovedPeers::kMost);
  CHECK(moved.find(address(0, 1), 1000) == nullptr);
  REQUIRE(moved.find(address(100, 1), 1000) != nullptr);
  CHECK(moved.find(address(100, 1), 1000)->slot == 100);
  CHECK(moved.deadline() == 1000 + MovedPeers::kGrace);
  moved.add(address(100, 1), {7, 1}, 2000);
  CHECK(moved.find(address(100, 1), 1000 + MovedPeers::kGrace)->slot == 7);
  moved.forget(address(100, 1));
  CHECK(moved.find(address(100, 1), 2000) == nullptr);
  moved.advance(1000 + MovedPeers::kGrace);
  CHECK(moved.size() == 0);
  CHECK(moved.deadline() == kNever);
}

TEST_CASE("moving: a thousand times back and forth leaves nothing behind") {
  Link link;
  REQUIRE(link.handshake());
  const PeerAddress before = link.addresses.front();
  const auto round = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const PeerAddress to = i % 2 == 0 ? elsewhere() : before;
      REQUIRE(move_server(link, to) == MoveOutcome::kMoved);
      client_is_at(link, to);
      link.send(link.client(), view(std::string("x")));
      link.pump();
      link.server.events.clear();
      link.client().events.clear();
    }
    link.skip(MovedPeers::kGrace);
    link.advance();
  };
  round(20);
  const size_t used = allocated_bytes();
  round(1000);
  CHECK(allocated_bytes() <= used + 4096);
  CHECK(link.server.endpoint.traffic().messagesReceived == 1020);
}

}  // namespace
}  // namespace dtls::test
