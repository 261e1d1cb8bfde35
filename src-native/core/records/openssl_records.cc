#include "core/records/openssl_records.h"

#include <algorithm>
#include <utility>

#include "core/records/aead_suite.h"
#include "core/records/integrity_limit.h"
#include "core/wire/flight.h"

namespace dtls {

// The SSL has another end of its wire from now on, and what it says comes here.
OpensslRecords::OpensslRecords(Outlet& outlet, uint32_t& mtu, Start start)
    : outlet_(outlet),
      ssl_(std::move(start.ssl)),
      encrypts_then_macs_(start.encrypts_then_macs),
      incoming_mac_(std::move(start.incoming_mac)),
      shortest_(shortest_protected_record(SSL_get_current_cipher(ssl_.get()))),
      seen_(std::move(start.seen)),
      forged_(start.forged),
      integrity_limit_(integrity_limit(SSL_get_current_cipher(ssl_.get()))),
      mtu_(mtu),
      max_fragment_(start.max_fragment),
      next_number_in_clear_(start.next_number_in_clear),
      answered_again_(start.answered_again) {
  BioPtr bio = make_bio();
  if (!bio) return;
  SSL_set_bio(ssl_.get(), bio.get(), bio.get());
  static_cast<void>(bio.release());  // SSL_set_bio took the one reference for both directions
  SSL_set_msg_callback(ssl_.get(), message_callback);
  SSL_set_msg_callback_arg(ssl_.get(), this);
  ready_ = true;
}

// OpenSSL forbids to resume a session whose SSL is freed without a close_notify, or this. A fatal
// alert has forbidden it already.
OpensslRecords::~OpensslRecords() { SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN); }

// An SSL keeps a buffer for reading and one for writing, a quarter of all that it takes. OpenSSL
// refuses to give them back while they hold something.
void OpensslRecords::rest() { rests_ = rests_ || SSL_free_buffers(ssl_.get()) == 1; }

// OpenSSL makes itself a buffer for reading, but none for writing. False: there is no memory.
bool OpensslRecords::wake() {
  if (rests_ && SSL_alloc_buffers(ssl_.get()) != 1) return false;
  rests_ = false;
  return true;
}

Wear OpensslRecords::wear_of_opening() const {
  if (forged_ > integrity_limit_) return Wear::kSpent;
  return forged_ >= integrity_limit_ / 4 * 3 ? Wear::kWorn : Wear::kNone;
}

bool OpensslRecords::has_right_mac(const RecordView& record) {
  const ErrorQueueScope errors;
  return (incoming_mac_.ready() || incoming_mac_.derive(ssl_.get())) &&
         incoming_mac_.verify(record);
}

// OpenSSL does not say what it drops: only what it does tells. A record of which it has said
// nothing is a message without content (RFC 5246 section 6.2.1), from 3.2 on it drops those, or a
// forgery. Where its MAC was verified here it is known which.
Opened OpensslRecords::open(const RecordView& record, uint8_t* room, size_t& size) {
  size = 0;
  if (record.fragment.size < shortest_ || !wake()) return Opened::kBad;
  if (encrypts_then_macs_ && !has_right_mac(record)) {
    ++forged_;
    return Opened::kForged;
  }
  if (seen_.has_seen(record.sequence)) return Opened::kReplayed;
  if (record.type == ContentType::kHandshake && !may_repeat_finished()) return Opened::kUnwanted;
  heard_ = false;
  alert_.clear();
  offer(record.whole);
  const int result =
      SSL_read_ex(ssl_.get(), room, std::min(record.whole.size, kMaxPlaintext), &size);
  take_back();
  send_last_flight();
  const int error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_NONE) {
    heard_ = true;
  } else {
    size = 0;
    const bool ends = error != SSL_ERROR_WANT_READ;
    if (ends && alert_.empty()) return Opened::kBroken;
    ErrorQueueScope::clear();  // why a record was dropped, where OpenSSL says so
  }
  if (!heard_ && !encrypts_then_macs_) {
    ++forged_;
    return Opened::kForged;
  }
  seen_.mark(record.sequence);
  if (!alert_.empty())
    size = static_cast<size_t>(std::copy(alert_.begin(), alert_.end(), room) - room);
  return Opened::kTaken;
}

size_t OpensslRecords::seal(ContentType type, Bytes plaintext, uint8_t* out) {
  if (!wake()) return 0;
  sealing_ = out;
  sealed_ = 0;
  sealing_room_ = sealed_size(plaintext.size);
  bool done = false;
  if (type == ContentType::kApplicationData) {
    size_t written = 0;
    done = SSL_write_ex(ssl_.get(), plaintext.data, plaintext.size, &written) == 1;
  } else if (type == ContentType::kAlert && plaintext.size == 2 &&
             plaintext.data[1] == SSL_AD_CLOSE_NOTIFY) {
    done = SSL_shutdown(ssl_.get()) >= 0;  // one call: there is no second one to wait for
  }
  sealing_ = nullptr;
  return done ? sealed_ : 0;
}

// OpenSSL makes one record of each write, of the flight that it has to repeat, too.
void OpensslRecords::on_datagram(Bytes datagram) {
  if (sealing_ != nullptr) {
    if (datagram.size > sealing_room_ - sealed_) return;
    std::copy_n(datagram.data, datagram.size, sealing_ + sealed_);
    sealed_ += datagram.size;
    return;
  }
  const auto type = static_cast<ContentType>(datagram.data[0]);
  if (type == ContentType::kHandshake || type == ContentType::kChangeCipherSpec) {
    written_.insert(written_.end(), datagram.data, datagram.data + datagram.size);
  } else {
    outlet_.transmit(datagram);
  }
}

void OpensslRecords::message_callback(int write, int /*version*/, int content_type,
                                      const void* bytes, size_t size, SSL* /*ssl*/, void* arg) {
  // OpenSSL has pseudo types above a byte, for what is no record's content.
  if (content_type < 0 || content_type > UINT8_MAX) return;
  static_cast<OpensslRecords*>(arg)->on_message(write != 0, static_cast<ContentType>(content_type),
                                                {static_cast<const uint8_t*>(bytes), size});
}

void OpensslRecords::on_message(bool out, ContentType type, Bytes bytes) {
  if (sealing_ != nullptr) return;  // who has it sealed knows
  heard_ = true;
  switch (type) {
    case ContentType::kHandshake:
      if (bytes.size < kHandshakeHeaderSize) return;
      outlet_.message(out, out, bytes.data[0], read_u24(bytes.data + fragment_at::kMessageLength));
      return;
    case ContentType::kChangeCipherSpec:
      outlet_.message(out, out, static_cast<uint8_t>(kChangeCipherSpecMessage), 1);
      return;
    case ContentType::kAlert:
      if (bytes.size != 2) return;
      if (out) {
        outlet_.alert(true, bytes.data[0], bytes.data[1]);
      } else {
        alert_.assign(bytes.data, bytes.data + bytes.size);
      }
      return;
    default:
      return;
  }
}

// After each call of OpenSSL that may have written that flight.
void OpensslRecords::send_last_flight() {
  if (written_.empty()) return;
  const std::vector<uint8_t> written = std::exchange(written_, {});
  Bytes rest{written.data(), written.size()};
  RecordView record;
  Flight flight;
  while (take_record(rest, record)) flight.add(record);
  const FlightLimits limits{mtu_, max_fragment_};
  if (answered_again_ >= Flight::kInVain) {
    mtu_ = flight.smaller_mtu(limits).value_or(mtu_);
    SSL_set_mtu(ssl_.get(), static_cast<long>(mtu_));
  }
  for (const auto& datagram : flight.datagrams({mtu_, max_fragment_}, next_number_in_clear_)) {
    outlet_.transmit({datagram.data(), datagram.size()});
  }
  ++answered_again_;
}

// A Finished is authentic, and OpenSSL answers it itself; twelve times, and then it would end the
// session.
bool OpensslRecords::may_repeat_finished() const {
  constexpr uint32_t kOften = 12;
  return answered_again_ < kOften;
}

}  // namespace dtls
