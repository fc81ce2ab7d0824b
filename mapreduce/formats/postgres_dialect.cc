// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/postgres_dialect.h"

#include <charconv>
#include <system_error>

namespace millrace {
namespace {

constexpr std::string_view kCopy = "copy";
constexpr std::string_view kCopyCrLf = "copy,crlf";
constexpr std::string_view kInsert = "insert";
constexpr std::string_view kBackslashes = ",backslashes";
constexpr std::string_view kGenerated = ",generated=";

}  // namespace

std::string PostgresDialect::Text() const {
  if (!is_insert) return std::string(has_crlf ? kCopyCrLf : kCopy);
  std::string text(kInsert);
  if (has_backslashes) text += kBackslashes;
  for (std::size_t i = 0; i < generated.size(); ++i) {
    text += i == 0 ? kGenerated : std::string_view("+");
    text += std::to_string(generated[i]);
  }
  return text;
}

Result<PostgresDialect> PostgresDialect::Parse(std::string_view text) {
  PostgresDialect dialect;
  if (text == kCopy) return dialect;
  dialect.has_crlf = text == kCopyCrLf;
  if (dialect.has_crlf) return dialect;
  const auto bad = [&] { return Status::InvalidArgument("'", text, "' is no dialect of pgdump"); };
  std::string_view rest = text;
  if (!rest.starts_with(kInsert)) return bad();
  rest.remove_prefix(kInsert.size());
  dialect.is_insert = true;
  if (rest.starts_with(kBackslashes)) {
    dialect.has_backslashes = true;
    rest.remove_prefix(kBackslashes.size());
  }
  if (rest.empty()) return dialect;
  if (!rest.starts_with(kGenerated)) return bad();
  rest.remove_prefix(kGenerated.size());
  for (;;) {
    std::size_t place = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), place);
    if (error != std::errc()) return bad();
    dialect.generated.push_back(place);
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    if (rest.empty()) return dialect;
    if (rest[0] != '+') return bad();
    rest.remove_prefix(1);
  }
}

}  // namespace millrace
