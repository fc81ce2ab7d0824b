// SPDX-License-Identifier: Apache-2.0
#include "tests/benchmarks/datagen/row_text.h"

#include <charconv>
#include <chrono>

namespace millrace {
namespace {

bool ParseDigits(std::string_view text, int* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size() && *value >= 0;
}

}  // namespace

void RowText::Number(std::uint64_t value, int width) {
  char digits[20];
  char* const end = digits + sizeof digits;
  char* at = end;
  while (value != 0 || width > 0) {
    *--at = static_cast<char>('0' + value % 10);
    value /= 10;
    --width;
  }
  Text({at, static_cast<std::size_t>(end - at)});
}

void RowText::Timestamp(std::string_view date, std::uint32_t second_of_day) {
  Text(date);
  Char('T');
  Number(second_of_day / 3600, 2);
  Char(':');
  Number(second_of_day / 60 % 60, 2);
  Char(':');
  Number(second_of_day % 60, 2);
  Char('Z');
}

std::string DatePlus(std::string_view date, int days) {
  int year = 0, month = 0, day = 0;
  if (date.size() != 10 || date[4] != '-' || date[7] != '-' ||
      !ParseDigits(date.substr(0, 4), &year) || !ParseDigits(date.substr(5, 2), &month) ||
      !ParseDigits(date.substr(8, 2), &day)) {
    return "";
  }
  const std::chrono::year_month_day first = std::chrono::year(year) / month / day;
  if (!first.ok()) return "";
  const std::chrono::year_month_day then = std::chrono::sys_days(first) + std::chrono::days(days);
  std::string text;
  {
    const Sink append = [&text](std::string_view piece) { text.append(piece); };
    RowText row(append);
    row.Number(static_cast<std::uint64_t>(static_cast<int>(then.year())), 4);
    row.Char('-');
    row.Number(static_cast<unsigned>(then.month()), 2);
    row.Char('-');
    row.Number(static_cast<unsigned>(then.day()), 2);
  }
  return text;
}

}  // namespace millrace
