// Sessions and plain sockets that send as fast as they can.

#include <memory>
#include <stdexcept>
#include <vector>

#include "addon.h"

namespace bench {

// connect(port): a session with a DTLS server.
Napi::Value connect(const Napi::CallbackInfo& info) {
  UdpSession& made = add_session();
  made.socket.connect(static_cast<uint16_t>(u32(info, 0)));
  made.link = std::make_unique<UdpLink>(made.socket, true);
  made.ssl = make_ssl(state().client_ctx.get(), Side::kClient, *made.link);
  connect_over(made.ssl.get());
  return Napi::Number::New(info.Env(), state().next_session - 1);
}

// connectPlain(port)
Napi::Value connect_plain(const Napi::CallbackInfo& info) {
  add_session().socket.connect(static_cast<uint16_t>(u32(info, 0)));
  return Napi::Number::New(info.Env(), state().next_session - 1);
}

// blast(session, size, milliseconds, merged): as many messages as will go, many or one with a
// system call.
Napi::Value blast(const Napi::CallbackInfo& info) {
  UdpSession& from = session(info);
  const std::vector<uint8_t> message(u32(info, 1), 0x5a);
  const double limit = u32(info, 2) / 1000.0;
  const bool merged = info[3].ToBoolean();
  Batch batch(from.socket.descriptor(), merged ? 60 : 1);
  if (from.link) {
    from.link->connect();
    from.link->collect_in(&batch);
  }
  const Clock::time_point start = Clock::now();
  while (seconds_since(start) < limit) {
    for (int i = 0; i < 128; ++i) {
      if (!from.ssl) {
        batch.add(message.data(), message.size());
      } else if (SSL_write(from.ssl.get(), message.data(), static_cast<int>(message.size())) <= 0) {
        throw std::runtime_error("SSL_write failed");
      }
    }
  }
  batch.send();
  if (from.link) from.link->collect_in(nullptr);
  return amount(info.Env(), batch.sent(), seconds_since(start));
}

// blastMixed(session, size, milliseconds, merged): messages by the session's bare keys and, in
// turns with them, datagrams of their size that are none of DTLS.
Napi::Value blast_mixed(const Napi::CallbackInfo& info) {
  UdpSession& from = session(info);
  if (!from.keys) from.keys = std::make_unique<BareKeys>(from.ssl.get());
  const std::vector<uint8_t> message(u32(info, 1), 0x5a);
  const std::vector<uint8_t> packet(message.size() + BareKeys::kOverhead, 0x80);
  const double limit = u32(info, 2) / 1000.0;
  Batch batch(from.socket.descriptor(), info[3].ToBoolean() ? 60 : 1);
  from.link->connect();
  const Clock::time_point start = Clock::now();
  while (seconds_since(start) < limit) {
    for (int i = 0; i < 64; ++i) {
      uint8_t* const record = batch.room(packet.size());
      from.keys->seal(message.data(), message.size(), record);
      batch.add(packet.data(), packet.size());
    }
  }
  batch.send();
  return amount(info.Env(), batch.sent(), seconds_since(start));
}

// blastBare(session, size, milliseconds, merged): the same by the session's bare keys, which seal
// where the datagrams are to lie.
Napi::Value blast_bare(const Napi::CallbackInfo& info) {
  UdpSession& from = session(info);
  if (!from.keys) from.keys = std::make_unique<BareKeys>(from.ssl.get());
  const std::vector<uint8_t> message(u32(info, 1), 0x5a);
  const double limit = u32(info, 2) / 1000.0;
  Batch batch(from.socket.descriptor(), info[3].ToBoolean() ? 60 : 1);
  from.link->connect();
  const Clock::time_point start = Clock::now();
  while (seconds_since(start) < limit) {
    for (int i = 0; i < 128; ++i) {
      uint8_t* const record = batch.room(message.size() + BareKeys::kOverhead);
      from.keys->seal(message.data(), message.size(), record);
    }
  }
  batch.send();
  return amount(info.Env(), batch.sent(), seconds_since(start));
}

}  // namespace bench
