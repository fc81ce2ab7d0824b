// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_BASE_NUMBERS_H_
#define MAPREDUCE_BASE_NUMBERS_H_

// Integers out of text, eight digits at a time in a word.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "mapreduce/base/bytes.h"

namespace millrace {

namespace numbers_internal {

/// True, with the value, if the 1 <= n <= 8 bytes at `from` are all digits.
inline bool ParseDigits8(const char* from, std::size_t n, std::uint64_t* value) {
  // The first digit in the lowest byte; missing ones, below it, become '0'.
  std::uint64_t word = LoadShortLittle(from, n);
  if (n < 8) word = word << (64 - 8 * n) | 0x3030303030303030 >> (8 * n);
  const std::uint64_t zones =
      (word & 0xf0f0f0f0f0f0f0f0) | ((word + 0x0606060606060606) & 0xf0f0f0f0f0f0f0f0) >> 4;
  if (zones != 0x3333333333333333) return false;
  // Pairs, then fours, then all eight: each step joins neighbours.
  word -= 0x3030303030303030;
  word = word * 10 + (word >> 8);
  constexpr std::uint64_t kMask = 0x000000ff000000ff;
  constexpr std::uint64_t kMultiply1 = 100 + (std::uint64_t{1000000} << 32);
  constexpr std::uint64_t kMultiply2 = 1 + (std::uint64_t{10000} << 32);
  *value = ((word & kMask) * kMultiply1 + (word >> 16 & kMask) * kMultiply2) >> 32;
  return true;
}

/// Any number of digits; false beyond 64 bits.
inline bool ParseLongDigits(const char* from, std::size_t n, std::uint64_t* value) {
  std::uint64_t result = 0;
  for (const char* const end = from + n; from != end; ++from) {
    const unsigned digit = static_cast<unsigned char>(*from) - unsigned{'0'};
    if (digit > 9 || __builtin_mul_overflow(result, 10, &result) ||
        __builtin_add_overflow(result, std::uint64_t{digit}, &result)) {
      return false;
    }
  }
  *value = result;
  return true;
}

}  // namespace numbers_internal

/// True, with the value, if `text` is `-?[0-9]+` and fits. Leading zeros and "-0" are fine; "+1",
/// " 1", "" and "-" are not. Never reads beyond the page of the text (see bytes.h).
inline bool ParseInt64(std::string_view text, std::int64_t* value) {
  const bool is_negative = !text.empty() && text.front() == '-';
  const char* const from = text.data() + (is_negative ? 1 : 0);
  const std::size_t n = text.size() - (is_negative ? 1 : 0);
  std::uint64_t magnitude;
  if (n - 1 < 8) [[likely]] {
    if (!numbers_internal::ParseDigits8(from, n, &magnitude)) return false;
  } else if (n - 1 < 16) {
    std::uint64_t high, low;
    if (!numbers_internal::ParseDigits8(from, n - 8, &high) ||
        !numbers_internal::ParseDigits8(from + n - 8, 8, &low)) {
      return false;
    }
    magnitude = high * 100000000 + low;
  } else {
    if (n == 0 || !numbers_internal::ParseLongDigits(from, n, &magnitude)) return false;
    constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
    if (magnitude > kMax + (is_negative ? 1 : 0)) return false;
  }
  *value = static_cast<std::int64_t>(is_negative ? 0 - magnitude : magnitude);
  return true;
}

}  // namespace millrace

#endif  // MAPREDUCE_BASE_NUMBERS_H_
