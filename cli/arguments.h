// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_ARGUMENTS_H_
#define CLI_ARGUMENTS_H_

// The command line taken apart, and its values read.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/command_table.h"
#include "mapreduce/base/status.h"
#include "mapreduce/engine/execute.h"

namespace millrace {

/// A flag's value that stands in a job file (cli/job_file.h), spelled as on the command line.
struct FileValue {
  std::string flag;   ///< "--input"
  std::string name;   ///< Of a NAME=VALUE: "plays"; else "".
  std::string value;  ///< "plays=logs/*.tsv", "" for a switch.
  std::string place;  ///< "nightly.toml:12:1"
};

/// One command with what was written behind it, as text.
struct Arguments {
  const CommandSpec* command = nullptr;
  std::vector<std::string> words;  ///< As written, behind the command.
  std::string argument;            ///< JOB, OUT or SHELL; "" if left out.
  std::string argument_place;      ///< Where a job file has it; "" if it is none's.
  std::map<std::string, std::vector<std::string>> values;  ///< By flag; a switch has {""}.
  std::vector<FileValue> from_file;  ///< Those of `values` that a job file gave.

  bool Has(const std::string& flag) const { return values.contains(flag); }
  /// The flag's value, or `otherwise`.
  std::string Get(const std::string& flag, const std::string& otherwise = "") const;
  std::vector<std::string> All(const std::string& flag) const;
};

/// Parses what follows the command's name. kInvalidArgument for unknown flags ("did you mean"),
/// missing values, flags given twice, too many arguments. A missing argument is not looked at.
Result<Arguments> ParseArguments(const CommandSpec& command,
                                 const std::vector<std::string>& arguments);

/// Values of flags; nothing where the flag was left out.
Result<std::optional<std::uint64_t>> SizeFlag(const Arguments& arguments, const std::string& flag);
Result<std::optional<std::uint64_t>> CountFlag(const Arguments& arguments, const std::string& flag,
                                               std::uint64_t least, std::uint64_t most);
/// K=V pairs; the same K twice is an error.
Result<std::map<std::string, std::string>> PairsFlag(const Arguments& arguments,
                                                     const std::string& flag);
/// "12" or "0.5%".
Result<RejectLimit> RejectLimitFlag(const Arguments& arguments, const std::string& flag);

}  // namespace millrace

#endif  // CLI_ARGUMENTS_H_
