// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/mysql_statement.h"

#include <algorithm>
#include <array>
#include <utility>

namespace millrace {
namespace {

char Upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

bool IsBlank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Of a name or a keyword that is not quoted. Bytes of other alphabets may stand in names.
bool IsWordByte(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
         c == '$' || static_cast<unsigned char>(c) >= 0x80;
}

// Reads a statement from its beginning.
class Words {
 public:
  explicit Words(std::string_view text) : rest_(text) {}

  bool AtEnd() {
    SkipBlanks();
    return rest_.empty();
  }
  // `word` in capital letters.
  bool Take(std::string_view word) {
    SkipBlanks();
    if (rest_.size() < word.size() ||
        (rest_.size() > word.size() && IsWordByte(rest_[word.size()])))
      return false;
    if (!std::equal(word.begin(), word.end(), rest_.begin(),
                    [](char a, char b) { return a == Upper(b); }))
      return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  bool TakeByte(char c) {
    SkipBlanks();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool StartsQuoted() {
    SkipBlanks();
    return rest_.starts_with('`') || rest_.starts_with('"');
  }
  // name, `name` or "name".
  std::optional<std::string> TakeName() {
    if (StartsQuoted()) return TakeQuoted();
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), IsWordByte);
    if (end == rest_.begin()) return std::nullopt;
    std::string name(rest_.begin(), end);
    rest_.remove_prefix(name.size());
    return name;
  }
  // table or database.table
  std::optional<SqlTableName> TakeTable() {
    std::optional<std::string> name = TakeName();
    if (!name) return std::nullopt;
    if (!TakeByte('.')) return SqlTableName{"", *std::move(name)};
    std::optional<std::string> table = TakeName();
    if (!table) return std::nullopt;
    return SqlTableName{*std::move(name), *std::move(table)};
  }
  // The bytes up to a comma or the closing parenthesis, which stays; strings are left out.
  std::string TakeElement() {
    std::string text;
    for (std::size_t depth = 0; !rest_.empty(); rest_.remove_prefix(1)) {
      const char c = rest_.front();
      if (depth == 0 && (c == ',' || c == ')')) break;
      if (c == '(') ++depth;
      if (c == ')') --depth;
      if (c == '\'' || c == '"' || c == '`') {
        SkipString(c);
        if (rest_.empty()) break;
      } else {
        text.push_back(Upper(c));
      }
    }
    return text;
  }
  std::string_view rest() const { return rest_; }

 private:
  void SkipBlanks() {
    while (!rest_.empty() && IsBlank(rest_.front())) rest_.remove_prefix(1);
  }
  std::optional<std::string> TakeQuoted() {
    const char quote = rest_.front();
    std::string name;
    for (rest_.remove_prefix(1); !rest_.empty(); rest_.remove_prefix(1)) {
      if (rest_.front() == quote) {
        if (rest_.size() < 2 || rest_[1] != quote) {
          rest_.remove_prefix(1);
          return name;
        }
        rest_.remove_prefix(1);
      }
      name.push_back(rest_.front());
    }
    return std::nullopt;
  }
  // To the string's last byte.
  void SkipString(char quote) {
    for (rest_.remove_prefix(1); !rest_.empty() && rest_.front() != quote; rest_.remove_prefix(1)) {
      if (rest_.front() == '\\' && quote != '`' && rest_.size() > 1) rest_.remove_prefix(1);
    }
  }

  std::string_view rest_;
};

// An element of CREATE TABLE's list that begins with one of these is no column, unless quoted.
bool TakesKeyword(Words& words) {
  static constexpr std::array<std::string_view, 10> kKeywords = {
      "PRIMARY", "KEY",      "INDEX",   "UNIQUE", "CONSTRAINT",
      "FOREIGN", "FULLTEXT", "SPATIAL", "CHECK",  "LIKE"};
  if (words.StartsQuoted()) return false;
  for (const std::string_view keyword : kKeywords) {
    if (words.Take(keyword)) return true;
  }
  Words period = words;
  return period.Take("PERIOD") && period.Take("FOR");
}

bool TakesInsert(Words& words) {
  if (!words.Take("INSERT") && !words.Take("REPLACE")) return false;
  while (words.Take("LOW_PRIORITY") || words.Take("DELAYED") || words.Take("HIGH_PRIORITY") ||
         words.Take("IGNORE")) {
  }
  words.Take("INTO");
  return true;
}

}  // namespace

std::string SqlTableText(const SqlTableName& name) {
  return name.database.empty() ? name.table : name.database + "." + name.table;
}

std::string QuoteSqlTableName(const SqlTableName& name) {
  std::string text = "`";
  for (const char c : name.database) text.append(c == '`' ? 2 : 1, c);
  text += "`.`";
  for (const char c : name.table) text.append(c == '`' ? 2 : 1, c);
  return text + "`";
}

std::optional<SqlTableName> ParseSqlTableName(std::string_view text) {
  Words words(text);
  std::optional<SqlTableName> name = words.TakeTable();
  return words.AtEnd() ? name : std::nullopt;
}

std::optional<SqlInsert> ParseSqlInsert(std::string_view head) {
  Words words(head);
  if (!TakesInsert(words)) return std::nullopt;
  std::optional<SqlTableName> name = words.TakeTable();
  if (!name) return std::nullopt;
  SqlInsert insert{*std::move(name), {}};
  if (words.Take("PARTITION")) {
    if (!words.TakeByte('(')) return std::nullopt;
    words.TakeElement();
    while (words.TakeByte(',')) words.TakeElement();
    if (!words.TakeByte(')')) return std::nullopt;
  }
  if (words.TakeByte('(') && !words.TakeByte(')')) {
    do {
      std::optional<std::string> column = words.TakeName();
      if (!column) return std::nullopt;
      insert.columns.push_back(*std::move(column));
    } while (words.TakeByte(','));
    if (!words.TakeByte(')')) return std::nullopt;
  }
  if (!words.Take("VALUES") && !words.Take("VALUE")) return std::nullopt;
  return words.AtEnd() ? std::optional(std::move(insert)) : std::nullopt;
}

std::optional<SqlTableName> ParseSqlOtherInsert(std::string_view statement) {
  Words words(statement);
  return TakesInsert(words) ? words.TakeTable() : std::nullopt;
}

std::optional<SqlCreateTable> ParseSqlCreateTable(std::string_view statement) {
  Words words(statement);
  if (!words.Take("CREATE")) return std::nullopt;
  if (words.Take("OR")) words.Take("REPLACE");
  words.Take("TEMPORARY");
  if (!words.Take("TABLE")) return std::nullopt;
  if (words.Take("IF")) {
    words.Take("NOT");
    words.Take("EXISTS");
  }
  std::optional<SqlTableName> name = words.TakeTable();
  if (!name) return std::nullopt;
  SqlCreateTable table{*std::move(name), {}, {}};
  if (!words.TakeByte('(')) return table;  // LIKE, AS SELECT: the columns are not known.
  do {
    if (!TakesKeyword(words)) {
      std::optional<std::string> column = words.TakeName();
      if (!column) break;
      table.columns.push_back(*std::move(column));
      table.is_generated.push_back(words.TakeElement().find("GENERATED ALWAYS AS") !=
                                   std::string::npos);
    } else {
      words.TakeElement();
    }
  } while (words.TakeByte(','));
  return table;
}

std::optional<std::string> ParseSqlUse(std::string_view statement) {
  Words words(statement);
  return words.Take("USE") ? words.TakeName() : std::nullopt;
}

std::optional<std::string> ParseSqlSetNames(std::string_view statement) {
  Words words(statement);
  if (!words.Take("SET") || !words.Take("NAMES")) return std::nullopt;
  words.TakeByte('\'');
  std::optional<std::string> name = words.TakeName();
  if (name) {
    for (char& c : *name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return name;
}

SqlModeChange ParseSqlMode(std::string_view statement) {
  static constexpr std::string_view kMode = "SQL_MODE";
  if (!Words(statement).Take("SET")) return SqlModeChange::kNone;
  std::string text(statement);
  std::transform(text.begin(), text.end(), text.begin(), Upper);
  SqlModeChange change = SqlModeChange::kNone;
  for (std::size_t at = text.find(kMode); at != std::string::npos; at = text.find(kMode, at + 1)) {
    const char before = at == 0 ? ' ' : text[at - 1];
    const bool is_variable = before == '@' && (at < 2 || text[at - 2] != '@');  // @SQL_MODE
    Words value(std::string_view(text).substr(at + kMode.size()));
    if (IsWordByte(before) || is_variable) continue;
    value.TakeByte(':');
    if (!value.TakeByte('=')) continue;
    if (value.TakeByte('@') && !value.TakeByte('@')) {
      change = SqlModeChange::kAsBefore;
    } else if (value.TakeByte('\'') || value.TakeByte('"')) {
      const std::string_view modes = value.rest().substr(0, value.rest().find_first_of("'\""));
      change = modes.find("NO_BACKSLASH_ESCAPES") == std::string_view::npos
                   ? SqlModeChange::kBackslashes
                   : SqlModeChange::kNoBackslashes;
    }
  }
  return change;
}

}  // namespace millrace
