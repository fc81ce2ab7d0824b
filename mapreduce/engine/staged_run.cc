// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/staged_run.h"

#include <utility>

#include "mapreduce/base/hash.h"
#include "mapreduce/engine/input_digests.h"
#include "mapreduce/engine/manifest_file.h"
#include "mapreduce/engine/plan_fingerprint.h"

namespace millrace {
namespace {

void SetFile(const OutputFileRecord& from, proto::FileRecord& to) {
  to.set_path(from.path);
  to.set_bytes(from.bytes);
  to.set_records(from.records);
  to.set_xxh128(from.xxh128.Hex());
}

proto::Manifest MakeManifest(const PlannedJob& planned, const ExecutionResult& execution) {
  const JobGraph& graph = planned.job->graph();
  const Hash128 fingerprint = PlanFingerprint(planned.plan);
  proto::Manifest manifest;
  manifest.set_format_version(kFormatVersion);
  *manifest.mutable_plan() = planned.plan;
  manifest.set_plan_fingerprint(fingerprint.Hex());
  manifest.set_run(RunId(planned.plan, fingerprint));
  for (const StageSpec& stage : graph.stages) {
    proto::StageRecord& record = *manifest.add_stages();
    record.set_name(stage.name);
    record.set_fingerprint(StageFingerprint(planned.plan, stage.name).Hex());
  }
  for (const OutputSpec& output : graph.outputs) manifest.add_outputs(output.name);
  manifest.set_records_in(execution.records_in);
  manifest.set_records_out(execution.records_out);
  for (const auto& [name, value] : execution.counters) {
    proto::Counter& counter = *manifest.add_counters();
    counter.set_name(name);
    counter.set_value(value);
  }
  manifest.mutable_rejects()->set_count(execution.rejects);
  if (execution.rejects_file) {
    SetFile(*execution.rejects_file, *manifest.mutable_rejects()->mutable_file());
  }
  for (const OutputFileRecord& file : execution.files) SetFile(file, *manifest.add_files());
  return manifest;
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
  StagedRun staged{.manifest = MakeManifest(planned, execution)};
  staged.execution = std::move(execution);
  MR_RETURN_IF_ERROR(WriteManifest(files, options.output_directory, staged.manifest));
  return staged;
}

}  // namespace millrace
