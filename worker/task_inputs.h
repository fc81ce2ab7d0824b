// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_TASK_INPUTS_H_
#define WORKER_TASK_INPUTS_H_

// What a reduce reads, from wherever it lies: slices that were fetched, files of workers on this
// host, its worker's own.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/engine/cluster_plan.h"
#include "mapreduce/engine/single_task.h"
#include "worker/held_runs.h"
#include "worker/spool.h"
#include "worker/task_child.h"
#include "worker/worker.h"

namespace millrace {

class TaskInputs {
 public:
  TaskInputs() = default;
  /// The first source whose word for where its files are is not to be taken: to be opened is only
  /// what a worker's spool keeps.
  static std::optional<TaskFailure> CheckSources(const std::vector<FetchedSource>& sources);
  /// kUnavailable: an output of this worker's own is gone.
  static Result<TaskInputs> Make(const ClusterPlan& plan, const StartChild& start,
                                 const Spool& spool, const HeldRuns& held);

  /// In the order of (source, map task), whoever sent them when.
  std::vector<ReduceInput> inputs() const;

  /// The failure with whose output it was. A file of another worker that can't be read where it
  /// lies is not called damaged: the next attempt gets its bytes, and then it shows.
  TaskFailure FailureOf(const FailedTask& failed) const;

 private:
  struct Place;
  const Place* ForeignFileIn(const std::string& message) const;
  struct Place {
    std::size_t source = 0;  // Of the phase's.
    AttemptId output;
    std::optional<WorkerId> from;  // Not this one.
    bool is_foreign_file = false;
    ReduceInput input;
  };
  std::vector<Place> places_;
};

}  // namespace millrace

#endif  // WORKER_TASK_INPUTS_H_
