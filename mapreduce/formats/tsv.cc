// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/tsv.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "mapreduce/formats/tsv_escapes.h"

namespace millrace {
namespace {

// The value of a hexadecimal digit, or -1.
int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsOctalDigit(char c) { return c >= '0' && c <= '7'; }

// Decodes what follows a backslash at `from` and moves `from` behind it. Requires: from < end.
char DecodeEscape(const char*& from, const char* end) {
  const char first = *from++;
  if (IsOctalDigit(first)) {
    int value = first - '0';
    for (int digits = 1; digits < 3 && from < end && IsOctalDigit(*from); ++digits) {
      value = value * 8 + (*from++ - '0');
    }
    return static_cast<char>(value & 0xFF);  // As COPY does with \400 and above.
  }
  if (first == 'x' && from < end && HexDigit(*from) >= 0) {
    int value = HexDigit(*from++);
    if (from < end && HexDigit(*from) >= 0) value = value * 16 + HexDigit(*from++);
    return static_cast<char>(value);
  }
  return TsvEscapeMeaning(first);
}

// 'text', with control characters escaped, cut after 40 bytes.
void AppendQuoted(std::string_view text, std::string* out) {
  constexpr std::size_t kBytesMax = 40;
  constexpr char kHex[] = "0123456789ABCDEF";
  std::size_t bytes = std::min(text.size(), kBytesMax);
  // Not within a character of UTF-8.
  if (bytes < text.size()) {
    std::size_t cut = bytes;
    while (cut > bytes - 3 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;
    if ((static_cast<unsigned char>(text[cut]) & 0xC0) != 0x80) bytes = cut;
  }
  out->push_back('\'');
  for (const char c : text.substr(0, bytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\\') {
      out->append("\\\\");
    } else if (c == '\t') {
      out->append("\\t");
    } else if (c == '\n') {
      out->append("\\n");
    } else if (c == '\r') {
      out->append("\\r");
    } else if (byte < 0x20 || byte == 0x7F) {
      out->append("\\x").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
    } else {
      out->push_back(c);
    }
  }
  if (bytes < text.size()) out->append("...");
  out->push_back('\'');
}

}  // namespace

std::optional<std::size_t> DecodeTsvField(std::string_view field, char* to) {
  const char* from = field.data();
  const char* const end = from + field.size();
  char* const begin = to;
  while (from < end) {
    if (*from != '\\') {
      *to++ = *from++;
      continue;
    }
    if (++from == end) return std::nullopt;
    *to++ = DecodeEscape(from, end);
  }
  return static_cast<std::size_t>(to - begin);
}

TsvColumns::TsvColumns(std::vector<int> columns) : columns_(std::move(columns)) {
  for (const int column : columns_) wanted_ = std::max(wanted_, column + 1);
}

TsvColumns TsvColumns::Packed() const {
  std::vector<int> packed;
  int next = 0;
  for (const int column : columns_) packed.push_back(column == kUnused ? kUnused : next++);
  return TsvColumns(std::move(packed));
}

Result<TsvColumns> TsvColumns::Find(std::span<const std::string_view> fields,
                                    std::span<const std::string_view> layout,
                                    const std::map<std::string, int>& overrides,
                                    const std::set<std::string>& unused) {
  const auto is_in = [](std::span<const std::string_view> names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const auto& [name, column] : overrides) {
    if (!is_in(fields, name) && !is_in(layout, name)) {
      return Status::InvalidArgument("there is no column ", name, " to place at ", column);
    }
    if (column < 1 || column > kColumnMax) {
      return Status::InvalidArgument("the column of ", name, " is ", column,
                                     "; columns count from 1 to ", kColumnMax);
    }
  }
  for (const std::string& name : unused) {
    if (!is_in(fields, name)) {
      return Status::InvalidArgument("there is no field ", name, " to leave unused");
    }
  }
  std::vector<int> columns;
  for (const std::string_view field : fields) {
    const auto place = overrides.find(std::string(field));
    const auto named = std::find(layout.begin(), layout.end(), field);
    if (unused.contains(std::string(field))) {
      columns.push_back(kUnused);
    } else if (place != overrides.end()) {
      columns.push_back(place->second - 1);
    } else if (named != layout.end()) {
      columns.push_back(static_cast<int>(named - layout.begin()));
    } else {
      return Status::InvalidArgument("the field ", field, " is not a column of the file's layout");
    }
  }
  return TsvColumns(std::move(columns));
}

namespace tsv_internal {

void DescribeMissing(std::string_view field, int field_count, std::string* reason) {
  reason->assign(field).append(" is missing: the line has ");
  reason->append(std::to_string(field_count)).append(field_count == 1 ? " field" : " fields");
}

void DescribeError(TsvFieldError error, std::string_view field, std::string_view text,
                   std::string* reason) {
  reason->assign(field);
  switch (error) {
    case TsvFieldError::kNone:
      return;
    case TsvFieldError::kNull:
      reason->append(" is NULL");
      return;
    case TsvFieldError::kLoneBackslash:
      reason->append(" ends in a lone backslash: ");
      break;
    case TsvFieldError::kNotInteger:
      reason->append(" is not an integer: ");
      break;
    case TsvFieldError::kNotNumber:
      reason->append(" is not a number: ");
      break;
    case TsvFieldError::kOutOfRange:
      reason->append(" is out of range: ");
      break;
    case TsvFieldError::kNoDate:
      reason->append(" does not start with a date: ");
      break;
  }
  AppendQuoted(text, reason);
}

}  // namespace tsv_internal
}  // namespace millrace
