// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/file_format.h"

#include <algorithm>
#include <array>
#include <utility>

#include "mapreduce/formats/access_log.h"
#include "mapreduce/formats/csv.h"
#include "mapreduce/formats/json_lines_reader.h"
#include "mapreduce/formats/mysql_dump.h"
#include "mapreduce/formats/parquet_input.h"
#include "mapreduce/formats/postgres_dump.h"
#include "mapreduce/formats/protobuf_records.h"
#include "mapreduce/io/input_pattern.h"

namespace millrace {
namespace {

constexpr std::size_t kHeadBytes = std::size_t{64} << 10;
constexpr std::size_t kNamesShown = 20;

const FormatDriver kTsv = {
    .name = "tsv",
    .help = "tab-separated fields without a header, escaped as PostgreSQL's COPY does",
    .extensions = {".tsv"},
    .option_names = {},
};

const FormatDriver kText = {
    .name = "text",
    .help = "lines, as they are; only for jobs that read lines",
    .extensions = {},
    .option_names = {},
};

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return Lower(x) == Lower(y); });
}

// "a, b, c"; of many names the first ones.
std::string Listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kNamesShown; ++i) {
    if (i > 0) text += ", ";
    text += names[i];
  }
  if (names.size() > kNamesShown) {
    text += " and " + std::to_string(names.size() - kNamesShown) + " more";
  }
  return text;
}

bool HasExtension(const FormatDriver& driver, std::string_view file_name) {
  return std::any_of(
      driver.extensions.begin(), driver.extensions.end(), [&](std::string_view each) {
        return file_name.size() >= each.size() &&
               EqualsIgnoringCase(file_name.substr(file_name.size() - each.size()), each);
      });
}

// "access.log", "access.log.1", "access.log-20261121": its name says no format.
bool IsLog(std::string_view file_name) {
  const std::size_t at = file_name.rfind(".log");
  return at != std::string_view::npos &&
         file_name.find_first_not_of("0123456789.-_", at + 4) == std::string_view::npos;
}

std::string AllNames() {
  std::vector<std::string> names;
  for (const FormatDriver* driver : AllFormats()) names.emplace_back(driver->name);
  return Listed(names);
}

// One `OPTION=VALUE` or the name from the front of `spec`, which loses it and its comma.
std::string TakePart(std::string_view& spec) {
  std::string part;
  while (!spec.empty() && spec.front() != ',') {
    char c = spec.front();
    if (c == '\\' && spec.size() > 1) {
      const char escaped = spec[1];
      if (escaped == ',' || escaped == '\\' || escaped == 't') {
        spec.remove_prefix(1);
        c = escaped == 't' ? '\t' : escaped;
      }
    }
    part.push_back(c);
    spec.remove_prefix(1);
  }
  if (!spec.empty()) spec.remove_prefix(1);
  return part;
}

std::string EscapeValue(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (c == ',' || c == '\\') text.push_back('\\');
    if (c == '\t') {
      text.append("\\t");
    } else {
      text.push_back(c);
    }
  }
  return text;
}

// The index of the column called `name`, or -1; -2 where only their case tells several apart.
int FindColumn(const std::vector<std::string>& columns, std::string_view name) {
  const auto exact = std::find(columns.begin(), columns.end(), name);
  if (exact != columns.end()) return static_cast<int>(exact - columns.begin());
  int found = -1;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (!EqualsIgnoringCase(columns[i], name)) continue;
    if (found >= 0) return -2;
    found = static_cast<int>(i);
  }
  return found;
}

}  // namespace

std::span<const FormatDriver* const> AllFormats() {
  static const std::array<const FormatDriver*, 10> kAll = {&kTsv,
                                                           &kText,
                                                           &CsvFormat(),
                                                           &JsonLinesFormat(),
                                                           &AccessLogFormat(),
                                                           &PostgresDumpFormat(),
                                                           &MysqlDumpFormat(),
                                                           &MysqlTabFormat(),
                                                           &ProtobufFormat(),
                                                           &ParquetFormat()};
  return kAll;
}

const FormatDriver* FindFormat(std::string_view name) {
  for (const FormatDriver* driver : AllFormats()) {
    if (driver->name == name) return driver;
  }
  return nullptr;
}

Result<FileFormat> ParseFileFormat(std::string_view spec) {
  FileFormat format;
  format.name = TakePart(spec);
  const FormatDriver* const driver = FindFormat(format.name);
  if (driver == nullptr) {
    return Status::InvalidArgument("there is no format '", format.name, "'; formats are ",
                                   AllNames());
  }
  while (!spec.empty()) {
    const std::string part = TakePart(spec);
    const std::size_t equals = part.find('=');
    const std::string key = part.substr(0, equals);
    const auto& known = driver->option_names;
    if (equals == std::string::npos || std::find(known.begin(), known.end(), key) == known.end()) {
      const std::vector<std::string> names(known.begin(), known.end());
      return Status::InvalidArgument(
          "the format ", format.name, " has no option '", part, "'",
          names.empty() ? "" : "; write NAME=VALUE, where names are " + Listed(names));
    }
    format.options[key] = part.substr(equals + 1);
  }
  if (driver->check_options != nullptr) MR_RETURN_IF_ERROR(driver->check_options(&format));
  return format;
}

std::string FormatSpec(const FileFormat& format) {
  std::string spec = format.name;
  for (const auto& [key, value] : format.options) spec += "," + key + "=" + EscapeValue(value);
  return spec;
}

Result<FileFormat> DetectFormat(FileSystem& files, const Shard& shard) {
  const std::string_view name = ShardName(shard.file.path);
  std::vector<const FormatDriver*> candidates;
  for (const FormatDriver* driver : AllFormats()) {
    if (HasExtension(*driver, name)) candidates.push_back(driver);
  }
  if (candidates.size() == 1) return FileFormat{std::string(candidates[0]->name), {}};
  // An ending that several share, or a log: its content tells.
  const bool is_log = candidates.empty() && IsLog(name);
  if (candidates.empty()) {
    MR_ASSIGN_OR_RETURN(const bool is_parquet, IsParquet(files, shard));
    if (is_parquet) return FileFormat{std::string(ParquetFormat().name), {}};
  }
  if (candidates.empty() && !is_log) return FileFormat();
  MR_ASSIGN_OR_RETURN(const std::string head, ReadHead(files, shard, kHeadBytes));
  if (is_log) candidates.assign(AllFormats().begin(), AllFormats().end());
  for (const FormatDriver* driver : candidates) {
    if (driver->looks_like != nullptr && driver->looks_like(head))
      return FileFormat{std::string(driver->name), {}};
  }
  if (is_log) return FileFormat();
  std::vector<std::string> names;
  for (const FormatDriver* driver : candidates) names.emplace_back(driver->name);
  if (head.empty()) {
    return Status::BadData(shard.file.path, ": is empty, which no file of ", Listed(names),
                           " is; make it once more");
  }
  return Status::InvalidArgument(shard.file.path, ": does not begin like any of ", Listed(names),
                                 "; say what it is with --format");
}

Status InspectLayout(FileSystem& files, const FileFormat& format, Shard* shard) {
  const FormatDriver* const driver = FindFormat(format.name);
  if (driver == nullptr) return Status::InvalidArgument("there is no format ", format.name);
  return driver->inspect == nullptr ? Status::Ok() : driver->inspect(files, format, shard);
}

Status CheckColumns(const RowRequest& request, const FileFormat& format, const Shard& shard) {
  const FormatDriver* const driver = FindFormat(format.name);
  if (driver == nullptr) return {};
  for (const ColumnRequest& column : request.columns) {
    if (!driver->has_paths || column.number == 0) continue;
    return Status::InvalidArgument(
        "the column ", column.column, " is said by number (", column.number, "), but ",
        driver->name, " has none; say its name, as in --param ", column.column, "=NAME",
        driver->name == "jsonl" ? ", and one of digits alone with a backslash before it" : "");
  }
  if (driver->has_paths || shard.layout == nullptr) return {};
  const Result<std::vector<int>> resolved =
      ResolveColumns(request, shard.layout->columns, shard.file.path);
  return resolved.ok() ? Status::Ok() : resolved.error();
}

Result<std::unique_ptr<BlockReader>> OpenRows(const RowsOf& rows) {
  const FormatDriver* const driver = FindFormat(rows.format.name);
  if (driver == nullptr || driver->open == nullptr)
    return Status::InvalidArgument("the format ", rows.format.name, " is not converted");
  return driver->open(rows);
}

Result<std::vector<int>> ResolveColumns(const RowRequest& request,
                                        const std::vector<std::string>& columns,
                                        const std::string& path) {
  std::vector<int> resolved;
  if (request.all) {
    for (std::size_t i = 0; i < columns.size(); ++i) resolved.push_back(static_cast<int>(i));
    return resolved;
  }
  for (const ColumnRequest& wanted : request.columns) {
    if (!wanted.is_used()) {
      resolved.push_back(-1);
    } else if (wanted.number > 0) {
      if (static_cast<std::size_t>(wanted.number) > columns.size()) {
        return Status::BadData(path, ": has no column ", wanted.number, " for ", wanted.column,
                               ", only ", columns.size(), ": ", Listed(columns));
      }
      resolved.push_back(wanted.number - 1);
    } else {
      const int found = FindColumn(columns, wanted.name);
      if (found < 0) {
        return Status::BadData(
            path, found == -1 ? ": has no column " : ": has several columns like ", wanted.name,
            "; it has ", Listed(columns), "; say which one is meant with --param ", wanted.column,
            "=NAME, or INPUT.", wanted.column, "=NAME where inputs share it");
      }
      resolved.push_back(found);
    }
  }
  return resolved;
}

Result<std::string> ReadHead(FileSystem& files, const Shard& shard, std::size_t bytes) {
  const ShardRange range = CutShard(shard, UINT64_MAX).front();
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<ShardReader> reader,
                      ShardReader::Open(files, shard, range, /*digest=*/nullptr,
                                        /*timer=*/nullptr));
  std::string head;
  while (head.size() < bytes) {
    const std::size_t used = head.size();
    const std::size_t room = reader->NextReadBytes();
    head.resize(used + room);
    MR_ASSIGN_OR_RETURN(const std::size_t count, reader->Read(head.data() + used, room));
    head.resize(used + count);
    if (count == 0) break;
  }
  if (head.size() > bytes) head.resize(bytes);
  return head;
}

}  // namespace millrace
