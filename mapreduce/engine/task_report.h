// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_TASK_REPORT_H_
#define MAPREDUCE_ENGINE_TASK_REPORT_H_

// What a task gave (single_task.h) as what its worker reports (messages.h).

#include "mapreduce/base/status.h"
#include "mapreduce/engine/single_task.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/proto/messages.h"

namespace millrace {

/// Rejects that are in a file are read from it. Errors: what reading gives; kResourceLimit for
/// more rejects, longer keys or more blocks than a report may hold.
Result<TaskOutput> OutputOf(FileSystem& files, const MapTaskResult& result);
/// As above; `bytes_in` is the caller's to set: he knows what was fetched.
Result<TaskOutput> OutputOf(FileSystem& files, const ReduceTaskResult& result);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_TASK_REPORT_H_
