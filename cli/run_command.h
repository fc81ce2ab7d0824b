// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_RUN_COMMAND_H_
#define CLI_RUN_COMMAND_H_

#include "cli/arguments.h"

namespace millrace {

/// `millrace run`: returns the exit code.
int RunCommand(const Arguments& arguments);

}  // namespace millrace

#endif  // CLI_RUN_COMMAND_H_
