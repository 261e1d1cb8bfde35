#include "core/handshake/kept_session.h"

#include <cmath>
#include <vector>

#include "core/handshake/psk_binding.h"
#include "core/wire/wire.h"

namespace dtls {

namespace {

// Application data: this format's number; behind two bytes of length each the name, and how the
// session knows its pre-shared key (psk_binding.h), which is empty without one; the certificates
// that came with the server's own, each behind three.
constexpr uint8_t kFormat = 3;

void append(std::vector<uint8_t>& data, Bytes part) {
  data.push_back(static_cast<uint8_t>(part.size >> 8));
  data.push_back(static_cast<uint8_t>(part.size));
  data.insert(data.end(), part.data, part.data + part.size);
}

// Takes what append() has put there off the front.
bool take(Bytes& data, Bytes& part) {
  if (data.size < 2) return false;
  const size_t size = read_u16(data.data);
  if (data.size - 2 < size) return false;
  part = data.from(2).first(size);
  data = data.from(2 + size);
  return true;
}

// The date that OpenSSL gives a session that is made now, by the system's clock. The core's time
// never goes back, and is another one once that clock has been set.
double session_clock() {
  const SslSessionPtr made_now(SSL_SESSION_new());
  return made_now ? static_cast<double>(SSL_SESSION_get_time(made_now.get())) : HUGE_VAL;
}

}  // namespace

bool KeptSession::note(SSL_SESSION* session, const std::string& name, Bytes certificates) {
  const std::vector<uint8_t> psk = psk_binding(session);
  std::vector<uint8_t> data{kFormat};
  append(data, {reinterpret_cast<const uint8_t*>(name.data()), name.size()});
  append(data, {psk.data(), psk.size()});
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
  if (rest.size == 0 || rest.data[0] != kFormat) return false;
  rest = rest.from(1);
  Bytes name;
  Bytes psk;
  if (!take(rest, name) || !take(rest, psk)) return false;
  name_.assign(reinterpret_cast<const char*>(name.data), name.size);
  psk_ = read_psk_binding(psk);
  chain_ = parse_certificates(rest);
  return chain_ != nullptr;
}

std::vector<uint8_t> KeptSession::rules() const {
  unsigned size = 0;
  const unsigned char* digest = SSL_SESSION_get0_id_context(session_.get(), &size);
  return {digest, digest + size};
}

bool KeptSession::of_dtls13() const {
  return SSL_SESSION_get_protocol_version(session_.get()) == TLS1_3_VERSION;
}

bool KeptSession::expired() const {
  const SSL_SESSION* session = session_.get();
  double lifetime = static_cast<double>(SSL_SESSION_get_timeout(session));
  // RFC 5077 section 3.3: what the server said of the ticket; 0 leaves it to the client.
  const auto hint = static_cast<double>(SSL_SESSION_get_ticket_lifetime_hint(session));
  if (hint > 0 && hint < lifetime) lifetime = hint;
  return session_clock() >= static_cast<double>(SSL_SESSION_get_time(session)) + lifetime;
}

}  // namespace dtls
