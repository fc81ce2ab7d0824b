// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/run.h"

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <optional>
#include <utility>

#include "mapreduce/engine/active_run.h"
#include "mapreduce/engine/existing_output.h"
#include "mapreduce/engine/output_overlap.h"
#include "mapreduce/engine/output_place.h"
#include "mapreduce/engine/plan.h"
#include "mapreduce/engine/split_plan.h"
#include "mapreduce/engine/staged_run.h"
#include "mapreduce/engine/utf8.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/io/publish.h"
#include "mapreduce/io/work_directory.h"

namespace millrace {
namespace {

std::uint64_t PeakMemoryBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

// One call of RunJob.
class JobRun {
 public:
  JobRun(const RunRequest& request, CancelToken& cancel, ProgressSink* progress)
      : request_(request),
        parallel_(request.parallel > 0 ? request.parallel : UsableCores()),
        cancel_(cancel),
        progress_(progress) {}

  Result<RunSummary> Run() {
    MR_ASSIGN_OR_RETURN(place_, OutputPlace::Resolve(request_.output));
    MR_ASSIGN_OR_RETURN(planned_, PlanJob(files_, AsPlanRequest(), request_.inputs, parallel_));
    MR_RETURN_IF_ERROR(
        CheckOverlap(files_, place_, request_.date, request_.inputs, planned_.inputs));
    split_bytes_ = request_.split_bytes > 0 ? request_.split_bytes
                                            : DefaultSplitBytes(planned_.stored_bytes, parallel_);
    MR_RETURN_IF_ERROR(CheckSplitBytes(planned_.stored_bytes, split_bytes_));
    if (!request_.dry_run) ClearDeadRun();
    MR_ASSIGN_OR_RETURN(std::optional<RunSummary> finished, LookAtOutput());
    if (finished) return *std::move(finished);
    if (request_.dry_run) return PlanSummary();
    return Execute();
  }

 private:
  PlanRequest AsPlanRequest() const {
    return {.job = request_.job,
            .params = request_.params,
            .date = request_.date,
            .parts = request_.parts,
            .compression = request_.compression};
  }

  // What a killed run left goes away, also where this run will find the output up to date. A live
  // run's directories are locked; whatever else fails here fails again, and is reported, in
  // Execute.
  void ClearDeadRun() {
    const auto clear = [this](const std::string& path) -> Result<WorkDirectory> {
      if (!files_.Stat(path).ok()) return Status::NotFound(path);
      return WorkDirectory::Acquire(files_, path);
    };
    if (!request_.scratch.empty()) {
      static_cast<void>(clear(place_.ScratchBelow(request_.scratch)));
    }
    const Result<WorkDirectory> work = clear(place_.work);
    if (work.ok()) static_cast<void>(RecoverPublish(files_, place_.output, place_.retired));
  }

  // A summary if the output is there already, an error if something else is, otherwise nothing.
  Result<std::optional<RunSummary>> LookAtOutput() {
    if (request_.force) return std::optional<RunSummary>();
    MR_ASSIGN_OR_RETURN(
        const ExistingOutput existing,
        ExamineOutput(files_, place_.output, planned_, parallel_, cancel_, progress_));
    if (existing.state == ExistingOutput::State::kAbsent) return std::optional<RunSummary>();
    if (existing.state == ExistingOutput::State::kInTheWay) {
      return Status::CannotCreate(Printable(request_.output), " exists and ", existing.why,
                                  "; use --force to replace it or choose another --output");
    }
    // Its name may not be durable yet: the run that published it may have failed at just that.
    const Status synced = files_.SyncDirectory(ParentPath(place_.output));
    if (synced.code() == StatusCode::kResourceLimit) return synced;
    RunSummary summary = PlanSummary();
    summary.state = RunState::kUpToDate;
    FillFrom(existing.manifest, summary);
    return std::optional<RunSummary>(std::move(summary));
  }

  RunSummary PlanSummary() const {
    RunSummary summary{.state = RunState::kPlanned, .output = request_.output};
    summary.parts = static_cast<int>(planned_.plan.parts());
    for (const ExecutionInput& input : planned_.inputs) {
      InputSummary& each = summary.inputs.emplace_back();
      each.name = input.name;
      each.shard_count = input.shards.size();
      for (const Shard& shard : input.shards) each.stored_bytes += shard.file.bytes;
    }
    summary.bytes_in = planned_.stored_bytes;
    if (request_.dry_run) summary.split_count = PlanSplits(planned_.inputs, split_bytes_).size();
    return summary;
  }

  static void FillFrom(const proto::Manifest& manifest, RunSummary& summary) {
    summary.run = manifest.run();
    summary.records_in = manifest.records_in();
    summary.records_out = manifest.records_out();
    summary.rejects = manifest.rejects().count();
    for (const proto::Counter& counter : manifest.counters()) {
      summary.counters[counter.name()] = counter.value();
    }
  }

  // Destructors undo what is not published: directories made go last, after what lies in them.
  Result<RunSummary> Execute() {
    CreatedDirectories parents(files_);
    MR_RETURN_IF_ERROR(parents.Make(ParentPath(place_.output)));
    MR_ASSIGN_OR_RETURN(WorkDirectory work, WorkDirectory::Acquire(files_, place_.work));
    MR_RETURN_IF_ERROR(RecoverPublish(files_, place_.output, place_.retired));
    // Another run may have finished between the first look and the lock.
    MR_ASSIGN_OR_RETURN(std::optional<RunSummary> finished, LookAtOutput());
    if (finished) {
      parents.Keep();
      return *std::move(finished);
    }

    CreatedDirectories scratch_parents(files_);
    std::optional<WorkDirectory> scratch;
    if (!request_.scratch.empty()) {
      MR_RETURN_IF_ERROR(scratch_parents.Make(request_.scratch));
      MR_ASSIGN_OR_RETURN(scratch,
                          WorkDirectory::Acquire(files_, place_.ScratchBelow(request_.scratch)));
    }
    ActiveRun active({work.path(), parents.count()},
                     {scratch ? scratch->path() : "", scratch_parents.count()});
    ExecutionOptions execution{
        .parallel = parallel_,
        .memory_bytes = request_.memory_bytes,
        .split_bytes = split_bytes_,
        .max_rejects = request_.max_rejects,
        .output_directory = JoinPath(work.path(), "output"),
        .scratch_directory = JoinPath(scratch ? scratch->path() : work.path(), "scratch"),
        .cancel = &cancel_,
        .progress = progress_};
    MR_RETURN_IF_ERROR(files_.MakeDirectory(execution.output_directory));
    MR_RETURN_IF_ERROR(files_.MakeDirectory(execution.scratch_directory));
    MR_ASSIGN_OR_RETURN(const StagedRun staged, StageRun(files_, planned_, execution));

    RunSummary summary = PlanSummary();
    summary.state = RunState::kDone;
    FillFrom(staged.manifest, summary);
    summary.bytes_in = staged.execution.bytes_in;
    summary.tasks_run = staged.execution.tasks_run;
    summary.phases = staged.execution.phases;
    summary.spilled_bytes = staged.execution.spilled_bytes;

    // The last step that can fail: behind it there is an output.
    active.BeginPublish();
    MR_RETURN_IF_ERROR(PublishDirectory(files_, execution.output_directory, place_.output,
                                        request_.force, place_.retired));
    parents.Keep();
    return summary;
  }

  const RunRequest& request_;
  const int parallel_;
  CancelToken& cancel_;
  ProgressSink* const progress_;
  FileSystem& files_ = LocalFileSystem();
  OutputPlace place_;
  PlannedJob planned_;
  std::uint64_t split_bytes_ = 0;
};

}  // namespace

Result<RunSummary> RunJob(const RunRequest& request, CancelToken& cancel, ProgressSink* progress) {
  const auto start = std::chrono::steady_clock::now();
  try {
    Result<RunSummary> summary = JobRun(request, cancel, progress).Run();
    if (!summary.ok()) return summary;
    summary->seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    summary->peak_memory_bytes = PeakMemoryBytes();
    return summary;
  } catch (const std::bad_alloc&) {
    return Status::ResourceLimit(
        "out of memory; use fewer tasks at once (--parallel) or a smaller "
        "--memory budget");
  }
}

int UsableCores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (sched_getaffinity(0, sizeof(cores), &cores) != 0) return 1;
  return std::max(1, CPU_COUNT(&cores));
}

}  // namespace millrace
