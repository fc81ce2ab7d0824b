// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/rerun.h"

#include <new>
#include <optional>

#include "mapreduce/engine/active_run.h"
#include "mapreduce/engine/compare_outputs.h"
#include "mapreduce/engine/manifest_file.h"
#include "mapreduce/engine/output_place.h"
#include "mapreduce/engine/plan.h"
#include "mapreduce/engine/plan_fingerprint.h"
#include "mapreduce/engine/split_plan.h"
#include "mapreduce/engine/staged_run.h"
#include "mapreduce/engine/utf8.h"
#include "mapreduce/engine/working_directory.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/io/publish.h"
#include "mapreduce/io/work_directory.h"

namespace millrace {
namespace {

// One call of RerunOutput.
class Rerun {
 public:
  Rerun(const RerunRequest& request, CancelToken& cancel, ProgressSink* progress)
      : request_(request),
        parallel_(request.parallel > 0 ? request.parallel : UsableCores()),
        cancel_(cancel),
        progress_(progress) {}

  Result<RerunReport> Run() {
    // All paths are made absolute before the run goes to where the inputs' paths start.
    MR_ASSIGN_OR_RETURN(output_, OutputPlace::Resolve(request_.output));
    if (!request_.into.empty()) {
      MR_ASSIGN_OR_RETURN(into_, OutputPlace::Resolve(request_.into));
      if (files_.Stat(into_->output).ok()) {
        return Status::CannotCreate("--into ", Printable(request_.into),
                                    " exists; choose another directory");
      }
    }
    if (!request_.scratch.empty()) scratch_ = AbsolutePath(request_.scratch);
    MR_ASSIGN_OR_RETURN(manifest_, ReadManifest(files_, output_.output));
    WorkingDirectoryScope start;
    MR_RETURN_IF_ERROR(start.Enter(manifest_.plan().directory()));
    MR_ASSIGN_OR_RETURN(planned_, PlanAgain(files_, manifest_.plan(), parallel_));
    return Execute();
  }

 private:
  // As JobRun::Execute(): destructors undo what is not published.
  Result<RerunReport> Execute() {
    CreatedDirectories parents(files_);
    if (into_) MR_RETURN_IF_ERROR(parents.Make(ParentPath(into_->output)));
    MR_ASSIGN_OR_RETURN(WorkDirectory work,
                        WorkDirectory::Acquire(files_, into_ ? into_->work : output_.RerunWork()));
    CreatedDirectories scratch_parents(files_);
    std::optional<WorkDirectory> scratch;
    if (!scratch_.empty()) {
      MR_RETURN_IF_ERROR(scratch_parents.Make(scratch_));
      MR_ASSIGN_OR_RETURN(
          scratch, WorkDirectory::Acquire(files_, output_.ScratchBelow(scratch_) + "-rerun"));
    }
    ActiveRun active({work.path(), parents.count()},
                     {scratch ? scratch->path() : "", scratch_parents.count()});
    const std::uint64_t split_bytes = request_.split_bytes > 0
                                          ? request_.split_bytes
                                          : DefaultSplitBytes(planned_.stored_bytes, parallel_);
    MR_RETURN_IF_ERROR(CheckSplitBytes(planned_.stored_bytes, split_bytes));
    ExecutionOptions execution{
        .parallel = parallel_,
        .memory_bytes = request_.memory_bytes,
        .split_bytes = split_bytes,
        .max_rejects = {.percent = 100},  // The limit was the first run's; here bytes decide.
        .output_directory = JoinPath(work.path(), "output"),
        .scratch_directory = JoinPath(scratch ? scratch->path() : work.path(), "scratch"),
        .cancel = &cancel_,
        .progress = progress_};
    MR_RETURN_IF_ERROR(files_.MakeDirectory(execution.output_directory));
    MR_RETURN_IF_ERROR(files_.MakeDirectory(execution.scratch_directory));
    MR_ASSIGN_OR_RETURN(const StagedRun staged, StageRun(files_, planned_, execution));
    MR_ASSIGN_OR_RETURN(const RerunReport report,
                        Compare(execution.output_directory, staged.manifest));
    if (into_) {
      active.BeginPublish();
      MR_RETURN_IF_ERROR(PublishDirectory(files_, execution.output_directory, into_->output,
                                          /*replace=*/false, into_->retired));
      parents.Keep();
    }
    return report;
  }

  Result<RerunReport> Compare(const std::string& directory, const proto::Manifest& now) {
    RerunReport report;
    for (const std::string& difference : PlanDifferences(manifest_.plan(), now.plan())) {
      const bool is_input = difference.starts_with("input ");
      (is_input ? report.differences : report.notes).push_back(difference);
    }
    MR_ASSIGN_OR_RETURN(const std::vector<std::string> found,
                        CompareOutputs(files_,
                                       {.before_directory = output_.output,
                                        .now_directory = directory,
                                        .before = manifest_,
                                        .now = now},
                                       cancel_));
    report.differences.insert(report.differences.end(), found.begin(), found.end());
    return report;
  }

  const RerunRequest& request_;
  const int parallel_;
  CancelToken& cancel_;
  ProgressSink* const progress_;
  FileSystem& files_ = LocalFileSystem();
  OutputPlace output_;
  std::optional<OutputPlace> into_;
  std::string scratch_;
  proto::Manifest manifest_;
  PlannedJob planned_;
};

}  // namespace

Result<RerunReport> RerunOutput(const RerunRequest& request, CancelToken& cancel,
                                ProgressSink* progress) {
  try {
    return Rerun(request, cancel, progress).Run();
  } catch (const std::bad_alloc&) {
    return Status::ResourceLimit(
        "out of memory; use fewer tasks at once (--parallel) or a smaller "
        "--memory budget");
  }
}

}  // namespace millrace
