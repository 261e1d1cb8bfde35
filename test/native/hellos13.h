#ifndef DGRAM_DTLS_TEST_NATIVE_HELLOS13_H_
#define DGRAM_DTLS_TEST_NATIVE_HELLOS13_H_

#include <fstream>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "core/hello13/client_offer.h"
#include "core/wire/wire.h"
#include "harness.h"

// ClientHellos of DTLS 1.3: made field by field, and those of browsers.
namespace dtls::test {

using Blob = std::vector<uint8_t>;

inline Blob number(uint32_t value) {
  return {static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value)};
}
inline Blob join(std::initializer_list<Blob> parts) {
  Blob all;
  for (const Blob& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}
inline Blob behind_u8(const Blob& bytes) {
  return join({{static_cast<uint8_t>(bytes.size())}, bytes});
}
inline Blob behind_u16(const Blob& bytes) {
  return join({number(static_cast<uint32_t>(bytes.size())), bytes});
}
inline Blob numbers(std::initializer_list<uint32_t> values) {
  Blob all;
  for (const uint32_t value : values) all = join({all, number(value)});
  return all;
}
inline Blob share(uint16_t group, size_t size = 32, uint8_t fill = 7) {
  return join({number(group), behind_u16(Blob(size, fill))});
}

constexpr uint16_t kAes128 = 0x1301;
constexpr uint16_t kAes256 = 0x1302;
constexpr uint16_t kChaCha = 0x1303;
constexpr uint16_t kP256 = 0x17;
constexpr uint16_t kP384 = 0x18;
constexpr uint16_t kX25519 = 0x1d;
constexpr uint16_t kMlKem = 0x11ec;

// A ClientHello with what a client of 1.3 has to say, and no more; each part may be changed. The
// extensions are in the order in which wolfSSL's first hello has them, whose size this is about.
struct HelloMaker {
  uint16_t legacy_version = kDtls12;
  Blob random = Blob(kRandomSize, 0x5a);
  Blob session_id;
  Blob legacy_cookie;
  Blob suites = numbers({kAes128, kAes256, kChaCha});
  Blob compressions = {0};
  std::vector<std::pair<Extension, Blob>> extensions = {
      {Extension::kSupportedVersions, behind_u8(numbers({kDtls13}))},
      {Extension::kSignatureAlgorithms, behind_u16(numbers({0x0403, 0x0804}))},
      {Extension::kSupportedGroups, behind_u16(numbers({kX25519, kP256}))},
      {Extension::kKeyShare, behind_u16(share(kX25519))},
  };

  HelloMaker& set(Extension type, Blob data) {
    for (auto& [known, bytes] : extensions) {
      if (known != type) continue;
      bytes = std::move(data);
      return *this;
    }
    extensions.emplace_back(type, std::move(data));
    return *this;
  }
  HelloMaker& remove(Extension type) {
    for (size_t i = 0; i < extensions.size(); ++i) {
      if (extensions[i].first != type) continue;
      extensions.erase(extensions.begin() + static_cast<std::ptrdiff_t>(i));
      break;
    }
    return *this;
  }
  HelloMaker& psk(std::initializer_list<size_t> binders, Blob modes = {1}) {
    Blob identities;
    Blob list;
    for (const size_t size : binders) {
      identities = join({identities, behind_u16({'i', 'd'}), Blob(4)});
      list = join({list, behind_u8(Blob(size, 9))});
    }
    set(Extension::kPskKeyExchangeModes, behind_u8(modes));
    return set(Extension::kPreSharedKey, join({behind_u16(identities), behind_u16(list)}));
  }

  Blob body() const {
    Blob list;
    for (const auto& [type, data] : extensions) {
      list = join({list, number(static_cast<uint16_t>(type)), behind_u16(data)});
    }
    return join({number(legacy_version), random, behind_u8(session_id), behind_u8(legacy_cookie),
                 behind_u16(suites), behind_u8(compressions), behind_u16(list)});
  }
  Blob message() const {
    const Blob bytes = body();
    return join({{1, 0}, number(static_cast<uint32_t>(bytes.size())), bytes});
  }
};

// A file of test/fixtures/hellos: datagrams.
inline std::vector<Blob> recorded_hello(const std::string& name) {
  std::ifstream file("test/fixtures/hellos/" + name + ".hex");
  std::vector<Blob> datagrams;
  for (std::string line; std::getline(file, line);) {
    Blob datagram;
    for (size_t i = 0; i + 1 < line.size(); i += 2) {
      datagram.push_back(static_cast<uint8_t>(std::stoul(line.substr(i, 2), nullptr, 16)));
    }
    datagrams.push_back(datagram);
  }
  return datagrams;
}

// The message in the fragments of these datagrams, one record each, with its header of four bytes.
inline Blob whole_hello(const std::vector<Blob>& datagrams) {
  Blob body;
  for (const Blob& datagram : datagrams) {
    body.insert(body.end(), datagram.begin() + kRecordHeaderSize + kHandshakeHeaderSize,
                datagram.end());
  }
  return join({{1, 0}, number(static_cast<uint32_t>(body.size())), body});
}

}  // namespace dtls::test

#endif  // DGRAM_DTLS_TEST_NATIVE_HELLOS13_H_
