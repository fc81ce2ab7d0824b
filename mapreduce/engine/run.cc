// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/run.h"

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "mapreduce/engine/active_run.h"
#include "mapreduce/engine/output_place.h"
#include "mapreduce/engine/prepared_run.h"
#include "mapreduce/engine/staged_run.h"
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
    MR_ASSIGN_OR_RETURN(run_, PrepareRun(files_, request_, parallel_));
    if (!request_.dry_run) ClearDeadRun();
    MR_ASSIGN_OR_RETURN(std::optional<RunSummary> finished, LookAtOutput());
    if (finished) return *std::move(finished);
    if (request_.dry_run) return PlanSummary(request_, run_);
    return Execute();
  }

 private:
  Result<std::optional<RunSummary>> LookAtOutput() {
    return millrace::LookAtOutput(files_, request_, run_, parallel_, cancel_, progress_);
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
      static_cast<void>(clear(run_.place.ScratchBelow(request_.scratch)));
    }
    const Result<WorkDirectory> work = clear(run_.place.work);
    if (work.ok()) static_cast<void>(RecoverPublish(files_, run_.place.output, run_.place.retired));
  }

  // Destructors undo what is not published: directories made go last, after what lies in them.
  Result<RunSummary> Execute() {
    CreatedDirectories parents(files_);
    MR_RETURN_IF_ERROR(parents.Make(ParentPath(run_.place.output)));
    MR_ASSIGN_OR_RETURN(WorkDirectory work, WorkDirectory::Acquire(files_, run_.place.work));
    MR_RETURN_IF_ERROR(RecoverPublish(files_, run_.place.output, run_.place.retired));
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
      MR_ASSIGN_OR_RETURN(
          scratch, WorkDirectory::Acquire(files_, run_.place.ScratchBelow(request_.scratch)));
    }
    ActiveRun active({work.path(), parents.count()},
                     {scratch ? scratch->path() : "", scratch_parents.count()});
    ExecutionOptions execution{
        .parallel = parallel_,
        .memory_bytes = request_.memory_bytes,
        .split_bytes = run_.split_bytes,
        .small_inputs = run_.small_inputs,
        .max_rejects = request_.max_rejects,
        .output_directory = JoinPath(work.path(), "output"),
        .scratch_directory = JoinPath(scratch ? scratch->path() : work.path(), "scratch"),
        .cancel = &cancel_,
        .progress = progress_};
    MR_RETURN_IF_ERROR(files_.MakeDirectory(execution.output_directory));
    MR_RETURN_IF_ERROR(files_.MakeDirectory(execution.scratch_directory));
    const Result<StagedRun> staged = StageRun(files_, run_.planned, execution);
    if (!staged.ok()) return Explained(staged.error(), execution);

    RunSummary summary = PlanSummary(request_, run_);
    summary.state = RunOutcome::kDone;
    FillFrom(staged->manifest, summary);
    summary.bytes_in = staged->execution.bytes_in;
    summary.tasks_run = staged->execution.tasks_run;
    summary.phases = staged->execution.phases;
    summary.spilled_bytes = staged->execution.spilled_bytes;

    // The last step that can fail: behind it there is an output.
    active.BeginPublish();
    MR_RETURN_IF_ERROR(PublishDirectory(files_, execution.output_directory, run_.place.output,
                                        request_.force, run_.place.retired));
    parents.Keep();
    return summary;
  }

  // A file that is damaged or gone is bad input, unless the run wrote it itself.
  static Status Explained(const Status& status, const ExecutionOptions& execution) {
    const bool is_of_a_file =
        status.code() == StatusCode::kCorrupt || status.code() == StatusCode::kNotFound;
    if (!is_of_a_file || status.message().find(execution.scratch_directory) == std::string::npos) {
      return status;
    }
    return Status::ResourceLimit(status.message(),
                                 "; the run wrote this file itself, and the disk ",
                                 "or another program has changed it: run it again");
  }

  const RunRequest& request_;
  const int parallel_;
  CancelToken& cancel_;
  ProgressSink* const progress_;
  FileSystem& files_ = LocalFileSystem();
  PreparedRun run_;
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
