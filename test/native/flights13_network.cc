#include "flights13_network.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "core/flights13/ack.h"

namespace dtls::test {

namespace {

constexpr RecordOverhead kOverhead{kRecordHeaderSize, 22, 22};
// In the first byte of a ServerHello's body: it asks for another hello.
constexpr uint8_t kRetry = 'R';

FlightsConfig config_of(bool is_server, const Script13& script) {
  FlightsConfig config;
  config.is_server = is_server;
  config.times = script.times;
  return config;
}

}  // namespace

// ---- one end ----

End13::End13(bool is_server, const Script13& script)
    : flights(config_of(is_server, script)), is_server_(is_server), script_(script) {}

void End13::say(uint64_t epoch, HandshakeType type, size_t size) {
  std::vector<uint8_t> message(4 + size);
  message[0] = static_cast<uint8_t>(type);
  write_u24(&message[1], static_cast<uint32_t>(size));
  for (size_t i = 0; i < size; ++i) {
    message[4 + i] = static_cast<uint8_t>(i * 7 + next_seq_ * 31 + (is_server_ ? 1 : 0));
  }
  const bool retry = type == HandshakeType::kServerHello && hellos_ == 1 && script_.retry;
  if (size > 0) message[4] = retry ? kRetry : 0;
  said[next_seq_++] = message;
  REQUIRE(flights.send(epoch, {message.data(), message.size()}) == Flights::QueueOutcome::kQueued);
}

void End13::start() { say(0, HandshakeType::kClientHello, script_.hello_size); }

void End13::update_key() {
  if (key_updates_sent >= script_.key_updates || flights.key_update_under_way()) return;
  ++key_updates_sent;
  say(write_epoch_, HandshakeType::kKeyUpdate, 1);
}

void End13::on_key_update_arrived() {
  flights.set_write_epoch(++write_epoch_);
  update_key();
}

void End13::answer_hello() {
  say(0, HandshakeType::kServerHello, 90);
  flights.set_write_epoch(2);
  say(2, HandshakeType::kEncryptedExtensions, 20);
  if (script_.client_certificate) say(2, HandshakeType::kCertificateRequest, 40);
  say(2, HandshakeType::kCertificate, script_.certificate_size);
  say(2, HandshakeType::kCertificateVerify, 80);
  say(2, HandshakeType::kFinished, 32);
  read_epoch_ = 2;
  write_epoch_ = 3;
  flights.set_read_epoch(2);
  flights.set_write_epoch(3);
}

void End13::hear_as_client(const IncomingMessage& message) {
  if (message.type() == HandshakeType::kServerHello) {
    CHECK(message.epoch == 0);
    if (message.bytes[4] == kRetry) return say(0, HandshakeType::kClientHello, script_.hello_size);
    read_epoch_ = write_epoch_ = 2;
    flights.set_read_epoch(2);
    flights.set_write_epoch(2);
  } else if (message.type() == HandshakeType::kFinished) {
    if (script_.client_certificate) {
      say(2, HandshakeType::kCertificate, script_.certificate_size);
      say(2, HandshakeType::kCertificateVerify, 80);
    }
    say(2, HandshakeType::kFinished, 32);
    read_epoch_ = write_epoch_ = 3;
    flights.set_read_epoch(3);
    flights.set_write_epoch(3);
    open_ = true;
    update_key();
  }
}

void End13::hear_as_server(const IncomingMessage& message) {
  if (message.type() == HandshakeType::kClientHello) {
    CHECK(message.epoch == 0);
    if (++hellos_ == 1 && script_.retry) return say(0, HandshakeType::kServerHello, 60);
    answer_hello();
  } else if (message.type() == HandshakeType::kFinished) {
    read_epoch_ = 3;
    flights.set_read_epoch(3);
    open_ = true;
    for (int i = 0; i < script_.tickets; ++i) say(3, HandshakeType::kNewSessionTicket, 200);
    update_key();
  }
}

void End13::hear(const IncomingMessage& message, double) {
  // Each message once, in order, as it was sent.
  CHECK(message.message_seq == heard.size());
  CHECK(message.bytes == peer_said->at(message.message_seq));
  heard.push_back(message.type());
  if (message.type() == HandshakeType::kKeyUpdate) {
    ++key_updates_heard;
    flights.set_read_epoch(++read_epoch_);
  } else if (message.type() == HandshakeType::kNewSessionTicket) {
    ++tickets_heard;
  } else if (is_server_) {
    hear_as_server(message);
  } else {
    hear_as_client(message);
  }
}

void End13::receive(const WireDatagram& datagram, double now) {
  flights.begin_datagram();
  for (const WireRecord& record : datagram.records) {
    if (record.number.epoch > read_epoch_) {
      flights.on_unreadable(now);
      continue;
    }
    if (!taken_.insert(record.number).second) continue;
    const Bytes plaintext{record.plaintext.data(), record.plaintext.size()};
    if (record.type == ContentType::kAck) {
      const Flights::AckOutcome outcome = flights.take_ack(record.number.epoch, plaintext, now);
      CHECK_FALSE(outcome.malformed);
      last_flight_acknowledged |= outcome.last_flight;
      if (outcome.key_update) on_key_update_arrived();
      continue;
    }
    CHECK(flights.take(record.number, plaintext, now) != Flights::TakeOutcome::kMalformed);
    while (const std::optional<IncomingMessage> message = flights.next(now)) hear(*message, now);
  }
}

void End13::advance(double now) {
  const Flights::Advanced advanced = flights.advance(now);
  lost |= advanced.flight_lost || advanced.key_update_lost;
  if (advanced.key_update) on_key_update_arrived();
}

std::vector<WireDatagram> End13::leave(double now) {
  std::vector<WireDatagram> datagrams;
  // A session leaves it out where there is nothing.
  if (!flights.may_leave(now)) return datagrams;
  for (const OutgoingDatagram& planned : flights.leave(now, {script_.mtu, kOverhead})) {
    WireDatagram datagram;
    datagram.to_server = !is_server_;
    for (const OutgoingRecord& record : planned) {
      CHECK(record.epoch <= std::max(write_epoch_, uint64_t{2}));
      const RecordNumber number{record.epoch, next_number_[record.epoch]++};
      flights.left(record, number.number, now);
      datagram.size += kOverhead.of(record.epoch) + record.plaintext.size();
      datagram.records.push_back({number, record.type, record.plaintext});
    }
    CHECK(datagram.size <= script_.mtu);
    datagrams.push_back(std::move(datagram));
  }
  return datagrams;
}

bool End13::done() const {
  if (!open_ || !flights.at_rest()) return false;
  if (key_updates_sent < script_.key_updates || key_updates_heard < script_.key_updates)
    return false;
  return is_server_ || (last_flight_acknowledged && tickets_heard == script_.tickets);
}

// ---- between them ----

Network13::Network13(const Script13& script) : client(false, script), server(true, script) {
  client.peer_said = &server.said;
  server.peer_said = &client.said;
}

void Network13::leave() {
  for (End13* end : {&client, &server}) {
    for (const WireDatagram& datagram : end->leave(now)) {
      const size_t index = datagrams++;
      watch(datagram, now);
      if (loses(index)) continue;
      for (int i = copies(index); i > 0; --i) on_the_way_.emplace(now + takes(index), datagram);
    }
  }
}

bool Network13::run(double limit) {
  if (datagrams == 0) {
    client.start();
    leave();
  }
  for (size_t steps = 0; !(client.done() && server.done() && on_the_way_.empty()); ++steps) {
    REQUIRE(steps < 1000000);  // an end that is due, and does nothing
    const double arrives = on_the_way_.empty() ? kNever : on_the_way_.begin()->first;
    const double at = std::min({arrives, client.due(), server.due()});
    if (at == kNever || at > limit || client.lost || server.lost) return false;
    now = std::max(now, at);
    if (arrives <= now) {
      const WireDatagram datagram = on_the_way_.begin()->second;
      on_the_way_.erase(on_the_way_.begin());
      (datagram.to_server ? server : client).receive(datagram, now);
    } else {
      client.advance(now);
      server.advance(now);
    }
    leave();
  }
  return true;
}

}  // namespace dtls::test
