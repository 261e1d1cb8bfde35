// Looks for hellos that break what is done with them before there is a handshake of DTLS 1.3: the
// input is datagrams, each behind two bytes of length, from two addresses in turn. What is kept
// stays within its bounds, no answer is longer than what was asked, and a handshake begins only
// with a cookie that was given for the same address.
#include <array>
#include <cstring>
#include <vector>

#include "core/hello13/hello_stage.h"
#include "core/wire/server_choice.h"
#include "input.h"

namespace dtls::test {
namespace {

PeerAddress address(size_t from) {
  const uint8_t host[] = {10, 0, 0, static_cast<uint8_t>(from)};
  PeerAddress address;
  insist(address.assign({host, sizeof host}, 4433), "an address");
  return address;
}

bool within(Bytes part, Bytes whole) {
  return part.data == nullptr ||
         (part.data >= whole.data && part.data - whole.data + part.size <= whole.size);
}

void read_whole(Bytes body) {
  ClientOffer offer;
  if (!read_client_offer(body, offer)) return;
  for (const Bytes& part :
       {offer.random, offer.session_id, offer.legacy_cookie, offer.suites, offer.compressions,
        offer.server_name, offer.groups, offer.signature_algorithms, offer.srtp, offer.protocols,
        offer.psk_identities, offer.psk_binders, offer.versions, offer.cookie, offer.psk_modes,
        offer.shares, offer.connection_id}) {
    insist(within(part, body), "what was read lies within");
  }
  for (const Bytes& list : {offer.suites, offer.groups, offer.versions}) {
    insist(list.size % 2 == 0, "numbers have two bytes");
  }
  for (Bytes shares = offer.shares; shares.size != 0;) {
    insist(within(take_share(shares).key, body), "a share lies within");
  }
}

struct Server {
  CookieJar jar{30000, {}};
  HelloStage stage;
  std::array<size_t, 2> asked{};     // bytes that came from each address
  std::array<size_t, 2> answered{};  // and that went there

  explicit Server(bool dtls12) : stage(&jar, offer_of(dtls12), limits()) {}

  static ServerOffer offer_of(bool dtls12) {
    ServerOffer server;
    server.dtls12 = dtls12;
    server.dtls13 = true;
    server.suites = {0x1302, 0x1303, 0x1301};
    server.groups = {{0x1d, 0x17}, {0x18}};
    server.psk = server.psk_alone = server.suite_follows_psk = true;
    return server;
  }
  static HeldHellos::Limits limits() {
    HeldHellos::Limits limits;
    limits.hello_bytes = limits.bytes = limits.bytes_per_host = 3000;
    limits.fragments = 5;
    return limits;
  }

  void take(size_t from, Bytes datagram, double now) {
    const HelloStage::Result result = stage.take(datagram, address(from), now);
    asked[from] += datagram.size;
    check(from, result);
    if (result.verdict == HelloStage::Verdict::kAnswer) {
      answer(from, datagram, {result.datagram.data(), result.datagram.size()}, now);
    }
  }

  // A client that does as it was asked gets in, where only the cookie was asked for.
  void answer(size_t from, Bytes datagram, Bytes retry, double now) {
    RecordView record;
    FragmentView hello;
    ClientOffer offer;
    if (!take_record(datagram, record) || !take_fragment(record.fragment, hello) ||
        hello.body.size != hello.message_length || !read_client_offer(hello.body, offer) ||
        offer.early_data) {
      return;
    }
    RecordView retry_record;
    FragmentView asked_so;
    insist(take_record(retry, retry_record) && take_fragment(retry_record.fragment, asked_so),
           "an answer is read");
    constexpr size_t kExtensionsAt = 2 + kRandomSize + 1 + 2 + 1 + 2;
    constexpr size_t kVersionExtension = 4 + 2;
    const Bytes cookie = asked_so.body.from(kExtensionsAt + kVersionExtension);
    if (read_u16(cookie.data) != static_cast<uint16_t>(Extension::kCookie)) return;
    // What the hello has before its extensions, but for their length.
    const size_t front =
        static_cast<size_t>(offer.compressions.data + offer.compressions.size - hello.body.data);
    const Bytes rest = hello.body.from(front + 2);
    std::vector<uint8_t> second(kRecordHeaderSize + kHandshakeHeaderSize);
    second.insert(second.end(), hello.body.data, hello.body.data + front);
    second.resize(second.size() + 2);
    write_u16(second.data() + second.size() - 2, static_cast<uint32_t>(cookie.size + rest.size));
    second.insert(second.end(), cookie.data, cookie.data + cookie.size);
    second.insert(second.end(), rest.data, rest.data + rest.size);
    FragmentHeader header;
    header.type = HandshakeType::kClientHello;
    header.message_length = header.length =
        static_cast<uint32_t>(second.size() - kRecordHeaderSize - kHandshakeHeaderSize);
    header.message_sequence = 1;
    write_fragment_header(second.data() + kRecordHeaderSize, header);
    write_clear_header(second.data(), ContentType::kHandshake, kDtls12, 1,
                       header.length + kHandshakeHeaderSize);
    const HelloStage::Result begun = stage.take({second.data(), second.size()}, address(from), now);
    insist(begun.verdict == HelloStage::Verdict::kBegin, "a cookie that was given is good");
    insist(begun.retry.size() == 4 + asked_so.body.size &&
               std::memcmp(begun.retry.data() + 4, asked_so.body.data, asked_so.body.size) == 0,
           "the HelloRetryRequest is had from its cookie");
    insist(stage.take({second.data(), second.size()}, address(from + 2), now).verdict !=
               HelloStage::Verdict::kBegin,
           "a cookie is good for one address");
  }

  void check(size_t from, const HelloStage::Result& result) {
    if (result.verdict == HelloStage::Verdict::kAnswer ||
        result.verdict == HelloStage::Verdict::kAlert) {
      answered[from] += result.datagram.size();
    }
    insist(stage.held() <= 2, "each address has one hello");
    insist(result.verdict != HelloStage::Verdict::kBegin || result.has_cookie,
           "a handshake begins with a cookie");
    if (result.verdict != HelloStage::Verdict::kAnswer) return;
    Bytes rest{result.datagram.data(), result.datagram.size()};
    RecordView record;
    FragmentView fragment;
    insist(take_record(rest, record) && rest.size == 0 && take_fragment(record.fragment, fragment),
           "an answer is a record with a message");
    insist(read_server_choice(fragment.type, fragment.body) == ServerChoice::kRetry13,
           "an answer is a HelloRetryRequest");
  }
};

}  // namespace
}  // namespace dtls::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dtls;
  using namespace dtls::test;
  Bytes rest{data, size};
  if (rest.size == 0) return 0;
  Server server((rest.data[0] & 1) != 0);
  rest = rest.from(1);
  read_whole(rest);
  read_server_choice(HandshakeType::kServerHello, rest);
  read_server_choice(HandshakeType::kHelloVerifyRequest, rest);
  double now = 1e12;
  for (size_t turn = 0; rest.size >= 2; ++turn) {
    const size_t length = read_u16(rest.data);
    rest = rest.from(2);
    const Bytes datagram = rest.first(length);
    rest = rest.from(length);
    server.take(turn % 2, datagram, now += 100);
    insist(server.answered[turn % 2] <= server.asked[turn % 2],
           "no more is said to an address than came from there");
  }
  return 0;
}
