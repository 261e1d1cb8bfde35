// Looks for what heartbeats might do to a session: input bytes reach both sides of an open session
// that has negotiated them, as raw datagrams and, sealed under the session's keys, as authentic
// records of any type. Beyond what the sanitizers see, it insists that a heartbeat never ends the
// session, and that nobody is sent more than a heartbeat of the request's size.
#include <memory>

#include "../native/harness.h"
#include "core/session/heartbeat.h"
#include "input.h"

namespace dtls::test {
namespace {

constexpr auto kHeartbeatRecord = static_cast<uint8_t>(ContentType::kHeartbeat);
// Of one input: more only makes it slow.
constexpr int kMaxSteps = 8;

std::unique_ptr<Link> open_session() {
  auto link = std::make_unique<Link>();
  link->use_psk("device", std::vector<uint8_t>(16, 7));
  link->client_policy.heartbeat = HeartbeatMode::kPeerAllowedToSend;
  link->server_policy.heartbeat = HeartbeatMode::kPeerAllowedToSend;
  insist(link->handshake(), "the handshake");
  return link;
}

// A step of an input: two bytes that say what, two that say how much, and so many bytes.
struct Step {
  uint8_t what = 0;
  uint8_t type = 0;
  Bytes bytes;
};

bool take_step(Bytes& input, Step& step) {
  if (input.size < 4) return false;
  step.what = input.data[0];
  step.type = input.data[1];
  const size_t size = read_u16(input.data + 2);
  input = input.from(4);
  step.bytes = input.first(size);
  input = input.from(step.bytes.size);
  return true;
}

// The number of a record that `sender` writes and that is lost.
uint64_t next_sequence(Link& link, Side& sender) {
  uint64_t sequence = 0;
  link.network = [&](Packet& packet, std::deque<Packet>&) {
    Bytes bytes = view(packet.bytes);
    RecordView record;
    if (take_record(bytes, record)) sequence = record.sequence;
  };
  link.send(sender, view("lost"));
  link.pump();
  return sequence;
}

void run(Link& link, const Step& step) {
  Side& to = (step.what & 1) != 0 ? link.server : link.client();
  Side& from = (step.what & 1) != 0 ? link.client() : link.server;
  const auto is_open = [](Side& side) {
    return side.live() != nullptr && side.live()->state() == SessionState::kOpen;
  };
  if (!is_open(to) || !is_open(from)) return;
  const bool sealed = (step.what & 2) != 0;
  const bool asks = (step.what & 4) != 0;
  if (asks) {
    link.network = [](Packet&, std::deque<Packet>&) {};
    to.endpoint.heartbeat(to.session.slot, to.session.generation, step.bytes.first(8), 16, 50, 0,
                          link.now());
    link.pump();
  }
  Datagram datagram = copy(step.bytes);
  // Alerts may end a session, and handshake records that are authentic too.
  const bool harmless =
      !sealed || step.type == kHeartbeatRecord || step.type < 20 || step.type > kHeartbeatRecord;
  if (sealed) {
    const Bytes plaintext = step.bytes.first(kMaxPlaintext);
    datagram = seal_record(from.live(), step.type, next_sequence(link, from), plaintext);
  }
  to.events.clear();
  from.events.clear();
  size_t answered = 0;
  size_t answers = 0;
  link.network = [&](Packet& packet, std::deque<Packet>&) {
    answered += packet.bytes.size();
    ++answers;
    if (harmless) {
      insist(packet.bytes[0] == kHeartbeatRecord || !sealed, "only heartbeats answer heartbeats");
    }
  };
  link.inject(to, view(datagram));
  link.pump();
  if (!harmless) return;
  insist(to.count(RecordType::kClose) == 0, "the session stays");
  insist(to.live() != nullptr && to.live()->state() == SessionState::kOpen, "the session is open");
  if (sealed) {
    insist(answers <= 1, "one answer at most");
    insist(answered <= datagram.size(), "no answer is longer than the request");
    if (step.type == kHeartbeatRecord) {
      insist(to.messages().empty(), "a heartbeat is no message");
      const bool request =
          parse_heartbeat(step.bytes.first(kMaxPlaintext)).has_value() && step.bytes.data[0] == 1;
      insist(request == (answers == 1), "requests are answered, and nothing else is");
    }
  }
}

}  // namespace
}  // namespace dtls::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dtls;
  using namespace dtls::test;
  // A handshake for each input would be nearly all of the work.
  static std::unique_ptr<Link> link;
  static size_t inputs = 0;
  if (!link || ++inputs % 1000 == 0) link = open_session();
  Bytes input{data, size};
  Step step;
  for (int i = 0; i < kMaxSteps && take_step(input, step); ++i) run(*link, step);
  const auto open = [](Side& side) {
    return side.live() != nullptr && side.live()->state() == SessionState::kOpen;
  };
  if (!open(link->client()) || !open(link->server)) link.reset();
  return 0;
}
