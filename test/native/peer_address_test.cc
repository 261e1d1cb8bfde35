// Protects: that addresses among which one host may choose count as one, and no others do.
#include "core/base/peer_address.h"

#include <doctest/doctest.h>

#include <string>

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

}  // namespace
}  // namespace dtls::test
