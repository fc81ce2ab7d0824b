// SPDX-License-Identifier: Apache-2.0
#include "worker/task_inputs.h"

#include <algorithm>
#include <utility>

#include "mapreduce/engine/utf8.h"

namespace millrace {

std::optional<TaskFailure> TaskInputs::CheckSources(const std::vector<FetchedSource>& sources) {
  for (const FetchedSource& source : sources) {
    for (const FetchFile& file : source.files) {
      if (Spool::IsRunPath(file.path, file.output, source.key.source.channel)) continue;
      TaskFailure failure;
      failure.code = StatusCode::kUnavailable;
      failure.message = "a worker names a file that no spool has: " + Printable(file.path);
      failure.source = source.key.from;
      return failure;
    }
  }
  return std::nullopt;
}

Result<TaskInputs> TaskInputs::Make(const ClusterPlan& plan, const StartChild& start,
                                    const Spool& spool, const HeldRuns& held) {
  TaskInputs made;
  if (start.task.kind == TaskKind::kMap) return made;
  const std::uint32_t phase = start.task.attempt.task.phase.index;
  if (phase >= plan.phases.size()) return Status::InvalidArgument("the plan has no phase ", phase);
  const std::vector<PhaseSource>& sources = plan.phases[phase].sources;
  const auto index_of = [&](const PhaseSource& source) {
    return static_cast<std::size_t>(std::find(sources.begin(), sources.end(), source) -
                                    sources.begin());
  };
  for (const FetchedSource& fetched : start.inputs) {
    const std::size_t source = index_of(fetched.key.source);
    const WorkerId from = fetched.key.from;
    std::uint64_t at = 0;
    for (const FetchSlice& slice : fetched.slices) {
      made.places_.push_back({source, slice.output, from, false,
                              RunSlice{spool.FetchPath(fetched.key),
                                       at,
                                       slice.file_id,
                                       {slice.begin, slice.end},
                                       slice.block_bytes_max}});
      at += slice.end - slice.begin;
    }
    for (const FetchFile& file : fetched.files) {
      made.places_.push_back({source, file.output, from, true,
                              RunInfo{file.path, file.file_id, file.file_bytes, file.record_count,
                                      file.key_bytes, file.value_bytes, file.block_bytes_max}});
    }
  }
  for (const AttemptId& output : start.local_outputs) {
    for (std::size_t s = 0; s < sources.size(); ++s) {
      if (sources[s].phase != output.task.phase.index) continue;
      const RunInfo* const run = held.Find(output, sources[s].channel);
      if (run == nullptr) return Status::Unavailable("an output that the task reads is gone");
      made.places_.push_back({s, output, std::nullopt, false, *run});
    }
  }
  std::sort(made.places_.begin(), made.places_.end(), [](const Place& a, const Place& b) {
    return std::pair(a.source, a.output) < std::pair(b.source, b.output);
  });
  return made;
}

std::vector<ReduceInput> TaskInputs::inputs() const {
  std::vector<ReduceInput> inputs;
  for (const Place& place : places_) inputs.push_back(place.input);
  return inputs;
}

// The longest path: others may begin like it.
const TaskInputs::Place* TaskInputs::ForeignFileIn(const std::string& message) const {
  const Place* found = nullptr;
  std::size_t size = 0;
  for (const Place& place : places_) {
    if (!place.is_foreign_file) continue;
    const std::string& path = std::get<RunInfo>(place.input).path;
    if (path.size() <= size || message.find(path) == message.npos) continue;
    found = &place;
    size = path.size();
  }
  return found;
}

TaskFailure TaskInputs::FailureOf(const FailedTask& failed) const {
  TaskFailure failure = failed.failure;
  const Place* damaged = nullptr;
  if (failed.damaged_input && *failed.damaged_input < places_.size()) {
    damaged = &places_[*failed.damaged_input];
  } else if (failure.code == StatusCode::kUnavailable) {
    damaged = ForeignFileIn(failure.message);  // Not allowed to open it, for one.
  }
  if (damaged == nullptr) return failure;
  failure.source = damaged->from;
  if (damaged->is_foreign_file) {
    failure.code = StatusCode::kUnavailable;
  } else {
    failure.damaged = damaged->output;
  }
  return failure;
}

}  // namespace millrace
