#ifndef DGRAM_DTLS_TEST_NATIVE_TRACES13_H_
#define DGRAM_DTLS_TEST_NATIVE_TRACES13_H_

#include <doctest/doctest.h>

#include <array>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "core/base/cipher_suite13.h"
#include "core/flights13/record_number.h"
#include "core/records13/unified_header.h"

// The recorded sessions in test/fixtures/traces13, whose README explains their lines.
namespace dtls::traces13 {

constexpr std::array<const char*, 3> kTraces = {"wolfssl-aes-128-gcm", "wolfssl-aes-256-gcm",
                                                "wolfssl-chacha20-poly1305"};

struct Expansion {
  std::string label;
  std::vector<uint8_t> secret;
  std::vector<uint8_t> context;
  std::vector<uint8_t> result;
};

struct SealedRecord {
  RecordNumber number;
  ContentType type{};
  std::vector<uint8_t> content;
};

struct TracedDatagram {
  std::string side;
  std::vector<uint8_t> bytes;
  std::vector<SealedRecord> sealed;
};

struct Trace {
  const CipherSuite13* suite = nullptr;
  std::vector<Expansion> expansions;
  std::vector<TracedDatagram> datagrams;
};

inline std::vector<uint8_t> from_hex(const std::string& text) {
  std::vector<uint8_t> bytes;
  if (text == "-") return bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

inline const CipherSuite13* suite_named(const std::string& name) {
  for (uint16_t id = 0x1301; cipher_suite13(id) != nullptr; ++id) {
    if (name == cipher_suite13(id)->name) return cipher_suite13(id);
  }
  return nullptr;
}

inline std::vector<std::string> words_of(const std::string& line) {
  std::istringstream text(line);
  std::vector<std::string> words;
  for (std::string word; text >> word;) words.push_back(word);
  return words;
}

inline Expansion expansion_of(const std::vector<std::string>& words) {
  const size_t fields = words.size() - 3;  // behind the label, which has any number of words
  Expansion expansion{words[1], from_hex(words[fields]), from_hex(words[fields + 1]),
                      from_hex(words[fields + 2])};
  for (size_t i = 2; i < fields; ++i) expansion.label += " " + words[i];
  return expansion;
}

inline Trace read_trace(const std::string& name) {
  std::ifstream file("test/fixtures/traces13/" + name + ".txt");
  REQUIRE(file.is_open());
  Trace trace;
  std::map<std::string, std::vector<SealedRecord>> sealed;
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> words = words_of(line);
    if (words[0] == "suite") trace.suite = suite_named(words[1]);
    if (words[0] == "expand") trace.expansions.push_back(expansion_of(words));
    if (words[0] == "sealed") {
      REQUIRE(words.at(6) == "0");  // no padding
      sealed[words[1]].push_back({{std::stoull(words[2]), std::stoull(words[3])},
                                  static_cast<ContentType>(std::stoul(words[4])),
                                  from_hex(words[5])});
    }
    if (words[0] == "datagram") {
      trace.datagrams.push_back({words[1], from_hex(words[2]), std::move(sealed[words[1]])});
      sealed[words[1]].clear();
    }
  }
  REQUIRE(trace.suite != nullptr);
  return trace;
}

// The records of a datagram, in clear or not.
inline std::vector<Bytes> records_in(const std::vector<uint8_t>& datagram) {
  std::vector<Bytes> records;
  for (Bytes rest = {datagram.data(), datagram.size()}; rest.size != 0;) {
    CiphertextView sealed;
    RecordView clear;
    if (is_unified(rest.data[0])) {
      REQUIRE(take_ciphertext(rest, sealed));
      records.push_back(sealed.whole);
    } else {
      REQUIRE(take_record(rest, clear));
      records.push_back(clear.whole);
    }
  }
  return records;
}

}  // namespace dtls::traces13

#endif  // DGRAM_DTLS_TEST_NATIVE_TRACES13_H_
