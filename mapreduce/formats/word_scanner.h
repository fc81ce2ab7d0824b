// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_WORD_SCANNER_H_
#define MAPREDUCE_FORMATS_WORD_SCANNER_H_

// Words: maximal runs of bytes other than space, tab, CR and LF. 64 bytes become one mask of word
// bytes; its changes, (mask ^ mask << 1), are begin, end, begin, end ... of the words:
//
//   text       t o   b e ␣ o r
//   word       1 1 0 1 1 0 1 1
//   changes    1 0 1 1 0 1 1 0  then 1 at the text's end

#include <cstdint>
#include <cstring>
#include <string_view>

#include "mapreduce/base/bytes.h"
#include "mapreduce/formats/byte_masks.h"

namespace millrace {

namespace word_scanner_internal {

/// Bit i is set where byte i of the `bytes` (1 to 64) bytes at `at` belongs to a word. 64 bytes are
/// read in place where they can't reach into another page, which might not be mapped.
template <class Bytes>
inline std::uint64_t WordMask(const char* at, std::size_t bytes) {
  if (bytes >= 64) return ~Bytes(at).Match(' ', '\t', '\r', '\n');
  const std::uint64_t inside = (std::uint64_t{1} << bytes) - 1;
  if (!MR_EXACT_LOADS && (reinterpret_cast<std::uintptr_t>(at) & 4095) <= 4096 - 64) {
    return ~Bytes(at).Match(' ', '\t', '\r', '\n') & inside;
  }
  char copy[64] = {};
  std::memcpy(copy, at, bytes);
  return ~Bytes(copy).Match(' ', '\t', '\r', '\n') & inside;
}

}  // namespace word_scanner_internal

/// Calls f(std::string_view word) for each word of `text`, in order; the views point into `text`.
/// About 3 ns a short word.
template <class Bytes, class F>
inline void ForEachWordBy(std::string_view text, F&& f) {
  const char* const end = text.data() + text.size();
  const char* word = nullptr;   // Where the open word began.
  std::uint64_t is_inside = 0;  // 1 if the byte before `at` belongs to it.
  for (const char* at = text.data(); at < end; at += 64) {
    const std::uint64_t mask =
        word_scanner_internal::WordMask<Bytes>(at, static_cast<std::size_t>(end - at));
    std::uint64_t changes = mask ^ (mask << 1 | is_inside);
    if (is_inside != 0 && changes != 0) {
      f(std::string_view(word, static_cast<std::size_t>(at + FirstBit(changes) - word)));
      changes &= changes - 1;
    }
    is_inside = mask >> 63;
    while (changes != 0) {
      word = at + FirstBit(changes);
      changes &= changes - 1;
      if (changes == 0) break;  // Goes on in the next 64 bytes, or ends with them.
      f(std::string_view(word, static_cast<std::size_t>(at + FirstBit(changes) - word)));
      changes &= changes - 1;
    }
  }
  if (is_inside != 0) f(std::string_view(word, static_cast<std::size_t>(end - word)));
}

template <class F>
inline void ForEachWord(std::string_view text, F&& f) {
  ForEachWordBy<Bytes64>(text, static_cast<F&&>(f));
}

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_WORD_SCANNER_H_
