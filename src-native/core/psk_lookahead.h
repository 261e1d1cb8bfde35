#ifndef DGRAM_DTLS_CORE_PSK_LOOKAHEAD_H_
#define DGRAM_DTLS_CORE_PSK_LOOKAHEAD_H_

#include <optional>
#include <vector>

#include "core/openssl_ptr.h"
#include "core/wire.h"

// Reads what a pre-shared key lookup needs from handshake messages that travel in clear, before
// OpenSSL acts on them, so that the question can be asked and answered while OpenSSL waits.
// Message formats: RFC 4279 section 2, RFC 5489 section 2.
namespace dtls {

// OpenSSL's own bound (PSK_MAX_IDENTITY_LEN); it refuses longer ones itself.
constexpr size_t kMaxPskIdentity = 256;

// Whether a suite authenticates by a pre-shared key.
bool is_psk_suite(const SSL_CIPHER* cipher);

// A server's side: the identity at the front of the ClientKeyExchange, gathered from its fragments
// in whatever order they come. OpenSSL cannot finish the message before this has seen all of it.
class PskIdentityReader {
 public:
  enum class Next { kFeed, kAsk };

  // Looks at a handshake record of epoch 0 that is about to be given to OpenSSL. kAsk comes once.
  Next before_feeding(const SSL* ssl, Bytes record_fragment);

  Bytes identity() const { return {bytes_.data() + 2, size_ - 2}; }

 private:
  void add(const FragmentView& fragment);
  bool complete();

  bool asked_ = false;
  size_t size_ = 2;  // length field and identity, as far as known
  std::vector<uint8_t> bytes_;
  std::vector<bool> present_;
};

// A client's side: the hint in the ServerKeyExchange, when there is one. The answer is needed when
// ServerHelloDone arrives, so that message is held until OpenSSL has handled everything before it.
class PskHintReader {
 public:
  enum class Next { kFeed, kAsk, kHold };

  Next before_feeding(SSL* ssl, Bytes record_fragment);

  // OpenSSL reports a whole handshake message (header and body) that it is about to handle.
  void on_message(const SSL* ssl, Bytes message);

  Bytes hint() const { return {hint_.data(), hint_.size()}; }

 private:
  void read_hint(Bytes body);

  bool asked_ = false;
  int last_sequence_ = -1;
  std::vector<uint8_t> hint_;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_PSK_LOOKAHEAD_H_
