#include "core/engine13/hello_views.h"

#include <algorithm>

#include "core/engine13/message_parts.h"
#include "core/wire/retry_random.h"

namespace dtls {

using parts::append_extension;
using parts::append_u16;
using parts::append_u8;
using parts::ExtensionView;
using parts::HelloParts;
using parts::number;
using parts::Out;
using parts::Shape;
using parts::split_client_hello;
using parts::split_message;
using parts::split_server_hello;
using parts::take_extension;
using parts::take_vector;
using parts::view;

bool read_server_hello(Bytes message, ServerHelloView& hello) {
  HandshakeType type{};
  Bytes body;
  HelloParts parts;
  if (!split_message(message, type, body) || type != HandshakeType::kServerHello ||
      !split_server_hello(body, parts)) {
    return false;
  }
  hello.retry = std::equal(kRetryRandom.begin(), kRetryRandom.end(), parts.random.data);
  hello.suite = static_cast<uint16_t>(read_u16(parts.choices.data));
  hello.group = 0;
  Bytes rest = parts.extensions;
  ExtensionView extension;
  while (take_extension(rest, extension)) {
    if (extension.is(Extension::kKeyShare) && extension.data.size >= 2) {
      hello.group = static_cast<uint16_t>(read_u16(extension.data.data));
    }
  }
  return rest.size == 0;
}

bool read_hello_lists(Bytes message, HelloLists& lists) {
  HandshakeType type{};
  Bytes body;
  HelloParts parts;
  if (!split_message(message, type, body) || type != HandshakeType::kClientHello ||
      !split_client_hello(body, Shape::kDtls, parts)) {
    return false;
  }
  lists.suites = parts.suites;
  Bytes rest = parts.extensions;
  ExtensionView extension;
  while (take_extension(rest, extension)) {
    Bytes* const list = extension.is(Extension::kSupportedGroups) ? &lists.groups
                        : extension.is(Extension::kSignatureAlgorithms)
                            ? &lists.signature_algorithms
                            : nullptr;
    if (list == nullptr) continue;
    if (!take_vector(extension.data, 2, *list) || extension.data.size != 0 || list->size % 2 != 0) {
      return false;
    }
  }
  return rest.size == 0;
}

bool read_srtp_profiles(Bytes extension, Bytes& profiles, bool& has_mki) {
  Bytes mki;
  if (!take_vector(extension, 2, profiles) || !take_vector(extension, 1, mki) ||
      extension.size != 0) {
    return false;
  }
  has_mki = mki.size != 0;
  return profiles.size != 0 && profiles.size % 2 == 0;
}

std::vector<uint8_t> write_srtp(const std::vector<uint16_t>& profiles) {
  Out data;
  append_u16(data, 2 * profiles.size());
  for (const uint16_t profile : profiles) append_u16(data, profile);
  append_u8(data, 0);  // no MKI
  Out extension;
  append_extension(extension, number(Extension::kUseSrtp), view(data));
  return extension;
}

}  // namespace dtls
