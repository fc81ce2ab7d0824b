// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_NUMBER_TEXT_H_
#define MAPREDUCE_FORMATS_NUMBER_TEXT_H_

// Numbers as text, byte for byte as std::to_chars writes them, and faster: eight digits at once, in
// a word. Each function returns the end of what it wrote, and may write more bytes behind it: `to`
// has room for kNumberTextRoom bytes.

#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "mapreduce/base/bytes.h"

namespace millrace {

inline constexpr std::size_t kNumberTextRoom = 64;

namespace number_text_internal {

inline constexpr std::uint32_t kEightDigits = 100'000'000;
inline constexpr std::uint64_t kZeros = 0x3030303030303030u;

/// The digits of value < 100,000,000, a byte each; the first one is the lowest byte. By halves: two
/// numbers of four digits side by side, four of two, eight of one. The products divide by 100 and
/// by 10, exactly for numbers as small as these.
inline std::uint64_t DigitsOf(std::uint32_t value) {
  const std::uint64_t fours = value / 10'000 | std::uint64_t{value % 10'000} << 32;
  const std::uint64_t hundreds = (fours * 10'486 >> 20) & 0x0000007F0000007Fu;
  const std::uint64_t twos = hundreds | (fours - 100 * hundreds) << 16;
  const std::uint64_t tens = (twos * 103 >> 10) & 0x000F000F000F000Fu;
  return tens | (twos - 10 * tens) << 8;
}

}  // namespace number_text_internal

/// 7 is 07. Requires: value < 100.
inline char* WriteTwoDigits(char* to, std::uint32_t value) {
  const std::uint32_t tens = value * 103 >> 10;
  to[0] = static_cast<char>('0' + tens);
  to[1] = static_cast<char>('0' + (value - 10 * tens));
  return to + 2;
}

/// 7 is 00000007. Requires: value < 100,000,000.
inline char* WriteEightDigits(char* to, std::uint32_t value) {
  StoreLittle64(to, number_text_internal::DigitsOf(value) | number_text_internal::kZeros);
  return to + 8;
}

/// Requires: value < 100,000,000.
inline char* WriteUpToEightDigits(char* to, std::uint32_t value) {
  const std::uint64_t digits = number_text_internal::DigitsOf(value);
  // The last digit is written even if it is 0.
  const auto leading_bits =
      static_cast<unsigned>(__builtin_ctzll(digits | std::uint64_t{1} << 56)) & ~7u;
  StoreLittle64(to, (digits | number_text_internal::kZeros) >> leading_bits);
  return to + (8 - leading_bits / 8);
}

inline char* WriteInteger(char* to, std::uint64_t value) {
  using number_text_internal::kEightDigits;
  if (value < 10) {
    *to = static_cast<char>('0' + value);
    return to + 1;
  }
  if (value < 100) return WriteTwoDigits(to, static_cast<std::uint32_t>(value));
  if (value < kEightDigits) return WriteUpToEightDigits(to, static_cast<std::uint32_t>(value));
  const std::uint64_t above = value / kEightDigits;
  if (above < kEightDigits) {
    to = WriteUpToEightDigits(to, static_cast<std::uint32_t>(above));
  } else {
    to = WriteUpToEightDigits(to, static_cast<std::uint32_t>(above / kEightDigits));
    to = WriteEightDigits(to, static_cast<std::uint32_t>(above % kEightDigits));
  }
  return WriteEightDigits(to, static_cast<std::uint32_t>(value % kEightDigits));
}

inline char* WriteInteger(char* to, std::int64_t value) {
  auto magnitude = static_cast<std::uint64_t>(value);
  if (value < 0) {
    *to++ = '-';
    magnitude = 0 - magnitude;
  }
  return WriteInteger(to, magnitude);
}

/// The shortest text that reads back the same. NaN is "nan" whatever its sign.
///
/// Most numbers that people store have few digits: they are m / 10^k, rounded. If m has no more
/// digits than the type always keeps (15, of a float 6), no other number of so few digits gives the
/// same value, so it is the shortest, but for zeros at its end. Two k are tried, for numbers that
/// are never shorter with an exponent; the rest is for std::to_chars.
template <std::floating_point T>
inline char* WriteFloating(char* to, T value) {
  constexpr bool kIsDouble = std::is_same_v<T, double>;
  constexpr T kMin = T(1e-3), kMax = kIsDouble ? T(1e9) : T(1e4);
  char* const begin = to;
  const T magnitude = std::fabs(value);
  if (std::isnan(value)) return std::to_chars(begin, begin + kNumberTextRoom, magnitude).ptr;
  if (magnitude >= kMin && magnitude < kMax) {
    if (value < 0) *to++ = '-';
    const auto whole = static_cast<std::uint32_t>(magnitude);
    if (static_cast<T>(whole) == magnitude) {
      // Four zeros at the end, and an exponent may be shorter.
      if (whole % 10'000 != 0) return WriteInteger(to, std::uint64_t{whole});
      return std::to_chars(begin, begin + kNumberTextRoom, value).ptr;
    }
    const auto hundredths = static_cast<std::uint64_t>(magnitude * T(100) + T(0.5));
    if (static_cast<T>(hundredths) / T(100) == magnitude) {
      to = WriteInteger(to, hundredths / 100);
      *to = '.';
      to = WriteTwoDigits(to + 1, static_cast<std::uint32_t>(hundredths % 100));
      return to[-1] == '0' ? to - 1 : to;
    }
    if constexpr (kIsDouble) {
      const auto millionths = static_cast<std::uint64_t>(magnitude * 1e6 + 0.5);
      if (static_cast<double>(millionths) / 1e6 == magnitude) {
        to = WriteInteger(to, millionths / 1'000'000);
        *to = '.';
        WriteEightDigits(to + 1, static_cast<std::uint32_t>(millionths % 1'000'000) * 100);
        for (to += 7; to[-1] == '0';) --to;
        return to;
      }
    }
  }
  return std::to_chars(begin, begin + kNumberTextRoom, value).ptr;
}

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_NUMBER_TEXT_H_
