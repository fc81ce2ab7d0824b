// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/run_manifest.h"

#include "mapreduce/base/hash.h"
#include "mapreduce/engine/plan_fingerprint.h"

namespace millrace {
namespace {

void SetFile(const OutputFileRecord& from, proto::FileRecord& to) {
  to.set_path(from.path);
  to.set_bytes(from.bytes);
  to.set_records(from.records);
  to.set_xxh128(from.xxh128.Hex());
}

}  // namespace

proto::Manifest MakeManifest(const ManifestFacts& facts, const ExecutionResult& execution) {
  const Hash128 fingerprint = PlanFingerprint(facts.plan);
  proto::Manifest manifest;
  manifest.set_format_version(kFormatVersion);
  *manifest.mutable_plan() = facts.plan;
  manifest.set_plan_fingerprint(fingerprint.Hex());
  manifest.set_run(RunId(facts.plan, fingerprint));
  for (const std::string& stage : facts.stages) {
    proto::StageRecord& record = *manifest.add_stages();
    record.set_name(stage);
    record.set_fingerprint(StageFingerprint(facts.plan, stage).Hex());
  }
  for (const std::string& output : facts.outputs) manifest.add_outputs(output);
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

}  // namespace millrace
