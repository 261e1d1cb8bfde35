#include "core/records/datagram_bio.h"

#include <cstring>

namespace dtls {

// Made once for the process and never changed, so threads that load the addon share it safely.
// Never freed: at process exit another thread's sessions may still be looking at it.
const BIO_METHOD* DatagramPort::method() {
  static const BIO_METHOD* const shared = [] {
    BioMethodPtr made(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagram port"));
    if (made) {
      BIO_meth_set_read(made.get(), bio_read);
      BIO_meth_set_write(made.get(), bio_write);
      BIO_meth_set_ctrl(made.get(), bio_ctrl);
    }
    return made.release();
  }();
  return shared;
}

BioPtr DatagramPort::make_bio() {
  const BIO_METHOD* const bio_method = method();
  if (bio_method == nullptr) return nullptr;
  BioPtr bio(BIO_new(bio_method));
  if (bio) {
    BIO_set_data(bio.get(), this);
    BIO_set_init(bio.get(), 1);
  }
  return bio;
}

int DatagramPort::bio_read(BIO* bio, char* out, int size) {
  auto* port = static_cast<DatagramPort*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (!port->offered_ || size <= 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  port->offered_ = false;
  // A record longer than OpenSSL's buffer is cut, as a datagram socket would: its MAC then fails.
  const Bytes record = port->incoming_.first(static_cast<size_t>(size));
  std::memcpy(out, record.data, record.size);
  return static_cast<int>(record.size);
}

int DatagramPort::bio_write(BIO* bio, const char* data, int size) {
  auto* port = static_cast<DatagramPort*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (size > 0) {
    port->on_datagram({reinterpret_cast<const uint8_t*>(data), static_cast<size_t>(size)});
  }
  return size;
}

long DatagramPort::bio_ctrl(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  switch (command) {
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT:
      return 1;
    default:
      // Among them BIO_CTRL_DGRAM_GET_MTU_OVERHEAD: `mtu` counts UDP payload, so there is none.
      return 0;
  }
}

}  // namespace dtls
