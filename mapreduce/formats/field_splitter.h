// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_FIELD_SPLITTER_H_
#define MAPREDUCE_FORMATS_FIELD_SPLITTER_H_

// Finds the fields of one line of TSV. A backslash makes the next byte data, a TAB too. SplitFields
// is for every line; TsvParser does the common ones, of less than 64 bytes and without backslash,
// by itself.

#include <cstddef>
#include <cstdint>

#include "mapreduce/formats/byte_masks.h"

namespace millrace {

struct FoundFields {
  int count;           ///< At most as many as wanted.
  bool has_backslash;  ///< False only if no field that was found has one.
};

/// Takes TABs that a backslash escapes out of `tabs`. `is_escaped`: whether the byte before bit 0
/// is a backslash that escapes; on return, whether bit 63 is one.
inline std::uint64_t DropEscapedTabs(std::uint64_t tabs, std::uint64_t backslashes,
                                     bool* is_escaped) {
  if (*is_escaped) {
    tabs &= ~std::uint64_t{1};
    backslashes &= ~std::uint64_t{1};
    *is_escaped = false;
  }
  while (backslashes != 0) {
    const std::size_t at = FirstBit(backslashes);
    if (at == 63) {
      *is_escaped = true;
      break;
    }
    tabs &= ~(std::uint64_t{2} << at);
    backslashes &= ~(std::uint64_t{3} << at);
  }
  return tabs;
}

/// Finds the first `wanted` fields of the line [line, end), which has no LF. Field c is
/// [starts[c], starts[c + 1] - 1). Requires: `starts` has room for wanted + 1; 64 bytes can be read
/// behind `end`.
template <class Bytes>
[[gnu::noinline]] FoundFields SplitFields(const char* line, const char* end, int wanted,
                                          const char** starts) {
  FoundFields found{.count = 0, .has_backslash = false};
  bool is_escaped = false;
  starts[0] = line;
  for (const char* at = line; found.count < wanted; at += 64) {
    const Bytes bytes(at);
    const bool is_last = end - at < 64;
    const std::uint64_t in_line =
        is_last ? (std::uint64_t{1} << (end - at)) - 1 : ~std::uint64_t{0};
    std::uint64_t tabs = bytes.Match('\t') & in_line;
    const std::uint64_t backslashes = bytes.Match('\\') & in_line;
    if (backslashes != 0 || is_escaped) {
      found.has_backslash = true;
      tabs = DropEscapedTabs(tabs, backslashes, &is_escaped);
    }
    for (; tabs != 0 && found.count < wanted; tabs &= tabs - 1) {
      starts[++found.count] = at + FirstBit(tabs) + 1;
    }
    if (is_last) {
      if (found.count < wanted) starts[++found.count] = end + 1;
      break;
    }
  }
  return found;
}

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_FIELD_SPLITTER_H_
