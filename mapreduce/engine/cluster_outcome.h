// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_CLUSTER_OUTCOME_H_
#define MAPREDUCE_ENGINE_CLUSTER_OUTCOME_H_

// From what the tasks of a cluster have reported to what the local runner would have found: the
// same manifest, the same rejects in the same order, the same complaint about too many of them.

#include <string>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/engine/cluster_plan.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/proto/manifest.pb.h"
#include "mapreduce/proto/messages.h"

namespace millrace {

struct ClusterOutcome {
  ExecutionResult execution;  ///< Of the whole run.
  proto::Manifest manifest;
  std::string manifest_text;  ///< Bytes of _manifest.json.
  std::string rejects;        ///< Bytes of _rejects.tsv; where there are none, no file.
};

/// `outputs`: the committed output of each task, by phase of the plan, then task. Errors: kBadData
/// for rejects over the limit; kStale where tasks have read different bytes of one shard;
/// kInternal for what can't come from the plan's tasks, such as blocks of a shard that nobody read.
Result<ClusterOutcome> AssembleOutcome(const ClusterPlan& plan,
                                       const std::vector<std::vector<const TaskOutput*>>& outputs);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_CLUSTER_OUTCOME_H_
