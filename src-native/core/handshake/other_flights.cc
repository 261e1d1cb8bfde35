// A client that begins from a port from which somebody has begun before, perhaps itself: the server
// repeats its flight of that handshake, if it was never finished, and numbers its messages as it
// numbers those of this one. RFC 6347 section 4.2.8 has the server keep what there was; the client
// tells the two apart.

#include <openssl/ssl.h>

#include <algorithm>

#include "core/handshake/handshake.h"

namespace dtls {

// Until a ServerHello has come that answers this client, one that does not says that its flight is
// another handshake's: what has come of such a flight, and what goes on from its record number, is
// let go of. Where that was this handshake's it comes again.
bool Handshake::is_of_other_flight(const RecordView& record, const FragmentView& fragment,
                                   double now) {
  if (role_ != Role::kClient) return false;
  Attempt& attempt = *attempt_;
  const bool begins_answer = fragment.type == HandshakeType::kServerHello && fragment.offset == 0;
  if (!attempt.hellos) {
    attempt.datagram_is_other = attempt.datagram_is_other || is_other_server_hello(fragment);
    return attempt.datagram_is_other;
  }
  if (!begins_answer) return attempt.other_from && record.sequence >= *attempt.other_from;
  if (attempt.hellos->can_answer(fragment.message_sequence, record.sequence, now)) {
    attempt.other_from.reset();
    return false;
  }
  attempt.other_from = std::min(attempt.other_from.value_or(record.sequence), record.sequence);
  attempt.messages.forget();
  return true;
}

// A ServerHello in the place of the one that was taken, with another random.
bool Handshake::is_other_server_hello(const FragmentView& fragment) const {
  constexpr size_t kVersionSize = 2;
  if (fragment.type != HandshakeType::kServerHello || fragment.offset != 0 ||
      fragment.body.size < kVersionSize + kRandomSize ||
      !attempt_->messages.was_taken(fragment.message_sequence)) {
    return false;
  }
  Random taken{};
  SSL_get_server_random(ssl_.get(), taken.data(), taken.size());
  return !std::equal(taken.begin(), taken.end(), fragment.body.data + kVersionSize);
}

}  // namespace dtls
