// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_JOB_FILE_MERGE_H_
#define CLI_JOB_FILE_MERGE_H_

// `millrace run nightly.toml --date 2026-11-21`: the job file becomes the arguments that would have
// said the same, before anything else looks at them. What the command line says wins:
//
//   a flag with one value, --module    what the file says is left out
//   --param K=V                        … of that K
//   [NAME=]VALUE flags, as --input     … of that input; without NAME: of the job's first

#include <functional>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/job_file.h"
#include "mapreduce/base/status.h"

namespace millrace {

/// Whether `run`'s argument is the path of a job file: it ends in ".toml". A job's name has no dot.
bool NamesJobFile(const Arguments& given);

/// The names of the inputs of `arguments`'s job, in its order.
using InputNames = std::function<Result<std::vector<std::string>>(const Arguments& arguments)>;

/// `given` where it names no job file; otherwise what it and the file amount to. Loads modules and
/// asks the job only where both give values of [NAME=]VALUE flags. Errors: those of reading the
/// file, and of finding the job.
Result<Arguments> WithJobFile(const Arguments& given);

/// Of the job as it is without parameters; loads modules. Errors: those of finding the job.
Result<std::vector<std::string>> InputNamesOfJob(const Arguments& arguments);

/// The same, with the file read and `input_names` to ask.
Result<Arguments> MergeJobFile(const Arguments& given, const JobFile& file,
                               const InputNames& input_names);

/// `arguments` as one line that a shell reads: "millrace run toplist --input 'logs/*.tsv' …".
/// Without --dry-run: what would be executed.
std::string CommandLine(const Arguments& arguments);

/// `error` and, as far as it is about values of the job file, where they stand, and where relative
/// paths start.
Status WithPlaces(const Arguments& arguments, const Status& error);

}  // namespace millrace

#endif  // CLI_JOB_FILE_MERGE_H_
