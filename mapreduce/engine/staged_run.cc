// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/staged_run.h"

#include <utility>

#include "mapreduce/engine/input_digests.h"
#include "mapreduce/engine/manifest_file.h"
#include "mapreduce/engine/run_manifest.h"

namespace millrace {
namespace {

ManifestFacts FactsOf(const PlannedJob& planned) {
  const JobGraph& graph = planned.job->graph();
  ManifestFacts facts{.plan = planned.plan, .stages = {}, .outputs = {}};
  for (const StageSpec& stage : graph.stages) facts.stages.push_back(stage.name);
  for (const OutputSpec& output : graph.outputs) facts.outputs.push_back(output.name);
  return facts;
}

}  // namespace

Result<StagedRun> StageRun(FileSystem& files, PlannedJob& planned, ExecutionOptions options) {
  options.date = planned.plan.date();
  options.parts = static_cast<int>(planned.plan.parts());
  MR_ASSIGN_OR_RETURN(options.compression, ParseCompression(planned.plan.compression()));
  MR_ASSIGN_OR_RETURN(ExecutionResult execution,
                      Execute(planned.job->graph(), planned.inputs, options));
  if (options.cancel != nullptr) MR_RETURN_IF_ERROR(options.cancel->Check());
  MR_RETURN_IF_ERROR(SetInputDigests(execution.input_digests, planned.plan));
  StagedRun staged{.manifest = MakeManifest(FactsOf(planned), execution)};
  staged.execution = std::move(execution);
  MR_RETURN_IF_ERROR(WriteManifest(files, options.output_directory, staged.manifest));
  return staged;
}

}  // namespace millrace
