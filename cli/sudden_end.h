// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_SUDDEN_END_H_
#define CLI_SUDDEN_END_H_

// How the process ends when it can't end the usual way: a crash in a job's code, or a job that does
// not stop when told to. Everything is said and cleared by system calls alone, because nothing else
// may be called from a signal handler.
//
// Only one thread reports: the one that claims the end first. The others wait for the process to
// stop under them.

#include <string>

namespace millrace {

/// True for the first caller since ResetEnd(). Async-signal-safe.
bool ClaimEnd();

/// Claims the end, or never returns because another thread is already ending the process.
void ClaimEndOrWait();

/// Forgets what was claimed. Before each run.
void ResetEnd();

/// Prepares the JSON line that EndSuddenly() prints on stdout; without, it prints none.
void PrepareFailureLine(const std::string& output);

/// Says "millrace: <message>" on stderr and removes the directories of the run that is under way.
/// Async-signal-safe. Requires: the caller claimed the end.
void SayAndClear(const char* message);

/// Removes the directories of the run that is under way, says "millrace: <message>" on stderr and
/// the JSON line, and ends the process. Async-signal-safe. Requires: the caller claimed the end.
[[noreturn]] void EndSuddenly(int exit_code, const char* message);

}  // namespace millrace

#endif  // CLI_SUDDEN_END_H_
