// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_TASK_CRASH_H_
#define WORKER_TASK_CRASH_H_

#include "mapreduce/api/current_record.h"

namespace millrace {

/// From now on a crash of this process says on stderr, as the last words of the task's log, where
/// it was: "the job's code crashed with SIGSEGV in task map-00012 at byte N of SHARD". Then the
/// process dies of the same signal: its worker, which reads `record` too, sees that. `record`
/// stays. Call once; the calling thread should have a SignalStack.
void InstallCrashHandler(const CurrentRecord* record);

}  // namespace millrace

#endif  // WORKER_TASK_CRASH_H_
