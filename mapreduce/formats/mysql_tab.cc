// SPDX-License-Identifier: Apache-2.0

// Files of `mysqldump --tab` and of SELECT ... INTO OUTFILE: a record ends with LF, TABs separate
// its fields, \N is NULL, and a backslash takes the meaning of whatever follows, be it a real TAB
// or a real newline. So an LF ends a record only behind an even number of backslashes.
//
// Where a range of the shard begins or ends, at p, nobody may look at the bytes before p, which say
// whether the byte at p is escaped. But behind the first byte from p on that is no backslash it is
// known again: that byte, escaped or not, escapes nothing. So from there the first LF that ends a
// record is looked for, and the records behind it belong to the range that begins at p. The reader
// of the range before applies the same rule to its end, so that any cut gives each record to one
// range:
//
//   bytes   a \ \n b \n c \n       p = 2: \n is passed, then b \n: records from c on
//   offset  0 1 2  3 4  5 6        p = 1: \ and \n are passed, then b \n: the same
//
// Columns: the CREATE TABLE of t.sql beside t.txt; else 1, 2, 3 as the first record has them.

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "mapreduce/base/size.h"
#include "mapreduce/formats/byte_masks.h"
#include "mapreduce/formats/mask_bits.h"
#include "mapreduce/formats/mysql_dump.h"
#include "mapreduce/formats/mysql_script.h"
#include "mapreduce/formats/mysql_statement.h"
#include "mapreduce/formats/read_window.h"
#include "mapreduce/formats/row_block.h"
#include "mapreduce/io/input_pattern.h"

namespace millrace {
namespace {

constexpr std::size_t kFirstRecordBytesMax = std::size_t{64} << 20;
constexpr std::size_t kNamesShown = 20;
constexpr std::array<std::string_view, 3> kCompressions = {"", ".gz", ".zst"};

// The records of a range, one by one, as fields.
class TabScanner {
 public:
  enum class Found { kStarved, kRecord, kEnd, kBroken };

  TabScanner(ShardReader& reader, const ShardRange& range, std::size_t fields_max,
             std::size_t record_bytes_max, std::string path)
      : range_end_(range.end),
        fields_max_(fields_max),
        record_bytes_max_(record_bytes_max),
        path_(std::move(path)),
        window_(reader),
        is_passing_backslashes_(range.begin > 0),
        is_skipping_(range.begin > 0) {
    record_ = next_ = at_ = filled_ = window_.begin();
  }

  // All views die with it.
  Status Read();
  Found Scan();

  const Status& error() const { return error_; }
  // Of the last record. Fields beyond `fields_max` are only counted.
  std::string_view record() const { return {record_, record_bytes_}; }
  std::uint64_t record_offset() const { return OffsetOf(record_); }
  std::size_t field_count() const { return field_count_; }
  std::string_view field(std::size_t index) const {
    const std::size_t begin = index == 0 ? 0 : ends_[index - 1] + 1;
    return {record_ + begin, ends_[index] - begin};
  }
  bool has_backslash() const { return has_backslash_; }

 private:
  Found EndOfShard();
  bool EndsRecord(const char* newline, Found* found);
  void EndField(const char* end) {
    if (++field_count_ <= fields_max_) ends_.push_back(static_cast<std::size_t>(end - record_));
  }
  Status CheckLength(std::size_t bytes) const;
  void FindRangeEnd();
  void NextRecord() {
    record_ = next_;
    ends_.clear();
    field_count_ = 0;
    has_backslash_ = false;
    is_record_done_ = false;
  }
  std::uint64_t OffsetOf(const char* at) const { return window_.OffsetOf(at); }

  const std::uint64_t range_end_;
  const std::size_t fields_max_;
  const std::size_t record_bytes_max_;
  const std::string path_;
  Status error_;

  ReadWindow window_;
  const char* record_;  // Where the record begins.
  const char* next_;    // Where the one behind it begins.
  const char* at_;      // A block begins here, with a byte that is not escaped.
  const char* filled_;  // The window's end.

  std::uint64_t ending_ = 0;     // Bits of separators that are left of the block at at_.
  std::size_t block_bytes_ = 0;  // Of that block; 0: none.
  std::uint64_t backslashes_ = 0;

  bool is_passing_backslashes_;  // Of the range's begin.
  bool is_skipping_;             // The record belongs to the range before.
  bool is_record_done_ = false;
  bool is_done_ = false;
  std::optional<std::uint64_t> last_from_;  // An LF from here on ends the range.
  std::uint64_t end_looked_at_ = 0;

  std::size_t record_bytes_ = 0;
  std::size_t field_count_ = 0;
  std::vector<std::size_t> ends_;
  bool has_backslash_ = false;
};

Status TabScanner::Read() {
  if (!error_.ok()) return error_;
  if (is_record_done_) NextRecord();
  const char* const keep = is_skipping_ ? at_ : record_;
  const std::ptrdiff_t ahead = at_ - keep;
  error_ = window_.Read(keep);
  record_ = next_ = window_.begin();
  at_ = window_.begin() + ahead;
  filled_ = window_.end();
  FindRangeEnd();
  return error_;
}

// The range's end, by the rule above, as soon as its bytes are there.
void TabScanner::FindRangeEnd() {
  if (last_from_ || OffsetOf(filled_) <= range_end_) return;
  end_looked_at_ = std::max({end_looked_at_, range_end_, OffsetOf(window_.begin())});
  const char* at = window_.At(end_looked_at_);
  while (at < filled_ && *at == '\\') ++at;
  end_looked_at_ = OffsetOf(at);
  if (at < filled_) last_from_ = OffsetOf(at) + 1;
}

TabScanner::Found TabScanner::Scan() {
  if (!error_.ok()) return Found::kBroken;
  if (is_done_) return Found::kEnd;
  if (is_record_done_) NextRecord();
  if (is_passing_backslashes_) {
    while (at_ < filled_ && *at_ == '\\') ++at_;
    if (at_ == filled_) return window_.is_at_eof() ? EndOfShard() : Found::kStarved;
    ++at_;
    is_passing_backslashes_ = false;
  }
  for (;;) {
    if (block_bytes_ > 0) {
      if (backslashes_ != 0) has_backslash_ = true;
      while (ending_ != 0) {
        const char* const end = at_ + FirstBit(ending_);
        ending_ &= ending_ - 1;
        if (*end == '\t') {
          if (!is_skipping_) EndField(end);
          continue;
        }
        Found found;
        if (EndsRecord(end, &found)) return found;
      }
      at_ += block_bytes_;
      block_bytes_ = 0;
    }
    const std::ptrdiff_t left = filled_ - at_;
    if (left < 64 && !window_.is_at_eof()) {
      if (!is_skipping_) error_ = CheckLength(static_cast<std::size_t>(at_ - record_));
      return error_.ok() ? Found::kStarved : Found::kBroken;
    }
    if (left == 0) return EndOfShard();
    const Bytes64 bytes(at_);
    const std::uint64_t inside = left >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << left) - 1;
    bool ends_in_escape = false;
    ending_ = bytes.Match('\t', '\n') & inside;
    backslashes_ = bytes.Match('\\') & inside;
    if (backslashes_ != 0) ending_ &= ~EscapedBytes(backslashes_, &ends_in_escape);
    // A block never ends between a backslash and what it escapes.
    block_bytes_ = std::min<std::size_t>(static_cast<std::size_t>(left), ends_in_escape ? 63 : 64);
  }
}

// True: `found` is to be returned.
bool TabScanner::EndsRecord(const char* newline, Found* found) {
  const bool was_skipping = is_skipping_;
  if (last_from_ && OffsetOf(newline) >= *last_from_) is_done_ = true;
  next_ = newline + 1;
  if (was_skipping) {
    is_skipping_ = false;
    NextRecord();
    if (backslashes_ != 0) has_backslash_ = true;
    *found = Found::kEnd;
    return is_done_;
  }
  EndField(newline);
  record_bytes_ = static_cast<std::size_t>(newline - record_);
  is_record_done_ = true;
  error_ = CheckLength(record_bytes_);
  *found = error_.ok() ? Found::kRecord : Found::kBroken;
  return true;
}

TabScanner::Found TabScanner::EndOfShard() {
  is_done_ = true;
  if (is_skipping_ || record_ == filled_) return Found::kEnd;
  error_ = Status::BadData(path_, ": ends at byte ", OffsetOf(filled_), " within the record that",
                           " begins at byte ", OffsetOf(record_),
                           ": no newline ends it; the file was cut off: dump it again");
  return Found::kBroken;
}

Status TabScanner::CheckLength(std::size_t bytes) const {
  if (bytes <= record_bytes_max_) return Status::Ok();
  return Status::BadData(path_, ": the record at byte ", OffsetOf(record_), " is longer than ",
                         FormatBytes(record_bytes_max_), " (", record_bytes_max_,
                         " bytes), the most a record may have; raise --memory or mend the record");
}

// The bytes of a field, without its escapes; those of LOAD DATA.
void DecodeField(std::string_view text, std::string* bytes) {
  bytes->clear();
  for (;;) {
    const std::size_t plain = text.find('\\');
    bytes->append(text.substr(0, plain));
    if (plain == std::string_view::npos || plain + 1 >= text.size()) return;
    const char c = text[plain + 1];
    constexpr std::string_view kLetters = "0bnrtZ", kMeanings("\0\b\n\r\t\x1A", 6);
    const std::size_t letter = kLetters.find(c);
    bytes->push_back(letter == std::string_view::npos ? c : kMeanings[letter]);
    text.remove_prefix(plain + 2);
  }
}

class TabReader final : public BlockReader {
 public:
  TabReader(const RowsOf& rows, std::size_t column_count, std::vector<int> fields)
      : scanner_(rows.reader, rows.range, column_count, rows.record_bytes_max,
                 rows.shard.file.path),
        column_count_(column_count),
        fields_(std::move(fields)) {}

  Result<bool> Next(LineBlock* block) override {
    rows_.Clear();
    if (!reject_.empty()) return Reject(block);
    for (;;) {
      if (is_starved_) {
        is_starved_ = false;
        MR_RETURN_IF_ERROR(scanner_.Read());
      }
      switch (scanner_.Scan()) {
        case TabScanner::Found::kStarved:
          is_starved_ = true;
          if (rows_.row_count() > 0) return Emit(block);
          break;
        case TabScanner::Found::kRecord:
          AddRecord();
          if (reject_.empty()) break;
          return rows_.row_count() > 0 ? Emit(block) : Reject(block);
        case TabScanner::Found::kEnd:
          return Emit(block);
        case TabScanner::Found::kBroken:
          return scanner_.error();
      }
    }
  }

 private:
  Result<bool> Emit(LineBlock* block) {
    if (rows_.row_count() == 0) return false;
    *block = rows_.Block();
    return true;
  }
  Result<bool> Reject(LineBlock* block) {
    *block = rows_.Rejected(scanner_.record_offset(), scanner_.record(), std::move(reject_));
    reject_.clear();
    return true;
  }

  void AddRecord() {
    if (scanner_.field_count() != column_count_) {
      reject_ = "the record has " + std::to_string(scanner_.field_count()) +
                " fields, the table has " + std::to_string(column_count_) + " columns";
      return;
    }
    rows_.BeginRow();
    for (const int index : fields_) {
      if (index < 0) {
        rows_.AddEmpty();
        continue;
      }
      const std::string_view field = scanner_.field(static_cast<std::size_t>(index));
      if (!scanner_.has_backslash() || field.find('\\') == std::string_view::npos) {
        rows_.AddField(field);
      } else if (field == "\\N") {
        rows_.AddNull();
      } else {
        DecodeField(field, &decoded_);
        rows_.AddField(decoded_);
      }
    }
    rows_.EndRow(scanner_.record_offset(), scanner_.record());
  }

  TabScanner scanner_;
  const std::size_t column_count_;
  const std::vector<int> fields_;
  bool is_starved_ = false;
  RowBlock rows_;
  std::string reject_;
  std::string decoded_;
};

// Names that Windows has for devices: the server makes no file of them.
bool IsReserved(std::string_view name) {
  std::string lower;
  for (const char c : name) lower.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
  if (lower == "con" || lower == "prn" || lower == "aux" || lower == "nul") return true;
  return lower.size() == 4 && (lower.starts_with("com") || lower.starts_with("lpt")) &&
         lower[3] >= '1' && lower[3] <= '9';
}

// How the server writes a table's name where it is a file's. (Letters beyond ASCII have codes of
// their own there; such a file is found by its own name.)
std::string FileNameOf(std::string_view table) {
  std::string name;
  for (const char c : table) {
    const bool is_safe = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                         (c >= 'a' && c <= 'z') || c == '_' || (c & 0x80) != 0;
    if (is_safe) {
      name.push_back(c);
    } else {
      constexpr char kDigits[] = "0123456789abcdef";
      name.append("@00");
      name.push_back(kDigits[c >> 4 & 15]);
      name.push_back(kDigits[c & 15]);
    }
  }
  return IsReserved(name) ? name + "@@@" : name;
}

// "a/t.txt.gz" -> "t"; empty where it is no .txt.
std::string StemOf(std::string_view path) {
  std::string_view name = ShardName(path);
  if (!name.ends_with(".txt")) return "";
  name.remove_suffix(4);
  const std::size_t slash = name.rfind('/');
  return std::string(slash == std::string_view::npos ? name : name.substr(slash + 1));
}

// The tables that the .sql file beside `path` creates; none where there is no such file.
Result<std::vector<SqlCreateTable>> TablesBeside(FileSystem& files, const std::string& path) {
  std::vector<SqlCreateTable> tables;
  const std::string stem = StemOf(path);
  if (stem.empty()) return tables;
  for (const std::string_view compression : kCompressions) {
    const std::string beside = JoinPath(ParentPath(path), stem + ".sql" + std::string(compression));
    const Result<FileInfo> info = files.Stat(beside);
    if (!info.ok() && info.error().code() == StatusCode::kNotFound) continue;
    if (!info.ok()) return info.error();
    MR_ASSIGN_OR_RETURN(const Shard shard, InspectShard(files, *info));
    const ShardRange whole = CutShard(shard, UINT64_MAX).front();
    MR_ASSIGN_OR_RETURN(
        const std::unique_ptr<ShardReader> reader,
        ShardReader::Open(files, shard, whole, /*digest=*/nullptr, /*timer=*/nullptr));
    MysqlScript script(*reader, beside);
    for (;;) {
      const MysqlScript::Found found = script.Scan();
      if (found == MysqlScript::Found::kBroken) return script.error();
      if (found == MysqlScript::Found::kEnd) break;
      if (found == MysqlScript::Found::kStarved) MR_RETURN_IF_ERROR(script.Read());
      if (found != MysqlScript::Found::kStatement) continue;
      std::optional<SqlCreateTable> table = ParseSqlCreateTable(script.statement());
      if (!table || table->columns.empty()) continue;
      const bool is_named = table->name.table == stem || FileNameOf(table->name.table) == stem;
      if (is_named) return std::vector<SqlCreateTable>{*std::move(table)};
      tables.push_back(*std::move(table));
    }
    break;
  }
  return tables;
}

// 0: there is no record.
Result<std::size_t> FieldsOfFirstRecord(FileSystem& files, const Shard& shard) {
  const ShardRange whole = CutShard(shard, UINT64_MAX).front();
  MR_ASSIGN_OR_RETURN(
      const std::unique_ptr<ShardReader> reader,
      ShardReader::Open(files, shard, whole, /*digest=*/nullptr, /*timer=*/nullptr));
  TabScanner scanner(*reader, {0, 0, 0, UINT64_MAX}, 0, kFirstRecordBytesMax, shard.file.path);
  for (;;) {
    switch (scanner.Scan()) {
      case TabScanner::Found::kStarved:
        MR_RETURN_IF_ERROR(scanner.Read());
        break;
      case TabScanner::Found::kRecord:
        return scanner.field_count();
      case TabScanner::Found::kEnd:
        return std::size_t{0};
      case TabScanner::Found::kBroken:
        return scanner.error();
    }
  }
}

Status InspectTab(FileSystem& files, const FileFormat&, Shard* shard) {
  MR_ASSIGN_OR_RETURN(const std::vector<SqlCreateTable> tables,
                      TablesBeside(files, shard->file.path));
  MR_ASSIGN_OR_RETURN(const std::size_t field_count, FieldsOfFirstRecord(files, *shard));
  ShardLayout layout;
  if (tables.size() == 1) {
    const SqlCreateTable& table = tables.front();
    layout.columns = table.columns;
    // MySQL leaves generated columns out, MariaDB doesn't.
    std::vector<std::string> stored;
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      if (!table.is_generated[i]) stored.push_back(table.columns[i]);
    }
    if (field_count != table.columns.size() && field_count == stored.size()) {
      layout.columns = std::move(stored);
    }
  } else {
    for (std::size_t i = 1; i <= field_count; ++i) layout.columns.push_back(std::to_string(i));
    if (field_count == 0) return Status::Ok();  // Nothing to say, nothing to read.
  }
  shard->layout = std::make_shared<const ShardLayout>(std::move(layout));
  return Status::Ok();
}

Result<std::unique_ptr<BlockReader>> OpenTab(const RowsOf& rows) {
  std::size_t column_count = 0;
  std::vector<int> fields;
  if (rows.shard.layout != nullptr) {
    column_count = rows.shard.layout->columns.size();
    MR_ASSIGN_OR_RETURN(
        fields, ResolveColumns(rows.request, rows.shard.layout->columns, rows.shard.file.path));
  }
  return std::unique_ptr<BlockReader>(new TabReader(rows, column_count, std::move(fields)));
}

Result<FileInfo> FindTable(FileSystem& files, const std::string& directory,
                           const std::string& table) {
  for (const std::string& name : {table, FileNameOf(table)}) {
    for (const std::string_view compression : kCompressions) {
      const Result<FileInfo> info =
          files.Stat(JoinPath(directory, name + ".txt" + std::string(compression)));
      if (info.ok() || info.error().code() != StatusCode::kNotFound) return info;
    }
  }
  MR_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, files.List(directory));
  std::string names;
  std::size_t count = 0;
  for (const FileInfo& entry : entries) {
    const std::string name = StemOf(entry.path);
    if (entry.is_directory || name.empty() || ++count > kNamesShown) continue;
    names += (names.empty() ? "" : ", ") + name;
  }
  if (count > kNamesShown) names += " and " + std::to_string(count - kNamesShown) + " more";
  return Status::NotFound(directory, ": has no table ", table, ", for there is no ",
                          FileNameOf(table), ".txt",
                          names.empty() ? std::string() : "; it has " + names);
}

}  // namespace

const FormatDriver& MysqlTabFormat() {
  static const FormatDriver kDriver = {
      .name = "mysqltab",
      .help = "files of mysqldump --tab or SELECT ... INTO OUTFILE: t.txt, with t.sql beside it",
      .extensions = {},
      .option_names = {},
      .inspect = InspectTab,
      .open = OpenTab,
      .find_table = FindTable,
  };
  return kDriver;
}

}  // namespace millrace
