// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_TASK_EXECUTION_H_
#define WORKER_TASK_EXECUTION_H_

#include <memory>
#include <vector>

#include "mapreduce/api/shared_record.h"
#include "mapreduce/engine/module_image.h"
#include "worker/task_assignment.h"

namespace millrace {

/// In the child: executes what is assigned, with `modules`, the assignment's. Leaves the process in
/// the plan's directory, in its sandbox, with its modules loaded. `shared` is told how far it is.
///
/// Codes: an error of a file is the worker's to bear (kUnavailable: another worker may do better)
/// where its message names a place that the worker gave: scratch, run files, fetched inputs, the
/// attempt's folder. FileSystem promises that messages name the path, and no input of a job lies
/// there. So are a module that the loader refuses, and an input or the plan's directory that is
/// there but out of reach. All else of a map is about its inputs, and stays: kNotFound, kBadData,
/// kCorrupt, kStale.
/// kCorrupt of a reduce is an input that is damaged, which the answer names.
ChildAnswer ExecuteAssignment(const TaskAssignment& assignment,
                              const std::vector<std::shared_ptr<const ModuleImage>>& modules,
                              SharedRecord* shared);

}  // namespace millrace

#endif  // WORKER_TASK_EXECUTION_H_
