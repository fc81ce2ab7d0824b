// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_ISOLATED_RERUN_H_
#define CLI_ISOLATED_RERUN_H_

// A record that crashes the job's code ends a local run, for its tasks are threads. Where the user
// lets records be set aside, the same command begins again with --isolate: then a crash costs a
// task's attempt, and after a second one the record.

#include <string>
#include <vector>

namespace millrace {

/// `words`: what stood behind `millrace run`.
void ArmIsolatedRerun(const std::vector<std::string>& words);
void DisarmIsolatedRerun();

/// Begins again, if that was armed; else, or where that can't be done, returns. What the run has
/// left must be removed. Async-signal-safe.
void RerunIsolatedIfArmed();
/// Async-signal-safe.
bool IsIsolatedRerunArmed();

}  // namespace millrace

#endif  // CLI_ISOLATED_RERUN_H_
