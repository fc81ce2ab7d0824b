// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_DATE_H_
#define MAPREDUCE_FORMATS_DATE_H_

// A calendar date as it stands in text, "2026-11-21": ten bytes that compare like the days they
// name. A view: it lives as long as the text it was read from.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "mapreduce/base/bytes.h"
#include "mapreduce/base/fields.h"

namespace millrace {

struct Date {
  static constexpr std::size_t kBytes = 10;

  std::string_view text;  ///< Ten bytes, or none if the date was never set.

  /// The date in the first ten bytes of `text`, whatever follows; none unless they are a real day
  /// of the Gregorian calendar from 0001-01-01 to 9999-12-31. About 2 ns.
  static std::optional<Date> AtStartOf(std::string_view text) {
    if (!StartsText(text)) return std::nullopt;
    return Date{text.substr(0, kBytes)};
  }
  /// Whether AtStartOf(text) is a date.
  static bool StartsText(std::string_view text) {
    return text.size() >= kBytes && IsRealDate(text.data());
  }

  // Requires: text is a date.
  int year() const { return 100 * Digits(0) + Digits(2); }
  int month() const { return Digits(5); }
  int day() const { return Digits(8); }

  /// Days since 1970-01-01, negative before it. Requires: text is a date.
  std::int64_t day_number() const {
    // The year starts in March here, so that the leap day is its last day.
    const std::int64_t march_year = year() - (month() <= 2 ? 1 : 0);
    const int month_from_march = (month() + 9) % 12;
    const int day_of_year = (153 * month_from_march + 2) / 5 + day() - 1;
    return 365 * march_year + march_year / 4 - march_year / 100 + march_year / 400 + day_of_year -
           719468;
  }

  friend auto operator<=>(const Date&, const Date&) = default;
  MR_FIELDS(Date, text)  // So that it can be a key.

 private:
  int Digits(std::size_t at) const { return (text[at] - '0') * 10 + (text[at + 1] - '0'); }

  [[gnu::always_inline]] static bool IsRealDate(const char* at) {
    // "YYYY-MM-" as one word: after the exclusive or, digits are 0 to 9 and the dashes 0.
    const std::uint64_t word = LoadLittle64(at) ^ 0x2D30302D30303030u;
    if (((word + 0x7F76767F76767676u) | word) & 0x8080808080808080u) return false;
    const std::uint32_t days =
        (static_cast<unsigned char>(at[8]) | static_cast<unsigned char>(at[9]) << 8) ^ 0x3030u;
    if (((days + 0x7676u) | days) & 0x8080u) return false;
    // Byte i is digit i times ten and the next one: 99 at most, so that nothing is carried.
    const std::uint64_t pairs = word * 10 + (word >> 8);
    const unsigned month = Byte(pairs, 5);
    const unsigned day = (days * 10 + (days >> 8)) & 0xFF;
    const bool is_year_0 = static_cast<std::uint32_t>(word) == 0;
    if (month - 1 >= 12 || is_year_0) return false;
    if (day - 1 < 28) [[likely]]
      return true;
    return IsLateDay(Byte(pairs, 0) * 100 + Byte(pairs, 2), month, day);
  }
  [[gnu::noinline]] static bool IsLateDay(unsigned year, unsigned month, unsigned day) {
    if (day == 0) return false;
    if (month != 2) return day <= 30u + ((month ^ (month >> 3)) & 1);  // 31 days: 1 3 5 7 8 10 12.
    return day == 29 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  }
  static unsigned Byte(std::uint64_t word, int index) {
    return static_cast<unsigned>(word >> (8 * index)) & 0xFF;
  }
};

/// The date read last: most rows of a log have that of the row before, which is told without a look
/// at its digits (39 -> 9 instructions).
class LastDate {
 public:
  /// Date::StartsText(text).
  bool StartsText(std::string_view text) {
    if (text.size() < Date::kBytes) return false;
    const std::uint64_t first = LoadLittle64(text.data());
    const std::uint64_t last = LoadLittle64(text.data() + Date::kBytes - 8);
    if (first == first_ && last == last_) [[likely]]
      return true;
    if (!Date::StartsText(text)) return false;
    first_ = first, last_ = last;
    return true;
  }

 private:
  // Its first and its last 8 bytes, which share 6. Those of none don't: no text is like that.
  std::uint64_t first_ = 0, last_ = ~std::uint64_t{0};
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_DATE_H_
