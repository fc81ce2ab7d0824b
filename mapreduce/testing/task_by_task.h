// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_TESTING_TASK_BY_TASK_H_
#define MAPREDUCE_TESTING_TASK_BY_TASK_H_

// A job as the workers of a cluster execute it: each task alone, from files to files
// (engine/single_task.h). Some attempts are killed half way, and the task begins anew; some tasks
// are attempted twice, with other memory, and both attempts must make the same bytes.

#include <vector>

#include "mapreduce/api/graph.h"
#include "mapreduce/base/random.h"
#include "mapreduce/base/status.h"
#include "mapreduce/engine/execute.h"

namespace millrace {

/// The same files and numbers as Execute, but for input_digests, phases and spilled_bytes, which
/// stay empty. `random` decides which attempts are killed or doubled. Errors: as Execute's;
/// kDiverged where two attempts of a task differ.
Result<ExecutionResult> ExecuteTaskByTask(const JobGraph& graph,
                                          const std::vector<ExecutionInput>& inputs,
                                          const ExecutionOptions& options, Random& random);

}  // namespace millrace

#endif  // MAPREDUCE_TESTING_TASK_BY_TASK_H_
