// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/utf8.h"

#include <cstddef>

namespace millrace {
namespace {

// Bytes of the character at the front of `text`; 0 if it is malformed. The table of well-formed
// sequences is the Unicode standard's 3-7: only the second byte's range depends on the first.
std::size_t CharacterBytes(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t bytes = first >= 0xC2 && first <= 0xDF   ? 2
                            : first >= 0xE0 && first <= 0xEF ? 3
                            : first >= 0xF0 && first <= 0xF4 ? 4
                                                             : 0;
  if (bytes == 0 || text.size() < bytes) return 0;
  const unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  return bytes;
}

}  // namespace

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t bytes = CharacterBytes(text);
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

std::string Printable(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string printable;
  while (!text.empty()) {
    const std::size_t bytes = CharacterBytes(text);
    const auto first = static_cast<unsigned char>(text[0]);
    const bool is_control = bytes == 1 && (first < 0x20 || first == 0x7F);
    if (bytes == 0 || is_control) {
      printable += "\\x";
      printable += kDigits[first >> 4];
      printable += kDigits[first & 15];
      text.remove_prefix(1);
      continue;
    }
    printable += text.substr(0, bytes);
    text.remove_prefix(bytes);
  }
  return printable;
}

}  // namespace millrace
