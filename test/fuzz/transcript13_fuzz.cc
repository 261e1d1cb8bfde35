// Looks for bytes that OpenSSL's digest would hash as something else than what was on the wire: the
// input is fed in pieces to what stands before that digest, and is taken for a message of a peer's.
// Its bytes are of a peer's choice, or OpenSSL's own; it may even know the mark, which no peer
// does.
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <vector>

#include "core/engine13/hello_views.h"
#include "core/engine13/transcript.h"
#include "core/wire/wire.h"
#include "input.h"

namespace dtls {
namespace {

using test::insist;

using Run = std::vector<uint8_t>;

Bytes view(const Run& bytes) { return {bytes.data(), bytes.size()}; }

// Letters, so that libFuzzer finds it.
const ProcessMark kMark = [] {
  ProcessMark mark{};
  mark.fill('M');
  return mark;
}();

Run hashed(Bytes input, size_t piece, size_t hash_size) {
  Transcript transcript(kMark, hash_size);
  Run out;
  for (Bytes rest = input; rest.size != 0; rest = rest.from(piece)) {
    transcript.update(rest.first(piece), out);
  }
  transcript.finish(out);
  return out;
}

void check_transcript(Bytes input) {
  const bool has_mark = std::search(input.data, input.data + input.size, kMark.begin(),
                                    kMark.end()) != input.data + input.size;
  for (const size_t hash_size : {32, 48}) {
    const Run whole = hashed(input, std::max<size_t>(input.size, 1), hash_size);
    insist(hashed(input, 1, hash_size) == whole, "pieces of a byte are hashed alike");
    insist(hashed(input, 7, hash_size) == whole, "pieces of seven bytes are hashed alike");
    if (!has_mark) {
      insist(whole == Run(input.data, input.data + input.size), "without the mark nothing changes");
    }
  }
}

void check_message(Bytes input) {
  static const Run kBefore = {254, 0, 0, 1, 9};
  Run fed;
  TakenOut taken;
  const uint8_t alert = to_openssl(kMark, input, view(kBefore), fed, taken);
  if (alert != 0) {
    insist(fed.empty(), "what is refused does not reach OpenSSL");
    return;
  }
  insist(taken.srtp.size == 0 || (taken.srtp.data >= input.data &&
                                  taken.srtp.data + taken.srtp.size <= input.data + input.size),
         "what was taken out lies within");
  Run back;
  insist(to_transcript(kMark, view(fed), back), "what reaches OpenSSL is read again");
  Run expected;
  const bool hello = static_cast<HandshakeType>(input.data[0]) == HandshakeType::kClientHello;
  if (hello) expected = kBefore;
  expected.insert(expected.end(), input.data, input.data + input.size);
  insist(back == expected, "what is hashed is what came");
  // A hello begins a transcript, and is hashed there as it is here.
  if (hello) insist(hashed(view(fed), fed.size(), 32) == expected, "a hello begins a transcript");
}

void check_own(Bytes input) {
  Run wire;
  if (!to_wire(kMark, input, wire)) return;
  Run back;
  insist(to_transcript(kMark, input, back) && back == wire, "what is said is what is hashed");
  ServerHelloView hello;
  if (read_server_hello(input, hello)) {
    ServerHelloView said;
    insist(read_server_hello(view(wire), said) && said.suite == hello.suite &&
               said.group == hello.group && said.retry == hello.retry,
           "a ServerHello says the same in either shape");
  }
}

}  // namespace
}  // namespace dtls

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dtls;
  if (size > 4096) return 0;
  const Bytes input{data, size};
  check_transcript(input);
  check_message(input);
  check_own(input);
  Run out;
  to_transcript_cut(kMark, input, out);
  HelloLists lists;
  read_hello_lists(input, lists);
  Bytes profiles;
  bool has_mki = false;
  read_srtp_profiles(input, profiles, has_mki);
  return 0;
}
