// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/postgres_insert_rows.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "mapreduce/formats/postgres_ranges_reader.h"

namespace millrace {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 20;

class InsertReader final : public PostgresRangesReader {
 public:
  InsertReader(const RowsOf& rows, std::vector<int> fields, const PostgresDialect& dialect)
      : PostgresRangesReader(rows, std::move(fields)),
        places_(column_count_ + dialect.generated.size()) {
    lexer_.set_has_backslash_strings(dialect.has_backslashes);
    std::vector<std::size_t> place_of;  // By column.
    for (std::size_t place = 0; place < places_; ++place) {
      is_generated_.push_back(std::find(dialect.generated.begin(), dialect.generated.end(),
                                        place) != dialect.generated.end());
      if (!is_generated_.back()) place_of.push_back(place);
    }
    for (const int field : fields_) {
      const auto column = static_cast<std::size_t>(field);
      wanted_.push_back(
          field < 0 || column >= place_of.size() ? -1 : static_cast<int>(place_of[column]));
    }
  }

 private:
  enum class Kind : unsigned char {
    kNull,
    kPlain,
    kTrue,
    kFalse,
    kString,
    kEscapeString,
    kDefault
  };
  // Bytes of the row, counted from its first.
  struct Value {
    Kind kind = Kind::kNull;
    bool has_escapes = false;
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  Result<bool> Read(LineBlock* block) override {
    lexer_.Release();
    rows_.Clear();
    if (is_rejected_) return Reject(block);
    for (;;) {
      const Status status = ReadRow();
      const bool has_rows = rows_.row_count() > 0;
      if (!status.ok()) {
        if (!has_rows) return status;
        error_ = status;  // Behind the rows.
      } else if (is_rejected_ && !has_rows) {
        return Reject(block);
      } else if (!is_rejected_ && range_ < ranges_.size() && !lexer_.has_moved() &&
                 rows_.bytes() < kBlockBytes) {
        continue;
      }
      if (!has_rows) {
        if (range_ >= ranges_.size()) return false;
        lexer_.Release();
        continue;
      }
      *block = rows_.Block();
      return true;
    }
  }

  Result<bool> Reject(LineBlock* block) {
    is_rejected_ = false;
    *block = rows_.Rejected(rejected_offset_, rejected_, std::move(reason_));
    return true;
  }

  // One row, or the end of a range, or what stands between two rows.
  Status ReadRow() {
    if (range_ >= ranges_.size()) return Status::Ok();
    if (!is_in_range_) {
      if (!lexer_.SkipTo(range().begin) || !lexer_.Has(1)) return CutOff();
      is_in_range_ = true;
      is_in_values_ = *lexer_.at() == '(';
    }
    for (;;) {
      if (lexer_.offset() >= range().end) {
        is_in_range_ = false;
        ++range_;
        return Status::Ok();
      }
      if (!lexer_.SkipSpace()) return CutOff();
      if (lexer_.offset() >= range().end) continue;
      if (!is_in_values_) {
        bool is_row = false;
        const std::uint64_t begin = lexer_.offset();
        MR_RETURN_IF_ERROR(ReadHeader(&is_row));
        MR_RETURN_IF_ERROR(CheckWithinRange(begin));
        if (is_row) return Status::Ok();
        continue;
      }
      const char c = *lexer_.at();
      if (c == '(') return ReadTuple();
      if (c == ',') {
        lexer_.Advance(lexer_.at() + 1);
        continue;
      }
      // `;`, ON CONFLICT DO NOTHING;
      const std::uint64_t begin = lexer_.offset();
      if (!lexer_.SkipStatement()) return CutOff();
      MR_RETURN_IF_ERROR(CheckWithinRange(begin));
      is_in_values_ = false;
    }
  }

  // INSERT ... VALUES, or INSERT ... DEFAULT VALUES, which is a row.
  Status ReadHeader(bool* is_row) {
    const std::size_t known = header_.size();
    if (known > 0 && lexer_.Has(known) && std::memcmp(lexer_.at(), header_.data(), known) == 0) {
      lexer_.Advance(lexer_.at() + known);
      is_in_values_ = true;
      return Status::Ok();
    }
    const std::uint64_t begin = lexer_.offset();
    lexer_.Mark();
    int depth = 0;
    bool is_default = false;
    for (;;) {
      const PostgresToken token = lexer_.NextToken();
      const std::string_view text = lexer_.text();
      if (token == PostgresToken::kEnd) return CutOff();
      if (token == PostgresToken::kOther) {
        if (text == ";") {
          return Status::BadData(lexer_.path(), ": no INSERT with rows stands at byte ", begin,
                                 "; the file changed since it was looked at");
        }
        depth += text == "(" ? 1 : text == ")" ? -1 : 0;
      }
      if (token != PostgresToken::kWord || depth != 0) continue;
      if (text == "values") break;
      is_default = text == "default";
    }
    if (is_default) {
      *is_row = true;
      values_.clear();
      reason_.clear();
      FinishRow(begin);
      is_in_values_ = true;  // What follows ends the statement.
      lexer_.Unmark();
      return Status::Ok();
    }
    header_ = lexer_.marked();
    is_in_values_ = true;
    lexer_.Unmark();
    return Status::Ok();
  }

  Status ReadTuple() {
    const std::uint64_t begin = lexer_.offset();
    lexer_.Mark();
    lexer_.Advance(lexer_.at() + 1);
    values_.clear();
    reason_.clear();
    bool is_whole = lexer_.PeekByte() == ')';
    if (is_whole) lexer_.Advance(lexer_.at() + 1);
    while (!is_whole) {
      Value value;
      if (!ReadPlainValue(&value) && !ReadValue(&value)) {
        if (!lexer_.status().ok()) return lexer_.status();
        if (!lexer_.SkipParentheses(1)) return CutOff();
        if (reason_.empty()) {
          reason_ = "value " + std::to_string(values_.size() + 1) +
                    " is no literal; only the server knows what it is";
        }
        break;
      }
      values_.push_back(value);
      is_whole = *lexer_.at() == ')';
      lexer_.Advance(lexer_.at() + 1);
    }
    const std::size_t bytes = lexer_.marked().size();
    if (bytes > record_bytes_max_) return TooLong(begin);
    MR_RETURN_IF_ERROR(CheckWithinRange(begin));
    FinishRow(begin);
    lexer_.Unmark();
    return Status::Ok();
  }

  // What is malformed could take in the next rows, which other pieces read, too.
  Status CheckWithinRange(std::uint64_t begin) {
    const std::vector<RowRange>& planned = layout_->rows;
    while (planned_ + 1 < planned.size() && planned[planned_ + 1].begin <= begin) ++planned_;
    if (lexer_.offset() <= planned[planned_].end) return Status::Ok();
    return Status::BadData(lexer_.path(), ": what is at byte ", begin, " does not end before byte ",
                           planned[planned_].end,
                           ", where other rows begin: a quote or parenthesis is missing; mend it");
  }

  std::size_t Place() const { return lexer_.marked().size(); }

  // What most values are: a literal as pg_dump writes it, all of it there, `,` or `)` behind it.
  // False: nothing was taken.
  bool ReadPlainValue(Value* value) {
    const char* const row = lexer_.marked().data();
    const char* at = lexer_.at();
    const char* const end = lexer_.end();
    if (at < end && *at == ' ') ++at;
    if (end - at < 8) return false;
    const auto is_end = [&](const char* place) { return *place == ',' || *place == ')'; };
    const auto take = [&](Kind kind, const char* begin, const char* behind, const char* next) {
      *value = {.kind = kind,
                .has_escapes = false,
                .begin = static_cast<std::size_t>(begin - row),
                .end = static_cast<std::size_t>(behind - row)};
      lexer_.Advance(next);
      return true;
    };
    if (*at == '\'') {
      if (lexer_.has_backslash_strings()) return false;
      const auto* const quote = static_cast<const char*>(
          std::memchr(at + 1, '\'', static_cast<std::size_t>(end - at - 1)));
      if (quote == nullptr || quote + 1 >= end || !is_end(quote + 1)) return false;
      return take(Kind::kString, at + 1, quote, quote + 1);
    }
    if ((*at >= '0' && *at <= '9') || *at == '-') {
      const char* behind = at + 1;
      while (behind < end && ((*behind >= '0' && *behind <= '9') || *behind == '.')) ++behind;
      return behind < end && is_end(behind) && take(Kind::kPlain, at, behind, behind);
    }
    if (std::memcmp(at, "NULL", 4) == 0 && is_end(at + 4)) return take(Kind::kNull, at, at, at + 4);
    if (std::memcmp(at, "true", 4) == 0 && is_end(at + 4)) return take(Kind::kTrue, at, at, at + 4);
    return std::memcmp(at, "false", 5) == 0 && is_end(at + 5) && take(Kind::kFalse, at, at, at + 5);
  }

  // A literal; at() is then at the `,` or `)` behind it. False: it is none, or an error.
  bool ReadValue(Value* value) {
    if (!lexer_.SkipSpace()) return lexer_.FailCutOff("a row", lexer_.offset() - Place());
    const char c = *lexer_.at();
    value->begin = Place();
    if (c == '\'') {
      if (!ReadString(value, Kind::kString)) return false;
    } else if ((c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.') {
      value->kind = Kind::kPlain;
      ReadNumber(value);
    } else if (!ReadWord(value)) {
      return false;
    }
    if (lexer_.at() < lexer_.end() && (*lexer_.at() == ',' || *lexer_.at() == ')')) return true;
    char next = lexer_.PeekByte();
    if (next == ':') next = SkipCast();
    return next == ',' || next == ')';
  }

  bool ReadString(Value* value, Kind kind) {
    value->kind = kind;
    lexer_.Advance(lexer_.at() + 1);
    value->begin = Place();
    const bool has_backslashes = kind == Kind::kEscapeString || lexer_.has_backslash_strings();
    if (!lexer_.SkipString(has_backslashes)) return false;
    value->has_escapes = lexer_.string_has_escapes();
    value->end = Place() - 1;
    return true;
  }

  // A sign stands at the begin or behind an exponent's e: others begin a comment or an expression.
  void ReadNumber(Value* value) {
    do {
      lexer_.Advance(lexer_.at() + 1);
    } while (lexer_.Has(1) && IsOfNumber(lexer_.at()));
    value->end = Place();
  }
  static bool IsOfNumber(const char* at) {
    if (*at == '-' || *at == '+') return (at[-1] | 0x20) == 'e';
    return *at == '.' || (*at != '$' && IsPostgresWordByte(*at));
  }

  // NULL, true, false, DEFAULT, B'101', E'a\n', N'a'.
  bool ReadWord(Value* value) {
    if (*lexer_.at() == '$') return false;  // A body in dollars begins, not a word.
    char word[8];
    std::size_t bytes = 0;
    while (lexer_.Has(1) && IsPostgresWordByte(*lexer_.at()) && bytes < sizeof word) {
      word[bytes++] = static_cast<char>(*lexer_.at() | 0x20);  // Lower case, of letters.
      lexer_.Advance(lexer_.at() + 1);
    }
    const std::string_view text(word, bytes);
    value->end = Place();
    if (text == "null") {
      value->kind = Kind::kNull;
    } else if (text == "true") {
      value->kind = Kind::kTrue;
    } else if (text == "false") {
      value->kind = Kind::kFalse;
    } else if (text == "default" && values_.size() < places_ && is_generated_[values_.size()]) {
      value->kind = Kind::kDefault;
    } else if (text == "default") {
      reason_ = "value " + std::to_string(values_.size() + 1) +
                " is DEFAULT, which only the server knows";
      return false;
    } else if (bytes == 1 && lexer_.Has(1) && *lexer_.at() == '\'' &&
               (text == "e" || text == "b" || text == "n")) {
      if (!ReadString(value, text == "e" ? Kind::kEscapeString : Kind::kString)) return false;
      // N'a ' is of the type character, which loses its blanks on the way to text.
      const std::string_view row = lexer_.marked();
      while (text == "n" && value->end > value->begin && row[value->end - 1] == ' ') --value->end;
    } else {
      return false;
    }
    return true;
  }

  // ::timestamp(3) without time zone, ::text[]. The byte behind it.
  char SkipCast() {
    for (;;) {
      const char c = lexer_.PeekByte();
      if (c == ',' || c == ')' || c == '\0') return c;
      const PostgresToken token = lexer_.NextToken();
      if (token == PostgresToken::kWord || token == PostgresToken::kName) continue;
      if (token == PostgresToken::kNumber) continue;
      if (token != PostgresToken::kOther) return '\0';
      if (c == '(' && !lexer_.SkipParentheses(1)) return '\0';
      if (std::string_view("(:[].").find(c) == std::string_view::npos) return '\0';
    }
  }

  // Adds the values, or sets the row aside. The row is what was marked.
  void FinishRow(std::uint64_t begin) {
    const std::string_view raw = lexer_.marked();
    if (reason_.empty() && values_.size() != places_) {
      reason_ = PostgresCountMismatch(values_.size(), "values", places_);
    }
    if (!reason_.empty()) {
      is_rejected_ = true;
      rejected_ = raw;
      rejected_offset_ = begin;
      return;
    }
    rows_.BeginRow();
    for (const int place : wanted_) {
      if (place < 0) {
        rows_.AddEmpty();
      } else {
        AddValue(raw, values_[static_cast<std::size_t>(place)]);
      }
    }
    rows_.EndRow(begin, raw);
    if (!lexer_.has_moved()) lexer_.Hold();
  }

  void AddValue(std::string_view raw, const Value& value) {
    const std::string_view text = raw.substr(value.begin, value.end - value.begin);
    switch (value.kind) {
      case Kind::kNull:
      case Kind::kDefault:
        return rows_.AddNull();
      case Kind::kTrue:
        return rows_.AddEscapedField("t");
      case Kind::kFalse:
        return rows_.AddEscapedField("f");
      case Kind::kPlain:
        return rows_.AddEscapedField(text);
      case Kind::kString:
      case Kind::kEscapeString:
        if (!value.has_escapes) return rows_.AddField(text);
        unescaped_.clear();
        UnescapePostgresString(
            text, value.kind == Kind::kEscapeString || lexer_.has_backslash_strings(), &unescaped_);
        return rows_.AddField(unescaped_);
    }
  }

  const std::size_t places_;        // Of a tuple.
  std::vector<bool> is_generated_;  // By place.
  std::vector<int> wanted_;         // Place of each field of the line, or -1.
  bool is_in_values_ = false;
  std::string header_;  // INSERT ... VALUES
  std::vector<Value> values_;
  std::string unescaped_;

  std::string reason_;
  bool is_rejected_ = false;  // rejected_ is to be handed out next.
  std::string_view rejected_;
  std::uint64_t rejected_offset_ = 0;
};

}  // namespace

std::unique_ptr<BlockReader> NewPostgresInsertReader(const RowsOf& rows, std::vector<int> fields,
                                                     const PostgresDialect& dialect) {
  return std::make_unique<InsertReader>(rows, std::move(fields), dialect);
}

}  // namespace millrace
