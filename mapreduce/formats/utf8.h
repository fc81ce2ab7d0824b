// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_UTF8_H_
#define MAPREDUCE_FORMATS_UTF8_H_

// UTF-8: the well-formed sequences of the Unicode standard's table 3-7, so no overlong forms, no
// surrogates, nothing above U+10FFFF.

#include <cstddef>
#include <string_view>

namespace millrace {

/// Bytes of the character at the front of `text`; 0 if it is malformed. Requires: some text.
inline std::size_t Utf8CharacterBytes(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t bytes = first >= 0xC2 && first <= 0xDF   ? 2
                            : first >= 0xE0 && first <= 0xEF ? 3
                            : first >= 0xF0 && first <= 0xF4 ? 4
                                                             : 0;
  if (bytes == 0 || text.size() < bytes) return 0;
  // Only the second byte's range depends on the first.
  const unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  return bytes;
}

/// Whether `text` can be written as JSON: `if (!IsWellFormedUtf8(name)) return
/// context.Reject("name is not UTF-8");`
inline bool IsWellFormedUtf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t bytes = Utf8CharacterBytes(text);
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_UTF8_H_
