// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/utf8.h"

#include <cstddef>

#include "mapreduce/formats/utf8.h"

namespace millrace {

bool IsUtf8(std::string_view text) { return IsWellFormedUtf8(text); }

std::string Printable(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string printable;
  while (!text.empty()) {
    const std::size_t bytes = Utf8CharacterBytes(text);
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
