// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_CLUSTER_COMMANDS_H_
#define CLI_CLUSTER_COMMANDS_H_

// What can be asked of a cluster. Each returns the exit code; 69 where no master answers.

#include "cli/arguments.h"

namespace millrace {

int StatusCommand(const Arguments& arguments);
int WatchCommand(const Arguments& arguments);
int CancelCommand(const Arguments& arguments);

}  // namespace millrace

#endif  // CLI_CLUSTER_COMMANDS_H_
