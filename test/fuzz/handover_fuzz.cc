// Looks for what a network might do to the end of a handshake: input bytes say what becomes of each
// datagram of both sides, which is lost, comes twice, comes late, falls apart into records or is
// joined to others, or is damaged. Both sides speak, and one closes, as soon as they are open, so
// that messages and alerts come before what they belong behind. Beyond what the sanitizers see, it
// insists that no two records leave under one number, that a message comes once and as it was sent,
// and that a handshake whose datagrams were not damaged comes to its end when the network lets it.
#include <map>

#include "../native/harness.h"
#include "input.h"

namespace dtls::test {
namespace {

constexpr const char* kSuites[] = {"PSK-AES128-GCM-SHA256", "PSK-CHACHA20-POLY1305",
                                   "PSK-AES128-CCM", "PSK-AES128-CBC-SHA256"};

std::vector<Datagram> records_of(const Datagram& datagram) {
  std::vector<Datagram> records;
  Bytes rest = view(datagram);
  RecordView record;
  while (take_record(rest, record)) records.push_back(copy(record.whole));
  return records;
}

// A byte for each datagram that leaves, as long as there are any.
class Network {
 public:
  // All of them lost keep a handshake from its end for about 20 of the 30 seconds that it has.
  static constexpr size_t kMostFates = 96;

  explicit Network(Bytes input) : input_(input.first(kMostFates)) {}

  bool damages() const { return damages_; }

  void carry(Packet& packet, std::deque<Packet>& arriving) {
    note(packet);
    const uint8_t fate = next();
    if ((fate & 0x03) == 1) return;
    if ((fate & 0x0c) == 0x04) {
      late_.push_back(packet);
      return;
    }
    if ((fate & 0x10) != 0) join(packet);
    if ((fate & 0xe0) == 0x80) {
      damages_ = true;
      packet.bytes[next() % packet.bytes.size()] ^= static_cast<uint8_t>(1 | next());
    }
    if ((fate & 0x60) == 0x20) {
      // Its records each by itself, the last one first.
      std::vector<Datagram> records = records_of(packet.bytes);
      for (auto record = records.rbegin(); record != records.rend(); ++record) {
        arriving.push_back({packet.to_server, packet.client, *record});
      }
    } else {
      arriving.push_back(packet);
    }
    if ((fate & 0x03) == 2) arriving.push_back(packet);
    if ((fate & 0x0c) == 0x08) release(arriving);
  }

  void release(std::deque<Packet>& arriving) {
    for (Packet& packet : late_) arriving.push_back(std::move(packet));
    late_.clear();
  }

 private:
  uint8_t next() {
    if (input_.size == 0) return 0;
    const uint8_t byte = input_.data[0];
    input_ = input_.from(1);
    return byte;
  }

  // What is late comes behind it, in the same datagram.
  void join(Packet& packet) {
    for (auto late = late_.begin(); late != late_.end();) {
      if (late->to_server != packet.to_server) {
        ++late;
        continue;
      }
      packet.bytes.insert(packet.bytes.end(), late->bytes.begin(), late->bytes.end());
      late = late_.erase(late);
    }
  }

  void note(const Packet& packet) {
    for (const Datagram& bytes : records_of(packet.bytes)) {
      Bytes rest = view(bytes);
      RecordView record;
      if (!take_record(rest, record)) continue;
      if (record.epoch == 0) {
        // A client that gets no answer any more begins anew, with other keys. The server's session
        // with the earlier ones may go on for a while beside the new one, where nothing on the wire
        // tells them apart.
        Bytes fragments = record.fragment;
        FragmentView hello;
        if (record.type == ContentType::kHandshake && take_fragment(fragments, hello) &&
            hello.type == HandshakeType::kClientHello && hello.message_sequence == 0) {
          one_server_session_ = one_server_session_ && numbers_[kToClient].empty();
          numbers_.clear();
        }
        continue;
      }
      if (!packet.to_server && !one_server_session_) continue;
      auto& seen = numbers_[packet.to_server][record.sequence];
      insist(seen.empty() || seen == bytes, "one record for each number");
      seen = bytes;
    }
  }

  static constexpr bool kToClient = false;

  Bytes input_;
  bool damages_ = false;
  bool one_server_session_ = true;
  std::deque<Packet> late_;
  std::map<bool, std::map<uint64_t, Datagram>> numbers_;
};

}  // namespace
}  // namespace dtls::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dtls;
  using namespace dtls::test;
  if (size < 2) return 0;
  Link link;
  link.use_psk("device", std::vector<uint8_t>(16, 7));
  link.server_context = psk_context(kSuites[data[0] % 4]);
  link.client_context = psk_context(kSuites[data[0] % 4]);
  const bool server_closes = (data[1] & 1) != 0;
  const bool speaks = (data[1] & 2) != 0;
  Network network({data + 2, size - 2});
  bool closed = false;
  std::map<const Side*, bool> said;
  const auto act = [&](Side& side, const char* text, bool closes) {
    const Session* session = side.live();
    if (session == nullptr || session->state() != SessionState::kOpen || said[&side]) return;
    said[&side] = true;
    if (speaks) link.send(side, view(std::string(text)));
    if (!closes) return;
    side.endpoint.close(side.session.slot, side.session.generation);
    closed = true;
  };
  link.network = [&](Packet& packet, std::deque<Packet>& arriving) {
    network.carry(packet, arriving);
  };
  link.listen();
  link.connect();
  bool late = false;
  const auto over = [&] {
    act(link.client(), "there", !server_closes);
    act(link.server, "back", server_closes);
    // Once more, for those that wait for another datagram.
    if (!late) network.release(link.arriving);
    late = true;
    return link.client().secure() && link.server.secure();
  };
  const bool done = link.run_until(over, 30'000);
  insist(done || network.damages() || closed, "the handshake ends");
  for (Side* side : {&link.client(), &link.server}) {
    const std::string expected = side == &link.server ? "there" : "back";
    const std::vector<std::string> messages = side->messages();
    insist(messages.size() <= 1, "a message comes once");
    insist(messages.empty() || messages[0] == expected, "a message is what was sent");
  }
  return 0;
}
