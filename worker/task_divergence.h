// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_TASK_DIVERGENCE_H_
#define WORKER_TASK_DIVERGENCE_H_

// Where two executions of one task made different things.

#include <string>

#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"
#include "worker/task_assignment.h"

namespace millrace {

/// kDiverged, naming the first key whose records differ, or the first row of a part; Ok if all is
/// the same. Both executions' files are there. Errors: what reading gives.
Status FindDivergence(FileSystem& files, const TaskAssignment& assignment,
                      const TaskSuccess& success);

}  // namespace millrace

#endif  // WORKER_TASK_DIVERGENCE_H_
