// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_ENGINE_TEST_PLAN_H_
#define TESTS_UNIT_ENGINE_TEST_PLAN_H_

// A small plan and a manifest of it, for tests.

#include <string>

#include "mapreduce/base/hash.h"
#include "mapreduce/engine/plan_fingerprint.h"
#include "mapreduce/proto/manifest.pb.h"

namespace millrace {

inline proto::InputShard TestShard(const std::string& path, const std::string& content) {
  proto::InputShard shard;
  shard.set_path(path);
  shard.set_stored_bytes(content.size());
  shard.set_xxh128(HashOf128(content).Hex());
  return shard;
}

inline proto::Plan TestPlan() {
  proto::Plan plan;
  plan.set_job("toplist");
  plan.set_code("0123abcd");
  proto::Parameter& k = *plan.add_parameters();
  k.set_name("k");
  k.set_value("100");
  plan.set_date("2026-11-21");
  plan.set_parts(1);
  plan.set_compression("none");
  proto::PlanInput& plays = *plan.add_inputs();
  plays.set_name("plays");
  *plays.add_shards() = TestShard("/data/plays/a.tsv", "first");
  *plays.add_shards() = TestShard("/data/plays/b.tsv", "second");
  proto::PlanInput& users = *plan.add_inputs();
  users.set_name("users");
  *users.add_shards() = TestShard("/data/users.tsv", "ann");
  return plan;
}

inline proto::Manifest TestManifest() {
  proto::Manifest manifest;
  manifest.set_format_version(kFormatVersion);
  *manifest.mutable_plan() = TestPlan();
  const Hash128 fingerprint = PlanFingerprint(manifest.plan());
  manifest.set_plan_fingerprint(fingerprint.Hex());
  manifest.set_run(RunId(manifest.plan(), fingerprint));
  proto::StageRecord& stage = *manifest.add_stages();
  stage.set_name("stage-1");
  stage.set_fingerprint(StageFingerprint(manifest.plan(), "stage-1").Hex());
  manifest.add_outputs("toplist");
  manifest.set_records_in(9);
  manifest.set_records_out(2);
  proto::Counter& counter = *manifest.add_counters();
  counter.set_name("too_short");
  counter.set_value(3);
  manifest.mutable_rejects()->set_count(1);
  proto::FileRecord& rejects = *manifest.mutable_rejects()->mutable_file();
  rejects.set_path("_rejects.tsv");
  rejects.set_bytes(40);
  rejects.set_records(1);
  rejects.set_xxh128(HashOf128("rejects").Hex());
  proto::FileRecord& part = *manifest.add_files();
  part.set_path("part-00000.tsv");
  part.set_bytes(std::uint64_t{1} << 62);  // Numbers of more than 53 bits stay exact.
  part.set_records(2);
  part.set_xxh128(HashOf128("part").Hex());
  return manifest;
}

}  // namespace millrace

#endif  // TESTS_UNIT_ENGINE_TEST_PLAN_H_
