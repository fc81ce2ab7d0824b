// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/parquet_values.h"

#include <algorithm>
#include <concepts>
#include <limits>
#include <string_view>

#include "mapreduce/formats/duckdb_session.h"

namespace millrace {
namespace {

using Uint128 = unsigned __int128;
using Int128 = __int128;

constexpr std::int64_t kSecondsPerDay = 86'400;
constexpr std::size_t kDayBytesMax = 24;  // -292277022657-01-27, of a time in seconds.

// Year, month and day of a day counted from 1970-01-01, by eras of 400 years that start in March:
// https://howardhinnant.github.io/date_algorithms.html. The year 0 is the one before the year 1.
char* WriteDay(char* to, std::int64_t day) {
  constexpr std::int64_t kDaysPerEra = 146'097;
  day += 719'468;
  const std::int64_t era = (day >= 0 ? day : day - (kDaysPerEra - 1)) / kDaysPerEra;
  const auto day_of_era = static_cast<std::uint32_t>(day - era * kDaysPerEra);
  const std::uint32_t year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::uint32_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::uint32_t month_from_march = (5 * day_of_year + 2) / 153;
  const std::uint32_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  const std::int64_t year = era * 400 + year_of_era + (month <= 2 ? 1 : 0);
  if (year < 0) *to++ = '-';
  const auto magnitude = static_cast<std::uint64_t>(year < 0 ? -year : year);
  if (magnitude < 10'000) {
    to = WriteTwoDigits(to, static_cast<std::uint32_t>(magnitude / 100));
    to = WriteTwoDigits(to, static_cast<std::uint32_t>(magnitude % 100));
  } else {
    to = WriteInteger(to, magnitude);
  }
  *to++ = '-';
  to = WriteTwoDigits(to, month);
  *to++ = '-';
  return WriteTwoDigits(to, day_of_year - (153 * month_from_march + 2) / 5 + 1);
}

char* WriteText(char* to, std::string_view text) { return std::copy(text.begin(), text.end(), to); }

Int128 Widened(const duckdb::Hugeint& value) {
  return static_cast<Int128>(static_cast<Uint128>(static_cast<std::uint64_t>(value.upper)) << 64 |
                             value.lower);
}
template <class T>
Int128 Widened(const T& value) {
  return value;
}

}  // namespace

ParquetAsk AskOf(int type) {
  switch (type) {
    case duckdb::kBoolean:
    case duckdb::kTinyint:
    case duckdb::kSmallint:
    case duckdb::kInteger:
    case duckdb::kBigint:
    case duckdb::kUtinyint:
    case duckdb::kUsmallint:
    case duckdb::kUinteger:
    case duckdb::kUbigint:
    case duckdb::kFloat:
    case duckdb::kDouble:
    case duckdb::kTimestamp:
    case duckdb::kTimestampS:
    case duckdb::kTimestampMs:
    case duckdb::kTimestampNs:
    case duckdb::kTimestampTz:
    case duckdb::kDate:
    case duckdb::kVarchar:
    case duckdb::kBlob:
    case duckdb::kDecimal:
      return ParquetAsk::kPlain;
    case duckdb::kList:
    case duckdb::kStruct:
    case duckdb::kMap:
    case duckdb::kUnion:
    case duckdb::kArray:
      return ParquetAsk::kJson;
    default:
      return ParquetAsk::kText;
  }
}

std::string ParquetExpression(ParquetAsk ask, const std::string& name) {
  const std::string column = SqlName(name);
  switch (ask) {
    case ParquetAsk::kPlain:
      break;
    case ParquetAsk::kText:
      return "CAST(" + column + " AS VARCHAR)";
    case ParquetAsk::kJson:
      return "CASE WHEN " + column + " IS NULL THEN NULL ELSE CAST(to_json(" + column +
             ") AS VARCHAR) END";
  }
  return column;
}

ParquetColumn::ParquetColumn(const DuckDb& library, duckdb::Handle logical_type) {
  const int type = library.get_type_id(logical_type);
  if (type == duckdb::kDecimal) {
    write_ = WriteOfDecimal(library.decimal_internal_type(logical_type));
    scale_ = library.decimal_scale(logical_type);
  } else {
    write_ = WriteOf(type);
  }
}

ParquetColumn::Write ParquetColumn::WriteOf(int type) {
  switch (type) {
    case duckdb::kBoolean:
      return WriteBoolean;
    case duckdb::kTinyint:
      return WriteNumber<std::int8_t>;
    case duckdb::kSmallint:
      return WriteNumber<std::int16_t>;
    case duckdb::kInteger:
      return WriteNumber<std::int32_t>;
    case duckdb::kBigint:
      return WriteNumber<std::int64_t>;
    case duckdb::kUtinyint:
      return WriteNumber<std::uint8_t>;
    case duckdb::kUsmallint:
      return WriteNumber<std::uint16_t>;
    case duckdb::kUinteger:
      return WriteNumber<std::uint32_t>;
    case duckdb::kUbigint:
      return WriteNumber<std::uint64_t>;
    case duckdb::kFloat:
      return WriteNumber<float>;
    case duckdb::kDouble:
      return WriteNumber<double>;
    case duckdb::kTimestampS:
      return WriteTimestamp<1, false>;
    case duckdb::kTimestampMs:
      return WriteTimestamp<1'000, false>;
    case duckdb::kTimestamp:
      return WriteTimestamp<1'000'000, false>;
    case duckdb::kTimestampNs:
      return WriteTimestamp<1'000'000'000, false>;
    case duckdb::kTimestampTz:
      return WriteTimestamp<1'000'000, true>;
    case duckdb::kDate:
      return WriteDate;
    default:
      return nullptr;
  }
}

ParquetColumn::Write ParquetColumn::WriteOfDecimal(int stored_type) {
  switch (stored_type) {
    case duckdb::kSmallint:
      return WriteDecimal<std::int16_t>;
    case duckdb::kInteger:
      return WriteDecimal<std::int32_t>;
    case duckdb::kBigint:
      return WriteDecimal<std::int64_t>;
    default:
      return WriteDecimal<duckdb::Hugeint>;
  }
}

template <class T>
char* ParquetColumn::WriteNumber(ParquetColumn& column, std::size_t row, char* to) {
  const T value = column.At<T>(row);
  if constexpr (std::floating_point<T>) {
    return WriteFloating(to, value);
  } else if constexpr (std::unsigned_integral<T>) {
    return WriteInteger(to, std::uint64_t{value});
  } else {
    return WriteInteger(to, std::int64_t{value});
  }
}

char* ParquetColumn::WriteBoolean(ParquetColumn& column, std::size_t row, char* to) {
  return WriteText(to, column.At<std::uint8_t>(row) != 0 ? "true" : "false");
}

// 12345 with a scale of 2 is 123.45, 5 is 0.05.
template <class T>
char* ParquetColumn::WriteDecimal(ParquetColumn& column, std::size_t row, char* to) {
  constexpr std::uint64_t kNineteenDigits = 10'000'000'000'000'000'000u;
  const Int128 value = Widened(column.At<T>(row));
  const auto bits = static_cast<Uint128>(value);
  const Uint128 magnitude = value < 0 ? Uint128{0} - bits : bits;
  if (value < 0) *to++ = '-';

  // At least one digit more than the scale, right-aligned behind zeros.
  char digits[2 * kNumberTextRoom];
  constexpr std::size_t kZeros = 40;
  std::fill_n(digits, kZeros, '0');
  char* end = digits + kZeros;
  if (magnitude < kNineteenDigits) {
    end = WriteInteger(end, static_cast<std::uint64_t>(magnitude));
  } else {
    end = WriteInteger(end, static_cast<std::uint64_t>(magnitude / kNineteenDigits));
    const auto low = static_cast<std::uint64_t>(magnitude % kNineteenDigits);
    end = WriteEightDigits(end, static_cast<std::uint32_t>(low / 100'000'000'000));
    end = WriteEightDigits(end, static_cast<std::uint32_t>(low / 1'000 % 100'000'000));
    end = WriteEightDigits(end, static_cast<std::uint32_t>(low % 1'000) * 100'000) - 5;
  }
  const auto scale = static_cast<std::size_t>(column.scale_);
  const char* const point = end - scale;
  const char* const begin = std::min<const char*>(digits + kZeros, point - 1);
  to = std::copy(begin, point, to);
  if (scale == 0) return to;
  *to++ = '.';
  return std::copy(point, const_cast<const char*>(end), to);
}

char* ParquetColumn::WriteDate(ParquetColumn& column, std::size_t row, char* to) {
  constexpr std::int32_t kInfinity = std::numeric_limits<std::int32_t>::max();
  const auto day = column.At<std::int32_t>(row);
  if (day == kInfinity || day == -kInfinity)
    return WriteText(to, day > 0 ? "infinity" : "-infinity");
  return WriteDay(to, day);
}

template <std::int64_t kPerSecond, bool kIsUtc>
char* ParquetColumn::WriteTimestamp(ParquetColumn& column, std::size_t row, char* to) {
  constexpr std::int64_t kInfinity = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kPerDay = kPerSecond * kSecondsPerDay;
  const auto time = column.At<std::int64_t>(row);
  if (time == kInfinity || time == -kInfinity)
    return WriteText(to, time > 0 ? "infinity" : "-infinity");
  const std::int64_t day = time / kPerDay - (time % kPerDay < 0 ? 1 : 0);
  const auto of_day =
      static_cast<std::uint64_t>(time % kPerDay + (time % kPerDay < 0 ? kPerDay : 0));
  // Times that follow each other are mostly of one day.
  if (day != column.day_) {
    column.day_ = day;
    column.day_bytes_ =
        static_cast<std::size_t>(WriteDay(column.day_text_, day) - column.day_text_);
  }
  std::copy_n(column.day_text_, kDayBytesMax, to);
  to += column.day_bytes_;
  const auto second = static_cast<std::uint32_t>(of_day / kPerSecond);
  *to++ = 'T';
  to = WriteTwoDigits(to, second / 3'600);
  *to++ = ':';
  to = WriteTwoDigits(to, second / 60 % 60);
  *to++ = ':';
  to = WriteTwoDigits(to, second % 60);
  // 3, 6 or 9 digits, as few as do.
  if (const std::uint64_t fraction = of_day % kPerSecond; fraction > 0) {
    constexpr std::uint64_t kNanoseconds = 1'000'000'000 / kPerSecond;
    const std::uint64_t nanoseconds = fraction * kNanoseconds;
    *to = '.';
    WriteEightDigits(to + 1, static_cast<std::uint32_t>(nanoseconds / 10));
    to[9] = static_cast<char>('0' + nanoseconds % 10);
    to += nanoseconds % 1'000'000 == 0 ? 4 : nanoseconds % 1'000 == 0 ? 7 : 10;
  }
  if constexpr (kIsUtc) *to++ = 'Z';
  return to;
}

}  // namespace millrace
