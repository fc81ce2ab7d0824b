// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_OUTPUT_OVERLAP_H_
#define MAPREDUCE_ENGINE_OUTPUT_OVERLAP_H_

// Inputs are read-only, and a command can be repeated: neither holds where an output lies among the
// inputs of its own run.

#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/engine/output_place.h"
#include "mapreduce/io/file_system.h"

namespace millrace {

/// kCannotCreate where making the output would harm or change an input: an input file lies in an
/// existing output (replacing it would delete the input), or the output lies where one of `specs`
/// ([NAME=]PATTERN) would match its files on the next run.
Status CheckOverlap(FileSystem& files, const OutputPlace& place, std::string_view date,
                    const std::vector<std::string>& specs,
                    const std::vector<ExecutionInput>& inputs);

/// Whether `pattern` (path, directory or glob, absolute or below the working directory) matches
/// files in `directory` (absolute), whether that exists or not. Follows the rules of
/// mapreduce/io/input_pattern.h: names with a leading `.` or `_` only where spelled out.
bool MatchesInside(const std::string& pattern, const std::string& directory);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_OUTPUT_OVERLAP_H_
