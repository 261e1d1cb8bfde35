// Looks for what datagrams from anybody might do to a session in a CBC suite with encrypt-then-MAC,
// in which OpenSSL alone takes each wrong MAC as fatal: input bytes reach one side or the other of
// a session as they are, or as changes to an authentic record, before, in and after its handshake.
// Beyond what the sanitizers see, it insists that the session opens and stays.
#include <memory>

#include "../native/harness.h"
#include "input.h"

namespace dtls::test {
namespace {

// Of one input: more only makes it slow.
constexpr int kMaxSteps = 16;

std::unique_ptr<Link> new_link() {
  auto link = std::make_unique<Link>();
  link->use_psk("device", std::vector<uint8_t>(16, 7));
  link->server_context = psk_context("PSK-AES128-CBC-SHA256");
  link->client_context = psk_context("PSK-AES128-CBC-SHA256");
  return link;
}

// A step of an input: two bytes that say what, two that say how much, and so many bytes.
struct Step {
  uint8_t what = 0;
  uint8_t where = 0;
  Bytes bytes;
};

bool take_step(Bytes& input, Step& step) {
  if (input.size < 4) return false;
  step.what = input.data[0];
  step.where = input.data[1];
  const size_t size = read_u16(input.data + 2);
  input = input.from(4);
  step.bytes = input.first(size);
  input = input.from(step.bytes.size);
  return true;
}

// What somebody without keys makes of a step, and of a protected record that it has seen.
Datagram forge(const Step& step, const Datagram& seen) {
  if ((step.what & 2) == 0 || seen.size() <= kRecordHeaderSize) {
    // A protected record: those in clear may end a handshake in any suite.
    const auto type = static_cast<uint8_t>(20 + step.where % 5);
    return plain_record(type, static_cast<uint16_t>(1 + (step.what >> 6)), step.where, step.bytes);
  }
  Datagram forged = seen;
  if ((step.what & 4) != 0) {
    forged.resize(kRecordHeaderSize + step.where % (forged.size() - kRecordHeaderSize));
    write_u16(&forged[11], static_cast<uint32_t>(forged.size() - kRecordHeaderSize));
  }
  for (size_t i = 0; i < step.bytes.size; ++i) {
    // Never the epoch: nothing here has keys, but a record in clear needs none.
    const size_t at = (step.where + i) % forged.size();
    if (at != 3 && at != 4) forged[at] ^= step.bytes.data[i];
  }
  return forged;
}

void run(Bytes input) {
  const std::unique_ptr<Link> link = new_link();
  Datagram seen;
  const auto attack = [&](bool server) {
    Step step;
    if (!take_step(input, step)) return;
    const Datagram forged = forge(step, seen);
    // A change that changes nothing is a replay: dropped, too, but not a forgery.
    link->inject(server ? link->server : link->client(), view(forged));
  };
  link->network = [&](Packet& packet, std::deque<Packet>& arriving) {
    Bytes rest = view(packet.bytes);
    RecordView record;
    while (take_record(rest, record)) {
      if (record.epoch != 0) seen = copy(record.whole);
    }
    Step step;
    // Before the datagram, towards both.
    if (take_step(input, step)) {
      Packet forged = packet;
      forged.bytes = forge(step, seen);
      if ((step.what & 1) != 0) forged.to_server = !forged.to_server;
      arriving.push_back(forged);
    }
    arriving.push_back(packet);
  };
  link->listen();
  link->connect();
  // What fills the room for early records may cost a repetition.
  insist(link->run_until([&] { return link->server.secure() && link->client().secure(); }, 30000),
         "the handshake");
  for (int i = 0; i < kMaxSteps && input.size >= 4; ++i) attack(i % 2 == 0);
  link->network = nullptr;
  link->send(link->client(), view(std::string("to the server")));
  link->send(link->server, view(std::string("to the client")));
  link->pump();
  insist(link->server.count(RecordType::kClose) == 0, "the server's end stays");
  insist(link->client().count(RecordType::kClose) == 0, "the client's end stays");
  insist(!link->server.messages().empty() && link->server.messages().back() == "to the server",
         "what the client sends arrives");
  insist(!link->client().messages().empty() && link->client().messages().back() == "to the client",
         "what the server sends arrives");
  insist(
      link->server.count(RecordType::kAlert) == 0 && link->client().count(RecordType::kAlert) == 0,
      "no alerts");
}

}  // namespace
}  // namespace dtls::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  dtls::test::run({data, size});
  return 0;
}
