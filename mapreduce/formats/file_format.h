// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_FILE_FORMAT_H_
#define MAPREDUCE_FORMATS_FILE_FORMAT_H_

// Which format the files of an input have, and how its rows are read whatever it is. A job names
// columns; where they are in a file is the format's affair:
//
//   tsv     a field's number (the job's layout, or --param COLUMN=N)
//   csv     the header's names (or --param COLUMN=NAME, COLUMN=N)
//   jsonl   a path: country, user.address.country
//
//   FileFormat format = ...;                                // ParseFileFormat or DetectFormat
//   MR_RETURN_IF_ERROR(InspectLayout(files, format, &shard));  // Once, in the plan.
//   MR_RETURN_IF_ERROR(CheckColumns(request, format, shard));
//   MR_ASSIGN_OR_RETURN(auto rows, OpenRows({*reader, shard, range, format, request, ...}));
//
// A new format is a file with its FormatDriver and one line in file_format.cc.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/formats/block_reader.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/io/shard.h"
#include "mapreduce/io/shard_reader.h"

namespace millrace {

/// A format and what the user said of it: `csv,delimiter=;,header=no`.
struct FileFormat {
  std::string name = "tsv";                    ///< Of its driver.
  std::map<std::string, std::string> options;  ///< Only those that differ from the default.

  /// The option's value, or `otherwise`.
  std::string_view option(std::string_view key, std::string_view otherwise) const {
    const auto found = options.find(std::string(key));
    return found == options.end() ? otherwise : std::string_view(found->second);
  }
  /// Its lines are what parsers read: nothing is converted.
  bool is_lines() const { return name == "tsv" || name == "text"; }
  friend bool operator==(const FileFormat&, const FileFormat&) = default;
};

/// A field of the lines that the job reads, and where a file has it.
struct ColumnRequest {
  std::string column;  ///< As the job calls it; empty: the field is not looked at.
  std::string name;    ///< In a file with names.
  int number = 0;      ///< Above 0: the file's column of that number instead, from 1.

  bool is_used() const { return !column.empty(); }
  friend bool operator==(const ColumnRequest&, const ColumnRequest&) = default;
};

/// What a job reads of each row.
struct RowRequest {
  bool all = false;                    ///< All columns, in the file's order.
  std::vector<ColumnRequest> columns;  ///< By field of the line.
};

/// A range of a shard to read rows of. All it points to must outlive the reader.
struct RowsOf {
  ShardReader& reader;  ///< Opened for `range`; Finish() stays with the caller.
  const Shard& shard;   ///< With its layout.
  const ShardRange& range;
  const FileFormat& format;
  const RowRequest& request;
  std::size_t record_bytes_max;  ///< A longer record is kBadData, naming shard and offset.
};

/// What each format brings.
struct FormatDriver {
  std::string_view name;  ///< "csv"
  std::string_view help;  ///< What it is and its options, in a line.
  /// Endings of file names, without `.gz` and `.zst`: ".csv".
  std::vector<std::string_view> extensions;
  std::vector<std::string_view> option_names;
  /// Whether a file begins like this format, from its first (decompressed) bytes. Null: only the
  /// name tells. Asked where the extension is this format's, or is nobody's.
  bool (*looks_like)(std::string_view head) = nullptr;
  /// Checks the options' values, and removes those that are the default. Null: any value.
  Status (*check_options)(FileFormat* format) = nullptr;
  /// Finds shard->layout. Null: there is none to find. May read all of the file.
  Status (*inspect)(FileSystem& files, const FileFormat& format, Shard* shard) = nullptr;
  /// Reads rows: the lines have request.columns' fields (all of the layout's, where request.all).
  Result<std::unique_ptr<BlockReader>> (*open)(const RowsOf& rows) = nullptr;
  /// The file in `directory` with the rows of `table`. Null: no such directories.
  Result<FileInfo> (*find_table)(FileSystem& files, const std::string& directory,
                                 const std::string& table) = nullptr;
  /// Why files of it are read whole, "" where they are split. Null: plain ones are split.
  std::string (*why_whole)(const Shard& shard) = nullptr;
  /// A column is a path into nested values: no file need have it.
  bool has_paths = false;
};

/// All formats, in the order in which they are asked and shown. Never empty.
std::span<const FormatDriver* const> AllFormats();

/// The driver, or null.
const FormatDriver* FindFormat(std::string_view name);

/// NAME[,OPTION=VALUE]...; `\,` in a value is a comma, `\t` a TAB. kInvalidArgument: an unknown
/// format or option, or a bad value.
Result<FileFormat> ParseFileFormat(std::string_view spec);

/// What ParseFileFormat reads: equal formats have equal texts.
std::string FormatSpec(const FileFormat& format);

/// The format of a file by its name, and, where more than one has that ending or none has, by its
/// first bytes; Parquet by both ends, where no ending is known. tsv, where nothing says otherwise.
/// kBadData for an empty file with an ending whose formats have none such.
Result<FileFormat> DetectFormat(FileSystem& files, const Shard& shard);

/// Sets shard->layout where the format has one. kBadData, naming the file: it is not of this
/// format.
Status InspectLayout(FileSystem& files, const FileFormat& format, Shard* shard);

/// kBadData, naming file and column, where a column that is used is not in the file;
/// kInvalidArgument for one by number where columns have none.
Status CheckColumns(const RowRequest& request, const FileFormat& format, const Shard& shard);

/// The rows as blocks of TSV lines. Requires: !format.is_lines().
Result<std::unique_ptr<BlockReader>> OpenRows(const RowsOf& rows);

// For the drivers.

/// By field of the line, the index into `columns` that a request means, or -1 for a field that is
/// not looked at. A name is looked for as it is, then without regard to case. kBadData for one that
/// is not there, saying which are.
Result<std::vector<int>> ResolveColumns(const RowRequest& request,
                                        const std::vector<std::string>& columns,
                                        const std::string& path);

/// The first `bytes` decompressed bytes of a shard; fewer where it ends.
Result<std::string> ReadHead(FileSystem& files, const Shard& shard, std::size_t bytes);

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_FILE_FORMAT_H_
