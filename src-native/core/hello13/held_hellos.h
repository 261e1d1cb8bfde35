#ifndef DGRAM_DTLS_CORE_HELLO13_HELD_HELLOS_H_
#define DGRAM_DTLS_CORE_HELLO13_HELD_HELLOS_H_

#include <list>
#include <unordered_map>
#include <vector>

#include "core/base/peer_address.h"
#include "core/base/peer_address_hash.h"
#include "core/wire/message_assembly.h"

// ClientHellos that come in fragments, before their address is proved. A cookie of 1.3 carries the
// hash of the whole first hello, and the version and the shares may be in any fragment of it: so,
// other than at 1.2, where the front of the first fragment is enough for an answer, the fragments
// have to be put together, and something kept for whoever sends one. It is little: so many hellos
// and bytes for a whole server, those of a host and all of them bounded, for a short time. Where
// there is no room the oldest goes: the fragments of an honest hello leave together, and a flood
// has to bring as many hellos as are kept between two of them.
//
// Over a bad path not all fragments come at once, nor does each answer arrive: the time is longer
// than a client waits at most before it says its hello again (60 seconds), and a hello that was
// whole is kept for it, too, so that each fragment that comes again asks for the answer again.
namespace dtls {

class HeldHellos {
 public:
  // Those of a host, and of all, have room for one hello at least.
  struct Limits {
    size_t hellos = 256;
    size_t hellos_per_host = 16;
    size_t hello_bytes = 16372;                  // of a hello, as its fragments announce it
    size_t bytes_per_host = size_t{128} * 1024;  // of the fragments that are kept of a host
    size_t bytes = size_t{512} * 1024;           // of all fragments that are kept
    uint32_t fragments = 128;                    // of a hello, that bring something new of it
    uint32_t repetitions = 16;  // fragments of a hello that was whole: each is an answer
    double lifetime = 75000;    // ms from the last fragment that came of a hello
  };

  explicit HeldHellos(const Limits& limits) : limits_(limits) {}

  enum class Outcome : uint8_t {
    kWhole,     // `hello` is the message
    kRepeated,  // so it is, and was before
    kHeld,      // more of it must come
    kRefused,   // malformed, or longer than is kept: count the datagram as malformed
  };

  // A fragment of a ClientHello of an address that has no handshake. `hello`: out, with a header of
  // four bytes. An unfragmented hello is whole at once, and nothing of it is kept. One that was in
  // fragments is kept until forget(), as it may be asked about again.
  Outcome add(const PeerAddress& peer, uint16_t record_version, const FragmentView& fragment,
              double now, std::vector<uint8_t>& hello);

  // Pieces of a message of that number are kept, and the rest of it belongs to them.
  bool holds(const PeerAddress& peer, uint16_t sequence, double now) const;
  // What comes next of this address is no repetition: a handshake has begun with it, or its hello
  // has no answer that could get lost.
  void forget(const PeerAddress& peer);

  size_t size() const { return held_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  struct Held {
    PeerAddress peer;
    PeerAddress host;
    HandshakeMessage message;
    double heard_at;  // the last fragment
    size_t bytes;     // of it that have come
    uint32_t fragments;
    uint32_t repetitions;
  };
  using Place = std::list<Held>::iterator;

  Outcome add_to(Place place, const FragmentView& fragment, double now,
                 std::vector<uint8_t>& hello);
  void begin(const PeerAddress& peer, uint16_t record_version, const FragmentView& fragment,
             double now);
  struct OfHost {
    size_t hellos = 0;
    size_t bytes = 0;
  };

  void make_room(Place kept);
  void drop_old(double now);
  void drop(Place place);

  Limits limits_;
  std::list<Held> held_;  // who was silent for the longest time first
  std::unordered_map<PeerAddress, Place, PeerAddressHash> by_peer_;
  std::unordered_map<PeerAddress, OfHost, PeerAddressHash> of_host_;
  size_t bytes_ = 0;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HELLO13_HELD_HELLOS_H_
