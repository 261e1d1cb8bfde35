#ifndef DGRAM_DTLS_TEST_NATIVE_HARNESS_H_
#define DGRAM_DTLS_TEST_NATIVE_HARNESS_H_

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/endpoint/endpoint.h"

// Two endpoints and the network between them, in one process and without sockets. What the
// endpoints write into their outboxes is taken out here, as lib/endpoint/endpoint.ts does it.
namespace dtls::test {

using Datagram = std::vector<uint8_t>;

inline Bytes view(const std::vector<uint8_t>& bytes) { return {bytes.data(), bytes.size()}; }
inline Bytes view(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data), bytes.size};
}
inline std::vector<uint8_t> copy(Bytes bytes) { return {bytes.data, bytes.data + bytes.size}; }

PeerAddress address(uint32_t host, uint16_t port);

// ---- certificates, made on the spot ----

struct Identity {
  std::string chain;  // PEM, the own certificate first
  std::string key;
};

struct LeafOptions {
  std::string name = "localhost";
  bool expired = false;
  bool rsa = false;  // P-256 otherwise
  // Bytes of comment in each certificate, and certificates between the authority and the leaf.
  size_t padding = 0;
  size_t intermediates = 0;
};

class Authority {
 public:
  explicit Authority(const std::string& name);

  const std::string& pem() const { return pem_; }
  Identity issue(const LeafOptions& options = {}) const;

 private:
  EvpPkeyPtr key_;
  X509Ptr certificate_;
  std::string pem_;
};

// One authority for all tests: keys cost time.
const Authority& authority();
const Identity& server_identity();
Identity self_signed(const std::string& name);

// ---- configuration ----

using ContextPtr = std::shared_ptr<SecureContext>;

// A context with an identity (when given) that trusts authority().
ContextPtr certificate_context(const Identity* identity = nullptr);
// A context without certificates.
ContextPtr psk_context(const char* ciphers = "PSK-AES128-GCM-SHA256");

// Retransmits after 20 ms, so that tests with loss need not wait.
SessionPolicy quick_policy();
SessionPolicy psk_policy();

// ---- endpoints ----

struct Event {
  RecordType type;
  SessionId id;
  uint32_t a;
  uint32_t b;
  std::vector<uint8_t> bytes;
};

// An endpoint with its outbox and everything that came out of it.
class Side {
 public:
  explicit Side(uint32_t id);
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;

  std::vector<Event> drain();

  size_t count(RecordType type) const;
  // Null when there is none.
  const Event* last(RecordType type) const;
  std::vector<std::string> messages() const;
  bool secure() const { return count(RecordType::kSecure) != 0; }
  // The failure that the last CLOSE record names; kNone also when nothing has closed.
  FailureKind close_kind() const;
  // The alert in the last CLOSE record, or 255.
  uint32_t close_alert() const;
  // Whether these bytes are anywhere in the memory that the consumer sees.
  bool arena_has(Bytes bytes) const;
  // Alerts that were sent or received, by description.
  size_t alerts(bool sent, uint32_t description) const;

 private:
  Outbox::Control control_{};
  std::vector<Record> records_;
  std::vector<uint8_t> arena_;
  Outbox outbox_;

 public:
  Endpoint endpoint;
  std::vector<Event> events;
  SessionId session{0, kNoSlot, 0};  // the newest one

  // Answers to LOOKUP records. With `hold` they stay open.
  bool hold = false;
  std::map<std::string, std::vector<uint8_t>> keys;  // a server's, by identity
  std::string psk_identity;                          // a client's
  std::vector<uint8_t> psk;
  bool accept_identity = true;
  std::map<std::vector<uint8_t>, std::vector<uint8_t>> stored;  // a server's sessions, by id

  // Takes what a LOOKUP of kNewSession brought.
  void store(const Event& told);
  // Nothing is due soon: no retransmission, no heartbeat; perhaps to rest, much later.
  bool waits_for_nothing() const;
  Session* live() { return endpoint.find(session.slot, session.generation); }
};

struct Packet {
  bool to_server;
  size_t client;  // index in Link::clients
  Datagram bytes;
};

class Link {
 public:
  Link();

  // Configuration used by listen() and connect(); change it before.
  ListenerConfig listener;
  ContextPtr server_context;
  ContextPtr client_context;
  SessionPolicy server_policy = quick_policy();
  SessionPolicy client_policy = quick_policy();

  // Both sides with this key for this identity.
  void use_psk(const std::string& identity, const std::vector<uint8_t>& key);

  void listen();
  // A further client, on `peer`; without an address on the first client's: as if it had restarted.
  Side& add_client();
  Side& add_client(const PeerAddress& peer);
  // ClientHello of the newest client.
  Session& connect();
  // listen, connect and pump: true when both sides are secure.
  bool handshake();

  // Moves records and datagrams until everything is quiet. Takes no time.
  void pump();
  // The same, and goes from one deadline to the next, until `done`. False: it took too long.
  bool run_until(const std::function<bool()>& done, double milliseconds = 3000);
  // Lets the clock jump over deadlines; advance() then has them fire.
  static void skip(double milliseconds);
  void advance();
  // Time passes only by skip() and run_until(), for OpenSSL's retransmission timers as well: the
  // harness stands in for gettimeofday. What a test sees does not depend on the machine's load.
  static double now();

  SendOutcome send(Side& side, Bytes message);
  // A datagram out of nowhere.
  void inject(Side& to, Bytes datagram);

  // What becomes of a datagram: puts into `arriving` what is to arrive. Unset: it arrives.
  std::function<void(Packet& packet, std::deque<Packet>& arriving)> network;
  std::deque<Packet> arriving;

  Side server{1};
  std::vector<std::unique_ptr<Side>> clients;
  std::vector<PeerAddress> addresses;  // of clients
  const PeerAddress server_address = address(0x0a000001, 4433);
  std::vector<Datagram> stray;  // what the server sent to addresses without a client

  Side& client() { return *clients.back(); }

 private:
  bool collect(Side& side, size_t client, bool is_server);
  void answer(Side& side, const Event& event);

  double next_deadline() const;

  std::map<std::pair<uint32_t, uint32_t>, uint32_t> peer_of_;  // server session → peer index
};

// Seals a record as `sender` would, under its epoch-1 keys (AEAD suites only), with this number and
// a nonce of its own: for what no well-behaved peer sends.
Datagram seal_record(const Session* sender, uint8_t type, uint64_t sequence, Bytes plaintext);

// A record in clear.
Datagram plain_record(uint8_t type, uint16_t epoch, uint64_t sequence, Bytes fragment);
// A whole handshake message as one record of epoch 0.
Datagram handshake_record(uint8_t type, uint16_t message_sequence, Bytes body);
// The body of a ClientHello that ends after `extra` bytes behind the cookie.
std::vector<uint8_t> hello_body(uint8_t random, size_t session_id_size, Bytes cookie, size_t extra);

// What this process has allocated and not freed.
size_t allocated_bytes();

}  // namespace dtls::test

#endif  // DGRAM_DTLS_TEST_NATIVE_HARNESS_H_
