// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_CHECK_COMMANDS_H_
#define CLI_CHECK_COMMANDS_H_

#include "cli/arguments.h"

namespace millrace {

/// `millrace verify` and `millrace rerun`: return the exit code.
int VerifyCommand(const Arguments& arguments);
int RerunCommand(const Arguments& arguments);

}  // namespace millrace

#endif  // CLI_CHECK_COMMANDS_H_
