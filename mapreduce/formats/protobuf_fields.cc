// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/protobuf_fields.h"

#include <google/protobuf/descriptor.h>

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <string_view>

namespace millrace {
namespace {

using Kind = ProtobufKind;

template <class T>
std::size_t Format(T value, char* to) {
  return static_cast<std::size_t>(std::to_chars(to, to + kProtobufNumberBytesMax, value).ptr - to);
}

template <class T>
std::size_t FormatFloat(T value, char* to) {
  if (std::isnan(value)) return std::string_view("nan").copy(to, kProtobufNumberBytesMax);
  return Format(value, to);
}

// Of days since 1970-01-01.
struct CivilDate {
  std::int64_t year;
  std::int64_t month;
  std::int64_t day;
};

// Years begin in March here, so that the leap day is the last one; 400 of them have 146,097 days.
CivilDate CivilOf(std::int64_t days) {
  days += 719468;  // From 0000-03-01 on.
  const std::int64_t era = days / 146097;
  const std::int64_t of_era = days % 146097;
  const std::int64_t year_of_era =
      (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  const std::int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t march_month = (5 * of_year + 2) / 153;
  const std::int64_t day = of_year - (153 * march_month + 2) / 5 + 1;
  const std::int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
  return {400 * era + year_of_era + (month <= 2 ? 1 : 0), month, day};
}

char* PutDigits(std::int64_t value, int digits, char* to) {
  for (int i = digits - 1; i >= 0; --i) {
    to[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  return to + digits;
}

constexpr std::int64_t kFirstSecond = -62135596800;  // 0001-01-01T00:00:00Z
constexpr std::int64_t kLastSecond = 253402300799;   // 9999-12-31T23:59:59Z
constexpr std::int64_t kSecondsPerDay = 86400;

// 2026-11-21T10:00:00Z, with 3, 6 or 9 digits of a second where it has any: as protobuf's JSON.
std::size_t FormatTimestamp(std::int64_t seconds, std::int64_t nanos, char* to) {
  const std::int64_t from_year_1 = seconds - kFirstSecond;
  const CivilDate date = CivilOf(from_year_1 / kSecondsPerDay + kFirstSecond / kSecondsPerDay);
  const std::int64_t of_day = from_year_1 % kSecondsPerDay;
  char* at = PutDigits(date.year, 4, to);
  *at++ = '-';
  at = PutDigits(date.month, 2, at);
  *at++ = '-';
  at = PutDigits(date.day, 2, at);
  *at++ = 'T';
  at = PutDigits(of_day / 3600, 2, at);
  *at++ = ':';
  at = PutDigits(of_day / 60 % 60, 2, at);
  *at++ = ':';
  at = PutDigits(of_day % 60, 2, at);
  if (nanos != 0) {
    *at++ = '.';
    const bool is_millis = nanos % 1'000'000 == 0;
    const bool is_micros = nanos % 1000 == 0;
    at = is_millis   ? PutDigits(nanos / 1'000'000, 3, at)
         : is_micros ? PutDigits(nanos / 1000, 6, at)
                     : PutDigits(nanos, 9, at);
  }
  *at++ = 'Z';
  return static_cast<std::size_t>(at - to);
}

}  // namespace

std::size_t FormatProtobufNumber(ProtobufKind kind, std::uint64_t bits, char* to) {
  const auto low = static_cast<std::uint32_t>(bits);
  switch (kind) {
    case Kind::kInt32:
    case Kind::kEnum:
      return Format(static_cast<std::int32_t>(low), to);
    case Kind::kInt64:
      return Format(static_cast<std::int64_t>(bits), to);
    case Kind::kUint32:
      return Format(low, to);
    case Kind::kSint32:
      return Format(static_cast<std::int32_t>((low >> 1) ^ (0 - (low & 1))), to);
    case Kind::kSint64:
      return Format(static_cast<std::int64_t>((bits >> 1) ^ (0 - (bits & 1))), to);
    case Kind::kBool:
      return std::string_view(bits != 0 ? "true" : "false").copy(to, kProtobufNumberBytesMax);
    case Kind::kFloat:
      return FormatFloat(std::bit_cast<float>(low), to);
    case Kind::kDouble:
      return FormatFloat(std::bit_cast<double>(bits), to);
    default:
      return Format(bits, to);
  }
}

ProtobufFields::ProtobufFields(const ProtobufSchema& schema, const ProtobufPaths& paths)
    : schema_(schema), paths_(paths) {}

Status ProtobufFields::AddTo(const ProtobufWalk& found, RowBlock& rows) {
  for (const ProtobufColumn& column : paths_.columns()) {
    if (column.kind == Kind::kUnused) {
      rows.AddEmpty();
    } else if (column.kind == Kind::kTimestamp) {
      MR_RETURN_IF_ERROR(AddTimestamp(column, found, rows));
    } else if (found.is_set(column.slot)) {
      MR_RETURN_IF_ERROR(Add(column, found, rows));
    } else if (column.default_if >= 0 && found.is_set(column.default_if)) {
      rows.AddEscapedField(column.otherwise);
    } else {
      rows.AddNull();
    }
  }
  return {};
}

inline Status ProtobufFields::Add(const ProtobufColumn& column, const ProtobufWalk& found,
                                  RowBlock& rows) {
  switch (column.kind) {
    case Kind::kText:
      rows.AddField(found.text(column.slot));
      return {};
    case Kind::kEnum:
      AddEnum(column, found.number(column.slot), rows);
      return {};
    case Kind::kDuration:
    case Kind::kMessageJson:
    case Kind::kFieldJson:
      return AddJson(column, found, rows);
    default: {
      std::array<char, kProtobufNumberBytesMax> text;
      const std::size_t bytes =
          FormatProtobufNumber(column.kind, found.number(column.slot), text.data());
      rows.AddEscapedField({text.data(), bytes});
      return {};
    }
  }
}

void ProtobufFields::AddEnum(const ProtobufColumn& column, std::uint64_t bits, RowBlock& rows) {
  const auto* const value = column.enumeration->FindValueByNumber(static_cast<std::int32_t>(bits));
  if (value != nullptr) return rows.AddEscapedField(value->name());
  std::array<char, kProtobufNumberBytesMax> text;
  rows.AddEscapedField({text.data(), FormatProtobufNumber(Kind::kEnum, bits, text.data())});
}

Status ProtobufFields::AddTimestamp(const ProtobufColumn& column, const ProtobufWalk& found,
                                    RowBlock& rows) {
  if (!found.is_set(column.default_if)) {
    rows.AddNull();
    return {};
  }
  const auto seconds =
      static_cast<std::int64_t>(found.is_set(column.slot) ? found.number(column.slot) : 0);
  const std::int64_t nanos = static_cast<std::int32_t>(
      found.is_set(column.nanos_slot) ? found.number(column.nanos_slot) : 0);
  if (seconds < kFirstSecond || seconds > kLastSecond || nanos < 0 || nanos > 999'999'999) {
    return Status::BadData(column.path, " is no time of the years 1 to 9999: seconds ", seconds,
                           ", nanos ", nanos);
  }
  std::array<char, 40> text;
  rows.AddEscapedField({text.data(), FormatTimestamp(seconds, nanos, text.data())});
  return {};
}

Status ProtobufFields::AddJson(const ProtobufColumn& column, const ProtobufWalk& found,
                               RowBlock& rows) {
  const std::string_view bytes = found.text(column.slot);
  const Result<std::string> json = column.kind == Kind::kFieldJson
                                       ? schema_.FieldJson(*column.field, bytes)
                                       : schema_.MessageJson(*column.message, bytes);
  if (!json.ok())
    return Status::BadData(column.path, " can't be written as JSON: ", json.error().message());
  std::string_view text = *json;
  if (column.kind == Kind::kDuration && text.size() >= 2) text = text.substr(1, text.size() - 2);
  rows.AddField(text);
  return {};
}

}  // namespace millrace
