#ifndef DGRAM_DTLS_TEST_NATIVE_FLIGHTS13_NETWORK_H_
#define DGRAM_DTLS_TEST_NATIVE_FLIGHTS13_NETWORK_H_

#include <functional>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "core/flights13/flights.h"

// Two ends that shake hands by a script in place of an engine, and a network in virtual time
// between them. Records are not sealed: an end reads those whose epoch it has the keys of.
namespace dtls::test {

struct Script13 {
  bool retry = false;               // the server asks for another hello
  bool client_certificate = false;  // and the client has one
  size_t hello_size = 300;
  size_t certificate_size = 900;  // of the server's Certificate message
  int tickets = 1;
  int key_updates = 0;  // of each side, one after the other, when it is open
  size_t mtu = 1200;
  FlightTimes times;
};

struct WireRecord {
  RecordNumber number;
  ContentType type;
  std::vector<uint8_t> plaintext;
};

struct WireDatagram {
  bool to_server = false;
  std::vector<WireRecord> records;
  size_t size = 0;
};

class End13 {
 public:
  End13(bool is_server, const Script13& script);

  void start();
  void receive(const WireDatagram& datagram, double now);
  void advance(double now);
  std::vector<WireDatagram> leave(double now);

  double due() const { return flights.due(); }
  bool open() const { return open_; }
  // Open, all of the script has come and gone, and nothing is under way.
  bool done() const;

  Flights flights;
  // Bytes of the peer's messages as they were sent, by message_seq.
  std::map<uint32_t, std::vector<uint8_t>> said;
  const std::map<uint32_t, std::vector<uint8_t>>* peer_said = nullptr;
  std::vector<HandshakeType> heard;
  int key_updates_sent = 0;
  int key_updates_heard = 0;
  int tickets_heard = 0;
  bool last_flight_acknowledged = false;
  bool lost = false;
  std::set<RecordNumber> names;  // of records that left

 private:
  void say(uint64_t epoch, HandshakeType type, size_t size);
  void hear(const IncomingMessage& message, double now);
  void hear_as_client(const IncomingMessage& message);
  void hear_as_server(const IncomingMessage& message);
  void answer_hello();
  void update_key();
  void on_key_update_arrived();

  const bool is_server_;
  const Script13 script_;
  std::map<uint64_t, uint64_t> next_number_;
  std::set<RecordNumber> taken_;  // the replay window
  uint64_t read_epoch_ = 0;
  uint64_t write_epoch_ = 0;
  uint32_t next_seq_ = 0;
  int hellos_ = 0;
  bool open_ = false;
};

class Network13 {
 public:
  explicit Network13(const Script13& script);

  // Whether the datagram with this number (from 0, both ways) is lost.
  std::function<bool(size_t)> loses = [](size_t) { return false; };
  // Milliseconds that it takes, and how often it comes.
  std::function<double(size_t)> takes = [](size_t) { return 10.0; };
  std::function<int(size_t)> copies = [](size_t) { return 1; };
  // Sees each datagram that leaves.
  std::function<void(const WireDatagram&, double)> watch = [](const WireDatagram&, double) {};

  // Until both ends are done, or `limit` has come. True: they are.
  bool run(double limit = 600000);

  End13 client;
  End13 server;
  double now = 0;
  size_t datagrams = 0;

 private:
  void leave();

  std::multimap<double, WireDatagram> on_the_way_;
};

}  // namespace dtls::test

#endif  // DGRAM_DTLS_TEST_NATIVE_FLIGHTS13_NETWORK_H_
