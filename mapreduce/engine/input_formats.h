// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_INPUT_FORMATS_H_
#define MAPREDUCE_ENGINE_INPUT_FORMATS_H_

// From what the user says of an input (patterns, --format) to its files and their format, and the
// checks that its columns are in every file: all before anything runs.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/api/graph.h"
#include "mapreduce/base/status.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/engine/input_patterns.h"
#include "mapreduce/formats/file_format.h"
#include "mapreduce/io/file_system.h"

namespace millrace {

/// The files of one input, in shard order.
struct MatchedInput {
  std::vector<FileInfo> files;
  std::optional<FileFormat> format;  ///< What the user, or a directory's own form, says.
  std::string table;                 ///< Of `dump.sql#public.users`; then of every file.
  bool is_table_file = false;        ///< The files are the table's own, of a directory.
};

/// `[INPUT=]FORMAT` by input, of all that --format was given. INPUT= is a name only where the job
/// has that input; without it the format is that of all others that have columns.
/// kInvalidArgument: a bad format, or two for the same.
Result<std::map<std::string, FileFormat>> AssignFormats(const JobGraph& graph,
                                                        const std::vector<std::string>& specs);

/// The files that the patterns match. `FILE#TABLE` is a table of a dump where no file has that
/// name, `DIRECTORY#TABLE` the table's file in a directory that a dump made. Errors as
/// ExpandPatterns(); kInvalidArgument where patterns of one input name different tables.
Result<MatchedInput> MatchInput(FileSystem& files, const InputPatterns& input,
                                std::string_view date, const std::optional<FileFormat>& format);

/// Sets the formats of `inputs`, whose shards are inspected, and the layouts of the shards; checks
/// the columns that the job's maps read. `matched` is by input. kInvalidArgument: files of one
/// input differ in format, or it does not fit the job; kBadData: a file is not of its format, or
/// lacks a column.
Status ResolveFormats(FileSystem& files, const JobGraph& graph,
                      const std::vector<MatchedInput>& matched, int threads,
                      std::vector<ExecutionInput>& inputs);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_INPUT_FORMATS_H_
