#include "core/records/aead_protection.h"

#include <algorithm>
#include <array>

namespace dtls {

namespace {

constexpr size_t kNumberAt = 3;  // epoch and sequence number
constexpr size_t kNumberSize = 8;
constexpr size_t kLengthAt = 11;

// One after the other, of which compilers make one store: OpenSSL reads these bytes together soon
// after, and would wait for single ones.
void write_u64(uint8_t* p, uint64_t value) {
  p[0] = static_cast<uint8_t>(value >> 56);
  p[1] = static_cast<uint8_t>(value >> 48);
  p[2] = static_cast<uint8_t>(value >> 40);
  p[3] = static_cast<uint8_t>(value >> 32);
  p[4] = static_cast<uint8_t>(value >> 24);
  p[5] = static_cast<uint8_t>(value >> 16);
  p[6] = static_cast<uint8_t>(value >> 8);
  p[7] = static_cast<uint8_t>(value);
}

using AdditionalData = std::array<uint8_t, kNumberSize + 5>;

// From what is known, not from the record: what was just written there is slow to read again.
AdditionalData additional_data(const AeadProtection::Header& header, size_t size) {
  AdditionalData data{};
  write_u64(data.data(), header.number);
  data[8] = static_cast<uint8_t>(header.type);
  write_u16(data.data() + 9, header.version);
  write_u16(data.data() + 11, static_cast<uint32_t>(size));
  return data;
}

AeadProtection::Header header_of(const RecordView& record) {
  return {record.type, record.version, uint64_t{record.epoch} << 48 | record.sequence, 0};
}

}  // namespace

AeadProtection::AeadProtection(const AeadSuite& suite, Direction direction, Bytes key,
                               Bytes fixed_iv)
    : key_(suite, direction) {
  std::copy_n(key.data, suite.key_size, key_.bytes());
  std::copy_n(fixed_iv.data, suite.fixed_iv_size, iv_.bytes.data());
}

bool AeadProtection::make_context() {
  if (key_.wake() &&
      (suite().calls != Calls::kTls ||
       EVP_CIPHER_CTX_ctrl(key_.context(), EVP_CTRL_AEAD_SET_IV_FIXED,
                           static_cast<int>(suite().fixed_iv_size), iv_.bytes.data()) == 1)) {
    return true;
  }
  key_.rest();
  ErrorQueueScope::clear();
  return false;
}

AeadKey::Nonce AeadProtection::nonce(const uint8_t* explicit_nonce) const {
  AeadKey::Nonce nonce = iv_.bytes;
  std::copy_n(explicit_nonce, kNumberSize, nonce.end() - kNumberSize);
  return nonce;
}

bool AeadProtection::open_in_tls_mode(const RecordView& record, uint8_t* room, size_t size) {
  // OpenSSL takes the tag off the length by itself.
  AdditionalData aad = additional_data(header_of(record), size + suite().tag_size);
  const std::array<OSSL_PARAM, 2> params = {
      bytes_param(OSSL_CIPHER_PARAM_AEAD_TLS1_AAD, aad.data(), aad.size()), kEndOfParams};
  return EVP_CIPHER_CTX_set_params(key_.context(), params.data()) == 1 &&
         EVP_Cipher(key_.context(), room, record.fragment.data,
                    static_cast<unsigned>(size + suite().tag_size)) >= 0;
}

bool AeadProtection::seal_in_tls_mode(const Header& header, Bytes plaintext, uint8_t* record) {
  AdditionalData aad = additional_data(header, plaintext.size);
  const std::array<OSSL_PARAM, 2> params = {
      bytes_param(OSSL_CIPHER_PARAM_AEAD_TLS1_AAD, aad.data(), aad.size()), kEndOfParams};
  return EVP_CIPHER_CTX_set_params(key_.context(), params.data()) == 1 &&
         EVP_Cipher(key_.context(), record + kRecordHeaderSize, plaintext.data,
                    static_cast<unsigned>(plaintext.size + suite().tag_size)) >= 0;
}

bool AeadProtection::open(const RecordView& record, uint8_t* room, size_t& size) {
  size = record.fragment.size - suite().overhead();
  if (suite().calls == Calls::kTls ? open_in_tls_mode(record, room, size)
                                   : open_plainly(record, room, size)) {
    return true;
  }
  ErrorQueueScope::clear();
  std::fill_n(room, size, uint8_t{0});
  size = 0;
  return false;
}

bool AeadProtection::open_plainly(const RecordView& record, uint8_t* room, size_t size) {
  const AdditionalData aad = additional_data(header_of(record), size);
  return key_.open(nonce(record.fragment.data), {aad.data(), aad.size()},
                   record.whole.from(plaintext_offset()), room);
}

size_t AeadProtection::seal(const Header& header, Bytes plaintext, uint8_t* out) {
  out[0] = static_cast<uint8_t>(header.type);
  write_u16(out + 1, header.version);
  write_u64(out + kNumberAt, header.number);
  write_u16(out + kLengthAt, static_cast<uint32_t>(suite().overhead() + plaintext.size));
  if (suite().explicit_nonce_size != 0) write_u64(out + kRecordHeaderSize, header.explicit_nonce);
  // Null would mean something else to OpenSSL than an empty plaintext.
  if (plaintext.data == nullptr) plaintext.data = out + plaintext_offset();
  if (suite().calls == Calls::kTls ? seal_in_tls_mode(header, plaintext, out)
                                   : seal_plainly(header, plaintext, out)) {
    return sealed_size(plaintext.size);
  }
  ErrorQueueScope::clear();
  return 0;
}

bool AeadProtection::seal_plainly(const Header& header, Bytes plaintext, uint8_t* record) {
  const AdditionalData aad = additional_data(header, plaintext.size);
  std::array<uint8_t, kNumberSize> explicit_nonce{};
  write_u64(explicit_nonce.data(), header.explicit_nonce);
  return key_.seal(nonce(explicit_nonce.data()), {aad.data(), aad.size()}, plaintext,
                   record + plaintext_offset());
}

}  // namespace dtls
