#include "core/flights13/sent_message.h"

#include <algorithm>

namespace dtls {

// ---- datagrams ----

size_t DatagramPacker::fits(uint64_t epoch, size_t used) const {
  const size_t taken = used + limits_.overhead.of(epoch);
  return taken >= limits_.mtu ? 0 : std::min(limits_.mtu - taken, limits_.max_plaintext);
}

size_t DatagramPacker::room(uint64_t epoch) const {
  return datagrams_.empty() ? 0 : fits(epoch, size_);
}

size_t DatagramPacker::most(uint64_t epoch) const { return fits(epoch, 0); }

void DatagramPacker::begin_datagram() {
  datagrams_.emplace_back();
  size_ = 0;
}

void DatagramPacker::put(OutgoingRecord record) {
  size_ += limits_.overhead.of(record.epoch) + record.plaintext.size();
  longest_ = std::max(longest_, size_);
  datagrams_.back().push_back(std::move(record));
}

// ---- one message ----

SentMessage::SentMessage(uint64_t epoch, uint16_t message_seq, Bytes whole)
    : epoch_(epoch), message_seq_(message_seq), whole_(whole.data, whole.data + whole.size) {}

bool SentMessage::is_due() const {
  return !begun_ || cut_to_ < body_size() ||
         std::any_of(pieces_.begin(), pieces_.end(), [](const Piece& piece) { return piece.due; });
}

size_t SentMessage::cut(DatagramPacker& packer, uint64_t epoch, size_t left) {
  const size_t few = kHandshakeHeaderSize + kFewBytes;
  const size_t wanted = kHandshakeHeaderSize + left;
  if (packer.room(epoch) < std::min(wanted, few)) packer.begin_datagram();
  return std::min(left, std::max(packer.room(epoch), few) - kHandshakeHeaderSize);
}

uint32_t SentMessage::pack(DatagramPacker& packer, size_t& records, double now) {
  uint32_t repeated = 0;
  const size_t most = std::max(packer.most(epoch_), kHandshakeHeaderSize + kFewBytes);
  for (size_t at = 0; at < pieces_.size() && records > 0; ++at) {
    if (!pieces_[at].due) continue;
    if (kHandshakeHeaderSize + pieces_[at].length > most) {
      Piece rest = pieces_[at];
      pieces_[at].length = static_cast<uint32_t>(most - kHandshakeHeaderSize);
      rest.offset += pieces_[at].length;
      rest.length -= pieces_[at].length;
      pieces_.insert(pieces_.begin() + static_cast<std::ptrdiff_t>(at) + 1, rest);
    }
    Piece& piece = pieces_[at];
    if (packer.room(epoch_) < kHandshakeHeaderSize + piece.length) packer.begin_datagram();
    piece.due = false;
    piece.left_at = now;
    packer.put(record(piece));
    ++repeated;
    --records;
  }
  while (records > 0 && (!begun_ || cut_to_ < body_size())) {
    const size_t length = cut(packer, epoch_, body_size() - cut_to_);
    Piece piece{};
    piece.offset = static_cast<uint32_t>(cut_to_);
    piece.length = static_cast<uint32_t>(length);
    piece.left_at = now;
    pieces_.push_back(piece);
    packer.put(record(piece));
    cut_to_ += length;
    begun_ = true;
    --records;
  }
  return repeated;
}

OutgoingRecord SentMessage::record(const Piece& piece) const {
  OutgoingRecord record;
  record.epoch = epoch_;
  record.type = ContentType::kHandshake;
  record.piece = {message_seq_, piece.offset, piece.length};
  record.plaintext.resize(kHandshakeHeaderSize);
  FragmentHeader header;
  header.type = message_type({whole_.data(), whole_.size()});
  header.message_length = static_cast<uint32_t>(body_size());
  header.message_sequence = message_seq_;
  header.offset = piece.offset;
  header.length = piece.length;
  write_fragment_header(record.plaintext.data(), header);
  const auto from = whole_.begin() + static_cast<std::ptrdiff_t>(kMessageHeaderSize + piece.offset);
  record.plaintext.insert(record.plaintext.end(), from, from + piece.length);
  return record;
}

bool SentMessage::acknowledge(const MessagePiece& part, bool proved) {
  bool news = false;
  for (Piece& piece : pieces_) {
    const bool covered =
        piece.offset >= part.offset && piece.offset + piece.length <= part.offset + part.length;
    bool& known = proved ? piece.acknowledged : piece.believed;
    if (!covered || piece.acknowledged || known) continue;
    known = true;
    piece.due = false;
    news = true;
  }
  return news;
}

bool SentMessage::acknowledged() const {
  return begun_ && cut_to_ == body_size() &&
         std::all_of(pieces_.begin(), pieces_.end(),
                     [](const Piece& piece) { return piece.acknowledged; });
}

bool SentMessage::any_acknowledged() const {
  return std::any_of(pieces_.begin(), pieces_.end(),
                     [](const Piece& piece) { return piece.acknowledged; });
}

bool SentMessage::repeat() {
  for (Piece& piece : pieces_) piece.due |= piece.is_missing();
  return is_due();
}

bool SentMessage::repeat_until(double left) {
  bool any = false;
  for (Piece& piece : pieces_) {
    if (piece.due || !piece.is_missing() || piece.left_at > left) continue;
    piece.due = true;
    any = true;
  }
  return any;
}

void SentMessage::doubt() {
  for (Piece& piece : pieces_) piece.believed = false;
}

}  // namespace dtls
