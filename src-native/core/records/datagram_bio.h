#ifndef DGRAM_DTLS_CORE_RECORDS_DATAGRAM_BIO_H_
#define DGRAM_DTLS_CORE_RECORDS_DATAGRAM_BIO_H_

#include "core/base/bytes.h"
#include "core/base/openssl_ptr.h"

namespace dtls {

// OpenSSL's end of the wire. OpenSSL 3.0's memory BIOs lose datagram boundaries, so this one hands
// over at most one record for each read and passes on each write.
class DatagramPort {
 public:
  DatagramPort(const DatagramPort&) = delete;
  DatagramPort& operator=(const DatagramPort&) = delete;
  virtual ~DatagramPort() = default;

  // The BIO borrows `this`, which must outlive it. Null when OpenSSL has no memory.
  BioPtr make_bio();

  // The next read gets `record`, which must stay valid until it has been read or taken back.
  void offer(Bytes record) {
    incoming_ = record;
    offered_ = true;
  }
  void take_back() { offered_ = false; }

 protected:
  DatagramPort() = default;

  // What OpenSSL writes: a record or several; of a handshake perhaps part of one.
  virtual void on_datagram(Bytes datagram) = 0;

 private:
  static const BIO_METHOD* method();
  static int bio_read(BIO* bio, char* out, int size);
  static int bio_write(BIO* bio, const char* data, int size);
  static long bio_ctrl(BIO* bio, int command, long number, void* pointer);

  Bytes incoming_;
  bool offered_ = false;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_RECORDS_DATAGRAM_BIO_H_
