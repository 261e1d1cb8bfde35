// Protects: that OpenSSL's digest, fed as a server's OpenSSL feeds it, comes to the transcript
// hashes of sessions that wolfSSL had with itself (test/fixtures/traces13): RFC 8446 section 4.4.1,
// RFC 9147 section 5.2.
#include <doctest/doctest.h>
#include <openssl/evp.h>

#include <algorithm>

#include "core/base/openssl_ptr.h"
#include "core/engine13/library.h"
#include "core/engine13/message_shapes.h"
#include "core/wire/wire.h"
#include "traces13.h"

namespace dtls::traces13 {
namespace {

using Run = std::vector<uint8_t>;
using EvpMdPtr = std::unique_ptr<EVP_MD, OpenSslFree<EVP_MD, EVP_MD_free>>;
using EvpMdCtxPtr = std::unique_ptr<EVP_MD_CTX, OpenSslFree<EVP_MD_CTX, EVP_MD_CTX_free>>;

Bytes view_of(const Run& bytes) { return {bytes.data(), bytes.size()}; }

// A digest of the engine's library context.
class Digest {
 public:
  Digest(const char* name, const char* properties)
      : digest_(EVP_MD_fetch(engine_library()->context, name, properties)),
        work_(EVP_MD_CTX_new()) {
    REQUIRE(EVP_DigestInit_ex(work_.get(), digest_.get(), nullptr) == 1);
  }
  void add(const Run& bytes) {
    REQUIRE(EVP_DigestUpdate(work_.get(), bytes.data(), bytes.size()) == 1);
  }
  // Of what came so far; it goes on.
  Run hash() const {
    const EvpMdCtxPtr copy(EVP_MD_CTX_new());
    Run out(static_cast<size_t>(EVP_MD_get_size(digest_.get())));
    REQUIRE(EVP_MD_CTX_copy_ex(copy.get(), work_.get()) == 1);
    REQUIRE(EVP_DigestFinal_ex(copy.get(), out.data(), nullptr) == 1);
    return out;
  }

 private:
  EvpMdPtr digest_;
  EvpMdCtxPtr work_;
};

struct Message {
  std::string side;
  Run bytes;  // with a header of four bytes

  HandshakeType type() const { return static_cast<HandshakeType>(bytes[0]); }
};

// The handshake messages of a trace, whose fragments are in order.
std::vector<Message> messages_of(const Trace& trace) {
  std::vector<Message> messages;
  std::map<std::string, Run> bodies;
  const auto take = [&](const std::string& side, Bytes content) {
    Run& body = bodies[side];
    while (content.size != 0) {
      const size_t whole = read_u24(content.data + 1);
      const Bytes part = content.from(kHandshakeHeaderSize).first(read_u24(content.data + 9));
      body.insert(body.end(), part.data, part.data + part.size);
      if (body.size() == whole) {
        body.insert(body.begin(), content.data, content.data + 4);
        messages.push_back({side, std::move(body)});
        body.clear();
      }
      content = content.from(kHandshakeHeaderSize + part.size);
    }
  };
  for (const TracedDatagram& datagram : trace.datagrams) {
    auto next = datagram.sealed.begin();
    for (const Bytes record : records_in(datagram.bytes)) {
      if (!is_unified(record.data[0])) {
        take(datagram.side, record.from(kRecordHeaderSize));
        continue;
      }
      REQUIRE(next != datagram.sealed.end());
      if (next->type == ContentType::kHandshake) take(datagram.side, view_of(next->content));
      ++next;
    }
  }
  return messages;
}

const Run& context_of(const Trace& trace, const std::string& label) {
  const auto found = std::find_if(trace.expansions.begin(), trace.expansions.end(),
                                  [&label](const auto& one) { return one.label == label; });
  REQUIRE(found != trace.expansions.end());
  return found->context;
}

// What stands for the first hello, and the answer to it: RFC 8446 section 4.4.1.
Run before_of(const Trace& trace, const std::vector<Message>& messages) {
  Digest plain(trace.suite->digest, EngineLibrary::kPlain);
  plain.add(messages[0].bytes);
  const Run hash = plain.hash();
  Run before = {254, 0, 0, static_cast<uint8_t>(hash.size())};
  before.insert(before.end(), hash.begin(), hash.end());
  before.insert(before.end(), messages[1].bytes.begin(), messages[1].bytes.end());
  return before;
}

TEST_CASE("traces of 1.3: transcripts have the hashes that wolfSSL's had") {
  REQUIRE(engine_library() != nullptr);
  for (const char* name : kTraces) {
    CAPTURE(name);
    const Trace trace = read_trace(name);
    const std::vector<Message> messages = messages_of(trace);
    REQUIRE(messages.size() > 10);
    REQUIRE(messages[2].type() == HandshakeType::kClientHello);
    const Run before = before_of(trace, messages);
    Digest transcript(trace.suite->digest, EngineLibrary::kOurs);
    int compared = 0;
    for (size_t at = 2; at < messages.size(); ++at) {
      const auto& [side, bytes] = messages[at];
      const bool is_hello = messages[at].type() == HandshakeType::kClientHello;
      // In the shape in which OpenSSL hashes it, which is another one than this.
      Run fed;
      TakenOut taken;
      REQUIRE(to_openssl(engine_library()->mark, view_of(bytes),
                         is_hello ? view_of(before) : Bytes{}, fed, taken) == 0);
      if (at < 5) CHECK(fed != bytes);
      transcript.add(fed);
      const auto compare = [&](const char* label) {
        CHECK(transcript.hash() == context_of(trace, label));
        ++compared;
      };
      if (messages[at].type() == HandshakeType::kServerHello) {
        compare("c hs traffic");
        compare("s hs traffic");
      }
      if (messages[at].type() == HandshakeType::kFinished && side == "server") {
        compare("c ap traffic");
        compare("s ap traffic");
        compare("exp master");
      }
      if (messages[at].type() == HandshakeType::kFinished && side == "client") {
        compare("res master");
      }
    }
    CHECK(compared == 6);
  }
}

}  // namespace
}  // namespace dtls::traces13
