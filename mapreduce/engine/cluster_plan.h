// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_CLUSTER_PLAN_H_
#define MAPREDUCE_ENGINE_CLUSTER_PLAN_H_

// A plan for a cluster: RunSpec::plan, opaque to the scheduler.
//
//   client   PlannedJob -> MakeClusterPlan -> EncodeClusterPlan, PhasesOf -> RunSpec
//   master   DecodeClusterPlan, CheckFits; at the end AssembleOutcome (cluster_outcome.h)
//   worker   DecodeClusterPlan -> DefineJob -> CheckFitsJob -> ExecuteMapTask, ExecuteReduceTask
//
// On the wire (mapreduce/proto/cluster_plan.proto) there are no splits: who decodes a plan makes
// them anew from inputs and split size. So 100,000 shards take some 10 MiB, and splits always fit.
// Of compressed shards only those that are cut keep their frames.
//
// Relative paths of shards start in plan.directory(): whoever opens them works there.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/api/graph.h"
#include "mapreduce/base/hash.h"
#include "mapreduce/base/status.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/engine/plan.h"
#include "mapreduce/engine/split_plan.h"
#include "mapreduce/proto/messages.h"
#include "mapreduce/proto/plan.pb.h"

namespace millrace {

/// A job module, by content.
struct ModuleFile {
  std::string name;  ///< Without its folder.
  Hash128 hash;
  std::uint64_t bytes = 0;
  std::string signer;     ///< Public key of who has signed it, 32 bytes; or "",
  std::string signature;  ///< and his signature, 64 (mapreduce/security/module_signature.h).
  friend bool operator==(const ModuleFile&, const ModuleFile&) = default;
};

/// Where the tasks of a phase come from and what they leave. Phases are by stage; in a stage the
/// maps of its sources that read inputs, then the reduce. A stage of maps alone has one phase,
/// whose tasks write one part each.
struct ClusterPhase {
  TaskKind kind = TaskKind::kMap;
  std::uint32_t stage = 0;
  std::uint32_t source = 0;            ///< Of a map: of the stage's.
  std::uint32_t input = 0;             ///< Of a map: what it reads.
  std::vector<PhaseSource> sources;    ///< Of a reduce.
  std::uint32_t channels = 0;          ///< Run files of a task.
  std::vector<std::uint32_t> outputs;  ///< Part files of a task, by write: ClusterPlan::outputs.
  bool makes_table = false;            ///< Of a reduce: its tasks write files of a table.
  std::vector<std::uint32_t> tables;   ///< Phases whose tables its tasks look up in, ascending.
  std::vector<Split> splits;           ///< Of a map: by task.

  bool is_map() const { return kind == TaskKind::kMap; }
  /// Its tasks are parts.
  bool is_map_alone() const { return is_map() && channels == 0; }
  /// Its attempts leave files beside the run's output.
  bool leaves_files() const { return !outputs.empty() || makes_table; }
};

/// What isn't in a PlannedJob.
struct ClusterPlanOptions {
  std::uint64_t split_bytes = 0;
  std::string typed_output;  ///< As the user wrote it, for messages.
  bool force = false;        ///< Replaces what is at the output.
  RejectLimit max_rejects;
  bool checks_determinism = false;
  std::vector<ModuleFile> modules;
};

/// See above.
struct ClusterPlan : ClusterPlanOptions {
  proto::Plan plan;                    ///< Shards without digests.
  std::vector<ExecutionInput> inputs;  ///< As the plan's, with all that a task must know of them.
  std::vector<std::string> stages;     ///< Names.
  std::vector<std::string> outputs;    ///< Names.
  std::vector<ClusterPhase> phases;    ///< Parallel to RunSpec::phases.

  /// Attempts have folders beside the run's output: for their parts, the file of a table, or
  /// rejects that are too many for a report.
  bool needs_folders(const ClusterPhase& phase) const {
    return phase.leaves_files() || max_rejects.count > 0 || max_rejects.percent >= 0;
  }
};

/// kInvalidArgument for more tasks than a run may have, and for names that a plan can't hold.
Result<ClusterPlan> MakeClusterPlan(const PlannedJob& planned, const ClusterPlanOptions& options);

/// What the scheduler needs to know of the plan's phases.
std::vector<PhaseSpec> PhasesOf(const ClusterPlan& plan);

/// The same plan has the same bytes. kResourceLimit for more than kPlanBytesMax; kInvalidArgument
/// for a plan that could not be decoded.
Result<std::string> EncodeClusterPlan(const ClusterPlan& plan);

/// Checks everything before it believes anything; makes the splits. kCorrupt, saying what is wrong;
/// kInvalidArgument for a newer version. Cost: some microseconds for each shard and split.
Result<ClusterPlan> DecodeClusterPlan(std::string_view bytes);

/// kInvalidArgument unless the phases of `spec` are those of `plan`.
Status CheckFits(const ClusterPlan& plan, const RunSpec& spec);

/// kInvalidArgument unless the job, as it is defined here, has the plan's inputs, stages, outputs
/// and phases.
Status CheckFitsJob(const ClusterPlan& plan, const JobGraph& graph);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_CLUSTER_PLAN_H_
