// Looks for a way to have a handshake message put together wrongly, or for what makes the assembly
// keep more than it says: the input is a list of fragments, some of them of a peer's messages, some
// of anything. What comes out must be the peer's messages wherever nobody contradicted them first.
#include <map>
#include <vector>

#include "core/wire/message_assembly.h"
#include "input.h"

namespace dtls::test {
namespace {

// Message n of the peer: its length and its bytes follow from n.
std::vector<uint8_t> message(uint32_t n) {
  std::vector<uint8_t> body((n * 37) % 90);
  for (size_t i = 0; i < body.size(); ++i) body[i] = static_cast<uint8_t>(n * 7 + i);
  return body;
}

}  // namespace
}  // namespace dtls::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dtls;
  using namespace dtls::test;
  using Outcome = MessageAssembly::Outcome;
  Input input(data, size);
  MessageAssembly assembly;
  std::map<uint32_t, bool> contradicted;
  uint32_t expected = 0;
  while (!input.empty()) {
    const uint8_t how = input.byte();
    FragmentView fragment;
    fragment.message_sequence = how & 15;
    const bool honest = (how & 16) == 0;
    std::vector<uint8_t> body = message(fragment.message_sequence);
    int type = 32 + fragment.message_sequence;
    if (!honest) {
      type += input.byte() % 2;
      body.resize(input.byte() % 100 * (input.byte() % 4 == 0 ? 1100 : 1));
      contradicted[fragment.message_sequence] = true;
    }
    fragment.type = static_cast<HandshakeType>(type);
    fragment.message_length = static_cast<uint32_t>(body.size());
    fragment.offset =
        body.empty() ? 0 : input.byte() * 256U % (static_cast<uint32_t>(body.size()) + 1);
    if (honest && !body.empty()) fragment.offset = input.byte() % fragment.message_length;
    const size_t left = body.size() - fragment.offset;
    fragment.body = {body.data() + fragment.offset, left == 0 ? 0 : input.byte() % (left + 1)};

    const bool taken = assembly.was_taken(fragment.message_sequence);
    const Outcome outcome = assembly.add(0xfefd, fragment);
    const bool bad = fragment.message_length != 0 && fragment.body.size == 0;
    insist((outcome == Outcome::kRepeated) == (taken && !bad), "what was taken is a repetition");
    if (outcome == Outcome::kNew) insist(!taken, "what was taken is not new");
    if (bad) insist(outcome == Outcome::kRefused, "an empty fragment is refused");

    while (assembly.next() != nullptr) {
      const HandshakeMessage whole = assembly.take();
      insist(whole.complete() && whole.sequence() == expected, "whole and in order");
      insist(whole.size() <= MessageAssembly::kMaxMessage, "bounded");
      if (!contradicted[expected]) {
        const std::vector<uint8_t> original = message(expected);
        const Bytes got = whole.body();
        insist(std::vector<uint8_t>(got.data, got.data + got.size) == original,
               "as the peer sent it");
      }
      if ((how & 32) != 0) break;  // OpenSSL does not take it
      assembly.on_taken(whole.type(), whole.sequence());
      ++expected;
    }
  }
  return 0;
}
