// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_IO_INPUT_PATTERN_H_
#define MAPREDUCE_IO_INPUT_PATTERN_H_

// From what a user writes behind --input to the files of a dataset.
//
//   plays.tsv.zst                    a file
//   logs/plays/{date}/               all files below a directory
//   logs/plays/2026-11-*/*.tsv.zst   a glob: `*`, `?`, `[a-z]`, `[!a-z]` within one path component
//   logs/**/plays.tsv                `**` as a component: any number of folders, also none
//
// A directory that matches a glob means all files below it. Names that start with `.` or `_` are
// skipped below directories and by wildcards; spelled out (`_old/x`, `_part*`) they count. Links to
// files and directories are followed. Where a glob matches nothing but a file is named exactly
// like it, the file is meant.

#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/io/file_system.h"

namespace millrace {

/// `pattern` with `date` for each `{date}`; kInvalidArgument, which names `what` it is, where there
/// is no date.
Result<std::string> WithDate(std::string_view what, std::string_view pattern,
                             std::string_view date);

/// The files of one pattern in shard order, each once. `date` replaces each `{date}`.
/// kInvalidArgument: `{date}` without a date, or a link that leads back to a folder above it.
/// kNotFound, naming the pattern: no file. Repeated slashes count as one.
Result<std::vector<FileInfo>> ExpandPattern(FileSystem& files, std::string_view pattern,
                                            std::string_view date);

/// The files of all patterns in shard order of their absolute paths: "./b" and "b" have one place
/// among the others. kInvalidArgument, naming it, if a file is matched twice, under whatever name.
Result<std::vector<FileInfo>> ExpandPatterns(FileSystem& files,
                                             const std::vector<std::string>& patterns,
                                             std::string_view date);

/// The path without a trailing `.zst` or `.gz`: how a shard is compressed must not be seen in its
/// place. A view into `path`.
std::string_view ShardName(std::string_view path);

/// Shard order: by the bytes of ShardName, then of the whole path.
bool ShardOrderLess(std::string_view a, std::string_view b);

}  // namespace millrace

#endif  // MAPREDUCE_IO_INPUT_PATTERN_H_
