#include "core/engine13/carried.h"

#include <algorithm>

#include "core/engine13/message_parts.h"

namespace dtls {

using parts::append;
using parts::append_u16;
using parts::append_u24;
using parts::append_u8;
using parts::ExtensionView;
using parts::kTls12;
using parts::kVersionSize;
using parts::Out;
using parts::take;
using parts::take_extension;
using parts::take_vector;

namespace {

bool read_carried(const ProcessMark& mark, Bytes data, Carried& carried) {
  Bytes prefix;
  Bytes kind;
  if (!take(data, mark.size(), prefix) || !std::equal(mark.begin(), mark.end(), prefix.data) ||
      !take(data, 1, kind)) {
    return false;
  }
  carried = {};
  carried.kind = static_cast<Carried::Kind>(kind.data[0]);
  switch (carried.kind) {
    case Carried::Kind::kAdditions:
      if (!take_vector(data, 2, carried.versions) || !take_vector(data, 2, carried.suites)) {
        return false;
      }
      carried.extensions = data;
      return true;
    case Carried::Kind::kOriginal:
      if (!take_vector(data, 3, carried.before)) return false;
      carried.original = data;
      return true;
  }
  return false;
}

}  // namespace

bool find_carried(const ProcessMark& mark, Bytes extensions, Carried& carried) {
  ExtensionView extension;
  while (take_extension(extensions, extension)) {
    if (extension.is(Extension::kQuicTransportParameters)) {
      return read_carried(mark, extension.data, carried);
    }
  }
  return false;
}

std::vector<uint8_t> carry_additions(const ProcessMark& mark, const HelloAdditions& additions) {
  Out data(mark.begin(), mark.end());
  append_u8(data, static_cast<size_t>(Carried::Kind::kAdditions));
  append_u16(data, additions.versions.size());
  append(data, additions.versions);
  append_u16(data, additions.suites.size());
  append(data, additions.suites);
  append(data, additions.extensions);
  return data;
}

std::vector<uint8_t> carry_original(const ProcessMark& mark, Bytes before, Bytes original) {
  Out data;
  data.reserve(mark.size() + 4 + before.size + original.size);
  append(data, Bytes{mark.data(), mark.size()});
  append_u8(data, static_cast<size_t>(Carried::Kind::kOriginal));
  append_u24(data, before.size);
  append(data, before);
  append(data, original);
  return data;
}

Found find_mark(const ProcessMark& mark, Bytes front) {
  // A field at a time; each of them may be the one that is not there yet.
  constexpr auto kHello = static_cast<uint8_t>(HandshakeType::kClientHello);
  if (front.size == 0) return Found::kMore;
  if (front.data[0] != kHello) return Found::kNo;
  if (front.size < kMessageHeaderSize) return Found::kMore;
  const size_t length = read_u24(front.data + 1);
  Bytes body{front.data + kMessageHeaderSize, std::min(front.size - kMessageHeaderSize, length)};
  const Found end = body.size == length ? Found::kNo : Found::kMore;
  Bytes version;
  if (!take(body, kVersionSize, version)) return end;
  if (read_u16(version.data) != kTls12) return Found::kNo;
  Bytes skipped;
  if (!take(body, kRandomSize, skipped)) return end;
  if (body.size != 0 && body.data[0] != 0) return Found::kNo;  // OpenSSL has no session id here
  Bytes block_size;
  if (!take_vector(body, 1, skipped) || !take_vector(body, 2, skipped) ||
      !take_vector(body, 1, skipped) || !take(body, 2, block_size)) {
    return end;
  }
  Bytes block = body;
  // The header's length and the block's say the same.
  const size_t before_block = static_cast<size_t>(block.data - front.data) - kMessageHeaderSize;
  if (before_block + read_u16(block_size.data) != length) return Found::kNo;
  ExtensionView extension;
  while (take_extension(block, extension)) {
    if (!extension.is(Extension::kQuicTransportParameters)) continue;
    Carried carried;
    return read_carried(mark, extension.data, carried) ? Found::kYes : Found::kNo;
  }
  return end;
}

}  // namespace dtls
