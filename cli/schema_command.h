// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_SCHEMA_COMMAND_H_
#define CLI_SCHEMA_COMMAND_H_

#include <cstdint>

#include "cli/arguments.h"
#include "mapreduce/base/status.h"

namespace millrace {

/// `millrace schema`: returns the exit code.
int SchemaCommand(const Arguments& arguments);

/// Whether `millrace head`'s argument is an output; else it is a file of any format.
bool IsOutput(const Arguments& arguments);

/// The first `lines` rows of the files: as TSV to stdout, the columns' names to stderr.
Status HeadOfFiles(const Arguments& arguments, std::uint64_t lines);

}  // namespace millrace

#endif  // CLI_SCHEMA_COMMAND_H_
