// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_MASTER_COMMAND_H_
#define CLI_MASTER_COMMAND_H_

#include "cli/arguments.h"

namespace millrace {

/// `millrace master`: returns the exit code.
int MasterCommand(const Arguments& arguments);

}  // namespace millrace

#endif  // CLI_MASTER_COMMAND_H_
