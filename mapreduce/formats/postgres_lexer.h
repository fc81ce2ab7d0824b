// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_POSTGRES_LEXER_H_
#define MAPREDUCE_FORMATS_POSTGRES_LEXER_H_

// The text of a dump as psql and the server cut it: tokens, strings, comments, statements. Bytes
// are pulled from a ShardReader as they are needed and forgotten behind at(), so that memory is
// bounded by what is read at once, however long a string or a comment is.
//
//   PostgresLexer lexer(reader, path, record_bytes_max);
//   while (lexer.SkipSpace()) {
//     if (lexer.NextToken() == PostgresToken::kWord && lexer.text() == "copy") ...
//     lexer.SkipStatement();
//   }
//   MR_RETURN_IF_ERROR(lexer.status());
//
// What is skipped right, as it may hold anything that looks like SQL: 'it''s', E'it\'s', "a
// ""name",
// $$ body $$, $tag$ body $tag$, -- to the line's end, /* nested /* comments */ */.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/io/shard_reader.h"

namespace millrace {

enum class PostgresToken {
  kEnd,     ///< Of the text, or an error.
  kWord,    ///< select, users: text() is in lower case.
  kName,    ///< "Weird Name": text() is what it means.
  kString,  ///< text() is what it means, or its beginning.
  kNumber,  ///< text() as it stands.
  kOther,   ///< text() is the one byte.
};

/// A text in memory as a shard.
class TextShardReader final : public ShardReader {
 public:
  /// `text` must outlive this.
  explicit TextShardReader(std::string_view text) : text_(text) {}
  std::size_t NextReadBytes() override { return text_.size() - at_; }
  Result<std::size_t> Read(char* into, std::size_t) override {
    const std::size_t bytes = text_.copy(into, text_.size() - at_, at_);
    at_ += bytes;
    return bytes;
  }
  std::uint64_t offset() const override { return at_; }
  Status Finish() override { return Status::Ok(); }

 private:
  const std::string_view text_;
  std::size_t at_ = 0;
};

/// One thread at a time. An error is sticky: it is in status(), and nothing more is read.
class PostgresLexer {
 public:
  /// Two bytes before at() can be looked at, and so many behind end().
  static constexpr std::size_t kPaddingBytes = 80;

  /// `reader` must outlive this; it may stand anywhere. More than `kept_bytes_max` bytes behind a
  /// mark are kBadData.
  PostgresLexer(ShardReader& reader, std::string path, std::size_t kept_bytes_max);
  PostgresLexer(const PostgresLexer&) = delete;
  PostgresLexer& operator=(const PostgresLexer&) = delete;

  const std::string& path() const { return path_; }
  const Status& status() const { return status_; }
  /// Makes `status` the error. False, to be returned.
  bool Fail(Status status);
  /// Fails for a text that ends where it can't: "within a string".
  bool FailCutOff(std::string_view where, std::uint64_t begin);

  // The bytes that were read.

  const char* at() const { return at_; }
  const char* end() const { return end_; }
  std::uint64_t offset() const { return OffsetOf(at_); }
  std::uint64_t OffsetOf(const char* place) const {
    return end_offset_ - static_cast<std::uint64_t>(end_ - place);
  }
  /// Requires: at() <= to <= end().
  void Advance(const char* to) { at_ = to; }
  /// Reads more behind end(); moves the bytes from at() or the mark on. False at the end of the
  /// text or after an error.
  bool ReadMore();
  /// Whether `count` bytes are there to look at.
  bool Has(std::size_t count) {
    while (static_cast<std::size_t>(end_ - at_) < count) {
      if (!ReadMore()) return false;
    }
    return true;
  }
  /// Goes to a place further on; false where the text ends before.
  bool SkipTo(std::uint64_t offset);

  /// The bytes from at() on stay together until Unmark().
  void Mark() { mark_ = at_; }
  void Unmark() { mark_ = nullptr; }
  /// Since the mark.
  std::string_view marked() const { return {mark_, static_cast<std::size_t>(at_ - mark_)}; }

  /// All bytes that are there now stay where they are until Release(), whatever is read.
  void Hold() { is_held_ = true; }
  void Release() { is_held_ = has_moved_ = false; }
  /// Whether bytes from at() on were moved away from those held. Then Release() comes next.
  bool has_moved() const { return has_moved_; }

  // SQL. Each leaves at() behind what it read; false means: see status().

  /// Whether '...' has backslash escapes: standard_conforming_strings is off.
  void set_has_backslash_strings(bool value) { has_backslash_strings_ = value; }
  bool has_backslash_strings() const { return has_backslash_strings_; }

  /// Skips white space. False where the text ends.
  bool SkipBlanks();
  /// Skips white space and comments. False where the text ends.
  bool SkipSpace();
  /// The next token, behind space and comments.
  PostgresToken NextToken();
  std::string_view text() const { return text_; }
  /// The next byte behind space and comments, not taken; '\0' where there is none.
  char PeekByte() { return SkipSpace() ? *at_ : '\0'; }
  /// Takes the token if it is this byte.
  bool TakeByte(char byte) {
    if (PeekByte() != byte || at_ == end_) return false;
    ++at_;
    return true;
  }

  /// Skips a string. at() is behind its opening quote.
  bool SkipString(bool has_backslashes);
  /// Whether the last string that was skipped has a quote or escape within.
  bool string_has_escapes() const { return string_has_escapes_; }
  /// Skips a comment that may hold others. at() is at its `/*`.
  bool SkipBlockComment();
  /// Skips the rest of a statement with its `;`. The text's end ends it, too.
  bool SkipStatement();
  /// Skips what is within `depth` parentheses that are open, and them. Fails at a `;`.
  bool SkipParentheses(int depth);
  /// Takes the rest of the line and its LF. `line` may be null; at most 1024 bytes are kept.
  void TakeLine(std::string* line);

 private:
  bool SkipUntil(char stop, bool has_backslashes);
  bool SkipLineComment();
  bool SkipDollarQuote();  // At '$': a body, or the one byte.
  // Skips a string, name, comment or body that begins at at(), or else one byte.
  bool SkipItem();
  PostgresToken TakeWord();
  PostgresToken TakeString(bool has_backslashes);
  bool TakeName();

  ShardReader& reader_;
  const std::string path_;
  const std::size_t kept_bytes_max_;
  Status status_;

  // [kLookBack bytes][bytes from mark_ or at_ .. end_][padding]
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::unique_ptr<char[]> held_;  // The bytes of Hold(), once others are read.
  std::size_t held_capacity_ = 0;
  const char* at_ = nullptr;
  char* end_ = nullptr;
  const char* mark_ = nullptr;
  std::uint64_t end_offset_;
  bool is_at_end_ = false;
  bool is_held_ = false;
  bool has_moved_ = false;

  bool has_backslash_strings_ = false;
  bool string_has_escapes_ = false;
  std::string text_;
};

/// The first `\.` whose both bytes are in [from, to), or null. Requires: kPaddingBytes behind `to`.
const char* FindBackslashDot(const char* from, const char* to);

/// Whether `byte` may be within a word.
bool IsPostgresWordByte(char byte);

/// What E'...' or, without backslashes, '...' means, given what is between its quotes.
void UnescapePostgresString(std::string_view text, bool has_backslashes, std::string* to);

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_POSTGRES_LEXER_H_
