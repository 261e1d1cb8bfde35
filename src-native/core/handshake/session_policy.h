#ifndef DGRAM_DTLS_CORE_HANDSHAKE_SESSION_POLICY_H_
#define DGRAM_DTLS_CORE_HANDSHAKE_SESSION_POLICY_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/handshake/kept_session.h"
#include "core/handshake/ticket_keys.h"
#include "core/identity/fingerprint.h"
#include "core/identity/secure_context.h"
#include "core/wire/heartbeat.h"
#include "core/wire/wire.h"

namespace dtls {

enum class Role : uint8_t { kClient, kServer };

// How sessions of one server, or one client, behave. Times in milliseconds; 0 switches a limit off.
struct SessionPolicy {
  double handshake_timeout = 30000;
  double idle_timeout = 0;
  double retransmit_initial = 1000;
  double retransmit_max = 60000;
  double retransmit_backoff = 2;
  uint32_t mtu = 1200;              // UDP payload of a handshake flight's datagrams
  bool request_certificate = true;  // a client always gets one unless a pre-shared key is used
  bool reject_unauthorized = true;
  bool ask_psk = false;
  bool ask_identity = false;  // client: have the consumer compare the certificate with the host
  bool keylog = false;
  // Server: what of a ClientHello the consumer wants to answer, kAsk… of these.
  uint32_t hello_questions = 0;
  std::vector<uint8_t> protocols;  // ALPN, as on the wire, in this side's order; empty for none
  // How many of the newest numbers are told from numbers that came before, 64 to 1024; 0: messages
  // are taken however often they come. Where an SSL opens the records, OpenSSL has its own window.
  uint32_t replay_window = 64;
  HeartbeatMode heartbeat = HeartbeatMode::kOff;
  double heartbeat_interval = 0;  // keep-alive: a request after this long without hearing anything
  double heartbeat_timeout = 1000;  // before a request is sent again
  uint32_t heartbeat_retries = 3;
  std::string server_name;  // client: SNI; empty for none
  // Client: whom to trust, in place of the context's own authorities; null for those.
  std::shared_ptr<const SecureContext> authorities;
  std::string psk_identity_hint;                // server; empty for none
  bool require_extended_master_secret = false;  // RFC 7627
  std::string srtp_profiles;                    // RFC 5764; colon-separated, in order of preference
  // Server: what session tickets are sealed with; null for no tickets.
  std::shared_ptr<TicketKeys> ticket_keys;
  // Server: others have other rules. Its sessions are bound to the context's certificates as well.
  bool for_one_peer = false;
  Fingerprints fingerprints;
  // Raw public keys (RFC 7250), DER, that the peer may show; with any, it must show one of them.
  std::vector<std::vector<uint8_t>> public_keys;
  // Client: to be asked for (RFC 6066 section 4), 512, 1024, 2048 or 4096 bytes; 0 for no such
  // thing.
  uint32_t max_fragment_length = 0;
  bool request_ocsp = false;  // client: ask for a stapled OCSP response (RFC 6066 section 8)
  // Client: to be resumed where that skips no check; null for none.
  std::shared_ptr<const KeptSession> session;
};

// Bytes. What else is in a session has room behind it in the 65280 that OpenSSL seals.
constexpr int kMaxCertificateInTicket = 64'000;

// SessionPolicy::hello_questions: a question is asked when the hello has what it is about.
constexpr uint32_t kAskServerName = 1;
constexpr uint32_t kAskProtocols = 2;
constexpr uint32_t kAskAlways = 4;
constexpr uint32_t kAskStoredSession = 8;
// To be told of sessions that have an id to be resumed by, and wait until they are stored.
constexpr uint32_t kTellNewSession = 16;

// The answer to a ClientHello. Null or unset: what the session was made with.
struct HelloAnswer {
  FailureKind refusal = FailureKind::kNone;  // kServerNameRefused or kProtocolsRefused
  std::shared_ptr<const SecureContext> context;
  std::shared_ptr<const SessionPolicy> policy;
  std::optional<std::vector<uint8_t>> protocols;  // in place of the policy's; empty: none will do
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_HANDSHAKE_SESSION_POLICY_H_
