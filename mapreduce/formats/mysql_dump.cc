// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/mysql_dump.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "mapreduce/base/size.h"
#include "mapreduce/formats/mysql_script.h"
#include "mapreduce/formats/mysql_statement.h"
#include "mapreduce/formats/mysql_values.h"
#include "mapreduce/formats/row_block.h"

namespace millrace {
namespace {

constexpr std::uint64_t kRangeBytes = std::uint64_t{1} << 20;
constexpr std::uint64_t kFirstRowBytesMax = std::uint64_t{64} << 20;
constexpr std::size_t kNamesShown = 20;
constexpr std::string_view kEscaped = "escaped ";
constexpr std::string_view kPlain = "plain ";

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

// What a script says of one table.
struct Table {
  std::vector<std::string> created;  // As CREATE TABLE said last.
  std::vector<std::string> columns;  // Of its INSERTs.
  bool has_backslashes = true;
  bool has_rows = false;
  std::optional<std::uint64_t> other_insert;  // Where an INSERT without VALUES stands.
  bool is_collected = false;
  std::vector<RowRange> rows;
  bool is_open = false;     // The next row may belong to the last range.
  std::uint64_t scope = 0;  // Of the last range.
};

// Reads a script for its plan.
class DumpInspector {
 public:
  DumpInspector(ShardReader& reader, std::string path, std::string_view wanted,
                std::uint64_t range_bytes)
      : script_(reader, path), path_(std::move(path)), wanted_(wanted), range_bytes_(range_bytes) {}

  Result<ShardLayout> Inspect() {
    for (;;) {
      switch (script_.Scan()) {
        case MysqlScript::Found::kStarved:
          if (script_.keeps_tuples()) MR_RETURN_IF_ERROR(CheckFirstRow());
          MR_RETURN_IF_ERROR(script_.Read());
          break;
        case MysqlScript::Found::kStatement:
          OnStatement();
          break;
        case MysqlScript::Found::kInsert:
          MR_RETURN_IF_ERROR(OnInsert());
          break;
        case MysqlScript::Found::kTuple:
          if (table_->is_collected) MR_RETURN_IF_ERROR(OnTuple());
          break;
        case MysqlScript::Found::kEnd:
          return Layout();
        case MysqlScript::Found::kBroken:
          return script_.error();
      }
    }
  }

 private:
  using Tables = std::map<SqlTableName, Table>;

  SqlTableName Resolved(SqlTableName name) const {
    if (name.database.empty()) name.database = script_.database();
    return name;
  }

  void OnStatement() {
    if (std::optional<SqlCreateTable> create = ParseSqlCreateTable(script_.statement())) {
      tables_[Resolved(create->name)].created = std::move(create->columns);
      has_created_ = true;
    } else if (const auto insert = ParseSqlOtherInsert(script_.statement())) {
      tables_[Resolved(*insert)].other_insert = script_.statement_offset();
    }
  }

  Status OnInsert() {
    if (script_.is_same_insert() && !has_created_) return Status::Ok();
    has_created_ = false;
    const SqlInsert& insert = script_.insert();
    const SqlTableName name = Resolved(insert.name);
    table_ = &tables_[name];
    // A reader within a script would take this table for the other one.
    Table*& last = last_of_name_[name.table];
    if (last != nullptr && last != table_) last->is_open = false;
    last = table_;
    if (!table_->has_rows) {
      table_->has_rows = true;
      table_->has_backslashes = script_.has_backslashes();
      table_->is_collected = wanted_.empty() ? !has_collected_ : MayBeWanted(name);
      has_collected_ = true;
    }
    return table_->is_collected ? CheckInsert(name, insert) : Status::Ok();
  }

  // All INSERTs of a table have the same columns.
  Status CheckInsert(const SqlTableName& name, const SqlInsert& insert) {
    const auto refuse = [&](const auto&... why) {
      return Status::BadData(path_, ": the INSERT into ", SqlTableText(name), " at byte ",
                             script_.statement_offset(), " ", why...);
    };
    if (script_.delimiter() != ";") {
      return refuse("ends with the delimiter ", script_.delimiter(),
                    "; only those with ; are read");
    }
    if (script_.has_backslashes() != table_->has_backslashes) {
      return refuse("follows another sql_mode than the ones before: NO_BACKSLASH_ESCAPES differs");
    }
    const std::vector<std::string>& columns =
        insert.columns.empty() ? table_->created : insert.columns;
    if (table_->columns.empty()) table_->columns = columns;
    if (!columns.empty() && columns != table_->columns) {
      return refuse("has other columns than the ones before; put them into files of their own");
    }
    script_.set_keeps_tuples(table_->columns.empty());
    return Status::Ok();
  }

  Status OnTuple() {
    if (table_->columns.empty()) MR_RETURN_IF_ERROR(NumberColumns());
    std::vector<RowRange>& rows = table_->rows;
    const std::uint64_t begin = script_.tuple_offset(), end = script_.offset();
    const bool follows = table_->is_open && table_->scope == script_.scope();
    if (follows && begin - rows.back().begin < range_bytes_) {
      rows.back().end = end;
      return Status::Ok();
    }
    rows.push_back({begin, end});
    table_->is_open = true;
    table_->scope = script_.scope();
    return Status::Ok();
  }

  // Nothing says their names: 1, 2, 3 as the first row has them.
  Status NumberColumns() {
    script_.set_keeps_tuples(false);
    SqlValues values(table_->has_backslashes, 0);
    if (!values.Split(script_.tuple())) {
      return Status::BadData(path_, ": neither a CREATE TABLE nor a list in the INSERT names the",
                             " columns, and in the first row, at byte ", script_.tuple_offset(),
                             ", ", values.reason());
    }
    for (std::size_t i = 1; i <= std::max<std::size_t>(values.count(), 1); ++i) {
      table_->columns.push_back(std::to_string(i));
    }
    return Status::Ok();
  }

  // It is kept, for its values to be counted.
  Status CheckFirstRow() const {
    if (!script_.is_in_tuple() || script_.tuple_bytes() <= kFirstRowBytesMax) return Status::Ok();
    return Status::BadData(path_, ": neither a CREATE TABLE nor a list in the INSERT names the",
                           " columns, and the first row, at byte ", script_.tuple_offset(),
                           ", is longer than ", FormatBytes(kFirstRowBytesMax));
  }

  bool MayBeWanted(const SqlTableName& name) const {
    return EqualsIgnoringCase(name.table, wanted_) ||
           EqualsIgnoringCase(SqlTableText(name), wanted_);
  }

  Result<ShardLayout> Layout() {
    if (script_.lacks_trailer()) {
      return Status::BadData(path_, ": has mysqldump's first line, but not its last,",
                             " \"-- Dump completed\": the dump was not finished or was cut off;",
                             " dump it again");
    }
    MR_ASSIGN_OR_RETURN(const Tables::value_type* const found, Wanted());
    const auto& [name, table] = *found;
    if (table.other_insert) {
      return Status::BadData(path_, ": the INSERT into ", SqlTableText(name), " at byte ",
                             *table.other_insert, " has no VALUES; only rows that stand in the",
                             " script can be read");
    }
    ShardLayout layout;
    layout.columns = table.has_rows ? table.columns : table.created;
    layout.dialect = std::string(table.has_backslashes ? kEscaped : kPlain);
    layout.dialect += QuoteSqlTableName(name);
    layout.rows = table.rows;
    if (layout.rows.empty()) layout.rows.push_back({0, 0});  // None, and not all.
    return layout;
  }

  // The one table that is meant.
  Result<const Tables::value_type*> Wanted() const {
    std::vector<const Tables::value_type*> found;
    if (wanted_.empty()) {
      found = Find([](const auto& table) { return table.second.has_rows; });
      if (found.empty()) found = Find([](const auto&) { return true; });
      if (found.size() == 1) return found.front();
      if (found.empty()) return Status::BadData(path_, ": has no table and no INSERT of rows");
      return Status::InvalidArgument(path_, ": has several tables; say which one with ", path_,
                                     "#TABLE: ", Listed(found));
    }
    found = Find([&](const auto& table) {
      return table.first.table == wanted_ || SqlTableText(table.first) == wanted_;
    });
    if (found.empty()) found = Find([&](const auto& table) { return MayBeWanted(table.first); });
    if (found.size() == 1) return found.front();
    if (found.empty()) {
      found = Find([](const auto&) { return true; });
      return Status::InvalidArgument(path_, ": has no table ", wanted_,
                                     found.empty() ? "" : "; it has ", Listed(found));
    }
    return Status::InvalidArgument(path_, ": has several tables ", wanted_,
                                   "; say which one is meant: ", Listed(found));
  }

  template <class Predicate>
  std::vector<const Tables::value_type*> Find(Predicate matches) const {
    std::vector<const Tables::value_type*> found;
    for (const Tables::value_type& table : tables_) {
      if (matches(table)) found.push_back(&table);
    }
    return found;
  }

  static std::string Listed(const std::vector<const Tables::value_type*>& tables) {
    std::string text;
    for (std::size_t i = 0; i < tables.size() && i < kNamesShown; ++i) {
      if (i > 0) text += ", ";
      text += SqlTableText(tables[i]->first);
    }
    if (tables.size() > kNamesShown) {
      text += " and " + std::to_string(tables.size() - kNamesShown) + " more";
    }
    return text;
  }

  MysqlScript script_;
  const std::string path_;
  const std::string wanted_;
  const std::uint64_t range_bytes_;
  Tables tables_;
  std::map<std::string, Table*> last_of_name_;  // The last INSERT's, in whatever database.
  Table* table_ = nullptr;                      // Of the INSERT.
  bool has_collected_ = false;
  bool has_created_ = false;  // Since the last INSERT.
};

// The rows of the row ranges that begin in a range of the shard.
class DumpReader final : public BlockReader {
 public:
  DumpReader(const RowsOf& rows, SqlTableName table, bool has_backslashes, std::vector<int> fields)
      : script_(rows.reader, rows.shard.file.path),
        layout_(*rows.shard.layout),
        path_(rows.shard.file.path),
        record_bytes_max_(rows.record_bytes_max),
        table_(std::move(table)),
        has_backslashes_(has_backslashes),
        fields_(std::move(fields)),
        values_(has_backslashes, layout_.columns.size()) {
    const auto starts_before = [](const RowRange& each, std::uint64_t offset) {
      return each.begin < offset;
    };
    const auto begin = layout_.rows.begin(), end = layout_.rows.end();
    next_ = std::lower_bound(begin, end, rows.range.begin, starts_before);
    last_ = rows.range.end == UINT64_MAX
                ? end
                : std::lower_bound(next_, end, rows.range.end, starts_before);
  }

  Result<bool> Next(LineBlock* block) override {
    if (!error_.ok()) return error_;
    Result<bool> more = Fill(block);
    if (!more.ok()) error_ = more.error();
    return more;
  }

 private:
  Result<bool> Fill(LineBlock* block) {
    rows_.Clear();
    if (!reject_.empty()) return Reject(block);
    for (;;) {
      if (script_.offset() >= range_end_) {
        if (rows_.row_count() > 0 || next_ == last_) return Emit(block);
        if (next_->begin == next_->end) {  // A table without rows.
          ++next_;
          continue;
        }
        MR_RETURN_IF_ERROR(script_.SkipToTuple(next_->begin, has_backslashes_));
        is_own_ = true;
        script_.set_keeps_tuples(true);
        range_end_ = next_++->end;
        is_starved_ = false;
      }
      if (is_starved_) {
        is_starved_ = false;
        MR_RETURN_IF_ERROR(script_.Read());
      }
      switch (script_.Scan()) {
        case MysqlScript::Found::kStarved:
          if (script_.is_in_tuple() && is_own_) MR_RETURN_IF_ERROR(CheckLength());
          is_starved_ = true;
          if (rows_.row_count() > 0) return Emit(block);
          break;
        case MysqlScript::Found::kStatement:
          break;
        case MysqlScript::Found::kInsert:
          if (!script_.is_same_insert()) OnInsert();
          break;
        case MysqlScript::Found::kTuple:
          if (!is_own_) break;
          MR_RETURN_IF_ERROR(CheckLength());
          AddTuple();
          if (reject_.empty()) break;
          return rows_.row_count() > 0 ? Emit(block) : Reject(block);
        case MysqlScript::Found::kEnd:
          return Status::Error(StatusCode::kStale, path_, ": ends at byte ", script_.offset(),
                               ", where rows were when the run was planned");
        case MysqlScript::Found::kBroken:
          return script_.error();
      }
    }
  }

  Result<bool> Emit(LineBlock* block) {
    if (rows_.row_count() == 0) return false;
    *block = rows_.Block();
    return true;
  }
  Result<bool> Reject(LineBlock* block) {
    *block = rows_.Rejected(script_.tuple_offset(), script_.tuple(), std::move(reject_));
    reject_.clear();
    return true;
  }

  void OnInsert() {
    const SqlTableName& name = script_.insert().name;
    is_own_ =
        name.table == table_.table && (name.database.empty() || name.database == table_.database);
    script_.set_keeps_tuples(is_own_);
  }

  void AddTuple() {
    if (!values_.Split(script_.tuple())) {
      reject_ = values_.reason();
    } else if (values_.count() != layout_.columns.size()) {
      reject_ = "the row has " + std::to_string(values_.count()) + " values, the table has " +
                std::to_string(layout_.columns.size()) + " columns";
    } else {
      AddRow();
    }
  }

  void AddRow() {
    rows_.BeginRow();
    for (const int field : fields_) {
      if (field < 0) {
        rows_.AddEmpty();
      } else if (!values_.Add(values_.values()[static_cast<std::size_t>(field)], rows_)) {
        rows_.DropRow();
        reject_ = "value " + std::to_string(field + 1) + " (" +
                  layout_.columns[static_cast<std::size_t>(field)] +
                  ") has digits that are none: 0x and x'..' take 0 to 9, A to F, b'..' 0 and 1";
        return;
      }
    }
    rows_.EndRow(script_.tuple_offset(), script_.tuple());
  }

  Status CheckLength() const {
    if (script_.tuple_bytes() <= record_bytes_max_) return Status::Ok();
    return Status::BadData(path_, ": the row at byte ", script_.tuple_offset(), " is longer than ",
                           FormatBytes(record_bytes_max_), " (", record_bytes_max_,
                           " bytes), the most a record may have; raise --memory or mend the row");
  }

  MysqlScript script_;
  const ShardLayout& layout_;
  const std::string& path_;
  const std::size_t record_bytes_max_;
  const SqlTableName table_;
  const bool has_backslashes_;
  const std::vector<int> fields_;
  SqlValues values_;

  std::vector<RowRange>::const_iterator next_, last_;
  std::uint64_t range_end_ = 0;  // Of the row range that is read.
  bool is_own_ = false;          // The INSERT is into the table.
  bool is_starved_ = false;
  RowBlock rows_;
  std::string reject_;
  Status error_;
};

bool LooksLikeDump(std::string_view head) {
  if (head.starts_with(kByteOrderMark)) head.remove_prefix(kByteOrderMark.size());
  if (head.starts_with("-- MySQL dump") || head.starts_with("-- MariaDB dump") ||
      head.starts_with("/*M!999999\\- enable the sandbox")) {
    return true;
  }
  for (const std::string_view part : {"CREATE TABLE `", "CREATE TABLE IF NOT EXISTS `",
                                      "INSERT INTO `", "INSERT IGNORE INTO `", "REPLACE INTO `"}) {
    if (head.find(part) != std::string_view::npos) return true;
  }
  return false;
}

Status CheckOptions(FileFormat* format) {
  const auto table = format->options.find("table");
  if (table != format->options.end() && table->second.empty()) {
    return Status::InvalidArgument("the format mysqldump: table= needs a name");
  }
  return Status::Ok();
}

Result<std::unique_ptr<BlockReader>> OpenDump(const RowsOf& rows) {
  if (rows.shard.layout == nullptr) {
    return Status::Internal(rows.shard.file.path, ": a dump without layout");
  }
  const ShardLayout& layout = *rows.shard.layout;
  const std::string_view dialect = layout.dialect;
  const bool has_backslashes = dialect.starts_with(kEscaped);
  std::optional<SqlTableName> table;
  if (const std::size_t blank = dialect.find(' '); blank != std::string_view::npos) {
    table = ParseSqlTableName(dialect.substr(blank + 1));
  }
  if (!table) {
    return Status::Corrupt(rows.shard.file.path, ": a plan with the dialect '", dialect, "'");
  }
  MR_ASSIGN_OR_RETURN(std::vector<int> fields,
                      ResolveColumns(rows.request, layout.columns, rows.shard.file.path));
  return std::unique_ptr<BlockReader>(
      new DumpReader(rows, *std::move(table), has_backslashes, std::move(fields)));
}

}  // namespace

Status InspectMysqlDump(FileSystem& files, const FileFormat& format, std::uint64_t range_bytes,
                        Shard* shard) {
  const ShardRange whole = CutShard(*shard, UINT64_MAX).front();
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<ShardReader> reader,
                      ShardReader::Open(files, *shard, whole, /*digest=*/nullptr,
                                        /*timer=*/nullptr));
  DumpInspector inspector(*reader, shard->file.path, format.option("table", ""), range_bytes);
  MR_ASSIGN_OR_RETURN(ShardLayout layout, inspector.Inspect());
  MR_RETURN_IF_ERROR(reader->Finish());
  shard->layout = std::make_shared<const ShardLayout>(std::move(layout));
  return Status::Ok();
}

const FormatDriver& MysqlDumpFormat() {
  static const FormatDriver kDriver = {
      .name = "mysqldump",
      .help = "a script of mysqldump or mariadb-dump: the rows of one table; table=NAME",
      .extensions = {".sql"},
      .option_names = {"table"},
      .looks_like = LooksLikeDump,
      .check_options = CheckOptions,
      .inspect = [](FileSystem& files, const FileFormat& format,
                    Shard* shard) { return InspectMysqlDump(files, format, kRangeBytes, shard); },
      .open = OpenDump,
  };
  return kDriver;
}

}  // namespace millrace
