#ifndef DGRAM_DTLS_CORE_FLIGHTS13_SENT_FLIGHT_H_
#define DGRAM_DTLS_CORE_FLIGHTS13_SENT_FLIGHT_H_

#include <vector>

#include "core/base/timer_queue.h"
#include "core/flights13/sent_message.h"

namespace dtls {

// How the timers of flights run: RFC 9147 section 5.8.2. Milliseconds.
struct FlightTimes {
  double initial = 1000;
  double longest = 60000;
  double backoff = 2;
};

// What ends a flight.
enum class FlightKind : uint8_t {
  kAnswered,   // of the handshake: what the peer says next
  kLast,       // the client's last of the handshake: its ACK
  kMessage,    // what follows the handshake, but for KeyUpdate: its ACK
  kKeyUpdate,  // its ACK, and that of all before it
};

// Messages of ours that leave together, and the state machine of RFC 9147 section 5.8.1 for them.
class SentFlight {
 public:
  SentFlight(FlightKind kind, uint32_t answers_from, uint32_t answers, const FlightTimes& times);

  FlightKind kind() const { return kind_; }
  bool in_handshake() const { return kind_ == FlightKind::kAnswered || kind_ == FlightKind::kLast; }
  // The peer's messages that it answers are those from `answers_from` up to this one.
  uint32_t answers() const { return answers_; }
  bool answers(uint32_t sequence) const { return sequence >= answers_from_ && sequence < answers_; }

  std::vector<SentMessage>& messages() { return messages_; }
  const std::vector<SentMessage>& messages() const { return messages_; }

  bool is_due() const;
  bool acknowledged() const;
  bool any_acknowledged() const;

  // Some of it has left, in datagrams of up to that size.
  void on_left(double now, size_t longest);
  bool has_left() const { return timer_at_ != kNever; }
  // The peer has got something of it.
  void on_progress(double now);

  // The timer has run out: what nobody acknowledged is due again, after a longer time next time.
  // True: there is something to be repeated.
  bool repeat(double now);
  // What left until then in such an epoch, or a lower one, and was not acknowledged is due again.
  bool repeat_until(double left, uint64_t epoch);

  // The peer asks for it, by its own flight or by an empty ACK. Anybody can ask in the peer's name,
  // and a flight is longer than the question: each answer waits twice as long as the one before.
  // Browsers ask after 50 ms for the first time.
  // `epoch`: what is asked for is of that one, or lower ones.
  void ask_again(uint64_t epoch);
  static constexpr double kFirstAnswer = 40;
  bool is_asked(double now) const { return now >= again_at_; }
  bool repeat_as_asked();

  // When the timer runs out, or the peer is to be answered; kNever while some of it has to leave.
  double due() const;
  // How often in a row the timer has run out.
  uint32_t repetitions() const { return repetitions_; }
  // The same since the datagrams are as long as they are, and the longest of them.
  uint32_t in_vain() const { return in_vain_; }
  size_t longest_datagram() const { return longest_datagram_; }
  void begin_smaller();
  // All that it has learnt of the way to the peer is forgotten, and what nobody acknowledged is due
  // again. True: there is such.
  bool begin_anew();

 private:
  bool repeat_missing(uint64_t epoch);

  FlightKind kind_;
  uint32_t answers_from_;
  uint32_t answers_;
  FlightTimes times_;
  std::vector<SentMessage> messages_;
  double timeout_;
  double timer_at_ = kNever;
  double again_at_ = kNever;
  double left_at_ = 0;
  uint32_t repetitions_ = 0;
  uint32_t in_vain_ = 0;
  uint32_t asked_ = 0;
  uint64_t asked_epoch_ = 0;
  size_t longest_datagram_ = 0;
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_FLIGHTS13_SENT_FLIGHT_H_
