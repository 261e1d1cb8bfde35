#ifndef DGRAM_DTLS_CORE_HELLO_ASSEMBLY_H_
#define DGRAM_DTLS_CORE_HELLO_ASSEMBLY_H_

#include <vector>

#include "core/wire.h"

namespace dtls {

// Puts a fragmented ClientHello together before OpenSSL sees it: DTLSv1_listen takes only a whole
// one, and hellos with post-quantum key shares no longer fit one datagram. Made only for a peer
// whose cookie was valid; bounded by what one record can carry.
class HelloAssembly {
 public:
  static constexpr size_t kMaxMessage = kMaxPlaintext - kHandshakeHeaderSize;

  // `record` and `fragment`: the ones that carried the valid cookie.
  HelloAssembly(const RecordView& record, const FragmentView& fragment);

  // Takes bytes of the same message in any order, overlapping or again; ignores the rest.
  void add(const FragmentView& fragment);

  bool complete() const { return missing_ == 0; }

  // One record with the unfragmented message, as if the peer had sent it so. Valid while this
  // lives.
  Bytes record() const { return {record_.data(), record_.size()}; }

 private:
  std::vector<uint8_t> record_;  // record header, handshake header, body
  std::vector<bool> present_;    // by byte of the body
  size_t missing_;
  uint16_t message_sequence_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HELLO_ASSEMBLY_H_
