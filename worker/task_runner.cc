// SPDX-License-Identifier: Apache-2.0
#include "worker/task_runner.h"

#include <algorithm>
#include <utility>

#include "mapreduce/base/random_id.h"
#include "mapreduce/base/size.h"
#include "mapreduce/engine/attempt_directory.h"
#include "mapreduce/proto/wire_codec.h"
#include "worker/task_assignment.h"

namespace millrace {
namespace {

constexpr std::uint64_t kLookMs = 200;   // At progress and memory.
constexpr std::size_t kPlansMax = 8;     // That are kept decoded.
constexpr std::size_t kEndsPerTick = 4;  // To end what a child has started takes milliseconds.
// The engine's budget is so much of a slot; the rest is the job's code's.
constexpr std::uint64_t kEngineShare = 3, kEngineShareOf = 4;
constexpr std::uint64_t kEngineBytesMin = std::uint64_t{16} << 20;
constexpr std::uint64_t kProgramBytes = std::uint64_t{64} << 20;  // A child that does nothing.

TaskFailure FailureOf(const Status& status) {
  return {status.code(), status.message(), {}, {}, {}, {}};
}

// What the master couldn't receive would be reported for ever.
std::variant<TaskOutput, TaskFailure> Reportable(const AttemptId& attempt, TaskOutput output) {
  MessageBody body = TaskDone{attempt, std::move(output)};
  const std::uint64_t bytes = EncodeMessage({Epoch(), UINT64_MAX, body}).size();
  if (bytes <= FrameBytesMax(body)) return std::move(std::get<TaskDone>(body).output);
  return FailureOf(Status::ResourceLimit(
      "what the task reports (counters, key samples, input digests) takes ", FormatBytes(bytes),
      ", and a report has room for ", FormatBytes(FrameBytesMax(body)),
      "; make tasks smaller (--split-size, --parts)"));
}

}  // namespace

TaskRunner::~TaskRunner() {
  for (auto& [attempt, task] : tasks_) {
    if (task.child == nullptr) continue;
    Unwatch(task);
    task.child->Kill();  // All first, so that they end side by side.
  }
}

// By content: a master that has lost its state counts its runs anew.
Result<std::shared_ptr<const ClusterPlan>> TaskRunner::PlanOf(const std::string& plan) {
  const Hash128 hash = HashOf128(plan);
  const auto found = std::find_if(plans_.begin(), plans_.end(),
                                  [&](const auto& entry) { return entry.first == hash; });
  if (found != plans_.end()) return found->second;
  MR_ASSIGN_OR_RETURN(ClusterPlan decoded, DecodeClusterPlan(plan));
  plans_.emplace_front(hash, std::make_shared<const ClusterPlan>(std::move(decoded)));
  if (plans_.size() > kPlansMax) plans_.pop_back();
  return plans_.front().second;
}

void TaskRunner::Start(StartChild start, std::uint64_t now_ms) {
  const AttemptId attempt = start.task.attempt;
  auto plan = PlanOf(start.plan);
  if (!plan.ok()) return End(attempt, FailureOf(plan.error().Annotate("the run's plan")));
  start.plan.clear();
  if (auto failure = TaskInputs::CheckSources(start.inputs))
    return End(attempt, *std::move(failure));
  auto inputs = TaskInputs::Make(**plan, start, spool_, held_);
  if (!inputs.ok()) return End(attempt, FailureOf(inputs.error()));
  Task& task = tasks_[attempt];
  task.start = std::move(start);
  task.plan = *std::move(plan);
  task.inputs = *std::move(inputs);
  const Result<bool> launched = Launch(task, now_ms);
  if (!launched.ok()) End(attempt, FailureOf(launched.error()));
}

Result<bool> TaskRunner::Launch(Task& task, std::uint64_t now_ms) {
  for (const ModuleFile& module : task.plan->modules)
    MR_RETURN_IF_ERROR(modules_.CheckSigner(module));  // Before any is fetched.
  task.modules.clear();
  for (const ModuleFile& module : task.plan->modules) {
    MR_ASSIGN_OR_RETURN(std::shared_ptr<const ModuleImage> image, modules_.Get(module));
    if (image == nullptr) {
      fetcher_.Want(module, now_ms);
    } else {
      task.modules.push_back(std::move(image));
    }
  }
  if (task.modules.size() < task.plan->modules.size()) return false;
  MR_ASSIGN_OR_RETURN(const TaskAssignment assignment, AssignmentFor(task));
  TaskChildOptions options;
  options.modules = task.modules;
  options.memory_bytes = options_.slot_memory_bytes + kProgramBytes;
  options.keeper = options_.keeper;
  MR_ASSIGN_OR_RETURN(task.child, TaskChild::Start(assignment, options));
  Watch(task);
  next_look_ms_ = std::min(next_look_ms_, now_ms + kLookMs);
  return true;
}

// The second child, which compares, has the same folder: its names are others.
Result<TaskAssignment> TaskRunner::AssignmentFor(Task& task) {
  const AttemptId& attempt = task.start.task.attempt;
  const std::uint32_t phase = attempt.task.phase.index;
  if (phase >= task.plan->phases.size())
    return Status::InvalidArgument("the plan has no phase ", phase);
  MR_RETURN_IF_ERROR(spool_.MakeAttemptFolder(attempt));
  TaskPlaces places;
  places.memory_bytes =
      std::max(kEngineBytesMin, options_.slot_memory_bytes / kEngineShareOf * kEngineShare);
  places.scratch_directory = spool_.ScratchFolder(attempt);
  places.inputs = task.inputs.inputs();
  places.output = task.start.output;
  const ClusterPhase& of_plan = task.plan->phases[phase];
  const bool needs_folder = task.plan->needs_folders(of_plan);
  if ((needs_folder || !of_plan.tables.empty()) && !places.output.starts_with('/'))
    return Status::InvalidArgument("the run says no absolute path for its output");
  if (needs_folder) {
    task.parts_directory = AttemptDirectory(task.start.output, attempt);
    parts_[attempt] = task.parts_directory;
    places.output_directory = task.parts_directory;
  }
  if (task.first) {
    places.scratch_directory += "-again";
    if (!places.output_directory.empty()) places.output_directory += "-again";
    Status status = LocalFileSystem().RemoveTree(places.scratch_directory);
    if (status.ok()) status = LocalFileSystem().MakeDirectory(places.scratch_directory);
    if (!status.ok())
      return Status::ResourceLimit(status.message());  // The spool's, not the run's.
  }
  for (std::uint32_t channel = 0; channel < task.plan->phases[phase].channels; ++channel) {
    const std::string path = spool_.RunPath(attempt, channel);
    places.runs.push_back({task.first ? path + "-again" : path, RandomId()});
  }
  MR_ASSIGN_OR_RETURN(TaskAssignment assignment, AssignmentOf(*task.plan, task.start.task, places));
  assignment.is_sandboxed = options_.sandbox.is_on;
  assignment.also_reads = options_.sandbox.reads;
  assignment.also_writes = options_.sandbox.writes;
  assignment.hidden = options_.sandbox.hidden;
  if (task.first) {
    assignment.reference =
        TaskReference{task.first->output.digest, task.first->runs, task.parts_directory,
                      task.first->output.parts, task.first->output.table};
  }
  return assignment;
}

void TaskRunner::Watch(Task& task) {
  poller_.Add(task.child->end_fd());
  task.output_fd = task.child->output_fd();
  if (task.output_fd >= 0) poller_.Add(task.output_fd);
}

void TaskRunner::Unwatch(Task& task) {
  poller_.Remove(task.child->end_fd());
  if (task.output_fd >= 0) poller_.Remove(task.output_fd);
  task.output_fd = -1;
}

void TaskRunner::DrainOutput(Task& task) {
  if (task.output_fd < 0 || !poller_.IsReady(task.output_fd)) return;
  const int fd = task.output_fd;
  task.child->DrainOutput();
  if (task.child->output_fd() >= 0) return;
  poller_.Remove(fd);
  task.output_fd = -1;
}

void TaskRunner::Kill(const AttemptId& attempt) {
  const auto found = tasks_.find(attempt);
  if (found == tasks_.end()) return;  // It has ended; that is known soon.
  if (found->second.child != nullptr) return found->second.child->Kill();
  End(attempt, FailureOf(Status::Cancelled("killed")));
}

void TaskRunner::Drop(const DropAttempt& drop) {
  held_.Drop(drop.attempt);
  spool_.Drop(drop.attempt);
  const auto parts = parts_.find(drop.attempt);
  if (parts == parts_.end()) return;
  if (!drop.keeps_parts) spool_.RemoveElsewhere(parts->second);
  parts_.erase(parts);
}

void TaskRunner::LaunchWaiting(std::uint64_t now_ms) {
  const std::vector<ModuleFetcher::Failure> failures = fetcher_.TakeFailures();
  const bool has_arrived = fetcher_.TakeArrivals();
  if (failures.empty() && !has_arrived) return;
  std::vector<AttemptId> waiting;
  for (const auto& [attempt, task] : tasks_) {
    if (task.child == nullptr) waiting.push_back(attempt);
  }
  for (const AttemptId& attempt : waiting) {
    Task& task = tasks_.at(attempt);
    const auto failed = std::find_if(failures.begin(), failures.end(), [&](const auto& failure) {
      return std::any_of(task.plan->modules.begin(), task.plan->modules.end(),
                         [&](const ModuleFile& module) { return module.hash == failure.hash; });
    });
    if (failed != failures.end()) {
      End(attempt, FailureOf(failed->status));
      continue;
    }
    const Result<bool> launched = Launch(task, now_ms);
    if (!launched.ok()) End(attempt, FailureOf(launched.error()));
  }
}

void TaskRunner::Tick(std::uint64_t now_ms, std::vector<WorkerEvent>& events) {
  LaunchWaiting(now_ms);
  const bool looks = now_ms >= next_look_ms_;
  if (looks) next_look_ms_ = now_ms + kLookMs;
  std::vector<AttemptId> ended;
  for (auto& [attempt, task] : tasks_) {
    if (task.child == nullptr) {
      // The time that its modules take is not the task's.
      if (looks) events.push_back(ChildProgressed{attempt, 0, 0, std::nullopt, now_ms});
      continue;
    }
    DrainOutput(task);
    const bool has_ended = ended.size() < kEndsPerTick && poller_.IsReady(task.child->end_fd());
    if (has_ended) ended.push_back(attempt);
    if (!looks && !has_ended) continue;
    const TaskChild::Progress progress = task.child->progress();
    events.push_back(ChildProgressed{attempt, progress.records, progress.bytes, progress.position,
                                     progress.moves});
    if (!has_ended) task.child->CheckMemory();
  }
  for (const AttemptId& attempt : ended) OnEnded(attempt, tasks_.at(attempt), now_ms);
  std::move(ended_.begin(), ended_.end(), std::back_inserter(events));
  ended_.clear();
}

void TaskRunner::OnEnded(const AttemptId& attempt, Task& task, std::uint64_t now_ms) {
  Unwatch(task);
  std::variant<TaskSuccess, FailedTask> result = task.child->Finish();
  task.child.reset();
  if (const auto* failed = std::get_if<FailedTask>(&result)) {
    if (task.first && !task.parts_directory.empty())
      spool_.RemoveElsewhere(task.parts_directory + "-again");
    return End(attempt, task.inputs.FailureOf(*failed));
  }
  if (task.plan->checks_determinism && !task.first) {
    task.first = std::move(std::get<TaskSuccess>(result));
    const Result<bool> launched = Launch(task, now_ms);
    if (!launched.ok()) End(attempt, FailureOf(launched.error()));
    return;
  }
  if (task.first) {
    // What the second one made was the same: it goes.
    for (const RunInfo& run : std::get<TaskSuccess>(result).runs)
      static_cast<void>(LocalFileSystem().RemoveFile(run.path));
    if (!task.parts_directory.empty()) spool_.RemoveElsewhere(task.parts_directory + "-again");
    result = *std::move(task.first);
  }
  auto& success = std::get<TaskSuccess>(result);
  const ClusterPhase& phase = task.plan->phases[attempt.task.phase.index];
  if (!task.parts_directory.empty() && !phase.leaves_files() && !success.output.reject_file) {
    spool_.RemoveElsewhere(task.parts_directory);  // There is nothing in it.
    parts_.erase(attempt);
  }
  held_.Add(attempt, std::move(success.runs));
  spool_.DropInputs(attempt);
  End(attempt, Reportable(attempt, std::move(success.output)));
}

void TaskRunner::End(const AttemptId& attempt, std::variant<TaskOutput, TaskFailure> result) {
  tasks_.erase(attempt);
  if (tasks_.empty()) fetcher_.Clear();
  ended_.push_back(ChildEnded{attempt, std::move(result)});
}

std::uint64_t TaskRunner::NextTimerMs() const {
  if (!ended_.empty()) return 0;
  return tasks_.empty() ? UINT64_MAX : next_look_ms_;
}

}  // namespace millrace
