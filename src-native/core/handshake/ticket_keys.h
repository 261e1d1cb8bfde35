#ifndef DGRAM_DTLS_CORE_HANDSHAKE_TICKET_KEYS_H_
#define DGRAM_DTLS_CORE_HANDSHAKE_TICKET_KEYS_H_

#include <array>
#include <deque>

#include "core/base/bytes.h"
#include "core/base/openssl_ptr.h"
#include "core/base/secret.h"

namespace dtls {

// What a server seals its session tickets with (RFC 5077), and what it can still open. One for each
// server: a ticket of another one is worth nothing unless both were given the same keys.
//
// Keys are 48 bytes, as node:tls has them: a name of 16 bytes that every ticket shows, and a secret
// of 32. HKDF-SHA256 (RFC 5869) makes of the secret a key for AES-256-CBC and one for HMAC-SHA256,
// so that a secret that is used for other tickets elsewhere does no harm.
//
// A key that was replaced still opens tickets for `lifetime`, which none of its tickets outlives;
// then it is wiped. When keys are replaced faster than that, only the latest old ones are kept.
constexpr size_t kOldTicketKeys = 2;

class TicketKeys {
 public:
  static constexpr size_t kSize = 48;
  static constexpr size_t kNameSize = 16;

  // Begins with own keys, which replace themselves. `lifetime`: of a session, in ms.
  explicit TicketKeys(double lifetime) : lifetime_(lifetime) {}
  TicketKeys(const TicketKeys&) = delete;
  TicketKeys& operator=(const TicketKeys&) = delete;
  ~TicketKeys() = default;

  // New tickets get these keys from now on. They are replaced by the next call
  // only. False when OpenSSL fails.
  bool replace(Bytes keys, double now);
  // The keys that seal now. Empty when OpenSSL has no randomness.
  SecretBytes current(double now);

  // What OpenSSL's ticket key callback (SSL_CTX_set_tlsext_ticket_key_evp_cb) has to do for a new
  // ticket, and for one that came. The results are the callback's: negative for an error, 0 for no
  // key.
  int seal(uint8_t* name, uint8_t* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, double now);
  int open(const uint8_t* name, const uint8_t* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
           double now);
  // A whole ticket, for who needs to know what is in it before OpenSSL does. Empty when it is none
  // of ours.
  SecretBytes unseal(Bytes ticket, double now);
  static constexpr int kOpened = 1;
  static constexpr int kOpenedByOld = 2;  // the client should get a new ticket

 private:
  struct Key {
    std::array<uint8_t, kSize> given{};
    std::array<uint8_t, 32> encryption{};
    std::array<uint8_t, 32> authentication{};
    double made = 0;
    double replaced = 0;

    Key() = default;
    Key(const Key&) = default;
    Key& operator=(const Key&) = default;
    Key(Key&&) = default;
    Key& operator=(Key&&) = default;
    ~Key();

    bool derive();
  };

  void add(const Key& key, double now);
  bool have_key(double now);
  void drop_old(double now);

  const double lifetime_;
  bool own_ = true;
  std::deque<Key> keys_;  // the current one first
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HANDSHAKE_TICKET_KEYS_H_
