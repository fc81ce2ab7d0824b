// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/mysql_script.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "mapreduce/formats/byte_masks.h"
#include "mapreduce/formats/mask_bits.h"

namespace millrace {
namespace {

// What is kept of a statement: CREATE TABLE with all its 4096 columns and their comments. Most are
// known by their first word.
constexpr std::size_t kStatementBytesMax = std::size_t{16} << 20;
// An INSERT's head that is compared with the one before.
constexpr std::size_t kHeadBytesMax = std::size_t{64} << 10;

bool IsBlank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
// Behind the two dashes of a comment.
bool IsControl(char c) { return static_cast<unsigned char>(c) <= ' '; }

bool StartsWith(const char* at, std::string_view text) {
  return std::memcmp(at, text.data(), text.size()) == 0;
}

bool StartsWithWord(std::string_view text, std::string_view word) {
  return text.size() > word.size() && IsBlank(text[word.size()]) &&
         std::equal(word.begin(), word.end(), text.begin(),
                    [](char a, char b) { return a == (b >= 'a' && b <= 'z' ? b - 32 : b); });
}

// The character sets in which a backslash may be the second half of a letter.
bool HidesBackslashes(std::string_view character_set) {
  return character_set == "big5" || character_set == "cp932" || character_set == "gb18030" ||
         character_set == "gbk" || character_set == "sjis";
}

}  // namespace

MysqlScript::MysqlScript(ShardReader& reader, std::string path)
    : path_(std::move(path)), window_(reader), at_(window_.begin()), filled_(window_.end()) {}

Status MysqlScript::Read() {
  if (!error_.ok()) return error_;
  const char* const keep = keeps_tuples_ && mode_ == Mode::kInTuple ? tuple_ : at_;
  const std::ptrdiff_t ahead = at_ - keep;
  error_ = window_.Read(keep);
  tuple_ = window_.begin();
  at_ = window_.begin() + ahead;
  filled_ = window_.end();
  return error_;
}

Status MysqlScript::SkipToTuple(std::uint64_t offset, bool has_backslashes) {
  while (OffsetOf(filled_) <= offset && !window_.is_at_eof()) {
    at_ = filled_;
    mode_ = Mode::kStatement;  // Nothing of a row is kept.
    MR_RETURN_IF_ERROR(Read());
  }
  if (OffsetOf(filled_) > offset) at_ = window_.At(offset);
  Reset();
  mode_ = Mode::kTupleBegin;
  statement_offset_ = offset;
  insert_head_.clear();
  database_.clear();
  delimiter_ = ";";
  has_backslashes_ = had_backslashes_ = has_backslashes;
  if (at_ < filled_ && *at_ == '(') return Status::Ok();
  return error_ = Status::Error(StatusCode::kStale, path_, ": no row begins at byte ", offset,
                                ", as it did when the run was planned");
}

MysqlScript::Found MysqlScript::Scan() {
  if (!error_.ok()) return Found::kBroken;
  if (is_done_) return Found::kEnd;
  switch (mode_) {
    case Mode::kTupleBegin:
      return ScanTuple();
    case Mode::kInTuple:
      return ScanTupleBytes();
    case Mode::kBehindTuple:
    case Mode::kBehindComma:
      return ScanBehindTuple();
    case Mode::kStatement:
      break;
  }
  return ScanStatement();
}

// In statements.

MysqlScript::Found MysqlScript::ScanStatement() {
  if (has_ended_) Reset();
  for (;;) {
    const char* const from = at_;
    if (place_ != Place::kCode) {
      const bool is_text = place_ != Place::kLineComment && place_ != Place::kBlockComment;
      const bool has_left = LeavesPlace();
      Take(from, is_text);
      if (!has_left) return window_.is_at_eof() ? CutOff("a string or a comment") : Found::kStarved;
      continue;
    }
    if (!HasLookahead()) return Found::kStarved;
    if (statement_.empty() && !is_tail_) {  // The statement begins here.
      if (offset() == 0 && StartsWith(at_, kByteOrderMark)) {
        at_ += kByteOrderMark.size();
        continue;
      }
      if (at_ < filled_ && IsBlank(*at_)) {
        ++at_;
        continue;
      }
      head_.clear();
      statement_offset_ = offset();
      if (!insert_head_.empty()) {
        const std::size_t left = static_cast<std::size_t>(filled_ - at_);
        if (left <= insert_head_.size() && !window_.is_at_eof()) return Found::kStarved;
        if (BeginsSameInsert()) return Found::kInsert;
      }
    }
    const bool is_delimiter_command = StartsWithWord(statement_, "DELIMITER");
    if (at_ == filled_) {
      if (is_delimiter_command || (!is_tail_ && ParseSqlUse(statement_))) return EndStatement();
      if (is_tail_ || !statement_.empty()) return CutOff("a statement");
      is_done_ = true;
      return Found::kEnd;
    }
    if (IsDelimiter() && !is_delimiter_command) {
      at_ += delimiter_.size();
      if (!is_tail_ && !statement_.empty()) return EndStatement();
      Reset();
      continue;
    }
    // The client's own commands end with their line, too.
    if (*at_ == '\n' && (is_delimiter_command || (!is_tail_ && ParseSqlUse(statement_)))) {
      ++at_;
      return EndStatement();
    }
    if (*at_ == '*' && at_[1] == '/') {  // The end of a conditional comment.
      at_ += 2;
      Take(from, /*is_text=*/false);
    } else if (EntersComment()) {
      Take(from, /*is_text=*/false);
    } else {
      if (*at_ == '(' && depth_ == 0 && IsInsertHead()) {
        mode_ = Mode::kTupleBegin;
        return Found::kInsert;
      }
      EntersNested(*at_++);
      Take(from, /*is_text=*/true);
    }
  }
}

// A string, a quoted name or parentheses.
void MysqlScript::EntersNested(char c) {
  if (c == '\'') {
    place_ = Place::kSingleQuoted;
  } else if (c == '"') {
    place_ = Place::kDoubleQuoted;
  } else if (c == '`') {
    place_ = Place::kBackquoted;
  } else if (c == '(') {
    ++depth_;
  } else if (c == ')' && depth_ > 0) {
    --depth_;
  }
}

// Keeps [from, at_) of the statement; what is no text counts as a space.
void MysqlScript::Take(const char* from, bool is_text) {
  if (is_tail_) return;
  if (head_.size() <= kHeadBytesMax) head_.append(from, at_);
  if (!is_text) {
    if (!statement_.empty() && statement_.back() != ' ') statement_.push_back(' ');
    return;
  }
  const std::size_t room = kStatementBytesMax - std::min(kStatementBytesMax, statement_.size());
  const std::size_t bytes = static_cast<std::size_t>(at_ - from);
  statement_.append(from, std::min(room, bytes));
  if (bytes > room) is_statement_cut_ = true;
}

// "INSERT INTO `users` VALUES " once more, as before each row of a dump without long INSERTs.
bool MysqlScript::BeginsSameInsert() {
  if (static_cast<std::size_t>(filled_ - at_) <= insert_head_.size() ||
      !StartsWith(at_, insert_head_) || at_[insert_head_.size()] != '(') {
    return false;
  }
  at_ += insert_head_.size();
  mode_ = Mode::kTupleBegin;
  is_same_insert_ = true;
  return true;
}

// Whether the row of an INSERT begins at the parenthesis here.
bool MysqlScript::IsInsertHead() {
  if (is_tail_ || is_statement_cut_) return false;
  std::optional<SqlInsert> insert = ParseSqlInsert(statement_);
  if (!insert) return false;
  insert_ = *std::move(insert);
  is_same_insert_ = false;
  insert_head_.clear();
  if (head_.size() <= kHeadBytesMax) insert_head_ = head_;
  return true;
}

MysqlScript::Found MysqlScript::EndStatement() {
  has_ended_ = true;
  ReadSettings();
  if (!error_.ok()) return Found::kBroken;
  if (is_statement_cut_ && ParseSqlCreateTable(statement_)) {
    return Break(Status::BadData(path_, ": the CREATE TABLE at byte ", statement_offset_,
                                 " is longer than any table's"));
  }
  return Found::kStatement;
}

void MysqlScript::Reset() {
  mode_ = Mode::kStatement;
  place_ = Place::kCode;
  statement_.clear();
  head_.clear();
  depth_ = 0;
  has_ended_ = is_statement_cut_ = is_tail_ = is_slow_ = false;
}

// USE, DELIMITER, SET NAMES, SET sql_mode.
void MysqlScript::ReadSettings() {
  if (StartsWithWord(statement_, "DELIMITER")) {
    const std::size_t begin = statement_.find_first_not_of(" \t\r", 10);
    if (begin == std::string::npos) return;  // None is said: it stays as it is.
    const std::size_t end = statement_.find_first_of(" \t\r", begin);
    delimiter_ = statement_.substr(begin, end - begin);
    if (delimiter_.size() > ReadWindow::kPaddingBytes / 4) {
      Break(Status::BadData(path_, ": the DELIMITER at byte ", statement_offset_, " is too long"));
    }
    ++scope_;
    insert_head_.clear();
  } else if (std::optional<std::string> database = ParseSqlUse(statement_)) {
    database_ = *std::move(database);
    ++scope_;
    insert_head_.clear();
  } else if (const std::optional<std::string> names = ParseSqlSetNames(statement_)) {
    if (HidesBackslashes(*names)) {
      Break(Status::BadData(path_, ": the script is in ", *names,
                            ", where half a letter may look like a backslash; dump it with",
                            " --default-character-set=utf8mb4"));
    }
  }
  switch (ParseSqlMode(statement_)) {
    case SqlModeChange::kNone:
      return;
    case SqlModeChange::kAsBefore:
      return SetBackslashes(had_backslashes_);
    case SqlModeChange::kBackslashes:
      had_backslashes_ = has_backslashes_;
      return SetBackslashes(true);
    case SqlModeChange::kNoBackslashes:
      had_backslashes_ = has_backslashes_;
      return SetBackslashes(false);
  }
}

void MysqlScript::SetBackslashes(bool has_backslashes) {
  if (has_backslashes == has_backslashes_) return;
  has_backslashes_ = has_backslashes;
  ++scope_;
  insert_head_.clear();
}

// In rows.

MysqlScript::Found MysqlScript::ScanTuple() {
  tuple_ = at_;
  tuple_offset_ = offset();
  ++at_;
  mode_ = Mode::kInTuple;
  place_ = Place::kCode;
  depth_ = 1;
  is_slow_ = delimiter_ != ";";
  return ScanTupleBytes();
}

MysqlScript::Found MysqlScript::ScanTupleBytes() {
  while (!is_slow_) {
    const std::ptrdiff_t left = filled_ - at_;
    if (left < kLookaheadBytes && !window_.is_at_eof()) return Found::kStarved;
    if (left <= 0) break;
    const Bytes64 bytes(at_);
    const std::uint64_t inside = left >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << left) - 1;
    bool ends_in_escape = false;
    std::uint64_t quotes = bytes.Match('\'') & inside;
    if (has_backslashes_) {
      if (const std::uint64_t backslashes = bytes.Match('\\') & inside; backslashes != 0) {
        quotes &= ~EscapedBytes(backslashes, &ends_in_escape);
      }
    }
    const std::uint64_t was_string = place_ == Place::kSingleQuoted ? ~std::uint64_t{0} : 0;
    const std::uint64_t in_string = PrefixParity(quotes) ^ was_string;
    const std::uint64_t code = ~in_string & inside;
    const std::uint64_t dashes = bytes.Match('-') & code;
    // What the masks don't know; a lone dash is a sign.
    const std::uint64_t rare = (bytes.Match('"', '`', '#', '/', ';', '\\') & code) |
                               (dashes & (dashes >> 1 | (at_[64] == '-' ? 1ull << 63 : 0)));
    const std::uint64_t opening = bytes.Match('(') & code;
    std::uint64_t closing = bytes.Match(')') & code;
    std::uint64_t depth = depth_;
    while (closing != 0) {
      const std::uint64_t first = closing & -closing;
      const std::uint64_t before = first - 1;
      // Closings so far: `first` is the n-th of the block, so depth - n + openings before it.
      if (--depth + CountBits(opening & before) == 0) {
        if ((rare & before) != 0) break;
        at_ += FirstBit(first) + 1;
        place_ = Place::kCode;
        mode_ = Mode::kBehindTuple;
        return Found::kTuple;
      }
      closing &= closing - 1;
    }
    if (rare != 0) {
      is_slow_ = true;
      break;
    }
    depth_ = depth + CountBits(opening);
    // A block never ends between a backslash and what it escapes.
    at_ += std::min<std::ptrdiff_t>(left, ends_in_escape ? 63 : 64);
    place_ = in_string >> 63 != 0 ? Place::kSingleQuoted : Place::kCode;
    if (left < 64)
      place_ = (in_string >> (left - 1) & 1) != 0 ? Place::kSingleQuoted : Place::kCode;
  }
  for (;;) {
    if (place_ != Place::kCode && !LeavesPlace()) {
      return window_.is_at_eof() ? CutOff("a string or a comment of a row") : Found::kStarved;
    }
    if (!HasLookahead()) return Found::kStarved;
    if (at_ == filled_) return CutOff("a row");
    if (IsDelimiter()) {
      return Break(Status::BadData(path_, ": the row at byte ", tuple_offset_,
                                   " isn't closed where its statement ends, at byte ", offset(),
                                   "; dump the table again, or mend the row"));
    }
    if (EntersComment()) continue;
    EntersNested(*at_++);
    if (depth_ > 0) continue;
    mode_ = Mode::kBehindTuple;
    return Found::kTuple;
  }
}

// A comma and the next row, or what ends the statement.
MysqlScript::Found MysqlScript::ScanBehindTuple() {
  for (;;) {
    if (place_ != Place::kCode && !LeavesPlace()) {
      return window_.is_at_eof() ? CutOff("a comment") : Found::kStarved;
    }
    if (!HasLookahead()) return Found::kStarved;
    if (at_ == filled_) return CutOff("an INSERT");
    const char c = *at_;
    if (IsBlank(c)) {
      ++at_;
    } else if (c == '(' && mode_ == Mode::kBehindComma) {
      return ScanTuple();
    } else if (c == ',' && mode_ == Mode::kBehindTuple) {
      mode_ = Mode::kBehindComma;
      ++at_;
    } else if (c == '*' && at_[1] == '/') {
      at_ += 2;
    } else if (EntersComment()) {
      continue;
    } else if (mode_ == Mode::kBehindComma) {
      return Break(Status::BadData(path_, ": no row follows the comma before byte ", offset(),
                                   "; dump the table again, or mend the INSERT"));
    } else {  // The delimiter, or ON DUPLICATE KEY UPDATE ...
      Reset();
      is_tail_ = true;
      return ScanStatement();
    }
  }
}

// For both.

bool MysqlScript::IsDelimiter() const {
  if (delimiter_.size() == 1) [[likely]]
    return *at_ == delimiter_.front();
  return StartsWith(at_, delimiter_) &&
         static_cast<std::size_t>(filled_ - at_) >= delimiter_.size();
}

// Goes into the comment that begins here, if one does. A conditional one is text but for its mark.
bool MysqlScript::EntersComment() {
  const char* const at = at_;
  if (*at == '#' || (*at == '-' && at[1] == '-' && (IsControl(at[2]) || at + 2 >= filled_))) {
    if (StartsWith(at, "-- MySQL dump ") || StartsWith(at, "-- MariaDB dump ")) {
      has_header_ = true;
      has_trailer_ = false;
    } else if (StartsWith(at, "-- Dump completed")) {
      has_trailer_ = true;
    }
    place_ = Place::kLineComment;
    ++at_;
    return true;
  }
  if (*at != '/' || at[1] != '*') return false;
  at_ += 2;
  if (at[2] != '!') {
    place_ = Place::kBlockComment;
    return true;
  }
  ++at_;
  for (int digit = 0; digit < 6 && IsDigit(*at_); ++digit) ++at_;
  return true;
}

// Goes to the end of the string or comment. False: it goes on behind the window.
bool MysqlScript::LeavesPlace() {
  const char quote = place_ == Place::kSingleQuoted ? '\'' : '"';
  switch (place_) {
    case Place::kCode:
      return true;
    case Place::kSingleQuoted:
    case Place::kDoubleQuoted:
      for (; at_ < filled_; ++at_) {
        if (*at_ == quote) break;
        if (*at_ == '\\' && has_backslashes_) {
          if (filled_ - at_ < 2) {
            if (window_.is_at_eof()) at_ = filled_;
            return false;
          }
          ++at_;
        }
      }
      break;
    case Place::kBackquoted:
    case Place::kLineComment: {
      const void* const end = at_ == filled_
                                  ? nullptr
                                  : std::memchr(at_, place_ == Place::kBackquoted ? '`' : '\n',
                                                static_cast<std::size_t>(filled_ - at_));
      at_ = end == nullptr ? filled_ : static_cast<const char*>(end);
      if (end == nullptr && place_ == Place::kLineComment && window_.is_at_eof()) {
        place_ = Place::kCode;
        return true;
      }
      if (end != nullptr && place_ == Place::kLineComment) {  // Its line ends behind it.
        place_ = Place::kCode;
        return true;
      }
      break;
    }
    case Place::kBlockComment:
      for (; at_ < filled_; ++at_) {
        if (*at_ != '*') continue;
        if (filled_ - at_ < 2 && !window_.is_at_eof()) return false;
        if (at_[1] == '/') break;
      }
      if (at_ < filled_) ++at_;
      break;
  }
  if (at_ == filled_) return false;
  ++at_;
  place_ = Place::kCode;
  return true;
}

MysqlScript::Found MysqlScript::Break(Status error) {
  error_ = std::move(error);
  return Found::kBroken;
}

MysqlScript::Found MysqlScript::CutOff(std::string_view where) {
  return Break(Status::BadData(path_, ": ends at byte ", OffsetOf(filled_), " within ", where,
                               " of the statement that begins at byte ", statement_offset_,
                               "; the file was cut off: dump it again"));
}

}  // namespace millrace
