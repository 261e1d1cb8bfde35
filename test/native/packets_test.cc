// Protects: that what is none of DTLS is told of with the number of its peer, always the same one,
// and in its place; that it leaves in its place, for whom it is meant and by the way that its peer
// came, and is counted where it belongs; and that a number or a session that is no more sends
// nothing.
#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "core/endpoint/known_peers.h"
#include "harness.h"

namespace dtls::test {
namespace {

const std::string kStun("\x00\x01 stun", 7);
const std::string kRtp("\x80 media");

// An endpoint's datagrams, as a socket would take them.
struct Taken : Transmitter {
  struct Sent {
    PeerAddress to;
    SessionId from;
    uint32_t token;
    std::vector<uint8_t> bytes;
  };
  std::vector<Sent> sent;
  void transmit(const PeerAddress& to, SessionId from, uint32_t token, Bytes datagram) override {
    sent.push_back({to, from, token, copy(datagram)});
  }
};

std::vector<Event> packets(Side& side) {
  std::vector<Event> found;
  for (const Event& event : side.drain()) {
    if (event.type == RecordType::kPacket) found.push_back(event);
  }
  return found;
}

PeerAddress with_local(uint32_t host, uint16_t port, uint8_t local) {
  PeerAddress peer = address(host, port);
  const std::array<uint8_t, 4> bytes{127, 0, 0, local};
  peer.set_local(view(std::vector<uint8_t>(bytes.begin(), bytes.end())));
  return peer;
}

TEST_CASE("packets: known peers have one number each, by whatever way they come") {
  KnownPeers peers;
  const uint32_t first = peers.number_of(address(1, 1));
  const uint32_t second = peers.number_of(address(1, 2));
  CHECK(first != second);
  CHECK(peers.number_of(address(1, 1)) == first);
  CHECK(peers.at(first)->local().size == 0);
  CHECK(peers.number_of(with_local(1, 1, 7)) == first);
  CHECK(peers.at(first)->same_path(with_local(1, 1, 7)));
  // One that says nothing of its way leaves it as it was, and a new one counts.
  CHECK(peers.number_of(address(1, 1)) == first);
  CHECK(peers.at(first)->same_path(with_local(1, 1, 7)));
  CHECK(peers.number_of(with_local(1, 1, 8)) == first);
  CHECK(peers.at(first)->same_path(with_local(1, 1, 8)));
  CHECK(peers.at(2) == nullptr);
  CHECK(peers.at(KnownPeers::kNone) == nullptr);
  for (uint16_t port = 10; port < 3000; ++port) {
    CHECK(peers.number_of(address(1, port)) == port - 8U);
  }
  peers.forget();
  CHECK(peers.at(first) == nullptr);
  CHECK(peers.number_of(address(9, 9)) == 0);
}

TEST_CASE("packets: are told of with their peer's number, and its session where there is one") {
  Link link;
  link.server.endpoint.report_packets(true);
  Endpoint& server = link.server.endpoint;
  REQUIRE(link.handshake());
  const PeerAddress client = link.addresses.front();
  const PeerAddress stranger = address(9, 9);
  const double now = Link::now();
  server.receive(view(kStun), stranger, 70, now);
  server.receive(view(kRtp), client, 71, now);
  std::string merged = kRtp + kRtp + kRtp.substr(0, 3);
  server.receive_merged(view(merged), kRtp.size(), client, 72, now);
  server.receive(view(kStun), stranger, 73, now);
  const std::vector<Event> told = packets(link.server);
  REQUIRE(told.size() == 6);
  const uint32_t strangers = server.number_of(stranger);
  const uint32_t clients = server.number_of(client);
  CHECK(strangers != clients);
  const std::vector<uint32_t> indices = {70, 71, 72, 72, 72, 73};
  for (size_t i = 0; i < told.size(); ++i) {
    const bool of_stranger = i == 0 || i == 5;
    CHECK(told[i].a == indices[i]);
    CHECK(told[i].b == (of_stranger ? strangers : clients));
    CHECK(told[i].id.slot == (of_stranger ? kNoSlot : link.server.session.slot));
  }
  CHECK(text_of(view(told[4].bytes)) == kRtp.substr(0, 3));
  const TrafficStats session = link.server.live()->stats();
  CHECK(session.packetsReceived == 4);
  CHECK(session.packetBytesReceived == 3 * kRtp.size() + 3);
  CHECK(server.traffic().packetsReceived == 6);
  CHECK(server.stats().nonDtlsDatagrams == 6);
}

TEST_CASE("packets: of a run stand between its messages") {
  Link link;
  link.server.endpoint.report_packets(true);
  std::vector<uint8_t> run;
  size_t segment = 0;
  REQUIRE(link.handshake());
  link.network = [&](Packet& packet, std::deque<Packet>&) {
    segment = packet.bytes.size();
    run.insert(run.end(), packet.bytes.begin(), packet.bytes.end());
    run.insert(run.end(), segment, 0x80);
  };
  for (const char* message : {"1", "2", "3"}) link.send(link.client(), view(std::string(message)));
  link.pump();
  link.server.endpoint.receive_merged(view(run), segment, link.addresses.front(), 0, Link::now());
  std::vector<RecordType> order;
  for (const Event& event : link.server.drain()) order.push_back(event.type);
  const RecordType message = RecordType::kMessage;
  const RecordType packet = RecordType::kPacket;
  CHECK(order == std::vector<RecordType>{message, packet, message, packet, message, packet});
}

TEST_CASE("packets: leave as TRANSMIT records that say what they are and for whom") {
  Link link;
  REQUIRE(link.handshake());
  Endpoint& server = link.server.endpoint;
  const SessionId session = link.server.session;
  const uint32_t number = server.number_of(address(9, 9));
  CHECK(server.send_packet(kNoSlot, number, view(kStun), 5));
  CHECK(server.send_packet(session.slot, session.generation, view(kRtp), 0));
  CHECK_FALSE(server.send_packet(kNoSlot, number + 1, view(kStun), 6));
  CHECK_FALSE(server.send_packet(session.slot, session.generation + 1, view(kRtp), 0));
  const std::vector<Event> left = link.server.drain();
  REQUIRE(left.size() == 2);
  const Event& first = left[0];
  CHECK(first.type == RecordType::kTransmit);
  CHECK(first.id.slot == kNoSlot);
  CHECK(kTransmitPacket.in(first.a));
  CHECK(kTransmitPeer.of(first.a) == number);
  CHECK(first.b == 5);
  CHECK(text_of(view(first.bytes)) == kStun);
  const Event& second = left[1];
  CHECK(second.id.slot == session.slot);
  CHECK(second.id.generation == session.generation);
  CHECK(kTransmitPacket.in(second.a));
  CHECK(server.traffic().packetsSent == 2);
  CHECK(server.traffic().packetBytesSent == kStun.size() + kRtp.size());
  CHECK(link.server.live()->stats().packetsSent == 1);
  CHECK(link.server.live()->stats().packetBytesSent == kRtp.size());
}

TEST_CASE("packets: leave by a transmitter in nobody's name, by the way that the peer came") {
  Side side(1);
  Taken taken;
  side.endpoint.use(&taken);
  side.endpoint.report_packets(true);
  side.endpoint.receive(view(kStun), with_local(9, 9, 3), 0, Link::now());
  const std::vector<Event> told = packets(side);
  REQUIRE(told.size() == 1);
  const uint32_t number = told[0].b;
  CHECK(side.endpoint.number_of(address(9, 9)) == number);
  CHECK(side.endpoint.send_packet(kNoSlot, number, view(kRtp), 8));
  REQUIRE(taken.sent.size() == 1);
  CHECK(taken.sent[0].to.same_path(with_local(9, 9, 3)));
  CHECK(taken.sent[0].from.slot == kNoSlot);
  CHECK(taken.sent[0].token == 8);
  side.endpoint.forget_numbers();
  CHECK_FALSE(side.endpoint.send_packet(kNoSlot, number, view(kRtp), 8));
}

TEST_CASE("packets: nobody listens, and nothing is kept of a peer") {
  Side side(1);
  for (uint16_t port = 1; port < 100; ++port) {
    side.endpoint.receive(view(kStun), address(9, port), 0, Link::now());
  }
  CHECK(side.endpoint.number_of(address(1, 1)) == 0);
  CHECK(side.endpoint.traffic().packetsReceived == 0);
  CHECK(side.endpoint.stats().nonDtlsDatagrams == 99);
}

}  // namespace
}  // namespace dtls::test
