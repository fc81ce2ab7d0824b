// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_PLAN_H_
#define MAPREDUCE_ENGINE_PLAN_H_

// From a request (job, parameters, patterns) to a plan: everything that decides the output bytes,
// checked before anything runs. The digests of the inputs are not known yet: the run finds them
// while it reads, DigestInputs() reads for them.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mapreduce/api/job.h"
#include "mapreduce/base/status.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/io/shard.h"
#include "mapreduce/proto/plan.pb.h"

namespace millrace {

/// What decides an output, as asked for.
struct PlanRequest {
  std::string job;
  std::map<std::string, std::string> params;
  std::string date;
  int parts = 0;  ///< 0: DefaultParts().
  Compression compression = Compression::kNone;
  OutputFormat output_format = OutputFormat::kTsv;
  std::vector<std::string> formats;  ///< `[INPUT=]FORMAT`, as --format says.
};

/// A plan and what it takes to execute it.
struct PlannedJob {
  std::unique_ptr<Job> job;  ///< Holds the graph.
  std::vector<ExecutionInput> inputs;
  std::uint64_t stored_bytes = 0;  ///< Of all inputs.
  proto::Plan plan;                ///< Shards without digests.
};

/// The job `name`, defined with its parameters. kInvalidArgument for an unknown job ("did you
/// mean"), an unknown or bad parameter, a bad date; kUserCode where the job's definition throws.
Result<std::unique_ptr<Job>> DefineJob(const std::string& name, const JobSettings& settings);

/// Plans `request.job` over the files that `specs` ([NAME=]PATTERN) match. `threads` look at the
/// files. kNotFound for a pattern without files; kInvalidArgument also for names that a manifest
/// can't hold.
Result<PlannedJob> PlanJob(FileSystem& files, const PlanRequest& request,
                           const std::vector<std::string>& specs, int threads);

/// Plans what an earlier plan says, over its files as they are now, which must all exist.
Result<PlannedJob> PlanAgain(FileSystem& files, const proto::Plan& plan, int threads);

/// One part per 256 MiB of stored input, 1 to 1000.
int DefaultParts(std::uint64_t stored_bytes);

/// The inverse of CompressionName(); kInvalidArgument for another name.
Result<Compression> ParseCompression(const std::string& name);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_PLAN_H_
