// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_COMPLETION_H_
#define CLI_COMPLETION_H_

#include <string>

#include "cli/arguments.h"
#include "mapreduce/base/status.h"

namespace millrace {

/// The completion script for "bash", "zsh" or "fish", made from the table of commands; jobs are
/// asked of `millrace jobs` when completing. kInvalidArgument for another shell.
Result<std::string> CompletionScript(const std::string& shell);

/// `millrace completion`: returns the exit code.
int CompletionCommand(const Arguments& arguments);

}  // namespace millrace

#endif  // CLI_COMPLETION_H_
