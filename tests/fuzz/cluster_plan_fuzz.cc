// SPDX-License-Identifier: Apache-2.0
// Any bytes as a plan for a cluster: refused, or decoded to a plan whose splits cover its inputs
// and that, encoded again, is the very same.
#include <google/protobuf/stubs/logging.h>

#include <string>
#include <string_view>

#include "mapreduce/engine/cluster_plan.h"
#include "tests/fuzz/fuzz_file.h"

using namespace millrace;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const google::protobuf::LogSilencer silence;  // It complains about text that is not UTF-8.
  const Result<ClusterPlan> plan = DecodeClusterPlan({reinterpret_cast<const char*>(data), size});
  if (!plan.ok()) return 0;
  FUZZ_CHECK(PhasesOf(*plan).size() == plan->phases.size());
  for (const ClusterPhase& phase : plan->phases) {
    if (!phase.is_map()) continue;
    std::uint64_t stored_bytes = 0, read_bytes = 0;
    for (const Shard& shard : plan->inputs[phase.input].shards) stored_bytes += shard.file.bytes;
    for (const Split& split : phase.splits) read_bytes += split.stored_bytes;
    FUZZ_CHECK(read_bytes == stored_bytes);
  }
  const Result<std::string> again = EncodeClusterPlan(*plan);
  FUZZ_CHECK(again.ok());
  const Result<ClusterPlan> second = DecodeClusterPlan(*again);
  FUZZ_CHECK(second.ok());
  FUZZ_CHECK(*EncodeClusterPlan(*second) == *again);
  return 0;
}
