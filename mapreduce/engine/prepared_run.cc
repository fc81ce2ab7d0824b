// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/prepared_run.h"

#include <filesystem>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "mapreduce/engine/existing_output.h"
#include "mapreduce/engine/followers.h"
#include "mapreduce/engine/output_overlap.h"
#include "mapreduce/engine/split_plan.h"
#include "mapreduce/engine/utf8.h"

namespace millrace {
namespace {

std::vector<std::string> TableStages(const JobGraph& graph, const std::vector<int>& tables) {
  std::set<std::size_t> stages;
  for (const int table : tables)
    stages.insert(static_cast<std::size_t>(graph.tables[static_cast<std::size_t>(table)].stage));
  std::vector<std::string> names;
  for (const std::size_t stage : stages) names.push_back(graph.stages[stage].name);
  return names;
}

// What would be executed, as this process would do it.
void FillPlan(const PreparedRun& run, RunSummary& summary) {
  const JobGraph& graph = run.planned.job->graph();
  const std::vector<ExecutionInput>& inputs = run.planned.inputs;
  std::vector<std::vector<Split>> splits(inputs.size());
  for (Split& split : PlanSplits(inputs, run.split_bytes, run.small_inputs))
    splits[static_cast<std::size_t>(split.pieces.front().input)].push_back(std::move(split));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    summary.inputs[i].split_count = splits[i].size();
    summary.split_count += splits[i].size();
    summary.inputs[i].format = FormatSpec(inputs[i].format);
    summary.inputs[i].is_converted = !inputs[i].format.is_lines();
    for (const Shard& shard : inputs[i].shards) {
      if (shard.file.bytes <= run.split_bytes) continue;
      const std::string why = WhyWhole(inputs[i].format, shard);
      if (why.empty()) continue;
      if (summary.inputs[i].whole_count++ == 0)
        summary.inputs[i].why_whole = Printable(shard.file.path) + ": " + why;
    }
  }
  for (const OutputSpec& output : graph.outputs) {
    OutputSummary& each = summary.outputs.emplace_back();
    each.name = output.name;
    each.format = output.extension;
    for (const OutputColumn& column : output.columns) each.columns.push_back(column.name);
  }
  for (std::size_t s = 0; s < graph.stages.size(); ++s) {
    const StageSpec& stage = graph.stages[s];
    for (const StageSource& source : stage.sources) {
      if (source.input < 0) continue;
      const auto input = static_cast<std::size_t>(source.input);
      const std::vector<std::size_t> parts =
          PartsOfShards(inputs[input].shards, static_cast<std::size_t>(summary.parts));
      summary.planned_phases.push_back({.stage = stage.name,
                                        .input = inputs[input].name,
                                        .task_count = stage.has_reduce()
                                                          ? splits[input].size()
                                                          : CutAtParts(splits[input], parts).size(),
                                        .table_stages = TableStages(graph, source.tables)});
    }
    if (stage.has_reduce()) {
      // Of the ranges its tasks are for it is known later how many are worth it.
      summary.planned_phases.push_back(
          {.stage = stage.name,
           .task_count = stage.writes.empty() ? 1 : static_cast<std::uint64_t>(summary.parts),
           .is_exact = false,
           .makes_table = stage.table >= 0,
           .table_stages = TableStages(graph, TablesOfReduce(graph, s))});
    }
    for (const StageWrite& write : stage.writes) {
      const auto output = static_cast<std::size_t>(write.output);
      summary.planned_phases.back().outputs.push_back(graph.outputs[output].name);
    }
  }
}

}  // namespace

Result<PreparedRun> PrepareRun(FileSystem& files, const RunRequest& request, int parallel) {
  PreparedRun run;
  MR_ASSIGN_OR_RETURN(run.place, OutputPlace::Resolve(request.output));
  const PlanRequest plan{.job = request.job,
                         .params = request.params,
                         .date = request.date,
                         .parts = request.parts,
                         .compression = request.compression,
                         .output_format = request.output_format,
                         .formats = request.formats};
  MR_ASSIGN_OR_RETURN(run.planned, PlanJob(files, plan, request.inputs, parallel));
  MR_RETURN_IF_ERROR(
      CheckOverlap(files, run.place, request.date, request.inputs, run.planned.inputs));
  if (request.split_bytes == 0) run.small_inputs = SmallInputs::kFiner;
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
  if (request.dry_run) FillPlan(run, summary);
  std::error_code error;
  summary.replaces = request.dry_run && std::filesystem::exists(std::filesystem::symlink_status(
                                            run.place.output, error));
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
