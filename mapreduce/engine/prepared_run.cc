// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/prepared_run.h"

#include <utility>

#include "mapreduce/engine/existing_output.h"
#include "mapreduce/engine/output_overlap.h"
#include "mapreduce/engine/split_plan.h"
#include "mapreduce/engine/utf8.h"

namespace millrace {

Result<PreparedRun> PrepareRun(FileSystem& files, const RunRequest& request, int parallel) {
  PreparedRun run;
  MR_ASSIGN_OR_RETURN(run.place, OutputPlace::Resolve(request.output));
  const PlanRequest plan{.job = request.job,
                         .params = request.params,
                         .date = request.date,
                         .parts = request.parts,
                         .compression = request.compression};
  MR_ASSIGN_OR_RETURN(run.planned, PlanJob(files, plan, request.inputs, parallel));
  MR_RETURN_IF_ERROR(
      CheckOverlap(files, run.place, request.date, request.inputs, run.planned.inputs));
  run.split_bytes = request.split_bytes > 0 ? request.split_bytes
                                            : DefaultSplitBytes(run.planned.stored_bytes, parallel);
  MR_RETURN_IF_ERROR(CheckSplitBytes(run.planned.stored_bytes, run.split_bytes));
  return run;
}

Result<std::optional<RunSummary>> LookAtOutput(FileSystem& files, const RunRequest& request,
                                               PreparedRun& run, int parallel, CancelToken& cancel,
                                               ProgressSink* progress) {
  if (request.force) return std::optional<RunSummary>();
  MR_ASSIGN_OR_RETURN(
      const ExistingOutput existing,
      ExamineOutput(files, run.place.output, run.planned, parallel, cancel, progress));
  if (existing.state == ExistingOutput::State::kAbsent) return std::optional<RunSummary>();
  if (existing.state == ExistingOutput::State::kInTheWay) {
    return Status::CannotCreate(Printable(request.output), " exists and ", existing.why,
                                "; use --force to replace it or choose another --output");
  }
  // Its name may not be durable yet: the run that published it may have failed at just that.
  const Status synced = files.SyncDirectory(ParentPath(run.place.output));
  if (synced.code() == StatusCode::kResourceLimit) return synced;
  RunSummary summary = PlanSummary(request, run);
  summary.state = RunOutcome::kUpToDate;
  FillFrom(existing.manifest, summary);
  return std::optional<RunSummary>(std::move(summary));
}

RunSummary PlanSummary(const RunRequest& request, const PreparedRun& run) {
  RunSummary summary{.state = RunOutcome::kPlanned, .output = request.output};
  summary.parts = static_cast<int>(run.planned.plan.parts());
  for (const ExecutionInput& input : run.planned.inputs) {
    InputSummary& each = summary.inputs.emplace_back();
    each.name = input.name;
    each.shard_count = input.shards.size();
    for (const Shard& shard : input.shards) each.stored_bytes += shard.file.bytes;
  }
  summary.bytes_in = run.planned.stored_bytes;
  if (request.dry_run) summary.split_count = PlanSplits(run.planned.inputs, run.split_bytes).size();
  return summary;
}

void FillFrom(const proto::Manifest& manifest, RunSummary& summary) {
  summary.run = manifest.run();
  summary.records_in = manifest.records_in();
  summary.records_out = manifest.records_out();
  summary.rejects = manifest.rejects().count();
  for (const proto::Counter& counter : manifest.counters()) {
    summary.counters[counter.name()] = counter.value();
  }
}

}  // namespace millrace
