// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/csv.h"

#include <algorithm>
#include <set>
#include <utility>

#include "mapreduce/base/size.h"
#include "mapreduce/formats/csv_dialect.h"
#include "mapreduce/formats/csv_reader.h"
#include "mapreduce/formats/csv_scanner.h"

namespace millrace {
namespace {

constexpr std::size_t kHeadBytes = std::size_t{64} << 10;
constexpr std::size_t kHeaderBytesMax = std::size_t{16} << 20;
constexpr std::string_view kUtf8Mark = "\xEF\xBB\xBF";

// One byte that can stand in a file beside LF and CR.
Result<char> OneByte(std::string_view option, std::string_view value) {
  if (value.size() == 1 && value[0] != '\n' && value[0] != '\r') return value[0];
  return Status::InvalidArgument("csv: ", option, "=", value, ": must be one byte, ",
                                 "and no end of a line");
}

Status CheckOptions(FileFormat* format) {
  const Result<CsvDialect> dialect = CsvDialect::Of(*format);
  if (!dialect.ok()) return dialect.error();
  const std::pair<std::string, std::string> kDefaults[] = {
      {"delimiter", ","}, {"header", "yes"}, {"quote", "\""}, {"null", ""}};
  for (const auto& [name, value] : kDefaults) {
    const auto found = format->options.find(name);
    if (found != format->options.end() && found->second == value) format->options.erase(found);
  }
  return Status::Ok();
}

// The first record of a file, as far as its beginning tells.
struct FirstRecord {
  bool is_whole = false;
  std::vector<std::string> fields;
  std::size_t begin = 0;
  std::size_t end = 0;          // Behind its LF.
  std::size_t field_count = 0;  // That ended.
  std::size_t last_end = 0;     // Behind the last of them.
};

bool IsBlank(std::string_view head, std::size_t begin, std::size_t newline) {
  return newline == begin || (newline == begin + 1 && head[begin] == '\r');
}

// `head` from `begin` on, padded; at the file's end an LF was added. Blank lines are passed over,
// unless nothing else is there.
Result<FirstRecord> FindFirstRecord(std::string_view head, std::size_t begin,
                                    const CsvDialect& dialect, const std::string& path) {
  FirstRecord first;
  for (std::size_t newline = head.find('\n', begin);
       newline != std::string_view::npos && IsBlank(head, begin, newline);
       newline = head.find('\n', begin)) {
    begin = newline + 1;
  }
  first.begin = begin;
  CsvScanner scanner(dialect);
  const char* const base = head.data() + begin;
  while (scanner.record_count() == 0 && scanner.field_count() < CsvScanner::kFieldsMax) {
    if (!scanner.Scan(base, head.size() - begin)) break;
  }
  if (scanner.field_count() >= CsvScanner::kFieldsMax) {
    return Status::BadData(path, ": its first line has over ", FormatCount(CsvScanner::kFieldsMax),
                           " fields");
  }
  if (scanner.record_count() == 0) {
    if (scanner.problem() == CsvProblem::kNone) {
      first.field_count = scanner.field_count();
      first.last_end =
          begin + (first.field_count == 0 ? 0 : scanner.field_ends()[first.field_count - 1] + 1);
      return first;
    }
    return Status::BadData(path, ": the first line is no CSV: its field ",
                           scanner.field_count() + 1,
                           scanner.problem() == CsvProblem::kQuoteInUnquoted
                               ? " has a quote in it but is not in quotes"
                               : " goes on behind its closing quote",
                           "; mend it, or say what is a quote and a delimiter with ",
                           "--format csv,quote=…,delimiter=…");
  }
  const char* from = base;
  for (std::size_t i = 0; i < scanner.FieldsBefore(1); ++i) {
    const char* to = base + scanner.field_ends()[i];
    const bool is_last = i + 1 == scanner.FieldsBefore(1);
    std::string_view field(from, static_cast<std::size_t>(to - from));
    if (is_last && field.ends_with('\r')) field.remove_suffix(1);
    if (dialect.has_quotes && field.starts_with(dialect.quote)) {
      UnescapeCsv(field.substr(1, field.size() - 2), dialect.quote, &first.fields.emplace_back());
    } else {
      first.fields.emplace_back(field);
    }
    from = to + 1;
  }
  first.is_whole = true;
  first.end = static_cast<std::size_t>(from - head.data());
  return first;
}

// A name that several columns have could mean either: they are told apart by their numbers, so that
// who asks for it is told.
Status NumberEqualNames(const std::string& path, std::vector<std::string>* names) {
  std::set<std::string> seen, repeated;
  for (const std::string& name : *names) {
    if (!name.empty() && !seen.insert(name).second) repeated.insert(name);
  }
  for (std::size_t i = 0; i < names->size(); ++i) {
    std::string& name = (*names)[i];
    if (!repeated.contains(name)) continue;
    name += " (column " + std::to_string(i + 1) + ")";
    if (!seen.insert(name).second) {
      return Status::BadData(path, ": has two columns called ", name, "; rename one");
    }
  }
  return Status::Ok();
}

Result<std::shared_ptr<const ShardLayout>> LayoutOf(const FirstRecord& first, std::size_t mark,
                                                    const CsvDialect& dialect,
                                                    const std::string& path) {
  auto layout = std::make_shared<ShardLayout>();
  if (dialect.has_header) {
    layout->columns = first.fields;
    MR_RETURN_IF_ERROR(NumberEqualNames(path, &layout->columns));
  } else {
    for (std::size_t i = 1; i <= first.fields.size(); ++i) {
      layout->columns.push_back(std::to_string(i));
    }
  }
  layout->rows = {{dialect.has_header ? first.end : mark, UINT64_MAX}};
  return std::shared_ptr<const ShardLayout>(std::move(layout));
}

Status Inspect(FileSystem& files, const FileFormat& format, Shard* shard) {
  MR_ASSIGN_OR_RETURN(const CsvDialect dialect, CsvDialect::Of(format));
  const std::string& path = shard->file.path;
  for (std::size_t bytes = kHeadBytes; bytes <= kHeaderBytesMax; bytes *= 16) {
    MR_ASSIGN_OR_RETURN(std::string head, ReadHead(files, *shard, bytes));
    if (head.starts_with("\xFF\xFE") || head.starts_with("\xFE\xFF")) {
      return Status::BadData(path, ": is UTF-16; make it UTF-8: iconv -f UTF-16 -t UTF-8");
    }
    const std::size_t mark = head.starts_with(kUtf8Mark) ? kUtf8Mark.size() : 0;
    const bool is_whole_file = head.size() < bytes;
    const std::size_t file_end = head.size();
    if (is_whole_file && file_end > mark && head.back() != '\n') head.push_back('\n');
    const std::size_t known = head.size();
    head.append(kLineBlockPadding, '\0');
    MR_ASSIGN_OR_RETURN(FirstRecord first, FindFirstRecord(std::string_view(head).substr(0, known),
                                                           mark, dialect, path));
    if (first.is_whole) {
      first.end = std::min(first.end, file_end);
      MR_ASSIGN_OR_RETURN(shard->layout, LayoutOf(first, mark, dialect, path));
      return Status::Ok();
    }
    if (!is_whole_file) continue;
    if (first.begin < known) {
      return CsvNeverClosed(
          path, first.begin, "field " + std::to_string(first.field_count + 1),
          std::string_view(head).substr(first.last_end, file_end - first.last_end));
    }
    // Nothing but blank lines: no columns and no rows, unless each is a row of the one column.
    if (!dialect.has_header && file_end > mark) {
      MR_ASSIGN_OR_RETURN(shard->layout, LayoutOf({.fields = {""}, .end = 0}, mark, dialect, path));
    }
    return Status::Ok();
  }
  return Status::BadData(path, ": its first line, quoted line ends included, is longer than ",
                         FormatBytes(kHeaderBytesMax),
                         ": no CSV, or its lines end with CR alone, or a quote is not closed");
}

// Of a file without columns.
class NoRows final : public BlockReader {
 public:
  Result<bool> Next(LineBlock*) override { return false; }
};

Result<std::unique_ptr<BlockReader>> Open(const RowsOf& rows) {
  if (rows.shard.layout == nullptr) return std::unique_ptr<BlockReader>(std::make_unique<NoRows>());
  MR_ASSIGN_OR_RETURN(CsvDialect dialect, CsvDialect::Of(rows.format));
  MR_ASSIGN_OR_RETURN(
      std::vector<int> sources,
      ResolveColumns(rows.request, rows.shard.layout->columns, rows.shard.file.path));
  return std::unique_ptr<BlockReader>(
      std::make_unique<CsvReader>(rows, std::move(dialect), std::move(sources)));
}

}  // namespace

Result<CsvDialect> CsvDialect::Of(const FileFormat& format) {
  CsvDialect dialect;
  MR_ASSIGN_OR_RETURN(dialect.delimiter, OneByte("delimiter", format.option("delimiter", ",")));
  const std::string_view quote = format.option("quote", "\"");
  dialect.has_quotes = !quote.empty();
  if (dialect.has_quotes) {
    MR_ASSIGN_OR_RETURN(dialect.quote, OneByte("quote", quote));
    if (dialect.quote == dialect.delimiter) {
      return Status::InvalidArgument("csv: quote and delimiter are the same byte");
    }
  }
  const std::string_view header = format.option("header", "yes");
  if (header != "yes" && header != "no") {
    return Status::InvalidArgument("csv: header=", header, ": must be yes or no");
  }
  dialect.has_header = header == "yes";
  dialect.null = format.option("null", "");
  const bool is_field =
      dialect.null.find_first_of("\r\n") == std::string::npos &&
      dialect.null.find(dialect.delimiter) == std::string::npos &&
      !(dialect.has_quotes && dialect.null.find(dialect.quote) != std::string::npos);
  if (!is_field) {
    return Status::InvalidArgument("csv: null=", dialect.null, ": can't be a field without quotes");
  }
  return dialect;
}

const FormatDriver& CsvFormat() {
  static const FormatDriver kDriver = {
      .name = "csv",
      .help =
          "comma-separated values with a header; options delimiter, header (yes, no), quote, "
          "null (the text of NULL)",
      .extensions = {".csv"},
      .option_names = {"delimiter", "header", "quote", "null"},
      .check_options = CheckOptions,
      .inspect = Inspect,
      .open = Open,
  };
  return kDriver;
}

}  // namespace millrace
