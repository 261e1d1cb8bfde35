#ifndef DGRAM_DTLS_BINDING_WRAPS_H_
#define DGRAM_DTLS_BINDING_WRAPS_H_

#include <napi.h>

#include <memory>

#include "core/endpoint/endpoint.h"
#include "core/identity/secure_context.h"
#include "core/outbox/outbox.h"
#include "core/session/session.h"
#include "io/udp_socket.h"

// The native classes that lib/core/native.ts declares. Whoever calls them in lib/ has checked the
// arguments: these convert them and call the core. After a call that may have moved it,
// EndpointWrap publishes the endpoint's next deadline.
namespace dtls::binding {

class OutboxWrap : public Napi::ObjectWrap<OutboxWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit OutboxWrap(const Napi::CallbackInfo& info);
  Outbox& outbox() { return outbox_; }
#ifdef __linux__
  // What the sockets of this thread receive into; made when the first of them does.
  io::ReceiveBuffers& buffers() {
    if (!buffers_) buffers_ = std::make_unique<io::ReceiveBuffers>();
    return *buffers_;
  }
#endif

 private:
  void reset(const Napi::CallbackInfo& info);

  // The shared memory is JavaScript's: kept alive for as long as the core may write to it.
  Napi::ObjectReference control_;
  Napi::ObjectReference records_;
  Napi::ObjectReference arena_;
  Outbox outbox_;
#ifdef __linux__
  std::unique_ptr<io::ReceiveBuffers> buffers_;
#endif
};

class SecureContextWrap : public Napi::ObjectWrap<SecureContextWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit SecureContextWrap(const Napi::CallbackInfo& info);
  std::shared_ptr<const SecureContext> context() const { return context_; }

 private:
  void set_versions(const Napi::CallbackInfo& info);
  void set_dtls13(const Napi::CallbackInfo& info);
  void set_ciphers(const Napi::CallbackInfo& info);
  Napi::Value needs_psk(const Napi::CallbackInfo& info);
  void set_groups(const Napi::CallbackInfo& info);
  void set_sigalgs(const Napi::CallbackInfo& info);
  void set_dhparam(const Napi::CallbackInfo& info);
  void set_options(const Napi::CallbackInfo& info);
  void set_session_id_context(const Napi::CallbackInfo& info);
  void add_certificate(const Napi::CallbackInfo& info);
  void add_key(const Napi::CallbackInfo& info);
  void add_pfx(const Napi::CallbackInfo& info);
  void show_raw_key(const Napi::CallbackInfo& info);
  void check_identities(const Napi::CallbackInfo& info);
  void prepare_dtls13(const Napi::CallbackInfo& info);
  Napi::Value own_certificates(const Napi::CallbackInfo& info);
  void add_ca(const Napi::CallbackInfo& info);
  void add_crl(const Napi::CallbackInfo& info);
  void set_session_timeout(const Napi::CallbackInfo& info);
  void allow_partial_chain(const Napi::CallbackInfo& info);

  std::shared_ptr<SecureContext> context_;
};

class TicketKeysWrap : public Napi::ObjectWrap<TicketKeysWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit TicketKeysWrap(const Napi::CallbackInfo& info);
  std::shared_ptr<TicketKeys> keys() const { return keys_; }

 private:
  void replace(const Napi::CallbackInfo& info);
  Napi::Value current(const Napi::CallbackInfo& info);

  std::shared_ptr<TicketKeys> keys_;
};

class KeptSessionWrap : public Napi::ObjectWrap<KeptSessionWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit KeptSessionWrap(const Napi::CallbackInfo& info);
  std::shared_ptr<const KeptSession> session() const { return session_; }

 private:
  Napi::Value name(const Napi::CallbackInfo& info);

  std::shared_ptr<const KeptSession> session_;
};

class SessionPolicyWrap : public Napi::ObjectWrap<SessionPolicyWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit SessionPolicyWrap(const Napi::CallbackInfo& info);
  std::shared_ptr<const SessionPolicy> policy() const { return policy_; }

 private:
  void set_timeouts(const Napi::CallbackInfo& info);
  void set_retransmission(const Napi::CallbackInfo& info);
  void set_mtu(const Napi::CallbackInfo& info);
  void set_replay_window(const Napi::CallbackInfo& info);
  void set_peer_certificate(const Napi::CallbackInfo& info);
  void ask_psk(const Napi::CallbackInfo& info);
  void ask_identity(const Napi::CallbackInfo& info);
  void set_authorities(const Napi::CallbackInfo& info);
  void report_keys(const Napi::CallbackInfo& info);
  void set_server_name(const Napi::CallbackInfo& info);
  void set_heartbeat(const Napi::CallbackInfo& info);
  void set_srtp_profiles(const Napi::CallbackInfo& info);
  void require_extended_master_secret(const Napi::CallbackInfo& info);
  void set_hello_questions(const Napi::CallbackInfo& info);
  void set_protocols(const Napi::CallbackInfo& info);
  void set_ticket_keys(const Napi::CallbackInfo& info);
  void set_session(const Napi::CallbackInfo& info);
  void request_ocsp(const Napi::CallbackInfo& info);
  void set_max_fragment_length(const Napi::CallbackInfo& info);
  void for_one_peer(const Napi::CallbackInfo& info);
  void add_public_key(const Napi::CallbackInfo& info);
  void add_fingerprint(const Napi::CallbackInfo& info);

  std::shared_ptr<SessionPolicy> policy_ = std::make_shared<SessionPolicy>();
};

class EndpointWrap : public Napi::ObjectWrap<EndpointWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit EndpointWrap(const Napi::CallbackInfo& info);
  Endpoint& endpoint() { return *endpoint_; }
  void publish_deadline();

 private:
  void listen(const Napi::CallbackInfo& info);
  void set_limits(const Napi::CallbackInfo& info);
  void set_context(const Napi::CallbackInfo& info);
  void set_policy(const Napi::CallbackInfo& info);
  void stop_listening(const Napi::CallbackInfo& info);
  void set_busy(const Napi::CallbackInfo& info);
  void ask_peers(const Napi::CallbackInfo& info);
  Napi::Value answer_peer(const Napi::CallbackInfo& info);
  Napi::Value forget_peer(const Napi::CallbackInfo& info);
  void report_drops(const Napi::CallbackInfo& info);
  void report_packets(const Napi::CallbackInfo& info);
  void receive(const Napi::CallbackInfo& info);
  void drop(const Napi::CallbackInfo& info);
  Napi::Value connect(const Napi::CallbackInfo& info);
  Napi::Value send(const Napi::CallbackInfo& info);
  void send_batch(const Napi::CallbackInfo& info);
  Napi::Value number_of(const Napi::CallbackInfo& info);
  void forget_numbers(const Napi::CallbackInfo& info);
  Napi::Value send_packet(const Napi::CallbackInfo& info);
  Napi::Value move(const Napi::CallbackInfo& info);
  Napi::Value may_move(const Napi::CallbackInfo& info);
  Napi::Value update_keys(const Napi::CallbackInfo& info);
  Napi::Value heartbeat(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);
  void answer_hello(const Napi::CallbackInfo& info);
  void refuse_hello(const Napi::CallbackInfo& info);
  void answer_session(const Napi::CallbackInfo& info);
  void answer_new_session(const Napi::CallbackInfo& info);
  void answer_psk(const Napi::CallbackInfo& info);
  void answer_identity(const Napi::CallbackInfo& info);
  void answer_ocsp(const Napi::CallbackInfo& info);
  void release(const Napi::CallbackInfo& info);
  void advance(const Napi::CallbackInfo& info);

  Napi::Value counters(const Napi::CallbackInfo& info);
  Napi::Value failures(const Napi::CallbackInfo& info);
  Napi::Value session_counters(const Napi::CallbackInfo& info);
  Napi::Value session_count(const Napi::CallbackInfo& info);

  // endpoint_facts.cc
  Napi::Value cipher(const Napi::CallbackInfo& info);
  Napi::Value peer_certificate(const Napi::CallbackInfo& info);
  Napi::Value peer_chain(const Napi::CallbackInfo& info);
  Napi::Value peer_is_host(const Napi::CallbackInfo& info);
  Napi::Value peer_may_serve(const Napi::CallbackInfo& info);
  Napi::Value certificate(const Napi::CallbackInfo& info);
  Napi::Value peer_public_key(const Napi::CallbackInfo& info);
  Napi::Value certificate_issuer(const Napi::CallbackInfo& info);
  Napi::Value ephemeral_key(const Napi::CallbackInfo& info);
  Napi::Value shared_group(const Napi::CallbackInfo& info);
  Napi::Value sigalgs(const Napi::CallbackInfo& info);
  Napi::Value finished(const Napi::CallbackInfo& info);
  Napi::Value export_keying_material(const Napi::CallbackInfo& info);
  Napi::Value srtp(const Napi::CallbackInfo& info);
  Napi::Value pack_session(const Napi::CallbackInfo& info);
  Napi::Value session_ticket(const Napi::CallbackInfo& info);
  Napi::Value server_name(const Napi::CallbackInfo& info);
  Napi::Value psk_identity(const Napi::CallbackInfo& info);
  Napi::Value max_message_size(const Napi::CallbackInfo& info);
  Napi::Value mtu(const Napi::CallbackInfo& info);
  Napi::Value set_mtu(const Napi::CallbackInfo& info);

  // The session named by the first two arguments, slot and generation; null once it has gone.
  Session* session(const Napi::CallbackInfo& info);
  // What can be asked of it; null before the handshake began and after the session closed.
  std::shared_ptr<const SessionFacts> facts(const Napi::CallbackInfo& info);

  Napi::ObjectReference outbox_;
  Napi::ObjectReference deadline_memory_;
  double* deadline_ = nullptr;
  std::unique_ptr<Endpoint> endpoint_;
};

}  // namespace dtls::binding

#endif  // DGRAM_DTLS_BINDING_WRAPS_H_
