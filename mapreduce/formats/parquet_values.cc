// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/parquet_values.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>

#include "mapreduce/formats/duckdb_session.h"

namespace millrace {
namespace {

using Uint128 = unsigned __int128;
using Int128 = __int128;

constexpr std::int64_t kSecondsPerDay = 86'400;
constexpr std::size_t kTextBytesMax = 64;

// Writes at least `digits` digits of `value`; the end of what was written.
char* WriteDigits(char* to, std::uint64_t value, int digits) {
  char text[20];
  char* const end = std::to_chars(text, text + sizeof(text), value).ptr;
  for (auto written = static_cast<int>(end - text); written < digits; ++written) *to++ = '0';
  return std::copy(text, end, to);
}

char* WriteTwoDigits(char* to, std::uint64_t value) {
  *to++ = static_cast<char>('0' + value / 10);
  *to++ = static_cast<char>('0' + value % 10);
  return to;
}

// Year, month and day of a day counted from 1970-01-01, by eras of 400 years that start in March:
// https://howardhinnant.github.io/date_algorithms.html. The year 0 is the one before the year 1.
char* WriteDate(char* to, std::int64_t day) {
  constexpr std::int64_t kDaysPerEra = 146'097;
  day += 719'468;
  const std::int64_t era = (day >= 0 ? day : day - (kDaysPerEra - 1)) / kDaysPerEra;
  const std::int64_t day_of_era = day - era * kDaysPerEra;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t month_from_march = (5 * day_of_year + 2) / 153;
  const std::int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  const std::int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  if (year < 0) *to++ = '-';
  to = WriteDigits(to, static_cast<std::uint64_t>(year < 0 ? -year : year), 4);
  *to++ = '-';
  to = WriteTwoDigits(to, static_cast<std::uint64_t>(month));
  *to++ = '-';
  const std::int64_t day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
  return WriteTwoDigits(to, static_cast<std::uint64_t>(day_of_month));
}

std::string_view TextOf(const char* from, const char* to) {
  return {from, static_cast<std::size_t>(to - from)};
}

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
    add_ = AddOfDecimal(library.decimal_internal_type(logical_type));
    scale_ = library.decimal_scale(logical_type);
  } else {
    add_ = AddOf(type);
  }
}

ParquetColumn::Add ParquetColumn::AddOf(int type) {
  switch (type) {
    case duckdb::kBoolean:
      return AddBoolean;
    case duckdb::kTinyint:
      return AddNumber<std::int8_t>;
    case duckdb::kSmallint:
      return AddNumber<std::int16_t>;
    case duckdb::kInteger:
      return AddNumber<std::int32_t>;
    case duckdb::kBigint:
      return AddNumber<std::int64_t>;
    case duckdb::kUtinyint:
      return AddNumber<std::uint8_t>;
    case duckdb::kUsmallint:
      return AddNumber<std::uint16_t>;
    case duckdb::kUinteger:
      return AddNumber<std::uint32_t>;
    case duckdb::kUbigint:
      return AddNumber<std::uint64_t>;
    case duckdb::kFloat:
      return AddNumber<float>;
    case duckdb::kDouble:
      return AddNumber<double>;
    case duckdb::kTimestampS:
      return AddTimestamp<1, false>;
    case duckdb::kTimestampMs:
      return AddTimestamp<1'000, false>;
    case duckdb::kTimestamp:
      return AddTimestamp<1'000'000, false>;
    case duckdb::kTimestampNs:
      return AddTimestamp<1'000'000'000, false>;
    case duckdb::kTimestampTz:
      return AddTimestamp<1'000'000, true>;
    case duckdb::kDate:
      return AddDate;
    default:
      return AddText;
  }
}

ParquetColumn::Add ParquetColumn::AddOfDecimal(int stored_type) {
  switch (stored_type) {
    case duckdb::kSmallint:
      return AddDecimal<std::int16_t>;
    case duckdb::kInteger:
      return AddDecimal<std::int32_t>;
    case duckdb::kBigint:
      return AddDecimal<std::int64_t>;
    default:
      return AddDecimal<duckdb::Hugeint>;
  }
}

template <class T>
void ParquetColumn::AddNumber(ParquetColumn& column, std::size_t row, RowBlock& rows) {
  rows.AddValue(column.At<T>(row));
}

void ParquetColumn::AddBoolean(ParquetColumn& column, std::size_t row, RowBlock& rows) {
  rows.AddEscapedField(column.At<std::uint8_t>(row) != 0 ? "true" : "false");
}

void ParquetColumn::AddText(ParquetColumn& column, std::size_t row, RowBlock& rows) {
  const auto& text = column.At<duckdb::String>(row);
  rows.AddField(
      {text.bytes <= duckdb::String::kInlineBytes ? text.inlined : text.data, text.bytes});
}

// 12345 with a scale of 2 is 123.45, 5 is 0.05.
template <class T>
void ParquetColumn::AddDecimal(ParquetColumn& column, std::size_t row, RowBlock& rows) {
  const Int128 value = Widened(column.At<T>(row));
  Uint128 rest = value < 0 ? Uint128{0} - static_cast<Uint128>(value) : static_cast<Uint128>(value);
  char text[kTextBytesMax];
  char* at = text + sizeof(text);
  for (int digits = 0; rest > 0 || digits <= column.scale_; ++digits) {
    if (digits == column.scale_ && digits > 0) *--at = '.';
    *--at = static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  }
  if (value < 0) *--at = '-';
  rows.AddEscapedField(TextOf(at, text + sizeof(text)));
}

void ParquetColumn::AddDate(ParquetColumn& column, std::size_t row, RowBlock& rows) {
  constexpr std::int32_t kInfinity = std::numeric_limits<std::int32_t>::max();
  const auto day = column.At<std::int32_t>(row);
  if (day == kInfinity || day == -kInfinity)
    return rows.AddEscapedField(day > 0 ? "infinity" : "-infinity");
  char text[kTextBytesMax];
  rows.AddEscapedField(TextOf(text, WriteDate(text, day)));
}

template <std::int64_t kPerSecond, bool kIsUtc>
void ParquetColumn::AddTimestamp(ParquetColumn& column, std::size_t row, RowBlock& rows) {
  constexpr std::int64_t kInfinity = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kPerDay = kPerSecond * kSecondsPerDay;
  const auto time = column.At<std::int64_t>(row);
  if (time == kInfinity || time == -kInfinity)
    return rows.AddEscapedField(time > 0 ? "infinity" : "-infinity");
  const std::int64_t day = time / kPerDay - (time % kPerDay < 0 ? 1 : 0);
  const auto of_day =
      static_cast<std::uint64_t>(time % kPerDay + (time % kPerDay < 0 ? kPerDay : 0));
  // Times that follow each other are mostly of one day.
  if (day != column.day_) {
    column.day_ = day;
    column.day_bytes_ =
        static_cast<std::size_t>(WriteDate(column.day_text_, day) - column.day_text_);
  }
  char text[kTextBytesMax];
  char* to = std::copy_n(column.day_text_, column.day_bytes_, text);
  const auto second = static_cast<std::uint32_t>(of_day / kPerSecond);
  *to++ = 'T';
  to = WriteTwoDigits(to, second / 3'600);
  *to++ = ':';
  to = WriteTwoDigits(to, second / 60 % 60);
  *to++ = ':';
  to = WriteTwoDigits(to, second % 60);
  // 3, 6 or 9 digits, as few as do.
  std::uint64_t fraction = of_day % kPerSecond;
  if (fraction > 0) {
    int digits = kPerSecond == 1'000 ? 3 : kPerSecond == 1'000'000 ? 6 : 9;
    for (; fraction % 1'000 == 0; digits -= 3) fraction /= 1'000;
    *to++ = '.';
    to = WriteDigits(to, fraction, digits);
  }
  if constexpr (kIsUtc) *to++ = 'Z';
  rows.AddEscapedField(TextOf(text, to));
}

}  // namespace millrace
