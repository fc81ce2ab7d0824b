// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_JOBS_COMMAND_H_
#define CLI_JOBS_COMMAND_H_

#include "cli/arguments.h"

namespace millrace {

/// `millrace jobs`: returns the exit code.
int JobsCommand(const Arguments& arguments);

}  // namespace millrace

#endif  // CLI_JOBS_COMMAND_H_
