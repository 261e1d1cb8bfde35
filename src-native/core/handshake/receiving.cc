// How records reach OpenSSL, one at a time: what waits for an answer or for its time, and what came
// of the rest.

#include "core/handshake/handshake.h"
#include "core/records/aead_suite.h"
#include "core/records/key_block.h"

namespace dtls {

namespace {

bool is_handshake_in_clear(const RecordView& record) {
  return record.epoch == 0 && record.type == ContentType::kHandshake;
}

bool holds_whole_fragments(const RecordView& record) {
  Bytes rest = record.fragment;
  FragmentView fragment;
  while (rest.size != 0) {
    if (!take_fragment(rest, fragment)) return false;
  }
  return true;
}

}  // namespace

void Handshake::receive(const RecordView& record, double now) {
  arrival_ = ++arrivals_;
  note_outcome(record, on_record(record, now));
  feed_held(now);
}

RecordOutcome Handshake::on_record(const RecordView& record, double now) {
  const RecordKind kind = classify(record);
  if (kind != RecordKind::kOutOfPlace) {
    hear(record.epoch != 0 ? Heard::kProtected : Heard::kSomething);
  }
  switch (kind) {
    case RecordKind::kOutOfPlace:
      note_out_of_place(record);
      return RecordOutcome::kDiscarded;
    case RecordKind::kWhileAsked:
      return hold_while_asked(record, now);
    case RecordKind::kOfHello:
      return on_hello_record(record, now);
    case RecordKind::kEarly:
      return hold(record, record.type == ContentType::kHandshake ? Until::kKeys : Until::kOpen);
    case RecordKind::kDoubtfulAlert:
      attempt_->doubted_alert = record.fragment.data[1];
      attempt_->hellos->on_refused();
      [[fallthrough]];
    case RecordKind::kWarning:
      outlet_.alert(false, record.fragment.data[0], record.fragment.data[1]);
      return RecordOutcome::kTaken;
    case RecordKind::kMessages:
      return on_messages(record, now);
    case RecordKind::kInClear:
      return feed_in_clear(record, now);
    case RecordKind::kForOpenSsl:
      return feed(record, now);
  }
  return RecordOutcome::kDiscarded;
}

void Handshake::note_outcome(const RecordView& record, RecordOutcome outcome) {
  if (outcome == RecordOutcome::kForged) {
    ++forged_;
    if (record.type == ContentType::kHandshake) ++attempt_->undecrypted;
  }
  outlet_.count_outcome(outcome);
}

// A handshake that fails for want of such a fragment's message says what was wrong with it.
void Handshake::note_out_of_place(const RecordView& record) {
  if (!is_handshake_in_clear(record) || holds_whole_fragments(record)) return;
  hear(Heard::kSomething);
  attempt_->messages.refuse("a fragment reaches past the end of its message or its record");
}

RecordOutcome Handshake::hold(const RecordView& record, Until until) {
  return held_.hold(record, until, arrival_) ? RecordOutcome::kHeld : RecordOutcome::kDiscarded;
}

// While a question is open the peer may repeat itself, but what it has to say is bounded by a
// flight.
RecordOutcome Handshake::hold_while_asked(const RecordView& record, double now) {
  Attempt& attempt = *attempt_;
  if (is_handshake_in_clear(record)) {
    Bytes rest = record.fragment;
    FragmentView fragment;
    bool repeated = true;
    bool asks = false;
    while (take_fragment(rest, fragment)) {
      const bool known = attempt.hello ? fragment.type == HandshakeType::kClientHello
                                       : fragment.type != HandshakeType::kHelloVerifyRequest &&
                                             attempt.messages.was_taken(fragment.message_sequence);
      repeated = repeated && known;
      asks = asks || (!attempt.hello && asks_again(fragment));
    }
    if (repeated) {
      if (asks && comes_later(record)) answer_again(now);
      return RecordOutcome::kTaken;
    }
    // Until the hello is answered the peer can only repeat it.
    if (attempt.hello) return RecordOutcome::kDiscarded;
  }
  return hold(record, Until::kAnswer);
}

// What of all that records wait for is there. A question is open no more, too, when the handshake
// has failed: what waited for its answer is dropped then, and counted.
HeldRecords::Due Handshake::due() const {
  return {failed() || !parked(), !failed() && !parked() && reads_protected(), false};
}

// Held records have their turn, in the order in which they came, when what they waited for is
// there. One may bring what another waits for, or a question that it waits for again. Behind the
// end of the handshake they are the session's.
void Handshake::feed_held(double now) {
  while (!held_.empty() && state_ != HandshakeState::kComplete) {
    std::vector<HeldRecords::Held> due_now = held_.take(due());
    if (due_now.empty()) return;
    for (HeldRecords::Held& held : due_now) {
      if (state_ == HandshakeState::kComplete) {
        left_over_.push_back(std::move(held));
      } else {
        replay(held, now);
      }
    }
  }
}

void Handshake::replay(const HeldRecords::Held& held, double now) {
  const Outlet::Drops before = outlet_.drops();
  Bytes rest{held.bytes.data(), held.bytes.size()};
  RecordView record;
  if (failed()) {
    drop();
  } else if (take_record(rest, record)) {
    attempt_->messages.begin_datagram();
    arrival_ = held.arrival;
    note_outcome(record, on_record(record, now));
  }
  if (held.until != Until::kAnswer && !counts_early_) outlet_.uncount_drops(before);
}

// A ChangeCipherSpec or an alert.
RecordOutcome Handshake::feed_in_clear(const RecordView& record, double now) {
  const bool change = record.type == ContentType::kChangeCipherSpec;
  if (reads_protected()) {
    // A ChangeCipherSpec belongs to a flight that is repeated.
    return change ? RecordOutcome::kTaken : RecordOutcome::kDiscarded;
  }
  std::vector<uint8_t> bytes(record.whole.data, record.whole.data + record.whole.size);
  renumber(bytes.data(), attempt_->next_number_in++);
  Bytes rest{bytes.data(), bytes.size()};
  RecordView renumbered;
  if (take_record(rest, renumbered)) feed(renumbered, now);
  // OpenSSL has nothing to say about a ChangeCipherSpec that comes before its time.
  return change && !over() && !reads_protected() ? RecordOutcome::kDiscarded
                                                 : RecordOutcome::kTaken;
}

// Gives a record to OpenSSL, which does not say what it drops: only what it does tells.
RecordOutcome Handshake::feed(const RecordView& record, double now) {
  bool authentic = false;
  if (record.epoch != 0) {
    if (record.fragment.size < shortest_protected_record(negotiated_cipher(ssl_.get()))) {
      return RecordOutcome::kBad;
    }
    if (encrypts_then_macs()) {
      if (!has_right_mac(record)) return RecordOutcome::kForged;
      authentic = true;
    }
  }
  const bool replayed = record.epoch != 0 && replay_window_.has_seen(record.sequence);
  const uint64_t heard = heard_;
  offer(record.whole);
  drive(now);
  take_back();
  send_flight(now);
  if (record.epoch == 0 || failed()) return RecordOutcome::kTaken;
  if (heard_ == heard && (!authentic || replayed)) {
    return replayed ? RecordOutcome::kReplayed : RecordOutcome::kForged;
  }
  replay_window_.mark(record.sequence);
  return RecordOutcome::kTaken;
}

}  // namespace dtls
