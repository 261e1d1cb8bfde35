// Protects: that addresses among which one host may choose count as one, and no others do.
#include "core/base/peer_address.h"

#include <doctest/doctest.h>

#include <array>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/base/peer_address_hash.h"
#include "io/socket_address.h"

namespace dtls::test {
namespace {

PeerAddress host_of(const std::string& address, uint16_t port = 1) {
  io::SocketAddress parsed;
  REQUIRE(io::parse_address(address, port, parsed));
  return io::to_peer(parsed).host();
}

PeerAddress opaque(const std::string& name, uint16_t port) {
  PeerAddress peer;
  REQUIRE(peer.assign({reinterpret_cast<const uint8_t*>(name.data()), name.size()}, port));
  return peer.host();
}

TEST_CASE("peer address: a host is an IPv4 address, or 64 bits of an IPv6 address, on any port") {
  CHECK(host_of("192.0.2.1", 1) == host_of("192.0.2.1", 2));
  CHECK_FALSE(host_of("192.0.2.1") == host_of("192.0.2.2"));
  CHECK(host_of("2001:db8:1:2::1", 1) == host_of("2001:db8:1:2:ffff:ffff:ffff:ffff", 2));
  CHECK_FALSE(host_of("2001:db8:1:2::1") == host_of("2001:db8:1:3::1"));
  CHECK(host_of("fe80::1%lo") == host_of("fe80::2%lo"));
  CHECK_FALSE(host_of("fe80::1%lo") == host_of("fe80::1"));
}

TEST_CASE("peer address: an IPv4 address that is written as an IPv6 one is that IPv4 address") {
  CHECK(host_of("::ffff:192.0.2.1") == host_of("192.0.2.1"));
  CHECK(host_of("64:ff9b::192.0.2.1") == host_of("192.0.2.1"));
  CHECK_FALSE(host_of("64:ff9b::192.0.2.1") == host_of("64:ff9b::192.0.2.2"));
  // Not of these prefixes: 64 bits.
  CHECK(host_of("64:ff9b:1::192.0.2.1") == host_of("64:ff9b:1::192.0.2.2"));
  CHECK(host_of("::192.0.2.1") == host_of("::1"));
}

TEST_CASE("peer address: a name of a transport's own is one host as a whole") {
  CHECK(opaque("sensor-node-0001", 1) == opaque("sensor-node-0001", 2));
  CHECK_FALSE(opaque("sensor-node-0001", 1) == opaque("sensor-node-0002", 1));
  CHECK_FALSE(opaque("", 1) == opaque("a", 1));
  CHECK(PeerAddress{}.host() == PeerAddress{}.host());
}

// Whoever owns a network may choose from it as they like.
TEST_CASE(
    "peer address: how the hashes of two addresses differ tells nobody how those of others do") {
  const auto peer_of = [](const std::string& address, uint16_t port) {
    io::SocketAddress parsed;
    REQUIRE(io::parse_address(address, port, parsed));
    return io::to_peer(parsed);
  };
  const std::vector<std::pair<PeerAddress, PeerAddress>> pairs = {
      {peer_of("2001:db8::1", 1), peer_of("2001:db8::2", 1)},
      {peer_of("2001:db8::1", 1), peer_of("2001:db8::1", 2)},
      {peer_of("2001:db8::1:0:0:1", 1), peer_of("2001:db8::2:0:0:1", 1)},
      {peer_of("192.0.2.1", 1), peer_of("192.0.2.2", 1)},
      {peer_of("192.0.2.1", 1), peer_of("192.0.2.1", 257)},
  };
  constexpr size_t kDrawn = 4000;
  std::vector<std::set<uint32_t>> differences(pairs.size());
  std::vector<size_t> alike(pairs.size());
  for (size_t drawn = 0; drawn < kDrawn; ++drawn) {
    const PeerAddressHash hash;
    for (size_t i = 0; i < pairs.size(); ++i) {
      const auto one = static_cast<uint32_t>(hash(pairs[i].first));
      const auto other = static_cast<uint32_t>(hash(pairs[i].second));
      differences[i].insert(one - other);
      alike[i] += ((one ^ other) & 0xff) == 0 ? 1 : 0;
    }
  }
  for (size_t i = 0; i < pairs.size(); ++i) {
    CAPTURE(i);
    CHECK(differences[i].size() > kDrawn - 40);
    // One of 256, give or take six standard deviations.
    CHECK(alike[i] < 40);
  }
}

TEST_CASE("peer address: a hash is of the host and the port, whatever the length") {
  const PeerAddressHash hash;
  std::set<size_t> all;
  for (size_t size = 0; size <= PeerAddress::kMaxHost; ++size) {
    const std::string zeros(size, '\0');
    PeerAddress peer;
    REQUIRE(peer.assign({reinterpret_cast<const uint8_t*>(zeros.data()), zeros.size()}, 0));
    all.insert(hash(peer));
    PeerAddress same = peer;
    const std::array<uint8_t, 4> local{1, 2, 3, 4};
    REQUIRE(same.set_local({local.data(), local.size()}));
    CHECK(hash(same) == hash(peer));
  }
  CHECK(all.size() == PeerAddress::kMaxHost + 1);
}

}  // namespace
}  // namespace dtls::test
