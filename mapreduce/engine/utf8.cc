// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/utf8.h"

#include <algorithm>
#include <cstddef>

#include "mapreduce/formats/utf8.h"

namespace millrace {
namespace {

// Of one well-formed character: what a terminal or a reader would take for something else than a
// letter. C0 and C1 controls (ESC and CSI among them), DEL, marks that turn the direction of what
// follows, and the characters that end a line or a paragraph.
bool PlaysTricks(std::string_view character) {
  const auto byte = [character](std::size_t i) { return static_cast<unsigned char>(character[i]); };
  if (character.size() == 1) return byte(0) < 0x20 || byte(0) == 0x7F;
  if (character.size() == 2) return (byte(0) == 0xC2 && byte(1) < 0xA0) || character == "\u061C";
  if (character.size() != 3 || byte(0) != 0xE2) return false;
  const unsigned code_point = 0x2000U | (byte(1) & 0x3FU) << 6 | (byte(2) & 0x3FU);
  return code_point == 0x200E || code_point == 0x200F ||    // Marks of direction.
         (code_point >= 0x2028 && code_point <= 0x202E) ||  // Separators, embeddings, overrides.
         (code_point >= 0x2066 && code_point <= 0x2069);    // Isolates.
}

}  // namespace

bool IsUtf8(std::string_view text) { return IsWellFormedUtf8(text); }

std::string Printable(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string printable;
  while (!text.empty()) {
    const std::size_t bytes = Utf8CharacterBytes(text);
    const std::string_view character = text.substr(0, bytes == 0 ? 1 : bytes);
    text.remove_prefix(character.size());
    if (bytes != 0 && !PlaysTricks(character)) {
      printable += character;
      continue;
    }
    for (const char c : character) {
      const auto byte = static_cast<unsigned char>(c);
      printable += "\\x";
      printable += kDigits[byte >> 4];
      printable += kDigits[byte & 15];
    }
  }
  return printable;
}

std::string Shortened(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  std::size_t kept = 0;
  while (true) {
    const std::size_t bytes = std::max<std::size_t>(1, Utf8CharacterBytes(text.substr(kept)));
    if (kept + bytes > bytes_max) break;
    kept += bytes;
  }
  return std::string(text.substr(0, kept)) + "…";
}

}  // namespace millrace
