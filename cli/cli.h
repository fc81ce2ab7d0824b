// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_CLI_H_
#define CLI_CLI_H_

namespace millrace {

/// The `millrace` command: does what the arguments say and returns the exit code. A program that
/// links jobs of its own calls this from its main() and is a complete `millrace` with them.
/// Handles signals while it runs: call it once at a time, before other threads are started.
int RunCommandLine(int argc, char** argv);

}  // namespace millrace

#endif  // CLI_CLI_H_
