// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/size.h"

#include <cstddef>

namespace millrace {
namespace {

Status NotASize(std::string_view text) {
  return Status::InvalidArgument("'", text, "' is not a size; write for example 512k, 64M or 2GiB");
}

char Upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

}  // namespace

Result<std::uint64_t> ParseSize(std::string_view text) {
  std::uint64_t number = 0;
  std::size_t at = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    if (__builtin_mul_overflow(number, 10, &number) ||
        __builtin_add_overflow(number, static_cast<std::uint64_t>(text[at] - '0'), &number)) {
      return Status::InvalidArgument("the size '", text, "' is too large");
    }
  }
  if (at == 0) return NotASize(text);

  static constexpr std::string_view kUnits = "KMGT";
  int shift = 0;
  if (at < text.size()) {
    const std::size_t unit = kUnits.find(Upper(text[at]));
    if (unit != std::string_view::npos) {
      shift = 10 * (static_cast<int>(unit) + 1);
      ++at;
      if (at + 1 < text.size() && Upper(text[at]) == 'I') ++at;  // The "i" of "iB".
    }
  }
  if (at < text.size() && Upper(text[at]) == 'B') ++at;
  if (at != text.size()) return NotASize(text);
  if (number > ~std::uint64_t{0} >> shift) {
    return Status::InvalidArgument("the size '", text, "' is too large");
  }
  return number << shift;
}

std::string FormatBytes(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  static constexpr const char* kUnits[] = {" KiB", " MiB", " GiB", " TiB", " PiB", " EiB"};
  constexpr std::size_t kLast = 5;
  for (std::size_t unit = 0;; ++unit) {
    // Tenths, rounded half up; never rounded to "1024.0" of a unit.
    const std::uint64_t one = std::uint64_t{1} << (10 * (unit + 1));
    const std::uint64_t rest = bytes % one;  // Below 2^60, so ten times it fits.
    const std::uint64_t tenths = bytes / one * 10 + (rest * 10 + one / 2) / one;
    if (tenths < 10240 || unit == kLast) {
      return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + kUnits[unit];
    }
  }
}

std::string FormatCount(std::uint64_t count) {
  const std::string digits = std::to_string(count);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i != 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

}  // namespace millrace
