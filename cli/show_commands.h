// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_SHOW_COMMANDS_H_
#define CLI_SHOW_COMMANDS_H_

#include "cli/arguments.h"

namespace millrace {

/// `millrace cat` and `millrace head`: return the exit code.
int CatCommand(const Arguments& arguments);
int HeadCommand(const Arguments& arguments);

}  // namespace millrace

#endif  // CLI_SHOW_COMMANDS_H_
