// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/postgres_name.h"

#include <algorithm>
#include <utility>

namespace millrace {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string Quoted(const std::string& name) {
  const bool is_plain = !name.empty() && !(name[0] >= '0' && name[0] <= '9') &&
                        std::all_of(name.begin(), name.end(), [](char c) {
                          return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
                        });
  if (is_plain) return name;
  std::string text = "\"";
  for (const char c : name) {
    if (c == '"') text.push_back('"');
    text.push_back(c);
  }
  return text + "\"";
}

}  // namespace

std::string PostgresNameText(const PostgresName& name) {
  std::string text;
  if (!name.database.empty()) text += Quoted(name.database) + ".";
  return text + Quoted(name.schema) + "." + Quoted(name.table);
}

Result<PostgresTableRequest> PostgresTableRequest::Parse(std::string_view text) {
  PostgresTableRequest request;
  const auto bad = [&] {
    return Status::InvalidArgument("'", text,
                                   "' is no table; write TABLE or SCHEMA.TABLE, and \"a b\" for a "
                                   "name that is not all of letters, digits and _");
  };
  std::size_t at = 0;
  for (;;) {
    Part& part = request.parts_.emplace_back();
    if (at < text.size() && text[at] == '"') {
      part.is_quoted = true;
      for (++at;; ++at) {
        if (at >= text.size()) return bad();
        if (text[at] == '"' && (at + 1 >= text.size() || text[++at] != '"')) break;
        part.text.push_back(text[at]);
      }
      if (at + 1 >= text.size() && text.ends_with('"')) at = text.size();
    } else {
      while (at < text.size() && text[at] != '.' && text[at] != '"')
        part.text.push_back(text[at++]);
    }
    if (part.text.empty()) return bad();
    if (at >= text.size()) break;
    if (text[at] != '.' || request.parts_.size() == 3) return bad();
    ++at;
  }
  return request;
}

int PostgresTableRequest::MatchPart(const Part& part, const std::string& name) {
  if (part.is_quoted) return part.text == name ? 2 : 0;
  const bool is_folded = std::equal(part.text.begin(), part.text.end(), name.begin(), name.end(),
                                    [](char wanted, char has) { return Lower(wanted) == has; });
  if (is_folded) return 2;
  return part.text == name ? 1 : 0;
}

int PostgresTableRequest::Match(const PostgresName& name) const {
  int match = MatchPart(parts_.back(), name.table);
  if (parts_.size() > 1) match = std::min(match, MatchPart(parts_.rbegin()[1], name.schema));
  if (parts_.size() > 2) match = std::min(match, MatchPart(parts_.front(), name.database));
  return match;
}

}  // namespace millrace
