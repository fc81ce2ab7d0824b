// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_WORKER_COMMAND_H_
#define CLI_WORKER_COMMAND_H_

#include "cli/arguments.h"

namespace millrace {

/// `millrace worker`: works for a master until told to end. The exit code.
int WorkerCommand(const Arguments& arguments);

}  // namespace millrace

#endif  // CLI_WORKER_COMMAND_H_
