#include "core/psk_lookahead.h"

#include <algorithm>

namespace dtls {

bool is_psk_suite(const SSL_CIPHER* cipher) {
  if (cipher == nullptr) return false;
  switch (SSL_CIPHER_get_kx_nid(cipher)) {
    case NID_kx_psk:
    case NID_kx_ecdhe_psk:
    case NID_kx_dhe_psk:
    case NID_kx_rsa_psk:
      return true;
    default:
      return false;
  }
}

void PskIdentityReader::add(const FragmentView& fragment) {
  if (bytes_.empty()) {
    bytes_.resize(2 + kMaxPskIdentity);
    present_.resize(bytes_.size());
  }
  for (size_t i = 0; i < fragment.body.size; ++i) {
    const size_t at = fragment.offset + i;
    if (at >= bytes_.size()) break;
    bytes_[at] = fragment.body.data[i];
    present_[at] = true;
  }
}

bool PskIdentityReader::complete() {
  if (!present_[0] || !present_[1]) return false;
  const size_t size = 2 + read_u16(bytes_.data());
  if (size > bytes_.size()) return false;
  if (!std::all_of(present_.begin(), present_.begin() + static_cast<long>(size),
                   [](bool present) { return present; })) {
    return false;
  }
  size_ = size;
  return true;
}

PskIdentityReader::Next PskIdentityReader::before_feeding(const SSL* ssl, Bytes record_fragment) {
  if (asked_ || !is_psk_suite(SSL_get_pending_cipher(ssl))) return Next::kFeed;
  FragmentView fragment;
  while (take_fragment(record_fragment, fragment)) {
    if (fragment.type != static_cast<uint8_t>(HandshakeType::kClientKeyExchange)) continue;
    add(fragment);
    if (complete()) {
      asked_ = true;
      return Next::kAsk;
    }
  }
  return Next::kFeed;
}

void PskHintReader::read_hint(Bytes body) {
  if (body.size < 2) return;
  const size_t size = read_u16(body.data);
  if (size > kMaxPskIdentity || body.size < 2 + size) return;
  hint_.assign(body.data + 2, body.data + 2 + size);
}

void PskHintReader::on_message(const SSL* ssl, Bytes message) {
  if (message.size < kHandshakeHeaderSize) return;
  last_sequence_ = static_cast<int>(read_u16(message.data + 4));
  if (message.data[0] == static_cast<uint8_t>(HandshakeType::kServerKeyExchange) &&
      is_psk_suite(SSL_get_pending_cipher(ssl))) {
    read_hint(message.from(kHandshakeHeaderSize));
  }
}

PskHintReader::Next PskHintReader::before_feeding(SSL* ssl, Bytes record_fragment) {
  if (asked_) return Next::kFeed;
  // A stack may put a whole flight into one record: then its messages are read here, as OpenSSL
  // would handle them one after the other without a pause.
  const SSL_CIPHER* suite = SSL_get_pending_cipher(ssl);
  int last_sequence = last_sequence_;
  FragmentView fragment;
  while (take_fragment(record_fragment, fragment)) {
    if (fragment.type == static_cast<uint8_t>(HandshakeType::kServerHelloDone)) {
      if (last_sequence + 1 > fragment.message_sequence) return Next::kFeed;  // seen before
      // Without a pre-shared key nothing is held: a piece of a certificate may come with it.
      if (suite != nullptr && !is_psk_suite(suite)) return Next::kFeed;
      if (last_sequence + 1 < fragment.message_sequence) return Next::kHold;
      if (suite == nullptr) return Next::kFeed;
      asked_ = true;
      return Next::kAsk;
    }
    if (fragment.body.size != fragment.message_length ||
        fragment.message_sequence != last_sequence + 1) {
      continue;
    }
    last_sequence = fragment.message_sequence;
    if (fragment.type == static_cast<uint8_t>(HandshakeType::kServerHello)) {
      // version, random, session id, then the suite
      constexpr size_t kSessionIdAt = 2 + kRandomSize;
      if (fragment.body.size <= kSessionIdAt) continue;
      const Bytes suite_id =
          fragment.body.from(kSessionIdAt + 1 + fragment.body.data[kSessionIdAt]);
      if (suite_id.size >= 2) suite = SSL_CIPHER_find(ssl, suite_id.data);
    } else if (fragment.type == static_cast<uint8_t>(HandshakeType::kServerKeyExchange) &&
               is_psk_suite(suite)) {
      read_hint(fragment.body);
    }
  }
  return Next::kFeed;
}

}  // namespace dtls
