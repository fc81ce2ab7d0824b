// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_CLUSTER_OUTCOME_H_
#define MAPREDUCE_ENGINE_CLUSTER_OUTCOME_H_

// From what the tasks of a cluster have reported to what the local runner would have found: the
// same manifest, the same rejects in the same order, the same complaint about too many of them.

#include <string>

#include "mapreduce/base/status.h"
#include "mapreduce/engine/cluster_plan.h"
#include "mapreduce/engine/cluster_rejects.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/proto/manifest.pb.h"

namespace millrace {

struct ClusterOutcome {
  ExecutionResult execution;  ///< Of the whole run.
  proto::Manifest manifest;
  std::string manifest_text;  ///< Bytes of _manifest.json.
};

/// Where execution.rejects_file is set, _rejects.tsv has been made at RunRejectsPath. Errors:
/// kBadData for rejects over the limit; kStale where tasks have read different bytes of one shard;
/// kCorrupt for a file of rejects that is missing or damaged; kInternal for what can't come from
/// the plan's tasks, such as blocks of a shard that nobody read. kUnavailable and kResourceLimit
/// are of the disk and may pass: try again.
Result<ClusterOutcome> AssembleOutcome(const ClusterPlan& plan, const RunOutputs& outputs,
                                       const OutcomePlaces& places);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_CLUSTER_OUTCOME_H_
