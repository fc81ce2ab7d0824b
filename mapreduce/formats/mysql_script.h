// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_MYSQL_SCRIPT_H_
#define MAPREDUCE_FORMATS_MYSQL_SCRIPT_H_

// Reads an SQL script of MySQL's kind as `mysql` would split it into statements, and the rows of
// its INSERTs one by one, from the beginning or from any row on:
//
//   MysqlScript script(reader, path);
//   for (;;) {
//     switch (script.Scan()) {
//       case MysqlScript::Found::kStarved: MR_RETURN_IF_ERROR(script.Read()); break;
//       case MysqlScript::Found::kStatement: ... script.statement() ...
//       case MysqlScript::Found::kInsert: ... script.insert() ...
//       case MysqlScript::Found::kTuple: ... script.tuple() ...
//       case MysqlScript::Found::kEnd: return ...;
//       case MysqlScript::Found::kBroken: return script.error();
//     }
//   }
//
// What is lexed: '...' and "..." with backslash escapes (unless the script sets
// NO_BACKSLASH_ESCAPES) and doubled quotes, `...`, comments (-- , #, /* */), conditional comments
// (/*!40000 ... */, whose text counts), DELIMITER, USE. A row is found by its parentheses, 64 bytes
// at once; only where something rare stands in it (a double quote, a comment), byte by byte.
//
// Memory: a read's room; the row that is being read, where rows are kept; a statement's head.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "mapreduce/base/status.h"
#include "mapreduce/formats/mysql_statement.h"
#include "mapreduce/formats/read_window.h"
#include "mapreduce/io/shard_reader.h"

namespace millrace {

/// May stand before the first statement.
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// One thread at a time. Sticky after kEnd and kBroken.
class MysqlScript {
 public:
  enum class Found {
    kStarved,    ///< Read() is needed; all views die with it.
    kStatement,  ///< A statement ended that is no INSERT ... VALUES.
    kInsert,     ///< The head of an INSERT or REPLACE ... VALUES.
    kTuple,      ///< A row of it: (1,'a').
    kEnd,
    kBroken,  ///< See error().
  };

  /// `reader` gives the script from its offset() on. `path` is for messages.
  MysqlScript(ShardReader& reader, std::string path);
  MysqlScript(const MysqlScript&) = delete;
  MysqlScript& operator=(const MysqlScript&) = delete;

  Found Scan();
  Status Read();

  /// Reads on to `offset`, where a row begins; what it says of strings is `has_backslashes`.
  /// Requires: offset >= this->offset().
  Status SkipToTuple(std::uint64_t offset, bool has_backslashes);

  /// Whether tuple() is there; otherwise a row's bytes are not kept until it ends.
  void set_keeps_tuples(bool keeps) { keeps_tuples_ = keeps; }
  bool keeps_tuples() const { return keeps_tuples_; }

  const Status& error() const { return error_; }
  /// Where it stands: behind what was found.
  std::uint64_t offset() const { return OffsetOf(at_); }

  /// Without comments, each run of them a space.
  std::string_view statement() const { return statement_; }
  std::uint64_t statement_offset() const { return statement_offset_; }

  const SqlInsert& insert() const { return insert_; }
  /// The head equals the one before, byte for byte.
  bool is_same_insert() const { return is_same_insert_; }

  std::uint64_t tuple_offset() const { return tuple_offset_; }
  /// With its parentheses. Requires: kTuple, and that tuples are kept.
  std::string_view tuple() const { return {tuple_, static_cast<std::size_t>(at_ - tuple_)}; }
  /// Bytes so far of a row that has not ended yet, or of the last one.
  std::uint64_t tuple_bytes() const { return offset() - tuple_offset_; }
  bool is_in_tuple() const { return mode_ == Mode::kInTuple; }

  /// What the statements said that change what later ones mean.
  const std::string& database() const { return database_; }
  const std::string& delimiter() const { return delimiter_; }
  bool has_backslashes() const { return has_backslashes_; }
  /// Counts the changes of these three.
  std::uint64_t scope() const { return scope_; }
  /// mysqldump's first line was there, its last one was not.
  bool lacks_trailer() const { return has_header_ && !has_trailer_; }

 private:
  enum class Mode { kStatement, kTupleBegin, kInTuple, kBehindTuple, kBehindComma };
  enum class Place {
    kCode,
    kSingleQuoted,
    kDoubleQuoted,
    kBackquoted,
    kLineComment,
    kBlockComment
  };

  Found ScanStatement();
  Found ScanTuple();
  Found ScanTupleBytes();
  Found ScanBehindTuple();
  Found EndStatement();
  bool EntersComment();
  bool LeavesPlace();
  bool BeginsSameInsert();
  bool IsInsertHead();
  void EntersNested(char c);
  void Take(const char* from, bool is_text);
  void Reset();
  void ReadSettings();
  void SetBackslashes(bool has_backslashes);
  Found Break(Status error);
  Found CutOff(std::string_view where);

  bool HasLookahead() const { return filled_ - at_ >= kLookaheadBytes || window_.is_at_eof(); }
  bool IsDelimiter() const;
  std::uint64_t OffsetOf(const char* at) const { return window_.OffsetOf(at); }

  static constexpr std::ptrdiff_t kLookaheadBytes = 80;

  const std::string path_;
  Status error_;
  bool is_done_ = false;

  ReadWindow window_;
  const char* at_;
  const char* filled_;  // The window's end.

  Mode mode_ = Mode::kStatement;
  Place place_ = Place::kCode;
  std::string statement_;
  std::string head_;  // The statement's bytes so far, as they are.
  std::uint64_t statement_offset_ = 0;
  std::uint64_t depth_ = 0;        // Of parentheses, in the statement's head or in the row.
  bool is_statement_cut_ = false;  // Too long to be kept.
  bool has_ended_ = false;         // The next one begins with the next call.
  bool is_tail_ = false;           // Behind an INSERT's last row.

  SqlInsert insert_;
  std::string insert_head_;
  bool is_same_insert_ = false;
  const char* tuple_ = nullptr;
  std::uint64_t tuple_offset_ = 0;
  bool is_slow_ = false;  // The rest of the row is read byte by byte.
  bool keeps_tuples_ = false;

  std::string database_;
  std::string delimiter_ = ";";
  bool has_backslashes_ = true;
  bool had_backslashes_ = true;  // Before sql_mode was set, for `sql_mode = @saved`.
  std::uint64_t scope_ = 0;
  bool has_header_ = false;
  bool has_trailer_ = false;
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_MYSQL_SCRIPT_H_
