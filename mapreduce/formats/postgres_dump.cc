// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/postgres_dump.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "mapreduce/formats/postgres_archive.h"
#include "mapreduce/formats/postgres_lexer.h"
#include "mapreduce/formats/postgres_name.h"
#include "mapreduce/formats/postgres_rows.h"
#include "mapreduce/formats/postgres_scan.h"
#include "mapreduce/io/input_pattern.h"

namespace millrace {
namespace {

constexpr std::string_view kTable = "table";
constexpr std::string_view kTocName = "toc.dat";
constexpr std::string_view kArchiveMagic = "PGDMP";
constexpr std::size_t kHeadBytes = 512;
constexpr std::uint64_t kTocBytesMax = std::uint64_t{1} << 30;
constexpr std::size_t kTailBytes = 4096;
constexpr std::size_t kProbeBytes = std::size_t{16} << 10;

// --- Detection.

bool ContainsIgnoringCase(std::string_view text, std::string_view lower) {
  const auto found = std::search(text.begin(), text.end(), lower.begin(), lower.end(),
                                 [](char a, char b) { return (a | 0x20) == b; });
  return found != text.end();
}

// The comments before the first statement.
std::string_view FirstComments(std::string_view head) {
  std::size_t at = 0;
  for (;;) {
    at = std::min(head.find_first_not_of(" \t\r\n", at), head.size());
    const std::string_view rest = head.substr(at);
    const bool is_line = rest.starts_with("--");
    if (!is_line && !rest.starts_with("/*")) return head.substr(0, at);
    const std::size_t end = head.find(is_line ? "\n" : "*/", at + 2);
    if (end == std::string_view::npos) return head;
    at = end + (is_line ? 1 : 2);
  }
}

bool LooksLikePostgres(std::string_view head) {
  const std::string_view comments = FirstComments(head);
  if (ContainsIgnoringCase(comments, "mysql") || ContainsIgnoringCase(comments, "mariadb")) {
    return false;
  }
  if (ContainsIgnoringCase(comments, "postgresql")) return true;
  static constexpr std::array<std::string_view, 4> kSigns = {
      " FROM stdin;\n", "SET standard_conforming_strings", "SET client_encoding", "pg_catalog."};
  return std::any_of(kSigns.begin(), kSigns.end(), [&](std::string_view sign) {
    return head.find(sign) != std::string_view::npos;
  });
}

// --- The directory format.

std::string SiblingPath(const std::string& path, std::string_view name) {
  const std::size_t slash = path.rfind('/');
  return (slash == std::string::npos ? "" : path.substr(0, slash + 1)) + std::string(name);
}

std::string_view FileName(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// 3383.dat
bool IsDataFileName(std::string_view name) {
  constexpr std::string_view kEnd = ".dat";
  if (!name.ends_with(kEnd) || name.size() == kEnd.size()) return false;
  name.remove_suffix(kEnd.size());
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Result<std::vector<PostgresArchiveEntry>> ReadToc(FileSystem& files, const std::string& path) {
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<RandomAccessFile> file, files.OpenForRead(path));
  MR_ASSIGN_OR_RETURN(const FileInfo info, file->Stat());
  if (info.bytes > kTocBytesMax) return Status::BadData(path, ": is too large for a toc.dat");
  std::string bytes(info.bytes, '\0');
  MR_ASSIGN_OR_RETURN(const std::size_t count, file->ReadAt(0, bytes.data(), bytes.size()));
  bytes.resize(count);
  Result<std::vector<PostgresArchiveEntry>> entries = ParsePostgresArchive(bytes);
  if (!entries.ok()) {
    return Status::Error(entries.error().code(), path, ": ", entries.error().message());
  }
  return entries;
}

bool IsData(const PostgresArchiveEntry& entry) {
  return entry.desc == "TABLE DATA" && !entry.file_name.empty();
}

PostgresName NameOf(const PostgresArchiveEntry& entry) { return {"", entry.schema, entry.tag}; }

Result<FileInfo> DataFile(FileSystem& files, const std::string& directory,
                          const std::string& name) {
  for (const std::string_view extension : {"", ".gz", ".zst"}) {
    Result<FileInfo> info = files.Stat(directory + "/" + name + std::string(extension));
    if (info.ok() || info.error().code() != StatusCode::kNotFound) return info;
  }
  if (files.Stat(directory + "/" + name + ".lz4").ok()) {
    return Status::BadData(directory, "/", name,
                           ".lz4: is compressed with lz4, which is not read; ",
                           "dump with --compress gzip, zstd or none");
  }
  return Status::NotFound(directory, "/", name, ": is missing, and ", kTocName, " names it");
}

Result<FileInfo> FindTable(FileSystem& files, const std::string& directory,
                           const std::string& table) {
  const std::string toc = directory + "/" + std::string(kTocName);
  if (!files.Stat(toc).ok()) {
    return Status::NotFound(directory, ": has no ", kTocName,
                            "; a table is named in a directory that pg_dump -Fd made");
  }
  MR_ASSIGN_OR_RETURN(const std::vector<PostgresArchiveEntry> entries, ReadToc(files, toc));
  MR_ASSIGN_OR_RETURN(const PostgresTableRequest wanted, PostgresTableRequest::Parse(table));
  std::vector<const PostgresArchiveEntry*> best;
  std::string known;
  std::string rivals;
  int best_match = 1;
  for (const PostgresArchiveEntry& entry : entries) {
    if (!IsData(entry)) continue;
    known += (known.empty() ? "" : ", ") + PostgresNameText(NameOf(entry));
    const int match = wanted.Match(NameOf(entry));
    if (match < best_match) continue;
    if (match > best_match) best.clear();
    best_match = match;
    best.push_back(&entry);
  }
  if (best.size() == 1) return DataFile(files, directory, best.front()->file_name);
  for (const PostgresArchiveEntry* entry : best) {
    rivals += (rivals.empty() ? "" : ", ") + PostgresNameText(NameOf(*entry));
  }
  if (best.empty()) {
    return Status::InvalidArgument(directory, ": has no rows of a table ", table,
                                   "; it has those of ", known.empty() ? "none" : known,
                                   " (the rows of a partitioned table are its partitions')");
  }
  return Status::InvalidArgument(directory, ": has several tables ", table, ": ", rivals,
                                 "; name one with its schema");
}

// The place behind the last row of a plain data file, which ends with `\.` and blank lines.
Result<std::uint64_t> EndOfRows(RandomAccessFile& file, const Shard& shard) {
  char tail[kTailBytes];
  const std::uint64_t from =
      shard.file.bytes - std::min<std::uint64_t>(shard.file.bytes, kTailBytes);
  MR_ASSIGN_OR_RETURN(const std::size_t count, file.ReadAt(from, tail, sizeof tail));
  std::size_t end = count;
  while (end > 0 && (tail[end - 1] == '\n' || tail[end - 1] == '\r')) --end;
  const bool has_end = end >= 2 && tail[end - 1] == '.' && tail[end - 2] == '\\';
  const bool begins_line = end == 2 ? from == 0 : end > 2 && tail[end - 3] == '\n';
  if (has_end && begins_line) return from + end - 2;
  return Status::BadData(shard.file.path, ": is cut off: the line \\. is not at its end; ",
                         "dump or copy it again");
}

// Finds rows of a plain data file by looking only where ranges are to begin.
Result<std::vector<RowRange>> ProbeCopyRows(FileSystem& files, const Shard& shard) {
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<RandomAccessFile> file,
                      files.OpenForRead(shard.file.path));
  MR_ASSIGN_OR_RETURN(const std::uint64_t end, EndOfRows(*file, shard));
  std::vector<RowRange> rows;
  std::vector<char> probe(kProbeBytes);
  std::uint64_t begin = 0;
  while (begin < end) {
    std::uint64_t at = begin + PostgresScan::kRangeBytes;
    std::uint64_t next = end;
    while (at < end && next == end) {
      MR_ASSIGN_OR_RETURN(const std::size_t count, file->ReadAt(at, probe.data(), probe.size()));
      if (count == 0) break;
      const void* const found = std::memchr(probe.data(), '\n', count);
      if (found != nullptr) {
        const auto behind =
            static_cast<std::uint64_t>(static_cast<const char*>(found) + 1 - probe.data());
        next = std::min(end, at + behind);
        break;
      }
      at += count;
    }
    rows.push_back({begin, next});
    begin = next;
  }
  return rows;
}

Result<std::unique_ptr<ShardReader>> OpenWhole(FileSystem& files, const Shard& shard,
                                               const ShardRange& range) {
  return ShardReader::Open(files, shard, range, /*digest=*/nullptr, /*timer=*/nullptr);
}

// What older definitions leave to the search path.
std::string SetSchema(const std::string& schema) {
  std::string text = "SET search_path = \"";
  for (const char c : schema) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + "\";\n";
}

Status ReadSql(PostgresScan& scan, const std::string& sql, const std::string& path) {
  TextShardReader reader(sql);
  return scan.Read(reader, path);
}

Result<ShardLayout> InspectDataFile(FileSystem& files, const Shard& shard, const std::string& toc) {
  const std::string& path = shard.file.path;
  MR_ASSIGN_OR_RETURN(const std::vector<PostgresArchiveEntry> entries, ReadToc(files, toc));
  const PostgresArchiveEntry* data = nullptr;
  std::string sql;
  for (const PostgresArchiveEntry& entry : entries) {
    const std::string_view name = FileName(ShardName(path));
    if (IsData(entry) && ShardName(entry.file_name) == name) data = &entry;
    const bool is_needed = entry.desc == "STDSTRINGS" || entry.desc == "TABLE";
    if (entry.desc == "TABLE") sql += SetSchema(entry.schema);
    if (is_needed) sql += entry.definition;
  }
  if (data == nullptr) return Status::BadData(path, ": is no table's file, says ", toc);
  PostgresScan scan(std::nullopt);
  const ShardRange range = CutShard(shard, UINT64_MAX).front();
  if (data->copy.empty()) {  // pg_dump --inserts
    MR_RETURN_IF_ERROR(ReadSql(scan, sql, toc));
    scan.Expect(NameOf(*data));
    MR_ASSIGN_OR_RETURN(const std::unique_ptr<ShardReader> reader, OpenWhole(files, shard, range));
    MR_RETURN_IF_ERROR(scan.Read(*reader, path));
    return scan.Finish(path);
  }
  // The statement and no row: the columns.
  sql += SetSchema(data->schema) + data->copy + "\\.\n";
  MR_RETURN_IF_ERROR(ReadSql(scan, sql, toc));
  scan.ExpectLast();
  MR_ASSIGN_OR_RETURN(ShardLayout layout, scan.Finish(toc));
  if (shard.compression == Compression::kNone) {
    MR_ASSIGN_OR_RETURN(layout.rows, ProbeCopyRows(files, shard));
  } else if (shard.frames.empty()) {
    layout.rows = {{0, UINT64_MAX}};  // Is read as one piece, up to the line `\.`.
  } else {
    PostgresScan rows(std::nullopt);
    MR_ASSIGN_OR_RETURN(const std::unique_ptr<ShardReader> reader, OpenWhole(files, shard, range));
    MR_RETURN_IF_ERROR(rows.ReadCopyRows(*reader, path, layout.columns));
    MR_ASSIGN_OR_RETURN(layout, rows.Finish(path));
  }
  return layout;
}

// --- The driver.

Status CheckOptions(FileFormat* format) {
  const std::string_view table = format->option(kTable, "");
  if (table.empty()) {
    format->options.erase(std::string(kTable));
    return {};
  }
  const Result<PostgresTableRequest> request = PostgresTableRequest::Parse(table);
  return request.ok() ? Status::Ok() : request.error();
}

Status CheckNoArchive(std::string_view head, const std::string& path) {
  constexpr std::string_view kTarMagic = "ustar";
  constexpr std::size_t kTarMagicAt = 257;
  if (head.starts_with(kArchiveMagic)) {
    if (FileName(path) == kTocName) {
      return Status::BadData(path, ": is a dump's table of contents; name its directory and a ",
                             "table: DIRECTORY#TABLE");
    }
    return Status::BadData(path, ": is a dump in custom format (pg_dump -Fc), which is not read; ",
                           "make plain SQL of it with pg_restore -f dump.sql, or dump with -Fd");
  }
  if (head.starts_with(kTocName) && head.size() > kTarMagicAt &&
      head.substr(kTarMagicAt).starts_with(kTarMagic)) {
    return Status::BadData(path, ": is a dump in tar format (pg_dump -Ft); unpack it with tar -x, ",
                           "and name the directory and a table: DIRECTORY#TABLE");
  }
  return {};
}

Status Inspect(FileSystem& files, const FileFormat& format, Shard* shard) {
  const std::string& path = shard->file.path;
  MR_ASSIGN_OR_RETURN(const std::string head, ReadHead(files, *shard, kHeadBytes));
  MR_RETURN_IF_ERROR(CheckNoArchive(head, path));
  const std::string toc = SiblingPath(path, kTocName);
  if (IsDataFileName(FileName(ShardName(path))) && files.Stat(toc).ok()) {
    MR_ASSIGN_OR_RETURN(ShardLayout layout, InspectDataFile(files, *shard, toc));
    shard->layout = std::make_shared<const ShardLayout>(std::move(layout));
    return {};
  }
  if (head.empty())
    return Status::BadData(path, ": is empty: a dump without rows has a header, too");
  std::optional<PostgresTableRequest> wanted;
  if (const std::string_view table = format.option(kTable, ""); !table.empty()) {
    MR_ASSIGN_OR_RETURN(wanted, PostgresTableRequest::Parse(table));
  }
  PostgresScan scan(std::move(wanted));
  const ShardRange range = CutShard(*shard, UINT64_MAX).front();
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<ShardReader> reader, OpenWhole(files, *shard, range));
  MR_RETURN_IF_ERROR(scan.Read(*reader, path));
  MR_ASSIGN_OR_RETURN(ShardLayout layout, scan.Finish(path));
  shard->layout = std::make_shared<const ShardLayout>(std::move(layout));
  return {};
}

}  // namespace

const FormatDriver& PostgresDumpFormat() {
  static const FormatDriver kDriver = {
      .name = "pgdump",
      .help = "a table of a PostgreSQL dump: plain SQL, or the directory format; table=NAME",
      .extensions = {".sql"},
      .option_names = {kTable},
      .looks_like = LooksLikePostgres,
      .check_options = CheckOptions,
      .inspect = Inspect,
      .open = OpenPostgresRows,
      .find_table = FindTable,
      .why_whole = nullptr,
      .has_paths = false,
  };
  return kDriver;
}

}  // namespace millrace
