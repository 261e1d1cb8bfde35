#include "core/engine13/transcript.h"

#include <algorithm>
#include <utility>

#include "core/engine13/hello_views.h"
#include "core/engine13/message_parts.h"
#include "core/wire/wire.h"

namespace dtls {

namespace {

// Stands for the first hello once there is a HelloRetryRequest: RFC 8446 section 4.4.1.
constexpr uint8_t kMessageHash = 254;

void append(std::vector<uint8_t>& out, Bytes bytes) {
  out.insert(out.end(), bytes.data, bytes.data + bytes.size);
}

// Takes the first message off, when all of it is there.
bool take_message(Bytes& from, Bytes& message) {
  if (from.size < kMessageHeaderSize) return false;
  const size_t size = kMessageHeaderSize + read_u24(from.data + 1);
  if (from.size < size) return false;
  message = from.first(size);
  from = from.from(size);
  return true;
}

}  // namespace

void Transcript::reset() {
  state_ = State::kUndecided;
  waiting_.clear();
}

// Whether what waits is the beginning of a transcript.
Found Transcript::judge() const {
  Bytes front{waiting_.data(), waiting_.size()};
  if (front.size == 0 || front.data[0] != kMessageHash) {
    return find_mark(*mark_, front);
  }
  const std::array<uint8_t, kMessageHeaderSize> header = {kMessageHash, 0, 0,
                                                          static_cast<uint8_t>(hash_size_)};
  const size_t compared = std::min(front.size, header.size());
  if (!std::equal(header.begin(), header.begin() + compared, front.data)) return Found::kNo;
  Bytes message;
  if (!take_message(front, message)) return Found::kMore;
  if (!take_message(front, message)) {
    const bool may_be_hello =
        front.size == 0 || front.data[0] == static_cast<uint8_t>(HandshakeType::kServerHello);
    return may_be_hello ? Found::kMore : Found::kNo;
  }
  ServerHelloView hello;
  if (!read_server_hello(message, hello) || !hello.retry) return Found::kNo;
  return find_mark(*mark_, front);
}

void Transcript::update(Bytes bytes, std::vector<uint8_t>& out) {
  if (state_ == State::kOther) {
    append(out, bytes);
    return;
  }
  append(waiting_, bytes);
  if (state_ == State::kUndecided) {
    switch (judge()) {
      case Found::kMore:
        return;
      case Found::kNo:
        state_ = State::kOther;
        append(out, {waiting_.data(), waiting_.size()});
        waiting_.clear();
        return;
      case Found::kYes:
        state_ = State::kTranscript;
    }
  }
  drain(out);
}

// The messages that are whole. One that cannot be rewritten is none of OpenSSL's or of a peer's
// that came through here: it is hashed as it is, and the two sides will not agree.
void Transcript::drain(std::vector<uint8_t>& out) {
  Bytes rest{waiting_.data(), waiting_.size()};
  Bytes message;
  while (take_message(rest, message)) {
    const size_t at = out.size();
    if (to_transcript(*mark_, message, out)) continue;
    out.resize(at);
    append(out, message);
  }
  waiting_.erase(waiting_.begin(), waiting_.end() - static_cast<std::ptrdiff_t>(rest.size));
}

void Transcript::finish(std::vector<uint8_t>& out) {
  const Bytes rest{waiting_.data(), waiting_.size()};
  const bool cut_hello = state_ == State::kTranscript && rest.size != 0 &&
                         rest.data[0] == static_cast<uint8_t>(HandshakeType::kClientHello);
  if (!cut_hello || !to_transcript_cut(*mark_, rest, out)) append(out, rest);
  waiting_.clear();
}

}  // namespace dtls
