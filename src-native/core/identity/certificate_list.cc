#include "core/identity/certificate_list.h"

#include "core/wire/wire.h"

namespace dtls {

namespace {

constexpr size_t kLengthSize = 3;

}  // namespace

void append_certificate(std::vector<uint8_t>& list, const X509* certificate) {
  const int size = certificate != nullptr ? i2d_X509(certificate, nullptr) : 0;
  if (size <= 0) return;
  const size_t at = list.size();
  list.resize(at + kLengthSize + static_cast<size_t>(size));
  write_u24(list.data() + at, static_cast<uint32_t>(size));
  uint8_t* end = list.data() + at + kLengthSize;
  i2d_X509(certificate, &end);
}

bool take_certificate(Bytes& list, Bytes& der) {
  if (list.size < kLengthSize) return false;
  const size_t size = read_u24(list.data);
  const Bytes rest = list.from(kLengthSize);
  if (rest.size < size) return false;
  der = rest.first(size);
  list = rest.from(size);
  return true;
}

X509Ptr parse_certificate(Bytes der) {
  const uint8_t* end = der.data;
  X509Ptr certificate(der.size == 0 ? nullptr
                                    : d2i_X509(nullptr, &end, static_cast<long>(der.size)));
  return certificate && end == der.data + der.size ? std::move(certificate) : nullptr;
}

X509StackPtr parse_certificates(Bytes list) {
  X509StackPtr certificates(sk_X509_new_null());
  Bytes der;
  while (certificates && list.size != 0) {
    if (!take_certificate(list, der)) return nullptr;
    X509Ptr certificate = parse_certificate(der);
    if (!certificate || sk_X509_push(certificates.get(), certificate.get()) <= 0) return nullptr;
    static_cast<void>(certificate.release());  // now owned by the stack
  }
  return certificates;
}

}  // namespace dtls
