// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/parquet_input.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "mapreduce/base/bytes.h"
#include "mapreduce/base/size.h"
#include "mapreduce/formats/duckdb_session.h"
#include "mapreduce/formats/parquet_values.h"
#include "mapreduce/formats/row_block.h"
#include "mapreduce/io/descriptor.h"
#include "mapreduce/io/errno_status.h"
#include "mapreduce/io/stored_reader.h"

namespace millrace {
namespace {

constexpr std::string_view kMagic = "PAR1";
constexpr std::string_view kEncryptedMagic = "PARE";
constexpr std::uint64_t kTailBytes = 8;  // The footer's size, and the magic.
constexpr std::uint64_t kFileBytesMin = 4 + kTailBytes;
constexpr std::string_view kRowNumber = "file_row_number";  // DuckDB's own column.
// Blocks stay in the processor's cache from here to the parser.
constexpr std::size_t kBlockBytes = std::size_t{256} << 10;
// What DuckDB may take of the memory: it needs some pages of each column. A record may have a 16th
// of the budget, so this is a quarter.
constexpr std::uint64_t kMemoryBytesMin = std::uint64_t{256} << 20;
constexpr std::uint64_t kMemoryBytesMax = std::uint64_t{1} << 40;
constexpr std::uint64_t kMemoryPerRecordMax = 4;

struct RowGroup {
  std::uint64_t rows = 0;
  std::uint64_t offset = 0;  // Of its first byte.
};

// --- The dialect.

struct Dialect {
  std::string asks;
  std::vector<RowGroup> groups;  // Empty: the file is read whole.

  std::string Text() const {
    std::string text = asks;
    for (const RowGroup& group : groups)
      text += "," + std::to_string(group.rows) + "@" + std::to_string(group.offset);
    return text;
  }
};

std::optional<std::uint64_t> TakeNumber(std::string_view& text, char end) {
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto bytes = static_cast<std::size_t>(parsed.ptr - text.data());
  if (parsed.ec != std::errc() || (bytes < text.size() && text[bytes] != end)) return std::nullopt;
  text.remove_prefix(std::min(bytes + 1, text.size()));
  return number;
}

// kCorrupt: the plan's bytes are none.
Result<Dialect> ParseDialect(std::string_view text, std::size_t column_count) {
  const bool is_cut = text.ends_with(',');
  Dialect dialect;
  dialect.asks = text.substr(0, text.find(','));
  text.remove_prefix(std::min(dialect.asks.size() + 1, text.size()));
  if (is_cut || dialect.asks.size() != column_count ||
      dialect.asks.find_first_not_of("ptj") != text.npos)
    return Status::Corrupt("the plan's columns of a Parquet file are none");
  std::uint64_t rows_all = 0;
  while (!text.empty()) {
    const std::optional<std::uint64_t> rows = TakeNumber(text, '@');
    const std::optional<std::uint64_t> offset = TakeNumber(text, ',');
    if (!rows || !offset || *rows > INT64_MAX - rows_all)
      return Status::Corrupt("the plan's row groups of a Parquet file are none");
    rows_all += *rows;
    dialect.groups.push_back({*rows, *offset});
  }
  return dialect;
}

// --- A file that DuckDB reads.

// Says whose error it is, in the file's own name.
Status OfFile(const Status& error, const std::string& path, const std::string& name) {
  std::string why = error.message();
  for (std::size_t at; (at = why.find(name)) != why.npos;) why.replace(at, name.size(), path);
  if (error.code() == StatusCode::kResourceLimit)
    return Status::ResourceLimit(path, ": ", why, "; raise --memory, or lower --parallel");
  return error.code() == StatusCode::kBadData
             ? Status::BadData(path, ": can't be read as Parquet: ", why)
             : error;
}

class ParquetFile {
 public:
  static Result<std::unique_ptr<ParquetFile>> Open(const Shard& shard, std::uint64_t memory_bytes) {
    const std::string& path = shard.file.path;
    Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) return ReadErrno("open", path, errno);
    struct stat info;
    if (::fstat(file.get(), &info) != 0) return ReadErrno("read", path, errno);
    MR_RETURN_IF_ERROR(CheckSameFile(
        shard.file,
        {.path = path,
         .bytes = static_cast<std::uint64_t>(info.st_size),
         .mtime_ns = info.st_mtim.tv_sec * std::int64_t{1'000'000'000} + info.st_mtim.tv_nsec,
         .inode = info.st_ino,
         .device = info.st_dev}));
    MR_ASSIGN_OR_RETURN(auto session, DuckDbSession::Take(memory_bytes));
    return std::unique_ptr<ParquetFile>(new ParquetFile(path, std::move(file), std::move(session)));
  }

  ~ParquetFile() {
    rows_.reset();
    if (!is_broken_) DuckDbSession::GiveBack(std::move(session_));
  }

  const DuckDb& library() const { return session_->library(); }
  DuckDbRows& rows() { return *rows_; }

  /// read_parquet('...'), for a query.
  std::string Source() const { return "read_parquet(" + SqlText(name_) + ")"; }
  /// The name, as text of SQL.
  std::string Name() const { return SqlText(name_); }

  Status Query(const std::string& sql) {
    rows_.reset();
    Result<DuckDbRows> rows = session_->Query(sql);
    if (!rows.ok()) return Broken(rows.error());
    rows_.emplace(*std::move(rows));
    return {};
  }
  Result<std::uint64_t> Next() {
    Result<std::uint64_t> count = rows_->Next();
    return count.ok() ? count : Broken(count.error());
  }

 private:
  ParquetFile(std::string path, Descriptor file, std::unique_ptr<DuckDbSession> session)
      : path_(std::move(path)),
        file_(std::move(file)),
        name_("/proc/self/fd/" + std::to_string(file_.get())),
        session_(std::move(session)) {}

  Status Broken(const Status& error) {
    is_broken_ = true;
    return OfFile(error, path_, name_);
  }

  const std::string path_;
  const Descriptor file_;
  const std::string name_;
  std::unique_ptr<DuckDbSession> session_;
  std::optional<DuckDbRows> rows_;
  bool is_broken_ = false;
};

// --- What a plan finds out.

Result<std::string> ReadBytes(FileSystem& files, const Shard& shard, std::uint64_t offset,
                              std::size_t bytes) {
  MR_ASSIGN_OR_RETURN(const auto file, files.OpenForRead(shard.file.path));
  std::string text(bytes, '\0');
  MR_ASSIGN_OR_RETURN(const std::size_t count, file->ReadAt(offset, text.data(), bytes));
  text.resize(count);
  return text;
}

// What DuckDB would say, too, but for what to do.
Status CheckEnds(FileSystem& files, const Shard& shard) {
  const std::string& path = shard.file.path;
  if (shard.compression != Compression::kNone) {
    return Status::BadData(path, ": is compressed with ", CompressionName(shard.compression),
                           ", and Parquet is read at both ends at once; unpack it: it is "
                           "compressed inside");
  }
  if (shard.file.bytes == 0)
    return Status::BadData(path, ": is empty: Parquet without rows has a footer, too");
  MR_ASSIGN_OR_RETURN(const std::string head, ReadBytes(files, shard, 0, kMagic.size()));
  if (head == kEncryptedMagic)
    return Status::BadData(path, ": is encrypted Parquet, which is not read");
  if (head != kMagic)
    return Status::BadData(path, ": is no Parquet file: it does not begin with ", kMagic);
  if (shard.file.bytes < kFileBytesMin)
    return Status::BadData(path, ": is cut off: it has only ", shard.file.bytes, " bytes");
  MR_ASSIGN_OR_RETURN(const std::string tail,
                      ReadBytes(files, shard, shard.file.bytes - kTailBytes, kTailBytes));
  if (tail.substr(4) != kMagic) {
    return Status::BadData(path,
                           ": is cut off, or still being written: it begins like Parquet and "
                           "does not end with ",
                           kMagic);
  }
  if (LoadLittle32(tail.data()) > shard.file.bytes - kFileBytesMin)
    return Status::BadData(path, ": is damaged: its footer is larger than the file");
  return {};
}

// Columns and how to ask for them.
Status ReadColumns(ParquetFile& file, ShardLayout* layout, Dialect* dialect) {
  MR_RETURN_IF_ERROR(file.Query("SELECT * FROM " + file.Source() + " LIMIT 0"));
  const DuckDb& library = file.library();
  for (std::uint64_t i = 0; i < file.rows().column_count(); ++i) {
    layout->columns.push_back(file.rows().column_name(i));
    duckdb::Handle type = file.rows().column_type(i);
    dialect->asks.push_back(static_cast<char>(AskOf(library.get_type_id(type))));
    library.destroy_logical_type(&type);
  }
  return {};
}

// Row groups by number. None where the file can't be read in pieces: they don't follow each other,
// or a column has the name that rows are numbered by.
Status ReadRowGroups(ParquetFile& file, const Shard& shard, const ShardLayout& layout,
                     Dialect* dialect) {
  const auto is_row_number = [](const std::string& name) {
    return std::equal(name.begin(), name.end(), kRowNumber.begin(), kRowNumber.end(),
                      [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
  };
  if (std::any_of(layout.columns.begin(), layout.columns.end(), is_row_number)) return {};
  MR_RETURN_IF_ERROR(file.Query(
      "SELECT CAST(any_value(row_group_num_rows) AS BIGINT), CAST(min(CASE WHEN "
      "dictionary_page_offset > 0 THEN least(dictionary_page_offset, data_page_offset) ELSE "
      "data_page_offset END) AS BIGINT) FROM parquet_metadata(" +
      file.Name() + ") GROUP BY row_group_id ORDER BY row_group_id"));
  std::vector<RowGroup> groups;
  std::uint64_t rows_all = 0;
  for (;;) {
    MR_ASSIGN_OR_RETURN(const std::uint64_t count, file.Next());
    if (count == 0) break;
    const auto* const rows =
        static_cast<const std::int64_t*>(file.library().vector_get_data(file.rows().vector(0)));
    const auto* const offsets =
        static_cast<const std::int64_t*>(file.library().vector_get_data(file.rows().vector(1)));
    for (std::uint64_t i = 0; i < count; ++i) {
      const bool follows =
          offsets[i] >= 0 &&
          (groups.empty() || static_cast<std::uint64_t>(offsets[i]) > groups.back().offset);
      if (rows[i] < 0 || static_cast<std::uint64_t>(rows[i]) > INT64_MAX - rows_all || !follows ||
          static_cast<std::uint64_t>(offsets[i]) >= shard.file.bytes) {
        return {};
      }
      rows_all += static_cast<std::uint64_t>(rows[i]);
      groups.push_back(
          {static_cast<std::uint64_t>(rows[i]), static_cast<std::uint64_t>(offsets[i])});
    }
  }
  dialect->groups = std::move(groups);
  return {};
}

Status Inspect(FileSystem& files, const FileFormat& /*format*/, Shard* shard) {
  MR_RETURN_IF_ERROR(CheckEnds(files, *shard));
  if (const Result<const DuckDb*> library = DuckDb::Library(); !library.ok())
    return library.error().Annotate(shard->file.path);
  MR_ASSIGN_OR_RETURN(const auto file, ParquetFile::Open(*shard, kMemoryBytesMin));
  auto layout = std::make_shared<ShardLayout>();
  Dialect dialect;
  MR_RETURN_IF_ERROR(ReadColumns(*file, layout.get(), &dialect));
  MR_RETURN_IF_ERROR(ReadRowGroups(*file, *shard, *layout, &dialect));
  layout->dialect = dialect.Text();
  shard->layout = std::move(layout);
  return {};
}

// --- Rows.

// Which rows of a file a reader gives: [begin, end).
struct RowNumbers {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

class ParquetReader final : public BlockReader {
 public:
  ParquetReader(const RowsOf& rows, std::unique_ptr<ParquetFile> file, std::vector<int> columns)
      : path_(rows.shard.file.path),
        record_bytes_max_(rows.record_bytes_max),
        file_(std::move(file)),
        column_of_field_(std::move(columns)) {}

  /// `asks` by field that is looked at. All rows where there are no `numbers`.
  Status Begin(const std::vector<std::string>& expressions,
               const std::optional<RowNumbers>& numbers) {
    std::string sql = "SELECT ";
    for (std::size_t i = 0; i < expressions.size(); ++i)
      sql += (i > 0 ? ", " : "") + expressions[i];
    sql += " FROM " + file_->Source();
    if (numbers) {
      expected_rows_ = numbers->end - numbers->begin;
      row_number_ = numbers->begin;
      const std::string name(kRowNumber);
      sql += " WHERE " + name + " >= " + std::to_string(numbers->begin) + " AND " + name + " < " +
             std::to_string(numbers->end);
    }
    MR_RETURN_IF_ERROR(file_->Query(sql));
    for (std::size_t i = 0; i < expressions.size(); ++i) {
      duckdb::Handle type = file_->rows().column_type(i);
      columns_.emplace_back(file_->library(), type);
      file_->library().destroy_logical_type(&type);
    }
    return {};
  }

  Result<bool> Next(LineBlock* block) override {
    if (!error_.ok()) return error_;
    Result<bool> next = NextBlock(block);
    if (!next.ok()) error_ = next.error();
    return next;
  }

 private:
  Result<bool> NextBlock(LineBlock* block) {
    rows_.Clear();
    if (is_done_) return false;
    if (at_ == count_) {
      MR_ASSIGN_OR_RETURN(count_, file_->Next());
      at_ = 0;
      if (count_ == 0) {
        is_done_ = true;
        if (expected_rows_ && rows_read_ != *expected_rows_) return Incomplete();
        return false;
      }
      for (std::size_t i = 0; i < columns_.size(); ++i)
        columns_[i].Read(file_->library(), file_->rows().vector(i));
    }
    for (; at_ < count_ && rows_.bytes() < kBlockBytes; ++at_) {
      rows_.BeginRow();
      for (const int column : column_of_field_) {
        if (column < 0) {
          rows_.AddEmpty();
        } else {
          columns_[static_cast<std::size_t>(column)].AddTo(at_, rows_);
        }
      }
      if (rows_.row_bytes() > record_bytes_max_) return TooLong();
      rows_.EndRowWithoutRaw(row_number_++);
      ++rows_read_;
    }
    *block = rows_.Block();
    return true;
  }

  Status Incomplete() const {
    return Status::BadData(path_, ": is damaged: it has ", rows_read_,
                           " rows where its footer says ", *expected_rows_);
  }
  Status TooLong() const {
    return Status::BadData(path_, ": row ", row_number_, " (from 0) has ", rows_.row_bytes(),
                           " bytes, more than the ", FormatBytes(record_bytes_max_), " (",
                           record_bytes_max_, " bytes) a record may have; raise --memory");
  }

  const std::string path_;
  const std::size_t record_bytes_max_;
  const std::unique_ptr<ParquetFile> file_;
  const std::vector<int> column_of_field_;  // -1: empty.
  std::vector<ParquetColumn> columns_;
  RowBlock rows_;
  std::optional<std::uint64_t> expected_rows_;
  std::uint64_t row_number_ = 0;  // Of the next row, in the file.
  std::uint64_t rows_read_ = 0;
  std::uint64_t at_ = 0, count_ = 0;  // In DuckDB's rows.
  bool is_done_ = false;
  Status error_;
};

/// No row begins in the range.
class NoRows final : public BlockReader {
 public:
  Result<bool> Next(LineBlock* /*block*/) override { return false; }
};

// The rows of the row groups that begin in a range.
RowNumbers RowsIn(const std::vector<RowGroup>& groups, const ShardRange& range) {
  RowNumbers numbers;
  for (const RowGroup& group : groups) {
    if (group.offset < range.begin) numbers.begin += group.rows;
    if (group.offset < range.end) numbers.end += group.rows;
  }
  return numbers;
}

Result<std::unique_ptr<BlockReader>> Open(const RowsOf& rows) {
  const Shard& shard = rows.shard;
  if (shard.layout == nullptr) return Status::Internal(shard.file.path, ": has no layout");
  const std::vector<std::string>& columns = shard.layout->columns;
  MR_ASSIGN_OR_RETURN(const Dialect dialect, ParseDialect(shard.layout->dialect, columns.size()));
  MR_ASSIGN_OR_RETURN(const std::vector<int> resolved,
                      ResolveColumns(rows.request, columns, shard.file.path));

  // A column that several fields have is asked for once.
  std::vector<std::string> expressions;
  std::vector<int> place_of_column(columns.size(), -1), column_of_field;
  for (const int column : resolved) {
    if (column < 0) {
      column_of_field.push_back(-1);
      continue;
    }
    int& place = place_of_column[static_cast<std::size_t>(column)];
    if (place < 0) {
      place = static_cast<int>(expressions.size());
      const auto c = static_cast<std::size_t>(column);
      expressions.push_back(ParquetExpression(ParquetAsk{dialect.asks[c]}, columns[c]));
    }
    column_of_field.push_back(place);
  }
  if (expressions.empty()) expressions.emplace_back("1");  // There are rows, too.

  std::optional<RowNumbers> numbers;
  if (!dialect.groups.empty()) {
    numbers = RowsIn(dialect.groups, rows.range);
    if (numbers->begin == numbers->end)
      return std::unique_ptr<BlockReader>(std::make_unique<NoRows>());
  } else if (rows.range.begin > 0) {
    return std::unique_ptr<BlockReader>(std::make_unique<NoRows>());  // All are the first range's.
  }
  const std::uint64_t memory_bytes = std::clamp(
      std::min<std::uint64_t>(rows.record_bytes_max, kMemoryBytesMax) * kMemoryPerRecordMax,
      kMemoryBytesMin, kMemoryBytesMax);
  MR_ASSIGN_OR_RETURN(auto file, ParquetFile::Open(shard, memory_bytes));
  auto reader = std::make_unique<ParquetReader>(rows, std::move(file), std::move(column_of_field));
  MR_RETURN_IF_ERROR(reader->Begin(expressions, numbers));
  return std::unique_ptr<BlockReader>(std::move(reader));
}

std::string WhyWhole(const Shard& shard) {
  if (shard.layout == nullptr) return "";
  const auto groups = std::count(shard.layout->dialect.begin(), shard.layout->dialect.end(), '@');
  if (groups > 1) return "";
  return groups == 1 ? "it is one row group" : "its row groups can't be read one by one";
}

}  // namespace

Result<bool> IsParquet(FileSystem& files, const Shard& shard) {
  if (shard.compression != Compression::kNone || shard.file.bytes < kFileBytesMin) return false;
  MR_ASSIGN_OR_RETURN(const std::string head, ReadBytes(files, shard, 0, kMagic.size()));
  if (head != kMagic) return false;
  MR_ASSIGN_OR_RETURN(const std::string tail,
                      ReadBytes(files, shard, shard.file.bytes - kMagic.size(), kMagic.size()));
  return tail == kMagic;
}

const FormatDriver& ParquetFormat() {
  static const FormatDriver kDriver = {
      .name = "parquet",
      .help = "Parquet, read by DuckDB's library: $MILLRACE_DUCKDB says where that is",
      .extensions = {".parquet"},
      .option_names = {},
      .inspect = Inspect,
      .open = Open,
      .why_whole = WhyWhole,
  };
  return kDriver;
}

}  // namespace millrace
