#ifndef DGRAM_DTLS_CORE_BASE_PEER_ADDRESS_HASH_H_
#define DGRAM_DTLS_CORE_BASE_PEER_ADDRESS_HASH_H_

#include <array>
#include <cstdint>
#include <cstring>

#include "core/base/peer_address.h"

namespace dtls {

// The multilinear hash over words of 32 bits, with random coefficients: strongly universal (Lemire
// and Kaser, "Strongly universal string hashing is fast", 2014). Two addresses have the same 32
// bits, or the same in any of those bits, no more often than by chance, whichever addresses they
// are: nobody who does not know the coefficients can choose some that fall into one bucket, though
// all those of a network are theirs.
class PeerAddressHash {
 public:
  // Draws the coefficients.
  PeerAddressHash();

  size_t operator()(const PeerAddress& peer) const {
    const Bytes bytes = peer.bytes();
    // Addresses that differ in nothing but the zeros at their end differ in their length.
    uint64_t sum = coefficients_[0] + coefficients_[1] * bytes.size;
    size_t next = 2;
    size_t at = 0;
    for (; at + kWord <= bytes.size; at += kWord) {
      uint32_t word = 0;
      std::memcpy(&word, bytes.data + at, kWord);
      sum += coefficients_[next++] * word;
    }
    // The port's two bytes are what is left of an address of IP.
    uint32_t rest = 0;
    for (; at < bytes.size; ++at) rest = rest << 8 | bytes.data[at];
    sum += coefficients_[next] * rest;
    return static_cast<size_t>(sum >> 32);
  }

 private:
  static constexpr size_t kWord = sizeof(uint32_t);
  static constexpr size_t kMostWords = PeerAddress::kMaxSize / kWord + 1;

  std::array<uint64_t, 2 + kMostWords> coefficients_{};
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_BASE_PEER_ADDRESS_HASH_H_
