// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_JOB_FILE_H_
#define CLI_JOB_FILE_H_

// A job file: what stands behind `millrace run`, as TOML.
//
//   job = "toplist"                        the job; every other key is a flag of `run`, undashed
//   output = "out/{date}"                  a flag's value: a string, or what TOML has for it
//   parts = 4
//   force = true                           a switch
//   module = ["a.so", "b.so"]              a repeatable flag: one value, or several
//   [input]                                NAME=VALUE flags are tables; without names it would be
//   plays = ["logs/{date}/*", "late.tsv"]  input = "logs/*", or an array
//   [param]
//   k = 20                                 any scalar; numbers with a point as they are written
//   plays.track = 3                        the parameter "plays.track"
//
// The keys are read from the command's table of flags, hence a new flag is a new key.

#include <string>
#include <string_view>
#include <vector>

#include "cli/arguments.h"
#include "cli/command_table.h"
#include "mapreduce/base/status.h"

namespace millrace {

struct JobFile {
  std::string job;
  std::string job_place;          ///< "nightly.toml:1:7"; "" where the file names no job.
  std::vector<FileValue> values;  ///< In the order of the file; an array gives several.
};

/// How a flag's values are named.
enum class ValueNames {
  kNone,      ///< "DIR"
  kOptional,  ///< "[NAME=]PATTERN"
  kRequired,  ///< "K=V"
};
ValueNames NamesOf(const FlagSpec& flag);

/// The file's bytes. kNotFound where it can't be read, kInvalidArgument where it is too large.
Result<std::string> LoadJobFile(const std::string& path);

/// Reads `text`, whatever bytes it holds; `path` is for messages alone. Every error is
/// kInvalidArgument, one sentence that begins with its place: "nightly.toml:12:1: …". What a flag
/// makes of its value is not looked at here.
Result<JobFile> ParseJobFile(const CommandSpec& command, const std::string& path,
                             std::string_view text);

}  // namespace millrace

#endif  // CLI_JOB_FILE_H_
