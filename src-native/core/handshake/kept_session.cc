#include "core/handshake/kept_session.h"

#include <vector>

#include "core/wire/wire.h"

namespace dtls {

namespace {

// Application data: this format's number; the name behind two bytes of length; the certificates
// that came with the server's own, each behind three.
constexpr uint8_t kFormat = 1;

}  // namespace

bool KeptSession::note(SSL_SESSION* session, const std::string& name, Bytes certificates) {
  std::vector<uint8_t> data{kFormat, static_cast<uint8_t>(name.size() >> 8),
                            static_cast<uint8_t>(name.size())};
  data.insert(data.end(), name.begin(), name.end());
  data.insert(data.end(), certificates.data, certificates.data + certificates.size);
  return SSL_SESSION_set1_ticket_appdata(session, data.data(), data.size()) == 1;
}

SecretBytes KeptSession::pack(const SSL_SESSION* session) {
  const int size = i2d_SSL_SESSION(session, nullptr);
  if (size <= 0) return {};
  SecretBytes packed(static_cast<size_t>(size));
  uint8_t* end = packed.data();
  i2d_SSL_SESSION(session, &end);
  return packed;
}

std::shared_ptr<const KeptSession> KeptSession::parse(Bytes packed) {
  const ErrorQueueScope errors;
  auto parsed = std::make_shared<KeptSession>();
  const uint8_t* end = packed.data;
  parsed->session_.reset(d2i_SSL_SESSION(nullptr, &end, static_cast<long>(packed.size)));
  if (!parsed->session_ || end != packed.data + packed.size || !parsed->read_application_data()) {
    return nullptr;
  }
  return parsed;
}

bool KeptSession::read_application_data() {
  void* data = nullptr;
  size_t size = 0;
  if (SSL_SESSION_get0_ticket_appdata(session_.get(), &data, &size) != 1) return false;
  Bytes rest{static_cast<const uint8_t*>(data), size};
  if (rest.size < 3 || rest.data[0] != kFormat) return false;
  const size_t name_size = read_u16(rest.data + 1);
  rest = rest.from(3);
  if (rest.size < name_size) return false;
  name_.assign(reinterpret_cast<const char*>(rest.data), name_size);
  chain_ = parse_certificates(rest.from(name_size));
  return chain_ != nullptr;
}

bool KeptSession::expired(double now) const {
  const SSL_SESSION* session = session_.get();
  double lifetime = static_cast<double>(SSL_SESSION_get_timeout(session));
  // RFC 5077 section 3.3: what the server said of the ticket; 0 leaves it to the client.
  const auto hint = static_cast<double>(SSL_SESSION_get_ticket_lifetime_hint(session));
  if (hint > 0 && hint < lifetime) lifetime = hint;
  return now / 1000 >= static_cast<double>(SSL_SESSION_get_time(session)) + lifetime;
}

}  // namespace dtls
