// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_CONSOLE_H_
#define CLI_CONSOLE_H_

// What the command says: results on stdout, all else on stderr, and the exit codes.

#include <string_view>

#include "mapreduce/base/status.h"

namespace millrace {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 64;
inline constexpr int kExitBadData = 65;
inline constexpr int kExitNoCluster = 69;  ///< It can't be reached, or refuses.
inline constexpr int kExitUserCode = 70;
inline constexpr int kExitInterrupted = 130;
inline constexpr int kExitTerminated = 143;

/// The exit code for an error; kExitInterrupted for a cancelled run.
int ExitCode(const Status& status);

/// "millrace: <text>" as one line on stderr, whatever `text` holds.
void PrintMessage(std::string_view text);

/// Writes text that is ready as it is to stderr.
void WriteStderr(std::string_view text);

/// Writes all of `text` to stdout. kCancelled where nobody reads any more (the pipe is closed),
/// kResourceLimit for another error.
Status WriteStdout(std::string_view text);

/// The exit code after writing results: quietly kExitOk where the reader went away.
int FinishStdout(const Status& status);

}  // namespace millrace

#endif  // CLI_CONSOLE_H_
