// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_TSV_FIELD_H_
#define MAPREDUCE_FORMATS_TSV_FIELD_H_

// One field of TSV text to one value. ReadTsvField works on unescaped bytes; DecodeTsvField makes
// them from what COPY would read:
//
//   \b \f \n \r \t \v \\    the usual control characters, and the backslash
//   \0 to \377              octal, one to three digits
//   \x0 to \xFF             hexadecimal, one or two digits; \x without any is an x
//   \ and anything else     that byte itself
//
// \N as a whole field is NULL.

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include "mapreduce/base/bytes.h"
#include "mapreduce/base/numbers.h"
#include "mapreduce/base/store_view.h"
#include "mapreduce/formats/date.h"

namespace millrace {

/// What is wrong with a field.
enum class TsvFieldError {
  kNone,
  kNull,           ///< \N, and the type has no NULL.
  kLoneBackslash,  ///< The line ends within an escape.
  kNotInteger,
  kNotNumber,
  kOutOfRange,
  kNoDate,
};

inline constexpr std::string_view kTsvNull = "\\N";

/// Decodes the escapes of `field` into `to`, which has room for field.size() bytes. The number of
/// bytes written, or nothing if the field ends in a lone backslash.
std::optional<std::size_t> DecodeTsvField(std::string_view field, char* to);

template <class T>
concept TsvInteger = std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char> &&
                     sizeof(T) <= sizeof(std::int64_t);

namespace tsv_internal {

template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;

template <class T>
inline constexpr bool kAlwaysFalse = false;

/// Integers that are not 1 to 8 plain digits.
template <TsvInteger T>
[[gnu::noinline]] TsvFieldError ReadLongInteger(const char* begin, const char* end, T* value) {
  const std::string_view text(begin, static_cast<std::size_t>(end - begin));
  if (std::int64_t number; ParseInt64(text, &number)) {
    if (!std::in_range<T>(number)) return TsvFieldError::kOutOfRange;
    *value = static_cast<T>(number);
    return TsvFieldError::kNone;
  }
  const std::size_t digits_begin = text.starts_with('-') ? 1 : 0;
  if (text.size() == digits_begin ||
      text.find_first_not_of("0123456789", digits_begin) != std::string_view::npos) {
    return TsvFieldError::kNotInteger;
  }
  // Digits beyond int64: only std::uint64_t can have room for them.
  if constexpr (std::same_as<T, std::uint64_t> || (std::unsigned_integral<T> && sizeof(T) == 8)) {
    if (std::from_chars(begin, end, *value).ec == std::errc()) return TsvFieldError::kNone;
  }
  return TsvFieldError::kOutOfRange;
}

template <TsvInteger T>
inline TsvFieldError ReadInteger(const char* begin, const char* end, T* value) {
  const std::size_t bytes = static_cast<std::size_t>(end - begin);
  if (sizeof(T) >= 4 && bytes - 1 < 8) [[likely]] {
    // 1 to 8 digits, right-aligned in a word: after the exclusive or they are 0 to 9, and the
    // shift puts zeros before them.
    std::uint64_t word = (LoadLittle64(begin) ^ 0x3030303030303030u) << (64 - 8 * bytes);
    if ((((word + 0x7676767676767676u) | word) & 0x8080808080808080u) == 0) [[likely]] {
      word = word * 10 + (word >> 8);  // Pairs, then fours, then all eight.
      word = (((word & 0x000000FF000000FFu) * 0x000F424000000064u) +
              (((word >> 16) & 0x000000FF000000FFu) * 0x0000271000000001u)) >>
             32;
      *value = static_cast<T>(word);
      return TsvFieldError::kNone;
    }
  }
  return ReadLongInteger(begin, end, value);
}

template <std::floating_point T>
inline TsvFieldError ReadFloating(const char* begin, const char* end, T* value) {
  const std::from_chars_result result = std::from_chars(begin, end, *value);
  if (result.ec == std::errc::invalid_argument || result.ptr != end) {
    return TsvFieldError::kNotNumber;
  }
  return result.ec == std::errc() ? TsvFieldError::kNone : TsvFieldError::kOutOfRange;
}

}  // namespace tsv_internal

/// Reads the unescaped bytes [begin, end) as a T. A view points to them. Requires: 8 bytes can be
/// read behind `end`. On error `*value` means nothing. `last_date`: of the rows before.
template <class T>
inline TsvFieldError ReadTsvField(const char* begin, const char* end, T* value,
                                  LastDate& last_date) {
  const std::string_view text(begin, static_cast<std::size_t>(end - begin));
  if constexpr (std::same_as<T, std::string_view>) {
    StoreView(value, begin, text.size());
  } else if constexpr (std::same_as<T, std::string>) {
    value->assign(text);
  } else if constexpr (TsvInteger<T>) {
    return tsv_internal::ReadInteger(begin, end, value);
  } else if constexpr (std::same_as<T, double> || std::same_as<T, float>) {
    return tsv_internal::ReadFloating(begin, end, value);
  } else if constexpr (std::same_as<T, Date>) {
    if (!last_date.StartsText(text)) return TsvFieldError::kNoDate;
    StoreView(&value->text, begin, Date::kBytes);
  } else if constexpr (tsv_internal::kIsOptional<T>) {
    if (!value->has_value()) value->emplace();
    return ReadTsvField(begin, end, &**value, last_date);
  } else {
    static_assert(tsv_internal::kAlwaysFalse<T>,
                  "a field of a TSV row is a std::string_view, std::string, integer, double, "
                  "millrace::Date, or a std::optional of one of these");
  }
  return TsvFieldError::kNone;
}

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_TSV_FIELD_H_
