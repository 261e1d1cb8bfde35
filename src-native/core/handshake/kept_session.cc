#include "core/handshake/kept_session.h"

#include <vector>

#include "core/wire/wire.h"

namespace dtls {

namespace {

// Application data: this format's number; the name behind two bytes of length; the certificates
// that came with the server's own, each behind three.
constexpr uint8_t kFormat = 1;

std::vector<uint8_t> application_data(const SSL* ssl, const std::string& name) {
  std::vector<uint8_t> data{kFormat, static_cast<uint8_t>(name.size() >> 8),
                            static_cast<uint8_t>(name.size())};
  data.insert(data.end(), name.begin(), name.end());
  const X509* leaf = SSL_get0_peer_certificate(ssl);
  const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl);
  for (int i = 0; chain != nullptr && i < sk_X509_num(chain); ++i) {
    const X509* certificate = sk_X509_value(chain, i);
    if (leaf != nullptr && X509_cmp(certificate, leaf) == 0) continue;
    const int size = i2d_X509(certificate, nullptr);
    if (size <= 0) continue;
    const size_t at = data.size();
    data.resize(at + 3 + static_cast<size_t>(size));
    write_u24(data.data() + at, static_cast<uint32_t>(size));
    uint8_t* end = data.data() + at + 3;
    i2d_X509(certificate, &end);
  }
  return data;
}

}  // namespace

SecretBytes KeptSession::pack(SSL* ssl, const std::string& name) {
  const ErrorQueueScope errors;
  const SslSessionPtr session(SSL_get1_session(ssl));
  const bool client = SSL_is_server(ssl) == 0;
  // RFC 7627 section 5.4: without the extended master secret it is not to be resumed.
  if (!session || (client && (SSL_SESSION_is_resumable(session.get()) != 1 ||
                              SSL_get_extms_support(ssl) != 1))) {
    return {};
  }
  // A session that was resumed has the data of the full handshake that it began with; OpenSSL then
  // knows no chain any more.
  if (client && SSL_session_reused(ssl) == 0) {
    const std::vector<uint8_t> data = application_data(ssl, name);
    if (SSL_SESSION_set1_ticket_appdata(session.get(), data.data(), data.size()) != 1) return {};
  }
  const int size = i2d_SSL_SESSION(session.get(), nullptr);
  if (size <= 0) return {};
  SecretBytes packed(static_cast<size_t>(size));
  uint8_t* end = packed.data();
  i2d_SSL_SESSION(session.get(), &end);
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
  rest = rest.from(name_size);
  chain_.reset(sk_X509_new_null());
  while (chain_ && rest.size != 0) {
    if (rest.size < 3) return false;
    const size_t length = read_u24(rest.data);
    rest = rest.from(3);
    if (rest.size < length) return false;
    const uint8_t* end = rest.data;
    X509Ptr certificate(d2i_X509(nullptr, &end, static_cast<long>(length)));
    if (!certificate || end != rest.data + length ||
        sk_X509_push(chain_.get(), certificate.get()) <= 0) {
      return false;
    }
    static_cast<void>(certificate.release());  // now owned by the chain
    rest = rest.from(length);
  }
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
