// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_TASK_RUNNER_H_
#define WORKER_TASK_RUNNER_H_

// The children of a worker: from StartChild to ChildEnded.
//
//   Start ─▶ the plan's job modules are here ─▶ TaskChild ─▶ its answer ─▶ ChildEnded
//      (module_images.h)                               └─ a run that checks determinism: a second
//              else FileWanted (module_fetcher.h)         child, which compares
//
// What a task leaves is kept in HeldRuns from its end on, until the worker drops it.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/engine/cluster_plan.h"
#include "mapreduce/transport/poller.h"
#include "worker/held_runs.h"
#include "worker/module_fetcher.h"
#include "worker/module_images.h"
#include "worker/sandbox.h"
#include "worker/spool.h"
#include "worker/task_child.h"
#include "worker/task_inputs.h"
#include "worker/worker.h"

namespace millrace {

/// See above. One thread.
class TaskRunner {
 public:
  struct Options {
    std::uint64_t slot_memory_bytes = 0;
    TaskKeeper* keeper = nullptr;
    SandboxOptions sandbox;
  };
  /// All outlive this.
  TaskRunner(const Options& options, Spool& spool, HeldRuns& held, ModuleImages& modules,
             ModuleFetcher& fetcher, Poller& poller)
      : options_(options),
        spool_(spool),
        held_(held),
        modules_(modules),
        fetcher_(fetcher),
        poller_(poller) {}
  TaskRunner(const TaskRunner&) = delete;
  TaskRunner& operator=(const TaskRunner&) = delete;
  /// Kills the children that are left, and waits for them.
  ~TaskRunner();

  void Start(StartChild start, std::uint64_t now_ms);
  void Kill(const AttemptId& attempt);
  /// What the attempt left, here and of its parts, is not needed any more.
  void Drop(const DropAttempt& drop);
  /// Looks after children and modules; appends ChildProgressed and ChildEnded.
  void Tick(std::uint64_t now_ms, std::vector<WorkerEvent>& events);
  /// UINT64_MAX: nothing to look after.
  std::uint64_t NextTimerMs() const;

 private:
  struct Task {
    StartChild start;
    std::shared_ptr<const ClusterPlan> plan;
    TaskInputs inputs;
    std::unique_ptr<TaskChild> child;                         // Null: it waits for modules.
    std::vector<std::shared_ptr<const ModuleImage>> modules;  // Its own.
    int output_fd = -1;                                       // As the poller knows it.
    std::optional<TaskSuccess> first;                         // The second child compares with it.
    std::string parts_directory;
  };
  Result<std::shared_ptr<const ClusterPlan>> PlanOf(const std::string& plan);
  // False: modules are still missing.
  Result<bool> Launch(Task& task, std::uint64_t now_ms);
  Result<TaskAssignment> AssignmentFor(Task& task);
  void LaunchWaiting(std::uint64_t now_ms);
  void Watch(Task& task);
  void Unwatch(Task& task);
  void DrainOutput(Task& task);
  void OnEnded(const AttemptId& attempt, Task& task, std::uint64_t now_ms);
  void End(const AttemptId& attempt, std::variant<TaskOutput, TaskFailure> result);

  const Options options_;
  Spool& spool_;
  HeldRuns& held_;
  ModuleImages& modules_;
  ModuleFetcher& fetcher_;
  Poller& poller_;
  std::map<AttemptId, Task> tasks_;
  std::deque<std::pair<Hash128, std::shared_ptr<const ClusterPlan>>> plans_;  // The newest first.
  std::map<AttemptId, std::string> parts_;  // Folders beside outputs that attempts have made.
  std::vector<WorkerEvent> ended_;
  std::uint64_t next_look_ms_ = 0;
};

}  // namespace millrace

#endif  // WORKER_TASK_RUNNER_H_
