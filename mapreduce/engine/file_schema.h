// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_FILE_SCHEMA_H_
#define MAPREDUCE_ENGINE_FILE_SCHEMA_H_

// What is in a file of any format, for a person who wants to know before a job reads it: its first
// rows, its columns and what they hold, and how files of one dataset differ.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/io/shard.h"

namespace millrace {

/// Fields as they are; nullopt is NULL. Valid during the call.
using FileFields = std::vector<std::optional<std::string_view>>;

/// What values look like; each holds all that come before it.
enum class ValueKind { kNone, kInteger, kNumber, kDate, kText };

/// "integer", "number", "date", "text"; "" of kNone: nothing but NULL.
std::string_view ValueKindName(ValueKind kind);

struct ColumnSchema {
  std::string name;  ///< Its number where the format has no names.
  ValueKind kind = ValueKind::kNone;
  bool has_null = false;
};

struct FileSchema {
  std::string path;
  std::string format;  ///< FormatSpec().
  Compression compression = Compression::kNone;
  std::uint64_t stored_bytes = 0;
  std::string why_whole;  ///< Why it is not split; "" where it is.
  std::vector<ColumnSchema> columns;
  std::uint64_t rows = 0;     ///< Looked at.
  std::uint64_t rejects = 0;  ///< Of these, what is no row.
  bool is_all = false;        ///< There are no more.
};

/// The files of `pattern` as --input takes it, `FILE#TABLE` too, in one format, with their layouts.
/// `format`: as --format, "" to find out.
Result<ExecutionInput> OpenDataset(FileSystem& files, const std::string& pattern,
                                   std::string_view date, const std::string& format, int threads);

/// Calls on_row(fields) for each row of a shard in order, until it returns false, and
/// on_reject(offset, reason) for what is none.
Status ForEachRow(FileSystem& files, const Shard& shard, const FileFormat& format,
                  const std::function<bool(const FileFields&)>& on_row,
                  const std::function<void(std::uint64_t, std::string_view)>& on_reject);

/// Looks at the first rows of a shard.
Result<FileSchema> SchemaOf(FileSystem& files, const Shard& shard, const FileFormat& format);

/// How `now` differs from `before`, by column, a sentence each: added, gone, at another place, or
/// with values of a kind that the old ones had not.
std::vector<std::string> SchemaDrift(const FileSchema& before, const FileSchema& now);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_FILE_SCHEMA_H_
