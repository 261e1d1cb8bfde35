// Protects: that a peer that says its flight again gets ours again at once, in both roles, the same
// one; and that nobody else gets it, and the peer not too often.
#include <doctest/doctest.h>

#include <algorithm>

#include "harness.h"

namespace dtls::test {
namespace {

constexpr double kSlow = 20000;

struct Parts {
  std::vector<HandshakeType> messages;  // types of those in clear, the first fragment of each
  bool change_cipher_spec = false;
  bool protects = false;
};

Parts parts(const Datagram& datagram) {
  Parts found;
  Bytes rest = view(datagram);
  RecordView record;
  while (take_record(rest, record)) {
    Bytes inside = record.fragment;
    FragmentView fragment;
    if (record.epoch != 0) {
      found.protects = true;
    } else if (record.type == ContentType::kChangeCipherSpec) {
      found.change_cipher_spec = true;
    } else if (take_fragment(inside, fragment) && fragment.offset == 0) {
      found.messages.push_back(fragment.type);
    }
  }
  return found;
}

bool says(const Datagram& datagram, HandshakeType type) {
  const std::vector<HandshakeType> messages = parts(datagram).messages;
  return std::find(messages.begin(), messages.end(), type) != messages.end();
}

// The same with numbers of records in clear that are higher by so many.
Datagram later(Datagram datagram, uint64_t by) {
  Bytes rest = view(datagram);
  RecordView record;
  while (take_record(rest, record)) {
    const auto at = static_cast<size_t>(record.whole.data - datagram.data());
    if (record.epoch == 0) write_u48(&datagram[at + 5], record.sequence + by);
  }
  return datagram;
}

// All but the numbers of records in clear.
Datagram unnumbered(Datagram datagram) {
  Bytes rest = view(datagram);
  RecordView record;
  while (take_record(rest, record)) {
    const auto at = static_cast<size_t>(record.whole.data - datagram.data());
    if (record.epoch == 0) write_u48(&datagram[at + 5], 0);
  }
  return datagram;
}

// A handshake in which the first datagram for which `lost` says so does not arrive, and everything
// that comes behind it from the same side neither, until somebody repeats something.
struct Stuck {
  Link link;
  std::vector<Datagram> from_server;
  std::vector<Datagram> from_client;
  bool server_is_cut = false;
  bool client_is_cut = false;

  Stuck() {
    link.server_policy.mtu = link.client_policy.mtu = 600;
    link.server_policy.retransmit_initial = link.client_policy.retransmit_initial = kSlow;
    link.network = [this](Packet& packet, std::deque<Packet>& arriving) {
      (packet.to_server ? from_client : from_server).push_back(packet.bytes);
      const bool cut =
          packet.to_server
              ? client_is_cut && !says(packet.bytes, HandshakeType::kClientHello)
              : server_is_cut && !says(packet.bytes, HandshakeType::kHelloVerifyRequest);
      if (!cut) arriving.push_back(packet);
    };
  }

  void begin() {
    link.listen();
    link.connect();
    link.pump();
  }
};

TEST_CASE("repeated: a ClientHello that comes again is answered at once, with the same flight") {
  Stuck stuck;
  Link& link = stuck.link;
  stuck.server_is_cut = true;
  stuck.begin();
  const Datagram hello = stuck.from_client.back();
  REQUIRE(says(hello, HandshakeType::kClientHello));
  const std::vector<Datagram> first(stuck.from_server.begin() + 1, stuck.from_server.end());
  REQUIRE(first.size() > 1);
  stuck.from_server.clear();
  link.skip(50);
  stuck.server_is_cut = false;
  link.inject(link.server, view(later(hello, 1)));
  link.pump();
  CHECK(link.client().secure());
  CHECK(link.server.secure());
  REQUIRE(stuck.from_server.size() > first.size());
  for (size_t i = 0; i < first.size(); ++i) {
    CHECK(stuck.from_server[i] != first[i]);
    CHECK(unnumbered(stuck.from_server[i]) == unnumbered(first[i]));
  }
  // ServerHello, Certificate, ServerKeyExchange, ServerHelloDone.
  CHECK(link.server.endpoint.traffic().retransmissions == 4);
  CHECK(link.client().endpoint.traffic().retransmissions == 0);
  const auto again =
      std::count_if(link.server.events.begin(), link.server.events.end(), [](const Event& event) {
        return event.type == RecordType::kHandshake && kOut.in(event.a) && kRetransmit.in(event.a);
      });
  CHECK(again == 4);
}

TEST_CASE("repeated: a server's flight that comes again is answered at once, by the same one") {
  Stuck stuck;
  Link& link = stuck.link;
  static const Identity identity = authority().issue({"client"});
  link.client_context = certificate_context(&identity);
  link.server_policy.request_certificate = true;
  stuck.client_is_cut = true;
  stuck.begin();
  const std::vector<Datagram> servers(stuck.from_server.begin() + 1, stuck.from_server.end());
  const std::vector<Datagram> first(stuck.from_client.begin() + 2, stuck.from_client.end());
  REQUIRE(first.size() > 1);
  REQUIRE(parts(first.back()).protects);
  stuck.from_client.clear();
  link.skip(50);
  stuck.client_is_cut = false;
  for (const Datagram& datagram : servers) link.inject(link.client(), view(later(datagram, 20)));
  link.pump();
  CHECK(link.client().secure());
  CHECK(link.server.secure());
  REQUIRE(stuck.from_client.size() == first.size());
  for (size_t i = 0; i < first.size(); ++i) {
    // Its Finished is the same record, not another one under the same number.
    CHECK(unnumbered(stuck.from_client[i]) == unnumbered(first[i]));
  }
  // Certificate, ClientKeyExchange, CertificateVerify, ChangeCipherSpec, Finished.
  CHECK(link.client().endpoint.traffic().retransmissions == 5);
  CHECK(link.server.endpoint.traffic().retransmissions == 0);
}

TEST_CASE("repeated: what the network brings twice asks for nothing") {
  Stuck stuck;
  Link& link = stuck.link;
  stuck.server_is_cut = true;
  stuck.begin();
  const Datagram hello = stuck.from_client.back();
  const size_t sent = stuck.from_server.size();
  for (int i = 0; i < 20; ++i) {
    link.skip(100);
    link.inject(link.server, view(hello));
    link.pump();
  }
  CHECK(stuck.from_server.size() == sent);
  CHECK(link.server.endpoint.traffic().retransmissions == 0);
}

TEST_CASE("repeated: who asks all the time gets fewer than ten flights in thirty seconds") {
  Stuck stuck;
  Link& link = stuck.link;
  stuck.server_is_cut = true;
  link.server_policy.retransmit_initial = 60000;
  stuck.begin();
  const Datagram hello = stuck.from_client.back();
  const size_t flight = stuck.from_server.size() - 1;
  stuck.from_server.clear();
  link.client().endpoint.close(link.client().session.slot, link.client().session.generation, false);
  for (uint64_t i = 1; i <= 2900; ++i) {
    link.skip(10);
    // As little as will do: a byte of the hello.
    Datagram question = hello;
    if (i % 2 == 0) {
      question.resize(kRecordHeaderSize + kHandshakeHeaderSize + 1);
      write_u16(&question[11], kHandshakeHeaderSize + 1);
      write_u24(&question[kRecordHeaderSize + 9], 1);
    }
    link.inject(link.server, view(later(question, i)));
    link.pump();
  }
  CHECK(stuck.from_server.size() % flight == 0);
  CHECK(stuck.from_server.size() / flight >= 8);
  CHECK(stuck.from_server.size() / flight < 10);
}

TEST_CASE("repeated: a peer that has gone on is not answered") {
  Stuck stuck;
  Link& link = stuck.link;
  static const Identity identity = authority().issue({"client"});
  link.client_context = certificate_context(&identity);
  link.server_policy.request_certificate = true;
  // Of the client's flight only its first datagram arrives.
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    (packet.to_server ? stuck.from_client : stuck.from_server).push_back(packet.bytes);
    if (!packet.to_server || says(packet.bytes, HandshakeType::kClientHello) ||
        says(packet.bytes, HandshakeType::kCertificate)) {
      arriving.push_back(packet);
    }
  };
  stuck.begin();
  REQUIRE_FALSE(link.server.secure());
  const auto hello = std::find_if(
      stuck.from_client.rbegin(), stuck.from_client.rend(),
      [](const Datagram& datagram) { return says(datagram, HandshakeType::kClientHello); });
  REQUIRE(hello != stuck.from_client.rend());
  const size_t sent = stuck.from_server.size();
  link.skip(500);
  link.inject(link.server, view(later(*hello, 50)));
  link.pump();
  CHECK(stuck.from_server.size() == sent);
}

// Both sides have done, and the client knows nothing of it: it repeats itself every 50 ms.
void lose_last_flight(Stuck& stuck, const char* ciphers) {
  Link& link = stuck.link;
  link.use_psk("device", {1, 2, 3, 4});
  link.server_context = psk_context(ciphers);
  link.client_context = psk_context(ciphers);
  link.server_policy.retransmit_initial = kSlow;
  link.client_policy.retransmit_initial = link.client_policy.retransmit_max = 50;
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    const bool last = !packet.to_server && parts(packet.bytes).protects;
    if (last) stuck.from_server.push_back(packet.bytes);
    if (!last || !stuck.server_is_cut) arriving.push_back(packet);
  };
  stuck.server_is_cut = true;
  stuck.begin();
  REQUIRE(link.server.secure());
  REQUIRE_FALSE(link.client().secure());
}

TEST_CASE("repeated: a Finished that comes again is answered, also when the server has done") {
  for (const char* ciphers : {"PSK-AES128-GCM-SHA256", "PSK-AES128-CBC-SHA256"}) {
    CAPTURE(ciphers);
    Stuck stuck;
    Link& link = stuck.link;
    lose_last_flight(stuck, ciphers);
    link.run_until([] { return false; }, 280);
    CHECK(stuck.from_server.size() == 6);
    stuck.server_is_cut = false;
    CHECK(link.run_until([&] { return link.client().secure(); }, 60));
  }
}

TEST_CASE("repeated: a Finished that comes more often than OpenSSL bears does not end a session") {
  Stuck stuck;
  Link& link = stuck.link;
  lose_last_flight(stuck, "PSK-AES128-GCM-SHA256");
  std::vector<uint8_t> finished(kHandshakeHeaderSize + 12, 0);
  finished[0] = 20;
  finished[3] = finished[11] = 12;
  for (uint64_t number = 100; number < 130; ++number) {
    const Session* client = link.client().live();
    link.inject(link.server, view(seal_record(client, 22, number, view(finished))));
    link.pump();
  }
  CHECK(link.server.count(RecordType::kClose) == 0);
  CHECK(stuck.from_server.size() == 13);
}

}  // namespace
}  // namespace dtls::test
